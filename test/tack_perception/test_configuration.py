# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from tack_perception.configuration import Configuration, setting
from tack_perception.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class Oven(Configuration):
    temperature: float = setting(180.0, "how hot", unit="°C", low=30, high=250)
    shelf: int = setting(2, "which shelf", low=1, high=4)
    mode: str = setting("fan", "how it heats", choices=("fan", "grill"))
    light: bool = setting(False, "whether the light is on")
    timers: tuple[float, ...] = setting((), "when to ring", unit="s", low=0.0)


def test_defaults_and_documentation():
    assert Oven().temperature == 180.0
    assert Oven.settings()["temperature"].allowed() == "30 to 250 °C"
    assert Oven.settings()["mode"].allowed() == "one of 'fan', 'grill'"
    assert Oven.settings()["timers"].allowed() == "at least 0 s"
    assert Oven.settings()["light"].allowed() == "any"


def test_an_int_passes_for_a_float_and_a_list_for_a_tuple():
    oven = Oven(temperature=200, timers=[1, 2.5])
    assert isinstance(oven.temperature, float)
    assert oven.timers == (1.0, 2.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 251}, r"Oven\.temperature = 251\.0: allowed is 30 to 250 °C"),
        ({"temperature": float("nan")}, "finite"),
        ({"temperature": "hot"}, "type float"),
        ({"temperature": True}, "type float"),
        ({"shelf": 2.0}, "type int"),
        ({"shelf": True}, "type int"),
        ({"light": 1}, "type bool"),
        ({"mode": "micro"}, "'fan', 'grill'"),
        ({"timers": 3.0}, "a list"),
        ({"timers": [3.0, -1.0]}, "at least 0"),
        ({"timers": ["x"]}, r"timers\[0\]"),
        ({"temprature": 3}, "unknown setting temprature; known are temperature, shelf"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ConfigurationError, match=message):
        Oven.from_mapping(values)


def test_load(tmp_path):
    path = tmp_path / "oven.yaml"
    path.write_text("oven: {temperature: 90}\n")
    assert Oven.load(path, "oven").temperature == 90
    assert Oven.load(path, "fridge") == Oven()
    path.write_text("")
    assert Oven.load(path) == Oven()


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "temperature: 9999", "\x00"])
def test_a_bad_file_is_named(tmp_path, text):
    path = tmp_path / "oven.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"oven\.yaml"):
        Oven.load(path)
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        Oven.load(tmp_path / "missing.yaml")
