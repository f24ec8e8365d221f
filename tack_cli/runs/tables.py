# SPDX-License-Identifier: Apache-2.0
"""The figures of a run as tables, for the terminal and the page."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from tack_cli.report.table import Table, percent
from tack_grasping.behaviour.tally import Tally, Times
from tack_perception.evaluation.statistics import Share

TROUBLES = 30
"""Ways to fail that are told one by one."""

_BAR = 30  # letters


@dataclasses.dataclass(frozen=True)
class Part:
    """A table with its headline and what must be known to read it."""

    title: str
    note: str
    table: Table
    narrow: bool = False


def parts(tally: Tally, *, bars: bool = False) -> list[Part]:
    """All tables that have rows, the most important first.

    Args:
        tally: of the run.
        bars: with bars made of letters, for a terminal.
    """
    made = [
        Part("What was asked", "Success with its 95 % interval (Wilson).", _groups(tally)),
        Part(
            "What went wrong",
            "Failed stages of all cycles; most are made good by another candidate or another look."
            " Reasons that differ in numbers alone are counted together under the first.",
            _troubles(tally),
        ),
        Part(
            "Where the time went",
            "Seconds of a cycle. Overhead is all but execution and gripper.",
            _times(tally),
            narrow=True,
        ),
        Part(
            "Attempts of a cycle",
            "A look, and all that follows from it.",
            _counts("attempts", tally.attempts, bars),
            narrow=True,
        ),
        Part(
            "Grasps of a cycle",
            "How often the fingers closed on something.",
            _counts("grasps", tally.grasps, bars),
            narrow=True,
        ),
    ]
    return [part for part in made if part.table.rows]


def rejected(tally: Tally, most: int = TROUBLES) -> Table:
    """Why grasp candidates were rejected."""
    rows = [[reason, str(times)] for reason, times in tally.rejected.most_common(most)]
    rest = len(tally.rejected.counts) - len(rows)
    if rest > 0:
        rows.append([f"… and {rest} other reasons", ""])
    return Table(["why", "times"], rows, words=(0,))


def about(values: Mapping[str, Any]) -> Table:
    """What ran, one line for each value."""
    return Table(["setting", "value"], [list(pair) for pair in _flat(values, "")], words=(1,))


def in_short(tally: Tally, broken: int) -> list[tuple[str, str]]:
    """(value, what it is) of the figures that matter most."""
    n, won = tally.success, tally.won_back
    bounds = f"95 % interval {100 * n.low:.1f} to {100 * n.high:.1f} %"
    figures = [
        (
            f"{100 * n.value:.1f} %" if n.trials else "–",
            f"succeeded: {n.hits} of {n.trials}; {bounds}",
        ),
        (f"{won.hits} of {won.trials}", "failed first attempts won back"),
        (f"{seconds(tally.seconds.median)} s", f"a cycle; p95 {seconds(tally.seconds.p95)} s"),
        (
            f"{seconds(tally.overhead.median)} s",
            f"overhead beyond motion; p95 {seconds(tally.overhead.p95)} s",
        ),
    ]
    if tally.stopped:
        figures.append((str(tally.stopped), "stopped by a person"))
    if broken:
        figures.append((str(broken), "left out: cut off or damaged"))
    return figures


def asked(label: str, place: str) -> str:
    """What a cycle was to do."""
    return f"{label} → {place}" if place else label


def moment(ended: str) -> str:
    """When something ended, for a person."""
    return ended.replace("T", " ").replace("+00:00", " UTC")


def seconds(value: float) -> str:
    """A time, s."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _groups(tally: Tally) -> Table:
    rows = [
        [
            asked(group.label, group.place), str(group.success.trials), str(group.success.hits),
            percent(group.success), *_pair(group.seconds),
        ]
        for group in tally.groups
    ]  # fmt: skip
    head = ["point → place", "cycles", "succeeded", "%", "seconds, median", "p95"]
    return Table(head, rows)


def _troubles(tally: Tally) -> Table:
    rows = [
        [one.stage, str(one.times), str(one.ended), f"{one.code.name} {int(one.code)}", one.reason]
        for one in tally.troubles[:TROUBLES]
    ]
    if rest := tally.troubles[TROUBLES:]:
        times, ended = sum(one.times for one in rest), sum(one.ended for one in rest)
        rows.append(["others", str(times), str(ended), "", f"{len(rest)} more ways to fail"])
    return Table(["stage", "times", "ended it", "code", "reason"], rows, words=(3, 4))


def _times(tally: Tally) -> Table:
    if not tally.success.trials:
        return Table([], [])
    rows = [[work.value, *_pair(times)] for work, times in tally.work.items() if _any(times)]
    rows += [["overhead", *_pair(tally.overhead)], ["whole cycle", *_pair(tally.seconds)]]
    return Table(["", "median", "p95"], rows)


def _counts(what: str, shares: Mapping[int, Share], bars: bool) -> Table:
    head = [what, "cycles", "succeeded, %"]
    rows = [[str(n), str(share.trials), percent(share)] for n, share in shares.items()]
    if not bars:
        return Table(head, rows)
    trials = [share.trials for share in shares.values()]
    lengths = [math.ceil(_BAR * count / max(trials)) for count in trials]
    drawn = [[*row, "▇" * length] for row, length in zip(rows, lengths, strict=True)]
    return Table([*head, ""], drawn, words=(3,))


def _pair(times: Times) -> tuple[str, str]:
    return seconds(times.median), seconds(times.p95)


def _any(times: Times) -> bool:
    return times.p95 > 0


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Mappings in mappings with dots between the names."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{prefix}{name}", text
