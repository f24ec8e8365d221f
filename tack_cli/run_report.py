# SPDX-License-Identifier: Apache-2.0
"""Tell how pick-and-place cycles went: success, what failed and why, and where the time went.

Reads a run folder, in which a robot (or the cell) leaves the account of each cycle, prints the
figures and writes one page, report.html, with every cycle as a bar over time, the failures with
their pictures, and the candidates that were rejected. The page needs no network and no other file.
A run may still go on: what is finished is told. docs/runs.md says what is in a run folder and how
to read the figures.

Examples:
  the figures on the terminal, and the page inside the run folder
    tack report out/run
  the page elsewhere
    tack report out/run --output pages/monday
  the figures alone
    tack report out/run --no-page
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tack_grasping.behaviour.runs import Run, read_run
from tack_grasping.behaviour.tally import Tally, tally
from tack_perception.errors import InvalidInputError
from tack_perception.files import write_atomically

PAGE = "report.html"
_TOLD = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tack report`."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="for the page (default: the run folder)"
    )
    parser.add_argument("--no-page", action="store_true", help="print the figures, write nothing")


def run(args: argparse.Namespace) -> int:
    """Do `tack report`."""
    if args.no_page and args.output is not None:
        raise InvalidInputError("--output: there is no page to put there with --no-page")
    told = read_run(args.run_folder)
    figures = tally(told.records)
    print(summary(told, figures))
    if not args.no_page:
        from tack_cli.runs.page import build_page  # here: figures alone need no OpenCV

        path = (args.output or args.run_folder) / PAGE
        write_atomically(path, build_page(told, figures))
        print(f"\nReport: {path}")
    return 0


def summary(told: Run, figures: Tally) -> str:
    """What is printed."""
    from tack_cli.runs import tables

    count = len(told.cycles)
    lines = [f"{told.folder}: {count} cycle{'s' * (count != 1)}"]
    if count:
        short = tables.in_short(figures, len(told.broken))
        width = max(len(value) for value, _ in short)
        lines += [f"  {value:>{width}}  {what}" for value, what in short]
    lines += [f"\n{part.title}\n{part.table.text()}" for part in tables.parts(figures, bars=True)]
    if told.broken:
        lines.append("\nLeft out")
        some = list(told.broken.items())[:_TOLD]
        lines += [f"  {name}: {why}" for name, why in some]
        if len(told.broken) > _TOLD:
            lines.append(f"  … and {len(told.broken) - _TOLD} more")
    return "\n".join(lines)
