# SPDX-License-Identifier: Apache-2.0
"""The page of a run: one HTML file that needs no other file and no network."""

from __future__ import annotations

from html import escape

from tack_cli.report.page import filled_page, section
from tack_cli.report.table import Table
from tack_cli.runs import cards, tables
from tack_cli.runs.album import Album
from tack_cli.runs.timeline import legend, timeline
from tack_grasping.behaviour.runs import Run
from tack_grasping.behaviour.tally import Tally

_SAID = 8  # values of the description that are told at the top


def build_page(run: Run, tally: Tally) -> str:
    """The page as text.

    Args:
        run: what is told of.
        tally: of its cycles.
    """
    album = Album(run.cycles)
    made = tables.parts(tally)
    parts = [_section(part) for part in made if not part.narrow]
    if narrow := [_section(part) for part in made if part.narrow]:
        parts.append(f'<div class="grid-2">{"".join(narrow)}</div>')
    if run.cycles:
        told = {cycle.number for cycle in album.failures}
        svg = timeline(run.cycles, told)
        bars = f'<div class="card">{legend()}<div class="scroll bars">{svg}</div></div>'
        note = (
            "Each cycle from its beginning, in the order of their numbers. Point at a stage to read"
            " what it was; the number of a failed cycle leads to it."
        )
        parts.insert(1, section("Cycle by cycle", note, bars))
    parts += [cards.failures(album), cards.successes(album), _folded(run, tally)]
    return filled_page(
        brand="tack report",
        title=_title(tally),
        lead=_lead(run),
        tiles=[(escape(value), escape(what)) for value, what in tables.in_short(
            tally, len(run.broken)
        )],
        parts=parts,
        footer=f"Made of the run folder <code>{escape(run.folder.resolve().name)}</code>.",
    )  # fmt: skip


def _section(part: tables.Part) -> str:
    return section(part.title, part.note, part.table.html())


def _title(tally: Tally) -> str:
    count = tally.success.trials
    if not count:
        return "No cycle yet"
    return f"{tally.success.hits} of {count} cycle{'s' * (count != 1)} succeeded"


def _lead(run: Run) -> str:
    texts = [(name, value) for name, value in run.about.items() if isinstance(value, str) and value]
    said = [f"{escape(name)} <b>{escape(value)}</b>" for name, value in texts[:_SAID]]
    ended = [cycle.ended for cycle in run.cycles if cycle.ended]
    if ended:
        when = escape(tables.moment(max(ended)))
        said.append(f'<span class="whole">last cycle ended {when}</span>')
    return " · ".join(said)


def _folded(run: Run, tally: Tally) -> str:
    made = []
    if count := sum(tally.rejected.counts.values()):
        made.append((f"Rejected candidates of all cycles ({count})", tables.rejected(tally)))
    if run.broken:
        rows = [list(pair) for pair in list(run.broken.items())[:100]]
        title = f"Cycles that were left out ({len(run.broken)})"
        made.append((title, Table(["folder", "why"], rows, words=(1,))))
    if run.about:
        made.append(("What ran, and with which settings", tables.about(run.about)))
    if not made:
        return ""
    return section("More", "", "".join(cards.folded(*one) for one in made))
