# SPDX-License-Identifier: Apache-2.0
"""What is told of single cycles: the failed ones in full, a few that succeeded as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tack_cli.report.page import section
from tack_cli.report.table import Table
from tack_cli.runs.album import Album, Shown
from tack_cli.runs.tables import asked, moment, seconds
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.runs import Cycle
from tack_grasping.behaviour.tally import attempts_of
from tack_perception.reasons import Reasons

_REJECTED, _STAGES = 20, 12


def failures(album: Album) -> str:
    """The cycles that failed, HTML; "" where none did."""
    if not album.failures:
        return ""
    cards = [_card(cycle, album) for cycle in album.failures]
    if album.others:
        cards.append(folded(f"{len(album.others)} more that failed", _listed(album.others)))
    note = (
        "Each with the stages that went wrong and how it looked then. In the pictures: rings are"
        " points (dashed: believed hidden, crossed: no position in space), the green gripper is the"
        " grasp that was tried last, grey ones were given up before."
    )
    return section(
        f"Failed cycles ({len(album.failures) + len(album.others)})", note, "".join(cards)
    )


def successes(album: Album) -> str:
    """Some cycles that succeeded, HTML; "" where none has a picture."""
    figures = [
        _figure(cycle, one, f"<b>cycle {cycle.number}</b>{_in_short(cycle.record)}")
        for cycle in album.successes
        for one in album.of(cycle) or ()
        if one.uri
    ]
    if not figures:
        return ""
    note = "A choice; the last look of each, with the grasp that was done."
    return section("Some that succeeded", note, f'<div class="grid-3">{"".join(figures)}</div>')


def folded(title: str, table: Table) -> str:
    """A table that opens when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{table.html()}</details>"


def _listed(cycles: Sequence[Cycle]) -> Table:
    rows = [
        [
            str(cycle.number),
            asked(cycle.record.label, cycle.record.place),
            seconds(cycle.record.seconds),
            f"{cycle.record.code.name}: {cycle.record.reason}",
        ]
        for cycle in cycles
    ]
    return Table(["cycle", "point → place", "s", "what went wrong"], rows, words=(3,))


def _card(cycle: Cycle, album: Album) -> str:
    record = cycle.record
    shown = album.of(cycle)
    figures = "".join(_figure(cycle, one, _moment(one)) for one in shown or ())
    if shown is None:
        figures = f'<p class="note">Its pictures are in {escape(cycle.folder.name)}/.</p>'
    elif figures:
        figures = f'<div class="grid-3">{figures}</div>'
    rejected = Reasons(record.rejected)
    table = Table(
        ["why", "times"],
        [[why, str(n)] for why, n in rejected.most_common(_REJECTED)],
        words=(0,),
    )
    more = len(rejected.counts) - len(table.rows)
    title = f"Rejected candidates ({len(record.rejected)}{f'; {more} more reasons' * (more > 0)})"
    when = f"<small>{escape(moment(cycle.ended))}</small>" if cycle.ended else ""
    return (
        f'<article class="card cycle" id="cycle-{cycle.number}">'
        f'<h3><span class="bad">{cycle.number}</span>'
        f"<span>{escape(asked(record.label, record.place))}</span>"
        f"<code>{record.code.name} {int(record.code)}</code>"
        f"<small>{seconds(record.seconds)} s{_attempts(record)}</small>{when}</h3>"
        f"<p>{escape(record.reason) or 'no reason was given'}</p>{_failed_stages(record)}{figures}"
        f"{folded(title, table) if record.rejected else ''}</article>"
    )


def _failed_stages(record: CycleRecord) -> str:
    failed = [stage for stage in record.stages if not stage.success]
    rows = [
        [s.name, str(s.attempt), f"{seconds(s.began + s.seconds)} s", f"{s.code.name}: {s.reason}"]
        for s in failed
    ]
    if len(rows) > _STAGES:
        left_out = len(rows) - _STAGES
        rows = [*rows[:2], ["…", "", "", f"{left_out} more"], *rows[2 - _STAGES :]]
    if len(rows) < 2:  # the reason says it all
        return ""
    return Table(["stage", "attempt", "at", "what went wrong"], rows, words=(3,)).html()


def _in_short(record: CycleRecord) -> str:
    words = escape(asked(record.label, record.place))
    return f"<span>{words}, {seconds(record.seconds)} s{_attempts(record)}</span>"


def _attempts(record: CycleRecord) -> str:
    count = attempts_of(record)
    return f", {count} attempts" if count > 1 else ""


def _moment(one: Shown) -> str:
    stage = one.stage
    state = "" if stage.success else ' <span class="bad">failed</span>'
    end = seconds(stage.began + stage.seconds)
    return f"<b>{escape(stage.name)}</b>attempt {stage.attempt}, {end} s{state}"


def _figure(cycle: Cycle, one: Shown, caption: str) -> str:
    alt = escape(f"cycle {cycle.number}, {one.stage.name}")
    image = f'<img loading="lazy" alt="{alt}" src="{one.uri}">' if one.uri else ""
    gone = "" if one.uri else ": its picture is gone or damaged"
    return f"<figure>{image}<figcaption>{caption}{gone}</figcaption></figure>"
