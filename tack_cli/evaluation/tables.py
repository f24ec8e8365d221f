# SPDX-License-Identifier: Apache-2.0
"""The figures as tables, in Markdown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tack_cli.evaluation.results import Results, describe
from tack_cli.report.table import Table, percent
from tack_perception.evaluation.columns import RELATIONS
from tack_perception.evaluation.figures import AUC_PX, BOX_SHARE, RMS_CAP_PX, Figures
from tack_perception.evaluation.pictures import CLICKS, QUERIES
from tack_perception.evaluation.protocol import Speed

SPEED_TITLE = "Speed and memory"

_Cell = tuple[str, Callable[[Figures], str]]

_CELLS: tuple[_Cell, ...] = (
    ("trials (pairs)", lambda f: f"{f.trials} ({f.pairs})"),
    ("median, px", lambda f: f.median_px.text()),
    (f"RMS up to {RMS_CAP_PX:g}, px", lambda f: f.rms_px.text()),
    ("quartiles, 95 %, px", lambda f: _quantiles(f)),
    ("within 2 px, %", lambda f: percent(f.pck[2])),
    ("5 px, %", lambda f: percent(f.pck[5])),
    ("10 px, %", lambda f: percent(f.pck[10])),
    ("20 px, %", lambda f: percent(f.pck[20])),
    (f"{BOX_SHARE:g} of the box, %", lambda f: percent(f.pck_box)),
    (f"AUC to {AUC_PX:g} px", lambda f: f.auc.text(3)),
    ("equivalents: median, px", lambda f: f.equivalent_px.text()),
    ("equivalents: 10 px, %", lambda f: percent(f.equivalent_pck[10])),
    ("believed visible, %", lambda f: percent(f.accepted)),
    ("3D median, mm (lifted)", lambda f: f"{f.lifted_m.text(1, 1e3)} ({f.lifted})"),
)


def report(results: Results) -> str:
    """All tables; the last section, on speed, differs from run to run."""
    parts = ["# Evaluation", setting(results), "## In short"]
    parts += [table.markdown() for table in in_short(results)]
    for name in results.names:
        for level, title, table in detector_tables(results, name):
            parts += [f"{'#' * level} {title}", table.markdown()]
    if results.differences:
        parts += ["## Differences", DIFFERENCES, differences(results).markdown()]
    parts += [f"## {SPEED_TITLE}", speed(results).markdown()]
    return "\n\n".join(parts) + "\n"


def card(results: Results) -> str:
    """What goes into a model card."""
    parts = [setting(results), *(table.markdown() for table in in_short(results))]
    parts += [speed(results).markdown()]
    return "\n\n".join(parts)


DIFFERENCES = (
    "First less second over the same trials, with 95 % intervals (pairs of views resampled): share"
    f" within 10 px in points of %, mean error with each error at most {RMS_CAP_PX:g} px, ratio of"
    " the medians."
)


def setting(results: Results) -> str:
    """What was asked, in a paragraph."""
    plan, config = results.plan, results.plan.config
    there = describe(plan.pictures.data(QUERIES))
    instances = sum(there["classes"].values())
    clicked = "other instances of the same set"
    if plan.pictures.data(CLICKS) is not plan.pictures.data(QUERIES):
        here = describe(plan.pictures.data(CLICKS))
        clicked = f"`{here['name']}` (split {here['split']})"
    clicks = (
        "One click" if config.shots == 1 else f"A click and up to {config.shots - 1} more shots"
    )
    together = "alone" if results.alone else "together with the others of its picture"
    return (
        f"Looked for in `{there['name']}`: split {there['split']},"
        f" {there['size'][0]}×{there['size'][1]}, {there['views']} views of {instances} instances"
        f" of {len(there['classes'])} classes. New instances are clicked in {clicked}. {clicks},"
        f" enrolled {together}. {len(plan.probes)} pairs of views, {plan.queries} frames searched,"
        f" seed {config.seed}, {config.trials} trials wanted in each column. Shares with 95 %"
        " intervals of Wilson, other figures with intervals by resampling pairs of views."
    )


def in_short(results: Results) -> list[Table]:
    """Median and PCK@10 of all detectors in all columns; how they tell what is not seen."""
    return [table for table in (overview(results), _short_acceptance(results)) if table.rows]


def overview(results: Results) -> Table:
    """Median and PCK@10 of all detectors in all columns."""
    head = ["", "trials"]
    for name in results.names:
        head += [f"{name}: median, px", f"{name}: within 10 px, %"]
    rows = []
    for column in results.columns:
        by_name = [results.assessments[name].columns[column.key] for name in results.names]
        row = [column.title, str(by_name[0].trials)]
        for figures in by_name:
            row += [figures.median_px.text(), percent(figures.pck[10])]
        rows.append(row)
    return Table(head, rows)


def _short_acceptance(results: Results) -> Table:
    rows = [
        [title, f"{one.seen} / {one.others}", name, f"{one.auc:.3f}",
         percent(one.wrong_at_recall), percent(one.recall_at_wrong)]
        for title in next(iter(results.assessments.values())).acceptances
        for name in results.names
        if (one := results.assessments[name].acceptances.get(title)) is not None
    ]  # fmt: skip
    head = [
        "", "seen / others", "detector", "AUC", "wrong-accept at recall 90 %, %",
        "recall at wrong-accept 1 %, %",
    ]  # fmt: skip
    return Table(head, rows)


def detector_tables(results: Results, name: str) -> list[tuple[int, str, Table]]:
    """(level of the heading, heading, table) of all that is said of one detector."""
    one = results.assessments[name]
    titles = {column.key: column.title for column in results.columns}
    rows = {titles[key]: figures for key, figures in one.columns.items()}
    tables = [(2, name, figures_table("condition", rows))]
    for relation, title in RELATIONS.items():
        if one.classes[relation]:
            by_class = figures_table("class", one.classes[relation])
            tables.append((3, f"{name}: {title}, by class", by_class))
    confidence, covariance = calibration(results, name)
    return [
        *tables,
        (3, f"{name}: occluded against free", ratios(results, name)),
        (3, f"{name}: hidden, covered and absent", acceptances(results, name)),
        (3, f"{name}: confidence", confidence),
        (3, f"{name}: covariance", covariance),
    ]


def figures_table(first: str, rows: dict[str, Figures]) -> Table:
    """One row of figures for each entry."""
    head = [first, *(title for title, _ in _CELLS)]
    return Table(head, [[title, *(cell(f) for _, cell in _CELLS)] for title, f in rows.items()])


def ratios(results: Results, name: str) -> Table:
    """Median error under an occluder over that without, of points that stay free."""
    one = results.assessments[name].ratios
    shares = list(results.plan.config.occlusions)
    return Table(
        ["ratio of median errors, same points", *(f"{share} % covered" for share in shares)],
        [
            [title, *(one[relation][share].text(2) for share in shares)]
            for relation, title in RELATIONS.items()
        ],
    )


def acceptances(results: Results, name: str) -> Table:
    """Wrong-accept against recall."""
    rows = [
        [
            title, f"{a.seen} / {a.others}", f"{a.auc:.3f}", percent(a.wrong_at_recall),
            percent(a.recall_at_wrong), percent(a.right_at_wrong), percent(a.recall),
            percent(a.wrong_accept), percent(a.astray),
        ]
        for title, a in results.assessments[name].acceptances.items()
    ]  # fmt: skip
    head = [
        "", "seen / others", "AUC", "wrong-accept at recall 90 %, %",
        "recall at wrong-accept 1 %, %", "accepted and right within 10 px there, %",
        "own choice: recall, %", "own choice: wrong-accept, %", "of it over 20 px away, %",
    ]  # fmt: skip
    return Table(head, rows)


def calibration(results: Results, name: str) -> tuple[Table, Table]:
    """Reliability of confidence, honesty of covariance."""
    one = results.assessments[name]
    confidence = Table(
        ["confidence of", "trials", "expected calibration error"],
        [[title, str(r.trials), f"{r.error:.3f}"] for title, r in one.reliabilities.items()],
    )
    head = [
        "covariance of", "trials (without one)", "in the 50 % ellipse, %",
        "in the 90 % ellipse, %", "mean NEES (honest: 2)", "median (1.39)", "median σ, px",
    ]  # fmt: skip
    rows = [
        [title, f"{e.trials} ({e.without})", percent(e.inside[0.5]), percent(e.inside[0.9]),
         f"{e.nees:.2f}", f"{e.median:.2f}", f"{e.sigma_px:.2f}"]
        for title, e in one.covariances.items()
    ]  # fmt: skip
    return confidence, Table(head, rows)


def differences(results: Results) -> Table:
    """Every two detectors, column by column."""
    rows = [
        [column.title, f"{first} - {second}", d.pck.text(1, 100), d.capped_px.text(1),
         d.median_ratio.text(2)]
        for column in results.columns
        for (first, second), columns in results.differences.items()
        if (d := columns.get(column.key)) is not None
    ]  # fmt: skip
    return Table(["", "detectors", "within 10 px, %", "mean error, px", "ratio of medians"], rows)


def speed(results: Results) -> Table:
    """Times and memory of this run."""
    rows = [[name, *speed_cells(results.speeds[name])] for name in results.names]
    head = [
        "", "detect, ms (median)", "detect, ms (95 %)", "labels", "enrol a picture's clicks, ms",
        "peak memory, MB", "of it for the detector and its pictures, MB", "GPU, MB",
    ]  # fmt: skip
    return Table(head, rows)


def speed_cells(one: Speed) -> list[str]:
    """The figures of one detector."""

    def number(value: float | None, decimals: int) -> str:
        return "-" if value is None else f"{value:.{decimals}f}"

    numbers = speed_numbers(one)
    return [number(value, 1 if "ms" in name else 0) for name, value in numbers.items()]


def speed_numbers(one: Speed) -> dict[str, float | None]:
    """Times and memory by name; None where the system cannot say, or there is no GPU."""
    values = {
        "detect_ms": 1e3 * float(np.median(one.detect_s)),
        "detect_p95_ms": 1e3 * float(np.percentile(one.detect_s, 95)),
        "labels": float(np.median(one.labels)),
        "enroll_ms": 1e3 * float(np.median(one.enroll_s)),
        "peak_mb": one.peak_bytes / 1e6,
        "added_mb": one.added_bytes / 1e6,
        "gpu_mb": one.gpu_bytes / 1e6 if one.gpu_bytes else float("nan"),
    }
    return {name: round(value, 2) if np.isfinite(value) else None for name, value in values.items()}


def _quantiles(f: Figures) -> str:
    shown = [f.quantiles_px[q] for q in (0.25, 0.75, 0.95)]
    return " / ".join(f"{q:.1f}" if np.isfinite(q) else "∞" for q in shown)
