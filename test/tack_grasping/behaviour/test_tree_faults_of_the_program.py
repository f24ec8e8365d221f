# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from scripted import (
    CALLS,
    ONE_TRY,
    Scripted,
    Watching,
    always,
    error,
    names,
)

from tack_grasping.behaviour.sight import SightError
from tack_grasping.error_codes import MoveItErrorCode as Code


@pytest.mark.parametrize("call", [*CALLS[:9], "straight grasp", "to preplace", "straight place"])
@pytest.mark.parametrize("fault", [TypeError("no number"), ZeroDivisionError(), MemoryError()])
def test_a_fault_of_the_program_ends_safely(call: str, fault: Exception) -> None:
    robot = Scripted({call: always(fault)})
    record = robot.tree().run()
    assert not record.success or call in ("view", "let go")
    assert robot.faults == []
    if not record.success:
        assert record.code is Code.FAILURE
        assert type(fault).__name__ in record.reason


def test_a_witness_that_fails_changes_nothing() -> None:
    script = {"to pregrasp": [error(Code.GOAL_IN_COLLISION)] * 3}
    well = Scripted(dict(script)).tree(witness=Watching()).run()
    badly = Scripted(dict(script)).tree(witness=Watching(broken=True)).run()
    assert badly.success
    assert names(badly) == names(well)
    assert badly.reason == well.reason


def test_each_failure_has_a_picture_and_its_time_without_it() -> None:
    robot, watching = Scripted({"straight lift": [error(Code.CONTROL_FAILED)]}), Watching()
    record = robot.tree(witness=watching).run()
    failed = next(stage for stage in record.stages if not stage.success)
    assert failed.pictures == ("lift.jpg",)
    assert failed.seconds == 1.0
    assert record.stages[0].pictures == ("seen.jpg",)
    assert watching.told.count("ended") == len(record.stages)
    began = [told for told in watching.told if told.startswith("began")]
    assert began == [f"began {stage.name}" for stage in record.stages]


@pytest.mark.parametrize("fault", [SightError(Code.SENSOR_INFO_STALE), TypeError("no camera")])
def test_a_picture_that_cannot_be_taken_hides_no_reason(fault: Exception) -> None:
    robot = Scripted({"straight grasp": [error(Code.CONTROL_FAILED, "the arm stalls")],
                      "glance": [None, fault]})  # fmt: skip
    record = robot.run(config=ONE_TRY)
    assert record.reason == "approach: the arm stalls"


def test_the_reason_is_that_of_the_failure_nearest_to_the_aim() -> None:
    def vanish(robot: Scripted) -> None:
        robot.blocks = []
        raise error(Code.CONTROL_FAILED, "the arm stalls")

    robot = Scripted({"straight grasp": [vanish]})
    record = robot.run()
    assert record.code is Code.CONTROL_FAILED
    assert record.reason == "approach: the arm stalls; in the end look: 'top' is not seen"
    assert record.failed_stage == "approach"
