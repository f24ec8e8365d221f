# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.tally import Times, ending, first_attempt_failed, overhead, tally
from tack_grasping.error_codes import MoveItErrorCode

OK, LOST, STOPPED, NO_PLAN = (
    MoveItErrorCode.SUCCESS, MoveItErrorCode.CONTROL_FAILED, MoveItErrorCode.PREEMPTED,
    MoveItErrorCode.PLANNING_FAILED,
)  # fmt: skip


def cycle(
    *stages: tuple[str, Work, int, float, MoveItErrorCode, str], code: MoveItErrorCode = OK,
    reason: str = "", label: str = "handle", grasps: int = 1, rejected: tuple[str, ...] = (),
) -> CycleRecord:  # fmt: skip
    made, began = [], 0.0
    for name, work, attempt, seconds, failure, why in stages:
        made.append(StageRecord(name, work, attempt, began, seconds, failure, why))
        began += seconds
    return CycleRecord(label, "bin", code, reason, grasps, tuple(made), rejected)


LOOK = ("look", Work.PERCEPTION, 1, 1.0, OK, "")
SMOOTH = cycle(
    LOOK, ("close", Work.GRIPPER, 1, 2.0, OK, ""), ("lift", Work.EXECUTION, 1, 4.0, OK, "")
)
WON = cycle(
    LOOK,
    ("lift", Work.EXECUTION, 1, 2.0, LOST, "0.3 rad off"),
    ("wait", Work.WAITING, 1, 0.5, OK, ""),
    ("plan", Work.PLANNING, 2, 0.25, OK, ""),
    ("lift", Work.EXECUTION, 2, 2.0, OK, ""),
    grasps=2, rejected=("turn 10: no path", "turn 20: no path"),
)  # fmt: skip
FAILED = cycle(
    LOOK,
    ("lift", Work.EXECUTION, 1, 3.0, LOST, "0.4 rad off"),
    ("come back", Work.EXECUTION, 1, 3.0, NO_PLAN, "no way back"),
    code=LOST, reason="lift: 0.4 rad off", label="rim", grasps=0,
)  # fmt: skip
HALTED = cycle(LOOK, code=STOPPED, reason="plan: stopped by a person", grasps=0)


def test_a_tally_of_known_cycles() -> None:
    sums = tally([SMOOTH, WON, FAILED, HALTED])
    assert (sums.success.hits, sums.success.trials, sums.stopped) == (2, 4, 1)
    assert [(g.label, g.success.hits, g.success.trials) for g in sums.groups] == [
        ("handle", 2, 3), ("rim", 0, 1),
    ]  # fmt: skip
    assert [(t.stage, t.code, t.reason, t.times, t.ended) for t in sums.troubles] == [
        ("lift", LOST, "0.3 rad off", 2, 1),
        ("come back", NO_PLAN, "no way back", 1, 0),
    ]
    assert {n: (s.hits, s.trials) for n, s in sums.grasps.items()} == {
        0: (0, 2), 1: (1, 1), 2: (1, 1),
    }  # fmt: skip
    assert {n: (s.hits, s.trials) for n, s in sums.attempts.items()} == {1: (1, 3), 2: (1, 1)}
    assert (sums.won_back.hits, sums.won_back.trials) == (1, 3)
    assert sums.seconds == Times(5.75, 7.0)  # of 1, 5.75, 7, 7: the value below the middle
    assert sums.overhead == Times(1.0, 1.75)
    assert sums.work[Work.GRIPPER] == Times(0.0, 2.0)
    assert sums.rejected.most_common() == [("turn 10: no path", 2)]


def test_what_is_overhead_and_what_a_first_attempt() -> None:
    assert overhead(WON) == pytest.approx(1.75)
    assert [first_attempt_failed(one) for one in (SMOOTH, WON, FAILED)] == [False, True, True]


def test_what_ended_a_cycle_is_what_its_reason_is_about() -> None:
    assert ending(FAILED) is FAILED.stages[1]
    assert ending(WON) is None
    assert ending(HALTED) is None
    twice = cycle(
        ("look", Work.PERCEPTION, 1, 1.0, LOST, "no depth"),
        ("look", Work.PERCEPTION, 2, 1.0, LOST, "not seen"),
        code=LOST, reason="look: no depth; not seen since, which was less than that",
    )  # fmt: skip
    assert ending(twice) is twice.stages[1]
    once = dataclasses.replace(twice, reason="look: no depth; the arm is at home")
    assert ending(once) is twice.stages[0]


def test_no_cycle_is_no_figure() -> None:
    sums = tally([])
    assert sums.success.trials == 0
    assert math.isnan(sums.seconds.median)
    assert sums.groups == ()
    assert sums.troubles == ()


@given(st.lists(st.sampled_from([SMOOTH, WON, FAILED, HALTED]), max_size=12))
def test_nothing_is_lost_in_a_tally(records: list[CycleRecord]) -> None:
    sums = tally(records)
    assert sum(g.success.trials for g in sums.groups) == len(records)
    for counts in (sums.attempts, sums.grasps):
        assert sum(share.trials for share in counts.values()) == len(records)
    assert sum(s.hits for s in sums.grasps.values()) == sums.success.hits
    failures = [stage for record in records for stage in record.stages if not stage.success]
    assert sum(t.times for t in sums.troubles) == len(failures)
    assert sum(t.ended for t in sums.troubles) == records.count(FAILED)
