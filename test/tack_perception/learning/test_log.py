# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tack_perception.errors import FileFormatError, TackError
from tack_perception.learning.log import TrainingLog, draw_losses, read_log
from tack_perception.learning.meter import Meter

HEADER = "step,loss,ta,learning_rate\n"


def text(folder: Path) -> str:
    return (folder / "log.csv").read_text(encoding="utf-8")


def test_rows_are_on_disk_at_once_and_read_back(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.add({"step": 20, "loss": 1.5, "ta": 1.25, "learning_rate": 1e-3})
    log.add({"step": 40, "loss": 0.5, "ta": 1 / 3, "learning_rate": 2e-3})
    assert text(tmp_path) == HEADER + "20,1.5,1.25,0.001\n40,0.5,0.333333,0.002\n"
    assert read_log(tmp_path / "log.csv") == log.rows


def test_a_new_name_becomes_a_column(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    log.add({"step": 20, "loss": 1.5})
    log.add({"step": 1234567, "loss": 0.5, "validation_loss": 0.75})
    assert text(tmp_path) == "step,loss,validation_loss\n20,1.5,\n1234567,0.5,0.75\n"
    assert [len(row) for row in read_log(tmp_path / "log.csv")] == [2, 3]


def test_rows_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEADER + "20,1.5,1,1\n40,1,1,1\n60,0.5,1,1\n")
    log = TrainingLog(tmp_path, 45)
    assert [row["step"] for row in log.rows] == [20, 40]
    log.add({"step": 60, "loss": 2.0, "ta": 2.0, "learning_rate": 2.0})
    assert text(tmp_path) == HEADER + "20,1.5,1,1\n40,1,1,1\n60,2,2,2\n"


@pytest.mark.parametrize("cut", ["40,1,", "4", "40,1,1,1e"])
def test_a_line_that_a_kill_has_cut_off_is_dropped(tmp_path: Path, cut: str) -> None:
    (tmp_path / "log.csv").write_text(HEADER + "20,1.5,1,1\n" + cut)
    assert [row["step"] for row in TrainingLog(tmp_path, 100).rows] == [20]


def test_a_damaged_log_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEADER + "20,1.5\n40,1,1,1\n")
    with pytest.raises(FileFormatError, match=r"log.csv, line 2: 2 values for 4 columns"):
        TrainingLog(tmp_path, 100)


def test_the_plot_shows_terms_and_validation() -> None:
    rows = [{"step": 20 * i, "loss": 2.0 / i, "learning_rate": 0.1} for i in range(1, 50)]
    plain = cv2.imdecode(np.frombuffer(draw_losses(rows), np.uint8), cv2.IMREAD_COLOR)
    more = [{**row, "ta": row["loss"] / 2} for row in rows]
    more[-1]["validation_loss"] = 1.0
    full = cv2.imdecode(np.frombuffer(draw_losses(more), np.uint8), cv2.IMREAD_COLOR)

    def blue(image: np.ndarray) -> int:  # matplotlib's first colour, of the first term
        return int((np.abs(image.astype(int) - (180, 119, 31)).max(axis=2) < 20).sum())

    assert blue(plain) == 0
    assert blue(full) > 200


def test_losses_that_reach_zero_or_less_can_be_drawn() -> None:
    rows = [{"step": i, "loss": 1.0 - i, "learning_rate": 0.0} for i in range(4)]
    assert draw_losses(rows).startswith(b"\x89PNG")


def test_means_over_steps() -> None:
    meter = Meter()
    for step, (first, second) in enumerate([(1.0, 2.0), (3.0, 6.0)], 1):
        losses = {"a": torch.tensor(first), "b": torch.tensor(second, dtype=torch.bfloat16)}
        meter.add(step, losses, torch.tensor(0.5 * step))
    assert meter.steps == 0  # not fetched yet
    meter.settle()
    assert meter.means() == {"loss": 6.0, "a": 2.0, "b": 4.0, "gradient_norm": 0.75}
    meter.clear()
    assert meter.steps == 0


def test_the_step_with_a_number_that_is_none_is_named() -> None:
    meter = Meter()
    meter.add(4, {"a": torch.tensor(1.0)}, torch.tensor(1.0))
    meter.add(5, {"a": torch.tensor(1.0)}, torch.tensor(float("inf")))
    meter.add(6, {"a": torch.tensor(float("nan"))}, torch.tensor(float("nan")))
    with pytest.raises(TackError, match="step 5: not all finite: a = 1, gradient_norm = inf"):
        meter.settle()
