# SPDX-License-Identifier: Apache-2.0
"""All cycles as bars over time, coloured by what their time was spent on, as one SVG.

Colours are CSS variables, so the page's theme decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape

from tack_cli.report import charts
from tack_cli.runs.tables import seconds
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.runs import Cycle
from tack_perception.evaluation.statistics import quantile

COLORS = {
    Work.EXECUTION: "var(--label-1)",
    Work.GRIPPER: "var(--label-6)",
    Work.PLANNING: "var(--label-4)",
    Work.PERCEPTION: "var(--label-0)",
    Work.SCENE: "var(--label-3)",
    Work.WAITING: "var(--soft)",
}
"""Kind of work → CSS colour."""

DETAILED = 60
"""Cycles up to which every stage tells of itself; of more, only those that failed do."""

_WIDTH, _LEFT, _RIGHT, _TOP = 1060, 64, 86, 26
_LONGEST = 1.6  # times the 95th percentile: a cycle that is longer is cut


def timeline(cycles: Sequence[Cycle], told: Collection[int] = ()) -> str:
    """The SVG element.

    Args:
        cycles: each is a bar.
        told: numbers of those of which the page tells at `#cycle-<number>`.
    """
    end = _end(cycles)
    detailed = len(cycles) <= DETAILED
    row, bar = (22, 14) if detailed else (13, 9)
    height = _TOP + row * len(cycles) + 8
    scale = (_WIDTH - _LEFT - _RIGHT) / end
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" class="chart" role="img"'
        ' aria-label="stages of each cycle over time">'
    ]
    for tick in charts.ticks(0.0, end, 8):
        x = _LEFT + scale * tick
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height}"/>'
        )
        parts.append(_text(f"{charts.number(tick)} s", x, _TOP - 11, "middle"))
    for i, cycle in enumerate(cycles):
        y = _TOP + row * i + (row - bar) / 2
        parts += _number(cycle, y + bar / 2, cycle.number in told)
        parts += _row(cycle, y, bar, scale, end, detailed)
    parts.append("</svg>")
    return "".join(parts)


def legend() -> str:
    """What the colours mean, HTML."""
    works = "".join(
        f'<span><i class="dot" style="background:{color}"></i>{work.value}</span>'
        for work, color in COLORS.items()
    )
    return (
        f'<p class="legend">{works}<span><i class="dot miss"></i>a stage failed</span>'
        '<span><b class="bad">12</b>the cycle failed</span></p>'
    )


def _end(cycles: Sequence[Cycle]) -> float:
    """Where the axis ends, s."""
    durations = [cycle.record.seconds for cycle in cycles]
    longest = max(durations, default=0.0)
    return max(min(longest, _LONGEST * quantile(durations, 0.95)), 0.1) if durations else 1.0


def _number(cycle: Cycle, middle: float, told: bool) -> Iterator[str]:
    kind = "what" if cycle.record.success else "bad"
    number = _text(str(cycle.number), _LEFT - 10, middle + 3.5, "end", kind)
    yield f'<a href="#cycle-{cycle.number}">{number}</a>' if told else number


def _row(
    cycle: Cycle, y: float, bar: int, scale: float, end: float, detailed: bool
) -> Iterator[str]:
    record, middle = cycle.record, y + bar / 2
    for stage in _pieces(record, detailed, 0.6 / scale):
        first, last = max(stage.began, 0.0), min(stage.began + stage.seconds, end)
        if last <= first:
            continue
        width = max(scale * (last - first) - 0.4, 0.4)
        shape = f'x="{_LEFT + scale * first:.1f}" y="{y:.1f}" width="{width:.1f}" height="{bar}"'
        if detailed or not stage.success:
            title = f"<title>{escape(_words(cycle.number, stage))}</title>"
            yield f'<rect {shape} fill="{COLORS[stage.work]}">{title}</rect>'
        else:
            yield f'<rect {shape} fill="{COLORS[stage.work]}"/>'
    for stage in record.stages:
        if not stage.success:
            x = _LEFT + scale * min(max(stage.began + stage.seconds, 0.0), end)
            title = f"<title>{escape(_words(cycle.number, stage))}</title>"
            place = f'cx="{x:.1f}" cy="{middle:.1f}" r="{bar / 2.6:.1f}"'
            yield f'<circle class="miss" {place}>{title}</circle>'
    ends = record.seconds
    told = f"{seconds(ends)} s" + (" →" if ends > end else "")
    yield _text(told, _LEFT + scale * min(ends, end) + 9, middle + 3.5, "start")


def _pieces(record: CycleRecord, detailed: bool, least: float) -> Iterator[StageRecord]:
    """The stages; where there is no room for details, neighbours of one kind as one."""
    held: StageRecord | None = None
    for stage in record.stages:
        if held is not None and not detailed and _alike(held, stage, least):
            held = StageRecord(
                held.name, held.work, held.attempt, held.began,
                stage.began + stage.seconds - held.began,
            )  # fmt: skip
            continue
        if held is not None:
            yield held
        held = stage
    if held is not None:
        yield held


def _alike(one: StageRecord, other: StageRecord, least: float) -> bool:
    gap = other.began - one.began - one.seconds
    return one.work is other.work and one.success and other.success and abs(gap) < least


def _words(number: int, stage: StageRecord) -> str:
    words = f"cycle {number}, attempt {stage.attempt}: {stage.name}, {seconds(stage.seconds)} s"
    return words if stage.success else f"{words}. {stage.code.name}: {stage.reason}"


def _text(text: str, x: float, y: float, anchor: str, kind: str = "tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
