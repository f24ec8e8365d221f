# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import dataclasses
import random
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from tack_perception.errors import ConfigurationError, FileFormatError, TackError
from tack_perception.learning.average import MovingAverage
from tack_perception.learning.checkpoint import CHECKPOINT, Checkpoint, check_recipe, pack, unpack
from tack_perception.learning.hardware import launch, precision, seed_all
from tack_perception.learning.interruption import Interruption
from tack_perception.learning.prefetch import Prefetcher
from tack_perception.learning.schedule import learning_rate
from tack_perception.learning.settings import FREE, SCHEDULES, TrainConfig


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_rise_to_the_highest_and_do_not_jump(schedule: str) -> None:
    config = TrainConfig(steps=1000, learning_rate=0.5, schedule=schedule, warm_up=0.1)
    rates = [learning_rate(config, step) for step in range(1000)]
    assert max(rates) == rates[100] == 0.5
    assert all(a < b for a, b in pairwise(rates[:101]))
    assert all(a >= b for a, b in pairwise(rates[100:]))
    assert max(abs(b - a) for a, b in pairwise(rates)) < 0.01
    assert rates[-1] == 0.5 if schedule == "constant" else rates[-1] < 1e-4


def test_one_cycle_begins_at_a_25th_and_the_others_at_nothing() -> None:
    config = TrainConfig(steps=10_000, learning_rate=1.0)
    assert learning_rate(config, 0) == pytest.approx(1 / 25, abs=1e-3)
    assert learning_rate(TrainConfig(steps=10_000, schedule="cosine"), 0) < 1e-5


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
def test_rates_without_a_rise_or_with_nothing_else(warm_up: float) -> None:
    config = TrainConfig(steps=3, warm_up=warm_up, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(3)]
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[0] == 1.0 if warm_up == 0 else rates[0] < rates[2]


def test_settings_that_may_change_are_settings() -> None:
    assert set(TrainConfig.settings()) >= FREE
    assert set(TrainConfig().recipe()) == set(TrainConfig.settings()) - FREE


def test_the_page_on_training_tells_the_defaults() -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    block = page.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(block)["train"] == dataclasses.asdict(TrainConfig())


def test_an_average_of_constant_weights_is_these_weights() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = MovingAverage(model, 0.9)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.fill_(3.0)
        model[1].running_mean.fill_(7.0)
        model[1].num_batches_tracked.fill_(5)
    for step in range(300):
        average.update(step)
    state = average.model.state_dict()
    torch.testing.assert_close(state["0.weight"], torch.full((2, 2), 3.0))
    torch.testing.assert_close(state["1.running_mean"], torch.full((2,), 7.0))
    assert state["1.num_batches_tracked"] == 5
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


@pytest.fixture
def trained() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))
    model.to(memory_format=torch.channels_last)
    model[2].requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        model(torch.rand(2, 3, 8, 8)).mean().backward()
        optimizer.step()
    return model, copy.deepcopy(model), optimizer


def test_a_checkpoint_gives_back_everything(
    tmp_path: Path, trained: tuple[nn.Module, nn.Module, torch.optim.Optimizer]
) -> None:
    model, average, optimizer = trained
    Checkpoint(2, 1.5, {"seed": 3, "zoom": (1, 2)}, pack(*trained)).write(tmp_path)
    found = Checkpoint.read(tmp_path)
    assert found is not None
    assert (found.step, found.seconds, found.recipe) == (2, 1.5, {"seed": 3, "zoom": [1, 2]})
    fresh = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    other = torch.optim.AdamW([p for p in fresh.parameters() if p.requires_grad], lr=0.1)
    unpack(found.tensors, fresh, copy.deepcopy(average), other)
    for mine, theirs in zip(model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        for key, value in optimizer.state.get(mine, {}).items():
            assert torch.equal(value, other.state[theirs][key])
            assert value.stride() == other.state[theirs][key].stride()
    assert other.state[fresh[0].weight]["exp_avg"].is_contiguous(memory_format=torch.channels_last)


def test_the_same_checkpoint_has_the_same_bytes(
    tmp_path: Path, trained: tuple[nn.Module, nn.Module, torch.optim.Optimizer]
) -> None:
    contents = []
    for _ in range(5):
        Checkpoint(2, 1.5, {"b": 1, "a": {"d": 2, "c": 3}}, pack(*trained)).write(tmp_path)
        contents.append((tmp_path / CHECKPOINT).read_bytes())
    assert len(set(contents)) == 1


def test_there_may_be_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoint.read(tmp_path) is None


def test_damaged_checkpoints(
    tmp_path: Path, trained: tuple[nn.Module, nn.Module, torch.optim.Optimizer]
) -> None:
    path = tmp_path / CHECKPOINT
    Checkpoint(2, 1.5, {}, pack(*trained)).write(tmp_path)
    whole = path.read_bytes()
    for content in (whole[:100], whole[:-10], b"", b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="remove it to begin anew"):
            Checkpoint.read(tmp_path)
    save_file({"a": torch.zeros(1)}, path)  # a model, not a checkpoint
    with pytest.raises(FileFormatError, match="cannot be read"):
        Checkpoint.read(tmp_path)
    path.write_bytes(whole.replace(b'\\"version\\": 1', b'\\"version\\": 9'))
    with pytest.raises(FileFormatError, match="of version 9; this tack reads"):
        Checkpoint.read(tmp_path)


def test_a_checkpoint_of_another_network(
    trained: tuple[nn.Module, nn.Module, torch.optim.Optimizer],
) -> None:
    tensors = pack(*trained)
    other = nn.Sequential(nn.Conv2d(3, 5, 3))
    optimizer = torch.optim.AdamW(other.parameters())
    with pytest.raises(FileFormatError, match="another network"):
        unpack(tensors, other, copy.deepcopy(other), optimizer)


def test_recipes_are_compared_in_depth(tmp_path: Path) -> None:
    checkpoint = Checkpoint(7, 0.0, {"a": {"b": [1, 2], "c": None}, "d": 1}, {})
    check_recipe(tmp_path, checkpoint, {"d": 1, "a": {"c": None, "b": (1, 2)}})
    with pytest.raises(ConfigurationError, match=r"a\.b is \[1, 2\] there, \[1, 3\] here"):
        check_recipe(tmp_path, checkpoint, {"a": {"b": [1, 3], "c": None}, "d": 1})
    with pytest.raises(ConfigurationError, match="e is null there, 5 here"):
        check_recipe(tmp_path, checkpoint, {"a": {"b": [1, 2], "c": None}, "d": 1, "e": 5})


def test_batches_come_in_order_and_ahead() -> None:
    drawn: list[int] = []
    enough = threading.Event()

    def draw(number: int) -> int:
        drawn.append(number)
        if len(drawn) == 4:
            enough.set()
        return 10 * number

    batches = Prefetcher(draw, range(3, 43, 2), place=lambda value: value + 1)
    assert enough.wait(20)  # nobody has asked yet
    assert list(batches) == [10 * number + 1 for number in range(3, 43, 2)]
    assert drawn == list(range(3, 43, 2))


def test_drawing_stops_when_it_is_closed() -> None:
    before = threading.enumerate()
    batches = Prefetcher(lambda number: number, range(10**9))
    assert next(batches) == 0
    assert any(thread.name == "prefetch" for thread in {*threading.enumerate()} - {*before})
    batches.close()
    assert {*threading.enumerate()} <= {*before}


def test_the_first_failure_comes_in_its_turn() -> None:
    def draw(number: int) -> int:
        if number == 2:
            raise TackError("two")
        return number

    batches = Prefetcher(draw, range(5))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(TackError, match="two"):
        next(batches)


def test_a_seeded_step_does_not_know_what_came_before() -> None:
    def numbers() -> tuple[float, float, float]:
        return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002

    seed_all(3, 5, 0)
    first = numbers()
    numbers()
    seed_all(3, 5, 0)
    assert numbers() == first
    for other in ((4, 5, 0), (3, 6, 0), (3, 5, 1)):
        seed_all(*other)
        assert all(a != b for a, b in zip(numbers(), first, strict=True))


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_second_signal_does_not_wait() -> None:
    interruption = Interruption()
    with interruption.watch():
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_precision_follows_the_device() -> None:
    assert precision(TrainConfig(), "cpu") == "32-true"
    assert precision(TrainConfig(precision="bf16-mixed"), "cpu") == "bf16-mixed"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 9, "devices": 2}, "a multiple of 2, the number of processes"),
        ({"num_nodes": 2, "batch": 8}, "torchrun"),
    ],
)
def test_hardware_that_does_not_fit(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        launch(TrainConfig(device="cpu", **settings))
