# SPDX-License-Identifier: Apache-2.0
"""Cycles in the cell while its camera, its arm or its planner fails."""

from __future__ import annotations

import numpy as np
import pytest
from cell_robot import assert_placed, cell_robot, reason

from tack_grasping.behaviour.cycle import Work
from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout
from tack_sim.planning.planner import MotionPlanner

TWO = BehaviourConfig(tries=2)


def test_without_depth_for_a_while_it_looks_again(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    faults = [Fault(FaultKind.DEPTH_NAN, 0.0, 2.0)]
    with cell_robot(layout, planner, "top", faults=faults) as robot:
        record = robot.run()
        assert record.success, record.reason
        assert record.stages[0].code is Code.INVALID_OBJECT_NAME
        assert "depth" in record.stages[0].reason
        assert_placed(robot)


def test_without_any_depth_it_says_so_and_touches_nothing(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    faults = [Fault(FaultKind.DEPTH_NAN)]
    with cell_robot(layout, planner, "top", faults=faults, config=TWO) as robot:
        before = robot.world.object_pose(robot.target)
        record = robot.run()
        assert record.code is Code.INVALID_OBJECT_NAME
        assert record.reason.startswith("look: ")
        assert "depth" in record.reason
        assert record.attempts == 0
        np.testing.assert_allclose(robot.world.object_pose(robot.target), before, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.TF_SILENCE, Code.FRAME_TRANSFORM_FAILURE),
        (FaultKind.CAMERA_DROPOUT, Code.UNABLE_TO_AQUIRE_SENSOR_DATA),
        (FaultKind.CAMERA_DELAY, Code.SENSOR_INFO_STALE),
    ],
)
def test_eyes_that_fail_for_a_while(
    layout: CellLayout, planner: MotionPlanner, kind: FaultKind, code: Code
) -> None:
    lasts = 0.6 if kind is FaultKind.TF_SILENCE else 6.0
    with cell_robot(layout, planner, "top", faults=[Fault(kind, 0.0, lasts)]) as robot:
        record = robot.run()
        assert record.success, record.reason
        assert record.stages[0].code is code
        waited = record.seconds_of([Work.WAITING])
        assert waited == pytest.approx(0.0 if code is Code.SENSOR_INFO_STALE else 0.5)
        assert record.attempts == 1
        assert_placed(robot)


def test_a_camera_that_is_lost_before_the_grasp_ends_it_safely(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    with cell_robot(layout, planner, "top", config=TWO) as robot:
        robot.moments.when(
            "ended", "pregrasp", lambda: robot.fault_from_now(FaultKind.CAMERA_DROPOUT, 1e3)
        )
        before = robot.world.object_pose(robot.target)
        record = robot.run()
        assert record.code is Code.UNABLE_TO_AQUIRE_SENSOR_DATA
        assert record.reason.startswith("check: no image of the wrist camera")
        assert record.attempts == 0
        np.testing.assert_allclose(robot.world.object_pose(robot.target), before, atol=1e-3)


@pytest.mark.parametrize("stage", ["approach", "lift", "carry", "place", "retreat"])
def test_an_arm_that_stalls_for_a_while(
    layout: CellLayout, planner: MotionPlanner, stage: str
) -> None:
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when(
            "began", stage, lambda: robot.fault_from_now(FaultKind.CONTROLLER_STALL, 2.5)
        )
        record = robot.run()
        assert "rad away from the" in reason(record, stage)
        assert record.success, record.reason
        assert_placed(robot)


@pytest.mark.parametrize("stage", ["approach", "carry"])
def test_an_arm_that_stalls_for_good_lets_nothing_fall(
    layout: CellLayout, planner: MotionPlanner, stage: str
) -> None:
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when(
            "began", stage, lambda: robot.fault_from_now(FaultKind.CONTROLLER_STALL, 1e3)
        )
        record = robot.run()
        assert record.code is Code.CONTROL_FAILED
        assert record.reason.startswith(f"{stage}: ")
        if stage == "carry":
            assert "the arm did not come back" in record.reason
        robot.world.step(1.0)
        held = all(robot.world.pads_on(robot.target))
        assert held == (stage == "carry")
        assert held == ("something may still be in the fingers" in record.reason)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.PLAN_REFUSED, Code.PLANNING_FAILED),
        (FaultKind.PLAN_ABORTED, Code.ABORT),
    ],
)
def test_plans_that_fail_for_good(
    layout: CellLayout, planner: MotionPlanner, kind: FaultKind, code: Code
) -> None:
    with cell_robot(layout, planner, "top", faults=[Fault(kind)], config=TWO) as robot:
        record = robot.run()
        assert record.code is code
        assert record.reason.startswith(f"pregrasp: motion: {kind.value}")
        assert all(kind.value in why for why in record.rejected if why.startswith("pregrasp"))
        assert record.attempts == 0


@pytest.mark.parametrize("kind", [FaultKind.PLAN_REFUSED, FaultKind.PLAN_ABORTED])
def test_a_plan_that_fails_while_something_is_held(
    layout: CellLayout, planner: MotionPlanner, kind: FaultKind
) -> None:
    """Refused: put back, once it can be planned again. Aborted: again at once."""
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when("began", "carry", lambda: robot.fault_from_now(kind, 0.4))
        record = robot.run()
        assert record.success, record.reason
        assert kind.value in reason(record, "carry")
        assert_placed(robot)
