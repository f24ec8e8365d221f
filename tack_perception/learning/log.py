# SPDX-License-Identifier: Apache-2.0
"""The course of a training run: a line of `log.csv` now and then, and a plot of it."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import DependencyError, FileFormatError
from tack_perception.files import write_atomically

LOG = "log.csv"
PLOT = "loss.png"
STEP, LOSS, NORM, RATE = "step", "loss", "gradient_norm", "learning_rate"
VALIDATION = "validation_"
NOT_LOSSES = (STEP, LOSS, RATE, NORM, "examples_per_s", "waiting", "seconds")
"""Columns beside the terms of the loss: `waiting` is the share of time without data."""

Row = dict[str, float]
FloatArray = NDArray[np.float64]

_REDRAW_S = 20.0
_REDRAW_SHARE = 0.02  # of the time may go into the plot
_SMOOTH = 0.05  # of the course so far is one width of the smoothing


class TrainingLog:
    """Rows by step, on disk at once.

    Args:
        folder: for `log.csv` and `loss.png`.
        step: steps that are done; later rows (from before a kill) are dropped.

    Attributes:
        rows: name → value of each row.

    Raises:
        FileFormatError: the file is not such a log.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path, self._plot = folder / LOG, folder / PLOT
        self.rows: list[Row] = [row for row in read_log(self._path) if row[STEP] <= step]
        self._columns = list(dict.fromkeys(name for row in self.rows for name in row))
        self._next_plot = 0.0
        self._rewrite()

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; a name that is new becomes a column."""
        # Kept as they are written: a run that goes on reads them back and must tell the same.
        self.rows.append({name: _rounded(value) for name, value in row.items()})
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            self._rewrite()
        else:
            with self._path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(self._text([self.rows[-1]]))

    def plot(self, *, now: bool = False) -> None:
        """Draw `loss.png` anew, if the last drawing is a while ago or `now`."""
        began = time.monotonic()
        if len(self.rows) < 2 or (began < self._next_plot and not now):
            return
        write_atomically(self._plot, draw_losses(self.rows))
        ended = time.monotonic()
        self._next_plot = ended + max(_REDRAW_S, (ended - began) / _REDRAW_SHARE)

    def _rewrite(self) -> None:
        header = ",".join(self._columns) + "\n" if self._columns else ""
        write_atomically(self._path, header + self._text(self.rows))

    def _text(self, rows: Sequence[Row]) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        for row in rows:
            writer.writerow([_number(row.get(name)) for name in self._columns])
        return stream.getvalue()


def read_log(path: Path) -> list[Row]:
    """The rows of a `log.csv`, without a last one that a kill has cut off.

    Returns:
        Name → value of each row; none for a file that does not exist.

    Raises:
        FileFormatError: it is not such a log; names the line.
    """
    if not path.exists():
        return []
    lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        try:
            if len(cells) != len(lines[0]):
                raise ValueError(f"{len(cells)} values for {len(lines[0])} columns")
            row = {name: float(cell) for name, cell in zip(lines[0], cells, strict=True) if cell}
            row[STEP] = int(row[STEP])
        except (ValueError, KeyError) as error:
            if number == len(lines):
                break
            raise FileFormatError(f"{path}, line {number}: {error}") from error
        rows.append(row)
    return rows


def draw_losses(rows: Sequence[Row]) -> bytes:
    """A plot of the course of the losses as PNG.

    The loss and its terms on a logarithmic scale, smoothed, with the raw loss behind them, what
    validation data say as dots, and the learning rate below.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("the plot of the losses needs `pip install matplotlib`") from error
    figure = Figure(figsize=(9, 5.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    _draw_terms(upper, rows)
    steps, rates = _course(rows, RATE)
    lower.plot(steps, rates, color="0.3", linewidth=1.2)
    lower.set(xlabel="step", ylabel="rate")
    lower.set_ylim(bottom=0)
    lower.grid(color="0.92")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _draw_terms(axes: Any, rows: Sequence[Row]) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    terms = [n for n in names if n not in NOT_LOSSES and not n.startswith(VALIDATION)]
    steps, losses = _course(rows, LOSS)
    axes.plot(steps, losses, color="0.8", linewidth=0.7)
    axes.plot(steps, _smooth(losses), color="black", linewidth=1.8, label=LOSS)
    for index, name in enumerate(terms):
        steps, losses = _course(rows, name)
        axes.plot(steps, _smooth(losses), color=f"C{index % 10}", linewidth=1.1, label=name)
        axes.plot(*_course(rows, VALIDATION + name), ".", color=f"C{index % 10}", markersize=4)
    checked = _course(rows, VALIDATION + LOSS)
    if len(checked[0]):
        axes.plot(*checked, ".", color="black", markersize=6, label="validation")
    shown = [value for row in rows for name, value in row.items() if name in (LOSS, *terms)]
    if any(value > 0 for value in shown):
        axes.set_yscale("log", nonpositive="mask")
    axes.set_ylabel("loss, weighted")
    axes.grid(color="0.92", which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _course(rows: Sequence[Row], name: str) -> tuple[FloatArray, FloatArray]:
    """Steps and values of a column where it has some."""
    pairs = [(row[STEP], row[name]) for row in rows if name in row]
    both = np.array(pairs, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _smooth(values: FloatArray) -> FloatArray:
    """Exponential smoothing whose width grows with the number of values."""
    width = max(1.0, _SMOOTH * len(values))
    smoothed, weight, total = np.empty_like(values), 0.0, 0.0
    for index, value in enumerate(values):
        weight = weight * (1 - 1 / width) + 1
        total = total * (1 - 1 / width) + value
        smoothed[index] = total / weight
    return smoothed


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else float(_number(value))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and value > 1e6):
        return str(int(value))
    return f"{value:.6g}"
