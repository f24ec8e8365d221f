# SPDX-License-Identifier: Apache-2.0
"""The page of an evaluation: one HTML file, in the look of the other reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from tack_cli.evaluation import tables
from tack_cli.evaluation.gallery import Failure
from tack_cli.evaluation.plots import Plot
from tack_cli.evaluation.results import Results
from tack_cli.report import charts
from tack_cli.report.page import filled_page, links, section, with_code
from tack_cli.report.pictures import jpeg_uri
from tack_perception.overlay import PALETTE

FloatArray = NDArray[np.float64]

EMBEDDED = 2
"""Pictures of each condition that are in the page; the others lie beside it."""

_GROUPS = {
    "pck": ("How near", "Share of seen points that are answered within a distance."),
    "viewpoint": (
        "Change of viewpoint",
        "Same instance; the angle between the two viewing directions in the object's frame.",
    ),
    "occlusion": (
        "Occlusion",
        "A thing is put before the object so that a share of its visible pixels is covered; only"
        " points that stay free count.",
    ),
    "acceptance": (
        "Hidden and absent",
        "A threshold on how probable it is that the point is seen: share of hidden or absent points"
        " that are accepted, against the share of seen points that are. Grey: chance.",
    ),
    "calibration": (
        "Do confidence and covariance mean what they say?",
        "Grey: what an honest detector would show.",
    ),
}


def build_page(
    results: Results,
    plots: Sequence[Plot],
    galleries: Mapping[str, Sequence[Failure]],
    files: Sequence[str],
) -> str:
    """The page as text.

    Args:
        results: what was found.
        plots: the diagrams.
        galleries: detector → its worst answers.
        files: names of what lies beside the page.
    """
    parts = [
        section("In short", "", *(table.html() for table in tables.in_short(results))),
        *(_diagrams(results, plots, group) for group in _GROUPS),
        *(_gallery(name, some) for name, some in galleries.items() if some),
        *(_details(results, name) for name in results.names),
    ]
    if results.differences:
        differences = tables.differences(results).html()
        parts.append(section("Differences", tables.DIFFERENCES, differences))
    note = "Of this run on this machine."
    parts.append(section(tables.SPEED_TITLE, note, tables.speed(results).html()))
    return filled_page(
        brand="tack evaluate",
        title="One click, found again: " + ", ".join(results.names),
        lead=with_code(tables.setting(results)),
        tiles=_tiles(results),
        parts=parts,
        footer=f"Beside this page: {links(files)}. The same data and seed give the same figures.",
    )


def _tiles(results: Results) -> list[tuple[str, str]]:
    tiles = []
    for name in results.names:
        columns = results.assessments[name].columns
        for key, words in (("same", "same instance, new view"), ("new", "new instance")):
            if key in columns:
                value = columns[key].median_px.value
                shown = f"{value:.1f} px" if math.isfinite(value) else "∞"
                tiles.append((shown, f"{escape(name)}: median error, {words}"))
    return tiles


def _diagrams(results: Results, plots: Sequence[Plot], group: str) -> str:
    chosen = [plot for plot in plots if plot.group == group and plot.main]
    if not chosen:
        return ""
    title, note = _GROUPS[group]
    legend = "".join(
        f'<span><i class="dot" style="background:{_color(name, results.names)}"></i>'
        f"{escape(name)}</span>"
        for name in results.names
    )
    cards = "".join(
        f'<div class="card"><h3>{escape(plot.title)}</h3><p class="legend">{legend}</p>'
        f"{_chart(plot, results.names)}</div>"
        for plot in chosen
    )
    return section(title, note, f'<div class="grid-2">{cards}</div>')


def _chart(plot: Plot, names: Sequence[str]) -> str:
    def across(x: FloatArray) -> FloatArray:
        return np.asarray(np.log10(np.maximum(x, 1e-12)) if plot.log_x else x)

    series = [
        charts.Series(
            line.name,
            _color(line.name, names),
            across(line.x),
            line.y,
            bounds=None
            if line.low is None or line.high is None
            else np.column_stack([line.low, line.high]),
        )
        for line in plot.lines
    ]
    if plot.ideal is not None:
        x, y = plot.ideal
        series.insert(0, charts.Series("ideal", "var(--soft)", across(x), y))
    limits = plot.x_range
    if limits is not None and plot.log_x:
        limits = (math.log10(limits[0]), math.log10(limits[1]))
        series = [_within(one, limits) for one in series]
    label = f"log₁₀ of {plot.x_label}" if plot.log_x else plot.x_label
    return charts.line_chart(
        series, y_label=plot.y_label, x_label=label, x_range=limits, y_range=plot.y_range,
        x_unit="",
    )  # fmt: skip


def _within(series: charts.Series, limits: tuple[float, float]) -> charts.Series:
    """The part of a line that is inside the horizontal axis, thinned to what can be seen."""
    kept = np.flatnonzero((series.x >= limits[0]) & (series.x <= limits[1]))
    step = max(1, len(kept) // 200)
    return charts.Series(series.name, series.color, series.x[kept[::step]], series.y[kept[::step]])


def _gallery(name: str, some: Sequence[Failure]) -> str:
    figures = "".join(
        f'<figure><img loading="lazy" alt="{escape(one.words)}" src="{jpeg_uri(one.picture, 880)}">'
        f"<figcaption><b>{escape(one.column.title)}</b>{escape(one.words)}</figcaption></figure>"
        for one in some
        if one.rank < EMBEDDED
    )
    note = (
        "The surest wrong answers of each condition: the click on the left; on the right the truth"
        " in green, the answer in red with the ellipse of its covariance, and in blue the places"
        " that a symmetry makes equal. More of them lie beside this page."
    )
    return section(f"{name}: the worst answers", note, f'<div class="grid-2">{figures}</div>')


def _details(results: Results, name: str) -> str:
    content = "".join(
        f"<details><summary>{escape(title)}</summary>{table.html()}</details>"
        for _, title, table in tables.detector_tables(results, name)
    )
    return section(f"{name}: all figures", "", content)


def _color(name: str, names: Sequence[str]) -> str:
    return f"var(--label-{list(names).index(name) % len(PALETTE)})"
