# SPDX-License-Identifier: Apache-2.0
"""Where the time of a job went, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tack_cli.report.page import section
from tack_cli.report.table import Table
from tack_cli.runs.tables import seconds as written
from tack_cli.runs.timeline import legend, timeline
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord
from tack_grasping.behaviour.runs import Cycle

_NOTE = (
    "The pick-and-place as a bar over time, by the clock of the cell; point at a stage to read what"
    " it was. Below all stages, those before and after it by the wall clock."
)
_AGAIN = (
    " A stage that failed is done again, the next grasp is tried, or it looks again from elsewhere:"
    " whichever may help."
)


def timings(pick: CycleRecord, seconds: Mapping[str, float]) -> str:
    """The section of a report, HTML.

    Args:
        pick: the account of the pick-and-place.
        seconds: stage → time that it took, s, of the whole job; in order.
    """
    names = {stage.name for stage in pick.stages}
    first = next((i for i, name in enumerate(seconds) if name in names), len(seconds))
    around = [[name, "", "", written(took), ""] for name, took in seconds.items()]
    rows = [
        *around[:first],
        *(_row(stage) for stage in pick.stages),
        *(row for row in around[first:] if row[0] not in names),
    ]
    table = Table(["stage", "try", "at, s", "took, s", "what went wrong"], rows, words=(4,))
    bar = timeline([Cycle(1, Path(), pick)])
    chart = f'<div class="card">{legend()}<div class="scroll bars">{bar}</div></div>'
    note = _NOTE if all(stage.success for stage in pick.stages) else _NOTE + _AGAIN
    return section("Where the time went", note, chart, table.html())


def _row(stage: StageRecord) -> list[str]:
    wrong = "" if stage.success else f"{stage.code.name}: {stage.reason}"
    return [
        stage.name, str(stage.attempt), written(stage.began), written(stage.seconds), wrong,
    ]  # fmt: skip
