# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import dataclasses
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tack_perception.errors import ConfigurationError, InvalidInputError, TackError
from tack_perception.learning.checkpoint import CHECKPOINT, Checkpoint
from tack_perception.learning.loop import train
from tack_perception.learning.settings import TrainConfig

SCRIPT = Path(__file__).with_name("tiny_training.py")
SHORT = TrainConfig(steps=12, batch=4, log_every=12, checkpoint_every_s=0.0, device="cpu")


def _load() -> Any:
    specification = importlib.util.spec_from_file_location("tiny_training", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["tiny_training"] = module
    specification.loader.exec_module(module)
    return module


tiny = _load()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def tensors(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / CHECKPOINT)
    return found


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert different == []


def start(folder: Path, *settings: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, str(SCRIPT), str(folder), "device=cpu", *settings]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output


def stop_in_the_middle(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    """Send a signal once some lines of the log are there."""
    try:
        for _ in range(60_000):  # a busy computer needs long to begin
            if (folder / "log.csv").exists() and len(rows(folder)) >= 5:
                break
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.005)
    finally:
        process.send_signal(number)
        process.wait(600)


def test_a_run_learns_and_tells(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, steps=60, log_every=4, learning_rate=0.02)
    outcome = tiny.run(tmp_path, config)
    assert outcome.step == 60
    assert not outcome.model.training
    found = rows(tmp_path)
    assert [row["step"] for row in found] == [str(step) for step in range(4, 61, 4)]
    assert list(found[0])[:5] == ["step", "loss", "error", "size", "gradient_norm"]
    assert float(found[-1]["error"]) < 0.5 * float(found[0]["error"])
    sums = [abs(float(r["error"]) + float(r["size"]) - float(r["loss"])) for r in found]
    assert max(sums) < 1e-5
    plot = cv2.imread(str(tmp_path / "loss.png"))
    assert plot is not None
    assert plot.std() > 5


def test_the_saved_weights_are_the_average_and_count_batches(tmp_path: Path) -> None:
    tiny.run(tmp_path, dataclasses.replace(SHORT, ema_decay=0.5))
    found = tensors(tmp_path)
    assert not torch.equal(found["model/layers.0.weight"], found["average/layers.0.weight"])
    assert found["average/layers.1.num_batches_tracked"] == 12
    assert not torch.equal(
        found["model/layers.1.running_mean"], found["average/layers.1.running_mean"]
    )


def test_the_average_obeys_its_formula(tmp_path: Path) -> None:
    config = dataclasses.replace(SHORT, steps=1, ema_decay=0.9)
    before = tiny.first_net().layers[0].weight
    tiny.run(tmp_path, config)
    found = tensors(tmp_path)
    decay = 1 / 10  # of the first step
    wanted = decay * before + (1 - decay) * found["model/layers.0.weight"]
    torch.testing.assert_close(found["average/layers.0.weight"], wanted)


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 2e-3}, {"channels_last": False}])
def test_what_changes_a_run(tmp_path: Path, change: dict[str, Any]) -> None:
    tiny.run(tmp_path / "one", SHORT)
    tiny.run(tmp_path / "two", SHORT)
    assert_same(tensors(tmp_path / "one"), tensors(tmp_path / "two"))
    with pytest.raises(ConfigurationError, match=f"training.{next(iter(change))}"):
        tiny.run(tmp_path / "one", dataclasses.replace(SHORT, **change))


def test_another_recipe_in_the_folder_is_refused(tmp_path: Path) -> None:
    tiny.run(tmp_path, SHORT)
    with pytest.raises(ConfigurationError, match='kind is "full" there, "plain" here') as caught:
        tiny.run(tmp_path, SHORT, kind="plain")
    assert "12 steps old" in str(caught.value)


def test_how_often_a_run_tells_may_change(tmp_path: Path) -> None:
    tiny.run(tmp_path, SHORT)
    before = tensors(tmp_path)
    outcome = tiny.run(tmp_path, dataclasses.replace(SHORT, log_every=20, checkpoint_every_s=9.0))
    assert outcome.step == 12
    assert_same(before, tensors(tmp_path))


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_that_draw_change_nothing(tmp_path: Path, workers: int) -> None:
    tiny.run(tmp_path / "thread", SHORT)
    tiny.run(tmp_path / "workers", dataclasses.replace(SHORT, workers=workers))
    assert_same(tensors(tmp_path / "thread"), tensors(tmp_path / "workers"))


def test_a_killed_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    settings = (
        "steps=60",
        "batch=4",
        "log_every=2",
        "checkpoint_every_s=0.05",
        "pause=0.01",
        "threads=1",
    )
    whole = start(tmp_path / "whole", *settings)
    killed = start(tmp_path / "killed", *settings)
    stop_in_the_middle(killed, tmp_path / "killed", signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    middle = Checkpoint.read(tmp_path / "killed")
    assert middle is not None
    assert 0 < middle.step < 60
    assert not (tmp_path / "killed" / "final.safetensors").exists()
    finish(start(tmp_path / "killed", *settings))
    finish(whole)
    one, two = (tmp_path / name / "final.safetensors" for name in ("whole", "killed"))
    assert one.read_bytes() == two.read_bytes()
    assert_same(tensors(tmp_path / "whole"), tensors(tmp_path / "killed"))
    steps = [int(row["step"]) for row in rows(tmp_path / "killed")]
    assert steps == list(range(2, 61, 2))


def test_ctrl_c_saves_the_step_that_is_done(tmp_path: Path) -> None:
    settings = ("steps=4000", "batch=4", "log_every=2", "checkpoint_every_s=10000", "pause=0.01")
    process = start(tmp_path, *settings)
    stop_in_the_middle(process, tmp_path, signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[0]
    found = Checkpoint.read(tmp_path)
    assert found is not None
    assert found.step >= 10


@pytest.mark.parametrize(
    ("launcher", "settings"),
    [
        (("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"), ()),
        ((), ("devices=2",)),
    ],
    ids=["torchrun", "devices"],
)
def test_two_processes_share_the_batches_of_one(
    tmp_path: Path, launcher: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    common = ("steps=6", "batch=8", "kind=plain", "log_every=3", "threads=1")
    finish(start(tmp_path, *common, *settings, "processes=2", launcher=launcher))
    alone = tmp_path / "alone"
    tiny.run(alone, TrainConfig(steps=6, batch=8, log_every=3, device="cpu"), kind="plain")
    together, single = tensors(tmp_path), tensors(alone)
    assert together.keys() == single.keys()
    for name, value in single.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6)
    assert float(rows(tmp_path)[-1]["loss"]) == pytest.approx(float(rows(alone)[-1]["loss"]), 1e-4)


class Diverging(tiny.Blurring):  # type: ignore[misc, name-defined]
    def __init__(self, step: int) -> None:
        self.left = step

    def losses(self, model: Any, batch: Any) -> dict[str, Tensor]:
        self.left -= 1
        found: dict[str, Tensor] = super().losses(model, batch)
        if not self.left:
            found["size"] = found["size"] * float("nan")
        return found


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TackError, match=r"step 7: .*size = nan") as caught:
        train(tiny.first_net(), Diverging(7), tiny.Drawer(4), SHORT, tmp_path, progress=False)
    assert "error = 0." in str(caught.value)
    found = Checkpoint.read(tmp_path)
    assert found is not None
    assert found.step == 6
    assert all(bool(value.isfinite().all()) for value in found.tensors.values())


class Broken(tiny.Drawer):  # type: ignore[misc, name-defined]
    def batch(self, number: int) -> Any:
        if number == 5:
            raise InvalidInputError("view 17 is damaged")
        return super().batch(number)


@pytest.mark.parametrize("workers", [0, 1])
def test_trouble_with_the_data_reaches_the_user(tmp_path: Path, workers: int) -> None:
    config = dataclasses.replace(SHORT, workers=workers)
    with pytest.raises(InvalidInputError, match="view 17 is damaged"):
        train(tiny.first_net(), tiny.Blurring(), Broken(4), config, tmp_path, progress=False)
    assert tensors(tmp_path)["optimizer/layers.0.weight/step"] == 5


def test_a_sampler_of_another_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="draws 3 examples: 4 are needed"):
        train(tiny.first_net(), tiny.Blurring(), tiny.Drawer(3), SHORT, tmp_path, progress=False)


def test_validation_and_pictures(tmp_path: Path) -> None:
    config = dataclasses.replace(
        SHORT, validate_every=6, validation_batches=2, pictures_every=5, ema_decay=0.0
    )
    seen = []

    def draw(model: Any, batch: Any) -> np.ndarray[Any, Any]:
        seen.append(model.training)
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[..., 0] = 250  # red
        return picture

    outcome = train(
        tiny.first_net(), tiny.Blurring(), tiny.Drawer(4), config, tmp_path,
        validation=tiny.Drawer(4), pictures=draw, progress=False,
    )  # fmt: skip
    assert seen == [False] * 4  # at steps 1, 5, 10 and 12
    picture = cv2.imread(str(tmp_path / "samples.png"))
    assert picture is not None
    assert picture[0, 0].tolist() == [0, 0, 250]
    found = rows(tmp_path)
    assert [row["step"] for row in found if row["validation_loss"]] == ["6", "12"]
    with torch.no_grad():
        losses = [
            sum(
                float(v)
                for v in tiny.Blurring().losses(outcome.model, tiny.Drawer(4).batch(n)).values()
            )
            for n in range(2)
        ]
    assert float(found[-1]["validation_loss"]) == pytest.approx(np.mean(losses), rel=1e-4)
    assert_unchanged_by_looking(tmp_path, config)


def assert_unchanged_by_looking(folder: Path, config: TrainConfig) -> None:
    train(
        tiny.first_net(), tiny.Blurring(), tiny.Drawer(4), config, folder / "blind", progress=False
    )
    assert_same(tensors(folder), tensors(folder / "blind"))


def test_bfloat16_keeps_weights_in_full_precision(tmp_path: Path) -> None:
    tiny.run(tmp_path, dataclasses.replace(SHORT, precision="bf16-mixed"))
    found = tensors(tmp_path)
    assert found["model/layers.0.weight"].dtype == torch.float32
    tiny.run(tmp_path / "full", SHORT)
    other = tensors(tmp_path / "full")
    assert not torch.equal(found["model/layers.0.weight"], other["model/layers.0.weight"])
    torch.testing.assert_close(
        found["model/layers.0.weight"], other["model/layers.0.weight"], atol=0.02, rtol=0
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no GPU here"):
        tiny.run(tmp_path, dataclasses.replace(SHORT, device="cuda"))


def test_settings_of_torch_are_put_back(tmp_path: Path) -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    tiny.run(tmp_path, SHORT)
    assert not torch.are_deterministic_algorithms_enabled()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "LOCAL_RANK" not in os.environ
