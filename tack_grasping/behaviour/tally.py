# SPDX-License-Identifier: Apache-2.0
"""What many cycles come to: shares, times, and what went wrong how often."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.evaluation.statistics import Share, quantile
from tack_perception.reasons import Reasons

MOTION = (Work.EXECUTION, Work.GRIPPER)
"""What is not overhead: the arm or the fingers move."""


@dataclasses.dataclass(frozen=True)
class Times:
    """Median and 95th percentile over cycles, s; NaN without cycles."""

    median: float
    p95: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """Of some times, s."""
        values = list(seconds)
        return cls(quantile(values, 0.5), quantile(values, 0.95))


@dataclasses.dataclass(frozen=True)
class Group:
    """Cycles that were asked the same.

    Attributes:
        label, place: what was asked; no place for a pick alone.
        success: of these cycles.
        seconds: of these cycles.
    """

    label: str
    place: str
    success: Share
    seconds: Times


@dataclasses.dataclass(frozen=True)
class Trouble:
    """One way in which a stage went wrong.

    Attributes:
        stage: its name.
        code: of the failure.
        reason: in the words of the first time; reasons that differ in numbers alone are one.
        times: in all cycles.
        ended: cycles that it ended.
    """

    stage: str
    code: MoveItErrorCode
    reason: str
    times: int
    ended: int


@dataclasses.dataclass(frozen=True)
class Tally:
    """What many cycles come to.

    Attributes:
        success: of all cycles.
        stopped: cycles that a person stopped; they count as not succeeded.
        groups: by label and place, the largest first.
        troubles: the most frequent first.
        attempts: looks with all that follows in a cycle → how many cycles with so many succeeded.
        grasps: the same of grasps, in which the fingers closed on something.
        seconds: of a cycle.
        work: seconds of a cycle by kind of work.
        overhead: seconds of a cycle in which neither arm nor fingers move.
        won_back: of the cycles whose first attempt failed, those that succeeded in the end.
        rejected: why grasp candidates were rejected.
    """

    success: Share
    stopped: int
    groups: tuple[Group, ...]
    troubles: tuple[Trouble, ...]
    attempts: Mapping[int, Share]
    grasps: Mapping[int, Share]
    seconds: Times
    work: Mapping[Work, Times]
    overhead: Times
    won_back: Share
    rejected: Reasons


def tally(records: Sequence[CycleRecord]) -> Tally:
    """Sum up any number of cycles."""
    asked: dict[tuple[str, str], list[CycleRecord]] = {}
    for record in records:
        asked.setdefault((record.label, record.place), []).append(record)
    groups = [
        Group(label, place, _success(some), Times.of(record.seconds for record in some))
        for (label, place), some in asked.items()
    ]
    return Tally(
        success=_success(records),
        stopped=sum(record.code is MoveItErrorCode.PREEMPTED for record in records),
        groups=tuple(sorted(groups, key=lambda g: (-g.success.trials, g.label, g.place))),
        troubles=_troubles(records),
        attempts=_by_count((attempts_of(record), record) for record in records),
        grasps=_by_count((record.attempts, record) for record in records),
        seconds=Times.of(record.seconds for record in records),
        work={work: Times.of(record.seconds_of([work]) for record in records) for work in Work},
        overhead=Times.of(overhead(record) for record in records),
        won_back=_success([record for record in records if first_attempt_failed(record)]),
        rejected=Reasons(reason for record in records for reason in record.rejected),
    )


def overhead(record: CycleRecord) -> float:
    """Seconds of a cycle in which neither arm nor fingers move."""
    return record.seconds_of(set(Work) - set(MOTION))


def first_attempt_failed(record: CycleRecord) -> bool:
    """Whether the first look and all that followed from it did not do."""
    return not record.success or attempts_of(record) > 1


def attempts_of(record: CycleRecord) -> int:
    """How often the cycle began with a look."""
    return max((stage.attempt for stage in record.stages), default=0)


def ending(record: CycleRecord) -> StageRecord | None:
    """The failed stage that a failed cycle's reason is about; None where no stage failed."""
    failed = [stage for stage in record.stages if not stage.success]
    if record.success or not failed:
        return None
    named = [stage for stage in failed if stage.name == record.failed_stage]
    told = [stage for stage in named if stage.reason and stage.reason in record.reason]
    return (told or named or failed)[-1]


def _success(records: Sequence[CycleRecord]) -> Share:
    return Share.of([record.success for record in records])


def _by_count(counted: Iterable[tuple[int, CycleRecord]]) -> dict[int, Share]:
    successes: dict[int, list[bool]] = {}
    for count, record in counted:
        successes.setdefault(count, []).append(record.success)
    return {count: Share.of(successes[count]) for count in sorted(successes)}


def _troubles(records: Sequence[CycleRecord]) -> tuple[Trouble, ...]:
    reasons: dict[tuple[str, MoveItErrorCode], Reasons] = {}
    ended: Counter[tuple[str, MoveItErrorCode, str]] = Counter()
    for record in records:
        last = ending(record)
        for stage in record.stages:
            if stage.success:
                continue
            words = reasons.setdefault((stage.name, stage.code), Reasons()).note(stage.reason)
            ended[stage.name, stage.code, words] += stage is last
    troubles = [
        Trouble(name, code, words, times, ended[name, code, words])
        for (name, code), some in reasons.items()
        for words, times in some.counts.items()
    ]
    return tuple(sorted(troubles, key=lambda t: (-t.times, -t.ended, t.stage, t.reason)))
