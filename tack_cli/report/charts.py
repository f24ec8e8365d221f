# SPDX-License-Identifier: Apache-2.0
"""Small line charts as SVG, drawn to be read in a light and in a dark page.

Colours come as CSS values (also `var(--…)`), so the page's theme decides.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Place = Callable[[float, float], tuple[float, float]]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One line.

    Attributes:
        name: for the tooltip.
        color: CSS colour.
        x, y: (N,); a NaN interrupts the line.
        spread: (N,) half-height of a band around the line, or None.
        bounds: (N, 2) lower and upper end of a band that is not even on both sides, or None.
    """

    name: str
    color: str
    x: FloatArray
    y: FloatArray
    spread: FloatArray | None = None
    bounds: FloatArray | None = None

    @property
    def band(self) -> tuple[FloatArray, FloatArray] | None:
        """Lower and upper end of the band, if there is one."""
        if self.bounds is not None:
            return self.bounds[:, 0], self.bounds[:, 1]
        return None if self.spread is None else (self.y - self.spread, self.y + self.spread)


def line_chart(
    series: Sequence[Series],
    *,
    y_label: str,
    x_label: str = "time, s",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    x_unit: str = " s",
    size: tuple[int, int] = (520, 220),
) -> str:
    """An SVG element with axes, grid, lines, dots and bands.

    Args:
        series: what to draw.
        y_label, x_label: names of the axes, with units.
        x_range, y_range: of the axes; None fits the data.
        x_unit: behind the numbers in the tooltips.
        size: (width, height), px.

    Returns:
        The SVG as text; a note in place of the lines where there is no finite value.
    """
    width, height = size
    x_low, x_high = x_range or _range([s.x for s in series], 1.0)
    ends = [end for s in series if s.band is not None for end in s.band]
    y_low, y_high = y_range or _padded(_range([s.y for s in series] + ends, 1.0))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return (
            _LEFT + across * (width - _LEFT - _RIGHT),
            height - _BOTTOM - min(max(up, -1.0), 2.0) * (height - _TOP - _BOTTOM),
        )

    right, floor = width - _RIGHT, height - _BOTTOM
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + floor) / 2
    parts = [
        f'<svg viewBox="0 0 {width} {height}" class="chart" role="img"'
        f' aria-label="{escape(y_label)} over {escape(x_label)}">'
    ]
    for tick in ticks(y_low, y_high, 4):
        y = place(x_low, tick)[1]
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(number(tick), _LEFT - 7, y + 3.5, anchor="end"))
    for tick in ticks(x_low, x_high, 6):
        parts.append(_text(number(tick), place(tick, y_low)[0], floor + 15))
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    parts.append(_text(x_label, middle_x, height - 4, kind="name"))
    upright = _text(y_label, 0, 0, kind="name")
    parts.append(f'<g transform="translate(11 {middle_y:.1f}) rotate(-90)">{upright}</g>')
    if not any(np.isfinite(s.y).any() for s in series):
        parts.append(_text("no values", middle_x, middle_y))
    for line in series:
        parts += _bands(line, place)
    for line in series:
        parts += _lines(line, place, x_unit)
    parts.append("</svg>")
    return "".join(parts)


def _text(text: str, x: float, y: float, *, anchor: str = "middle", kind: str = "tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _bands(series: Series, place: Place) -> list[str]:
    if series.band is None:
        return []
    low, high = series.band
    shapes = []
    for run in _runs(low + high):
        if len(run) < 2:
            continue
        upper = [place(series.x[i], high[i]) for i in run]
        lower = [place(series.x[i], low[i]) for i in reversed(run)]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in upper + lower)
        shapes.append(f'<polygon points="{outline}" fill="{series.color}" class="band"/>')
    return shapes


def _lines(series: Series, place: Place, x_unit: str) -> list[str]:
    shapes = []
    for run in _runs(series.y):
        points = [place(series.x[i], series.y[i]) for i in run]
        if len(points) > 1:
            outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            shapes.append(f'<polyline points="{outline}" stroke="{series.color}" class="line"/>')
        radius = 2.6 if len(series.x) <= 60 else 1.2
        for i, (x, y) in zip(run, points, strict=True):
            words = f"{series.name}: {series.y[i]:.4g} at {series.x[i]:.2f}{x_unit}"
            shapes.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{series.color}"><title>'
                f"{escape(words)}</title></circle>"
            )
    return shapes


def _runs(values: FloatArray) -> list[list[int]]:
    """The indices of the finite values, split where a value is missing."""
    runs: list[list[int]] = [[]]
    for i, finite in enumerate(np.isfinite(values)):
        if finite:
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _range(arrays: Sequence[FloatArray], smallest: float) -> tuple[float, float]:
    values = np.concatenate([np.ravel(array) for array in arrays]) if arrays else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, smallest
    low, high = float(values.min()), float(values.max())
    return (low, high) if high - low > 1e-9 else (low - smallest / 2, high + smallest / 2)


def _padded(limits: tuple[float, float]) -> tuple[float, float]:
    margin = 0.06 * (limits[1] - limits[0])
    return limits[0] - margin, limits[1] + margin


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers inside the range, about `count` of them."""
    raw = (high - low) / count
    decade = 10.0 ** math.floor(math.log10(raw))
    step = next(m * decade for m in (1, 2, 2.5, 5, 10) if m * decade >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's number as text, with a typographic minus."""
    return f"{value:.4g}".replace("-", "\u2212") if abs(value) > 1e-12 else "0"
