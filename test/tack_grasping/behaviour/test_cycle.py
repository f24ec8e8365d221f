# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.verdict import Verdict
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.error_codes import StageError


def stage(name: str, began: float, seconds: float, code: Code = Code.SUCCESS) -> StageRecord:
    work = Work.WAITING if name == "wait" else Work.EXECUTION
    return StageRecord(name, work, 1, began, seconds, code, "no" * (code is not Code.SUCCESS))


def cycle(*stages: StageRecord, code: Code = Code.SUCCESS, reason: str = "") -> CycleRecord:
    return CycleRecord("rim", "bin", code, reason, 1, stages)


def test_a_cycle_lasts_until_its_last_stage_is_over() -> None:
    record = cycle(stage("look", 0.0, 1.0), stage("wait", 1.5, 0.5), stage("home", 2.0, 3.0))
    assert record.success
    assert record.seconds == 5.0
    assert record.seconds_of([Work.WAITING]) == 0.5
    assert record.seconds_of(Work) == 4.5
    assert record.seconds_of([]) == 0.0
    assert cycle().seconds == 0.0


def test_the_stage_that_failed_is_the_one_that_the_reason_is_about() -> None:
    stages = (
        stage("close", 0, 1, Code.CONTROL_FAILED), stage("lift", 1, 1),
        stage("look", 2, 1, Code.INVALID_OBJECT_NAME),
    )  # fmt: skip
    failed = Code.CONTROL_FAILED
    assert cycle(*stages, code=failed, reason="close: no; in the end look: no").failed_stage == (
        "close"
    )
    assert cycle(*stages, code=failed, reason="something else").failed_stage == "look"
    assert cycle(*stages).failed_stage == ""
    assert cycle(code=failed, reason="it failed").failed_stage == ""


@pytest.mark.parametrize("name", ["place", "verify place"])
def test_stages_whose_names_end_alike_are_told_apart(name: str) -> None:
    stages = [stage(n, 0, 1, Code.ABORT) for n in ("place", "verify place")]
    record = cycle(*stages, code=Code.ABORT, reason=f"{name}: no")
    assert record.failed_stage == name


def told(*failures: tuple[str, str]) -> str:
    verdict = Verdict()
    for name, sentence in failures:
        verdict.failed(name, StageError(Code.FAILURE, sentence))
    return verdict.reason


def test_of_several_failures_the_one_nearest_to_the_aim_counts() -> None:
    assert told(("look", "hidden")) == "look: hidden"
    assert told(("close", "empty"), ("look", "hidden")) == "close: empty; in the end look: hidden"
    assert told(("look", "hidden"), ("close", "empty")) == "close: empty"


def test_of_failures_in_the_same_stage_the_first_counts() -> None:
    assert told(("look", "too dark"), ("look", "not seen")) == "look: too dark"
    assert told(("lift", "lost"), ("look", "dark"), ("lift", "again")) == "lift: lost"


def test_what_ends_a_cycle_counts_more_and_a_stop_most() -> None:
    verdict = Verdict()
    verdict.failed("carry", StageError(Code.CONTROL_FAILED, "stall"))
    verdict.failed("pregrasp", StageError(Code.INVALID_GROUP_NAME, "no group"), ends=True)
    verdict.failed("home", StageError(Code.ABORT, "after the end"))
    assert (verdict.code, verdict.reason) == (Code.INVALID_GROUP_NAME, "pregrasp: no group")
    verdict.stopped("come back")
    verdict.note("something may still be in the fingers")
    assert verdict.code is Code.PREEMPTED
    assert verdict.reason == (
        "come back: stopped by a person; something may still be in the fingers"
    )


def test_a_verdict_without_a_failure_claims_no_success() -> None:
    assert Verdict().code is Code.FAILURE
    assert Verdict().reason == "it failed"
