# SPDX-License-Identifier: Apache-2.0
"""Whole cycles in the physics of the cell, with everything that can go wrong there."""

from __future__ import annotations

import concurrent.futures
import time

import numpy as np
import pytest
from cell_robot import CellRobot, cell_robot

from tack_grasping.behaviour.cycle import Work
from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.objects.model import ObjectModel
from tack_sim.planning.planner import MotionPlanner

STAGES = [
    "look", "plan", "open", "pregrasp", "check", "approach", "close", "lift", "verify lift",
    "carry", "place", "release", "retreat", "home", "verify place",
]  # fmt: skip
TWO = BehaviourConfig(tries=2)


@pytest.fixture(scope="module")
def layout(profile: RobotProfile, block: ObjectModel) -> CellLayout:
    return sample_layout(profile, block, 6)


def failed(record: object) -> list[str]:
    return [s.name for s in record.stages if not s.success]  # type: ignore[attr-defined]


def reason(record: object, stage: str) -> str:
    """Of the first failure of a stage."""
    stages = record.stages  # type: ignore[attr-defined]
    return next(s.reason for s in stages if s.name == stage and not s.success)


def assert_placed(robot: CellRobot) -> None:
    verdict = robot.judge()
    assert verdict.success, verdict
    assert verdict.collisions == (), [str(c) for c in verdict.collisions]


def test_a_block_is_picked_and_placed(layout: CellLayout, planner: MotionPlanner) -> None:
    with cell_robot(layout, planner, "top") as robot:
        record = robot.run()
        assert record.success, record.reason
        assert [stage.name for stage in record.stages] == STAGES
        assert record.attempts == 1
        assert_placed(robot)


def test_the_same_cycle_twice_is_the_same_bit_for_bit(
    profile: RobotProfile, layout: CellLayout
) -> None:
    ends = []
    for _ in range(2):
        with cell_robot(layout, MotionPlanner(profile), "top") as robot:
            record = robot.run()
            ends.append((record, robot.world.time, robot.world.snapshot().qpos.tobytes()))
    assert ends[0] == ends[1]


def test_a_pick_alone_ends_with_the_block_lifted(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    with cell_robot(layout, planner, "top", place="") as robot:
        before = robot.world.object_centre(robot.target)[2]
        assert robot.run().success
        robot.world.step(1.0)
        assert robot.world.pads_on(robot.target) == (True, True)
        assert robot.world.object_centre(robot.target)[2] > before + 0.08


# Of the camera


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


# Of the arm and of planning


@pytest.mark.parametrize("stage", ["pregrasp", "approach", "lift", "carry", "place", "retreat"])
def test_an_arm_that_stalls_for_a_while(
    layout: CellLayout, planner: MotionPlanner, stage: str
) -> None:
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when(
            "began", stage, lambda: robot.fault_from_now(FaultKind.CONTROLLER_STALL, 2.0)
        )
        record = robot.run()
        assert stage in failed(record) or stage == "place"
        if stage in failed(record):
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


def test_a_target_out_of_reach_is_left_alone(layout: CellLayout, planner: MotionPlanner) -> None:
    far = layout.target.base_from_object.copy()
    far[:2, 3] = (0.95, 0.0)
    with cell_robot(layout, planner, "top", config=TWO) as robot:
        robot.world.place_object(robot.target, far)
        robot.world.step(0.2)
        record = robot.run()
        assert not record.success
        assert record.reason
        if record.failed_stage == "pregrasp":
            assert record.code is Code.NO_IK_SOLUTION
            assert len(record.rejected) >= 2
        np.testing.assert_allclose(robot.world.object_pose(robot.target), far, atol=5e-3)


# Of the thing


def test_a_grip_that_slips_during_the_lift_is_noticed_and_taken_again(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when(
            "began", "lift", lambda: robot.fault_from_now(FaultKind.GRIPPER_SLIP, 1.5)
        )
        record = robot.run()
        assert record.success, record.reason
        assert failed(record) == ["verify lift"]
        assert "it was lost" in reason(record, "verify lift")
        assert record.attempts == 2
        assert_placed(robot)


def test_a_grip_that_slips_for_good_ends_with_the_reason(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    faults = [Fault(FaultKind.GRIPPER_SLIP)]
    with cell_robot(layout, planner, "top", faults=faults, config=TWO) as robot:
        record = robot.run()
        assert record.code is Code.CONTROL_FAILED
        assert record.reason.startswith("verify lift: it was lost")
        assert record.attempts == 2
        assert robot.lies_still()


@pytest.mark.parametrize("nth", [1, 2])
def test_a_target_that_is_moved_before_the_grasp_is_noticed(
    layout: CellLayout, planner: MotionPlanner, nth: int
) -> None:
    away = layout.target.base_from_object @ geometry.make_transform(np.eye(3), (0.0, 0.16, 0.0))
    with cell_robot(layout, planner, "top") as robot:
        robot.moments.when(
            "ended", "pregrasp", lambda: robot.world.place_object(robot.target, away)
        )
        if nth == 2:
            home = layout.target.base_from_object
            robot.moments.when(
                "ended", "pregrasp", lambda: robot.world.place_object(robot.target, home), 2
            )
        record = robot.run()
        assert record.success, record.reason
        assert failed(record) == ["check"] * nth
        assert "it was moved meanwhile" in reason(record, "check")
        assert record.attempts == 1
        assert_placed(robot)


def test_a_target_that_is_taken_away_is_not_grasped(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    gone = geometry.make_transform(np.eye(3), (-0.6, 0.6, 0.05))
    with cell_robot(layout, planner, "top", config=BehaviourConfig(tries=3)) as robot:
        robot.moments.when(
            "ended", "pregrasp", lambda: robot.world.place_object(robot.target, gone)
        )
        record = robot.run()
        assert record.code is Code.SENSOR_INFO_STALE
        assert record.reason.startswith("check: it was moved meanwhile")
        assert "in the end look: " in record.reason
        assert record.attempts == 0
        assert robot.world.collisions == ()


# A stop


@pytest.mark.parametrize("stage", ["pregrasp", "approach", "close", "lift", "carry", "release"])
def test_a_stop_while_the_arm_moves(layout: CellLayout, planner: MotionPlanner, stage: str) -> None:
    with cell_robot(layout, planner, "top") as robot:
        began: list[float] = []
        robot.moments.when("began", stage, lambda: began.append(robot.world.time))

        def stop() -> None:
            while not (began and robot.world.time > began[0] + 0.05):
                time.sleep(0.0005)
            robot.tree.stop()

        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            stopping = executor.submit(stop)
            record = robot.run()
            began.append(-1.0)
            stopping.result(10)
        assert record.code is Code.PREEMPTED
        robot.world.step(0.3)
        here = robot.world.arm_motion()[0]
        holds = all(robot.world.pads_on(robot.target))
        robot.world.step(1.0)
        np.testing.assert_allclose(robot.world.arm_motion()[0], here, atol=2e-3)
        assert all(robot.world.pads_on(robot.target)) == holds
        assert holds or stage not in ("lift", "carry")
