# SPDX-License-Identifier: Apache-2.0
"""Writes the files of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tack_cli.evaluation import tables
from tack_cli.evaluation.gallery import failures
from tack_cli.evaluation.page import build_page
from tack_cli.evaluation.plots import make_plots, png_of
from tack_cli.evaluation.results import Results
from tack_cli.report.pictures import jpeg
from tack_perception.evaluation.trials import to_lines
from tack_perception.files import write_atomically

PAGE, TABLE, METRICS, TRIALS, SPEED = (
    "report.html", "table.md", "metrics.json", "trials.jsonl", "speed.json",
)  # fmt: skip
PLOTS, GALLERY = "plots", "gallery"


def write_files(
    results: Results,
    output: Path,
    gallery: int,
    progress: Callable[[int], object] | None = None,
) -> list[str]:
    """Write everything; returns the names of the files, the page first.

    Args:
        results: what was found.
        output: folder.
        gallery: pictures of each condition and detector.
        progress: called with the number of files since the last call.

    Raises:
        TackError: a file cannot be written.
    """
    told = progress or (lambda _: None)
    write_atomically(output / TABLE, tables.report(results))
    metrics = json.dumps(results.metrics(), indent=1, allow_nan=False)
    write_atomically(output / METRICS, metrics + "\n")
    lines = "".join(to_lines(trials) for trials in results.trials.values())
    write_atomically(output / TRIALS, lines)
    speeds = {name: tables.speed_numbers(one) for name, one in results.speeds.items()}
    write_atomically(output / SPEED, json.dumps(speeds, indent=1) + "\n")
    plots = make_plots(results)
    for plot in plots:
        write_atomically(output / PLOTS / f"{plot.key}.png", png_of(plot, results.names))
        told(1)
    galleries = {}
    for name in results.names:
        galleries[name] = failures(results, name, gallery)
        for one in galleries[name]:
            write_atomically(output / GALLERY / file_name(name) / one.name, jpeg(one.picture))
            told(1)
    beside = [TABLE, METRICS, TRIALS, SPEED, PLOTS, *([GALLERY] if gallery else [])]
    write_atomically(output / PAGE, build_page(results, plots, galleries, beside))
    return [PAGE, *beside]


def file_name(detector: str) -> str:
    """A detector's name as that of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in detector)
