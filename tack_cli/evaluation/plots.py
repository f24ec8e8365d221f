# SPDX-License-Identifier: Apache-2.0
"""The curves of an evaluation, described once and drawn as PNG files and into the page."""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.evaluation.results import Results
from tack_perception.errors import DependencyError
from tack_perception.evaluation.bootstrap import Interval
from tack_perception.evaluation.columns import RELATIONS
from tack_perception.evaluation.plan import ANGLES_DEG
from tack_perception.evaluation.statistics import Share
from tack_perception.evaluation.trials import errors
from tack_perception.overlay import PALETTE

FloatArray = NDArray[np.float64]

PCK_TO_PX = 40.0
_LEGENDS = {"viewpoint": "upper left", "occlusion": "upper left", "calibration": "upper left"}
_STEPS = 161


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One curve.

    Attributes:
        name: of the detector.
        x, y: (N,).
        low, high: (N,) bounds of its interval, or None.
    """

    name: str
    x: FloatArray
    y: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Plot:
    """A diagram.

    Attributes:
        key: name of its file.
        title: above it.
        group: pck, occlusion, viewpoint, acceptance or calibration.
        x_label, y_label: names of the axes, with units.
        lines: the curves.
        y_range, x_range: of the axes; None fits.
        ideal: (x, y) of a line to compare with, or None.
        log_x: the horizontal axis is logarithmic.
        main: shown in the page.
    """

    key: str
    title: str
    group: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    y_range: tuple[float, float]
    x_range: tuple[float, float] | None = None
    ideal: tuple[FloatArray, FloatArray] | None = None
    log_x: bool = False
    main: bool = True


def make_plots(results: Results) -> list[Plot]:
    """All diagrams."""
    return [
        *pck_plots(results),
        *occlusion_plots(results),
        *viewpoint_plots(results),
        *acceptance_plots(results),
        *calibration_plots(results),
    ]


def pck_plots(results: Results) -> list[Plot]:
    """Share of trials within a distance, for each column."""
    limits = np.linspace(0, PCK_TO_PX, _STEPS)
    plots = []
    for column in results.columns:
        lines = []
        for name, trials in results.trials.items():
            error = np.sort(errors(column.of(trials)))
            within = np.searchsorted(error, limits, "right") / len(error)
            lines.append(Line(name, limits, within))
        plots.append(
            Plot(
                f"pck_{column.key}", column.title, "pck", "within, px", "share of trials",
                tuple(lines), (0, 1), (0, PCK_TO_PX), main=column.group == "main",
            )
        )  # fmt: skip
    return plots


def occlusion_plots(results: Results) -> list[Plot]:
    """Error and PCK against the covered share."""
    shares = [0, *results.plan.config.occlusions]
    plots = []
    for relation, title in RELATIONS.items():
        keys = [f"{relation}_occlusion_{share}" for share in shares]
        plots += _sweep(results, "occlusion", relation, title, np.array(shares, float), keys,
                        "covered share of the object, %")  # fmt: skip
    return plots


def viewpoint_plots(results: Results) -> list[Plot]:
    """Error and PCK against the change of viewpoint."""
    bounds = list(itertools.pairwise(ANGLES_DEG))
    keys = [f"viewpoint_{low:g}_{high:g}" for low, high in bounds]
    trials = next(iter(results.trials.values()))
    columns = {column.key: column for column in results.columns}
    middles = [
        float(np.mean([t.angle_deg for t in columns[key].of(trials)]))
        if key in columns
        else math.nan
        for key in keys
    ]
    return _sweep(results, "viewpoint", "same", "same instance", np.array(middles), keys,
                  "mean change of viewpoint, °")  # fmt: skip


def _sweep(
    results: Results, group: str, relation: str, title: str, x: FloatArray, keys: Sequence[str],
    x_label: str,
) -> list[Plot]:  # fmt: skip
    present = {column.key for column in results.columns}
    if not present & set(keys):
        return []
    medians, shares = [], []
    for name in results.names:
        figures = results.assessments[name].columns
        medians.append(_of_intervals(name, x, [
            figures[key].median_px if key in figures else None for key in keys
        ]))  # fmt: skip
        shares.append(_of_shares(name, x, [
            figures[key].pck[10] if key in figures else Share(0, 0) for key in keys
        ]))  # fmt: skip
    return [
        Plot(f"{group}_{relation}_median", f"{title}: median error", group, x_label, "px",
             tuple(medians), y_range=(0, _top(medians))),
        Plot(f"{group}_{relation}_pck", f"{title}: within 10 px", group, x_label,
             "share of trials", tuple(shares), y_range=(0, 1)),
    ]  # fmt: skip


def acceptance_plots(results: Results) -> list[Plot]:
    """Wrong-accept against recall."""
    plots = []
    for title in next(iter(results.assessments.values())).acceptances:
        lines = []
        for name in results.names:
            curve = np.array(results.assessments[name].acceptances[title].curve).reshape(-1, 2)
            lines.append(Line(name, curve[:, 0], curve[:, 1]))
        key = "roc_" + title.replace(",", "").replace(" ", "_")
        line = np.geomspace(1e-3, 1, 50)
        plots.append(
            Plot(key, title, "acceptance", "wrong-accept", "recall of seen points", tuple(lines),
                 (0, 1), (1e-3, 1), ideal=(line, line), log_x=True)
        )  # fmt: skip
    return plots


def calibration_plots(results: Results) -> list[Plot]:
    """Reliability of confidence and coverage of the covariance's ellipses."""
    first = next(iter(results.assessments.values()))
    diagonal = np.array([0.0, 1.0])
    plots = []
    for number, title in enumerate(first.reliabilities):
        lines = [
            _of_shares(name, np.array(one.stated), list(one.right))
            for name in results.names
            for one in [results.assessments[name].reliabilities[title]]
        ]
        plots.append(
            Plot(f"reliability_{number}", f"confidence: {title}", "calibration",
                 "stated confidence", "share right within 10 px", tuple(lines), (0, 1), (0, 1),
                 ideal=(diagonal, diagonal))
        )  # fmt: skip
    for number, title in enumerate(first.covariances):
        lines = []
        for name in results.names:
            table = np.array(results.assessments[name].covariances[title].coverage).reshape(-1, 2)
            lines.append(Line(name, table[:, 0], table[:, 1]))
        plots.append(
            Plot(f"covariance_{number}", f"covariance: {title}", "calibration",
                 "probability of the ellipse", "share of truths inside", tuple(lines), (0, 1),
                 (0, 1), ideal=(diagonal, diagonal))
        )  # fmt: skip
    return plots


def require_matplotlib() -> Any:
    """Figure and canvas of matplotlib.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("the plots need `pip install matplotlib`") from error
    return Figure, FigureCanvasAgg


def png_of(plot: Plot, names: Sequence[str]) -> bytes:
    """A diagram as PNG.

    Args:
        plot: what to draw.
        names: of all detectors: each has the colour of its place.
    """
    figure_class, canvas = require_matplotlib()
    figure = figure_class(figsize=(6, 4.2), dpi=120)
    figure.subplots_adjust(left=0.12, right=0.97, top=0.92, bottom=0.13)
    canvas(figure)
    axes = figure.subplots()
    if plot.ideal is not None:
        axes.plot(*plot.ideal, color="0.6", linewidth=1, linestyle="--")
    for line in plot.lines:
        color = [0.72 * c / 255 for c in color_of(line.name, names)]
        few = len(line.x) <= 30
        axes.plot(line.x, line.y, color=color, marker="o" if few else None, markersize=4,
                  linewidth=1.8, label=line.name)  # fmt: skip
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.15, linewidth=0)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    if plot.log_x:
        axes.set_xscale("log")
    if plot.x_range is not None:
        axes.set_xlim(*plot.x_range)
    axes.set_ylim(*plot.y_range)
    axes.grid(color="0.92")
    axes.legend(frameon=False, fontsize=9, loc=_LEGENDS.get(plot.group, "lower right"))
    stream = io.BytesIO()
    # No word of the version in the file: another one of the same look gives the same bytes.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def color_of(name: str, names: Sequence[str]) -> tuple[int, int, int]:
    """RGB of a detector."""
    return PALETTE[list(names).index(name) % len(PALETTE)]


def _top(lines: Sequence[Line]) -> float:
    """Where the vertical axis ends, px."""
    values = np.concatenate([[1.0], *(line.y for line in lines)])
    ends = [line.high for line in lines if line.high is not None]
    return 1.05 * float(np.nanmax(np.concatenate([values, *ends])))


def _of_shares(name: str, x: FloatArray, shares: Sequence[Share]) -> Line:
    known = [share.trials > 0 for share in shares]
    low, high = (
        np.where(known, [getattr(share, bound) for share in shares], math.nan)
        for bound in ("low", "high")
    )
    return Line(name, x, np.array([share.value for share in shares]), low, high)


def _of_intervals(name: str, x: FloatArray, values: Sequence[Interval | None]) -> Line:
    table = np.array(
        [(math.nan,) * 3 if one is None else (one.value, one.low, one.high) for one in values]
    )
    table[~np.isfinite(table)] = math.nan  # more than half refused: nothing to draw
    return Line(name, x, table[:, 0], table[:, 1], table[:, 2])
