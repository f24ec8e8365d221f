# SPDX-License-Identifier: Apache-2.0
"""Whole cycles in the physics of the cell, with everything that can go wrong there."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from cell_robot import assert_placed, cell_robot, failed, grasp_planner, reason

from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.candidates import GraspPlan
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.objects.model import ObjectModel
from tack_sim.planning.planner import MotionPlanner

STAGES = [
    "look", "plan", "open", "pregrasp", "check", "approach", "close", "lift", "hold", "verify lift",
    "carry", "place", "release", "retreat", "home", "verify place",
]  # fmt: skip
ONE, TWO = BehaviourConfig(tries=1), BehaviourConfig(tries=2)


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
        # And another cycle does not drop it.
        task = PickPlaceTask("top", "bin")
        arm = Robot(layout.profile, robot.motion, robot.eyes, grasp_planner(layout, "top"))
        again = BehaviourTree(task, arm, lambda: robot.world.time).run()
        assert again.code is Code.INVALID_ROBOT_STATE
        assert "something is between the fingers already" in again.reason
        assert robot.world.pads_on(robot.target) == (True, True)


def test_of_several_the_one_that_is_pointed_at_and_then_the_others(
    profile: RobotProfile, block: ObjectModel, planner: MotionPlanner
) -> None:
    layout = sample_layout(profile, block, 6, alike=1)
    with cell_robot(layout, planner, "top") as robot:
        assert [len(thing.points) for thing in robot.eyes.look().things] == [1, 1]
        x, y, z = layout.placed("block_0").point("top").tolist()
        again = robot.again(PickPlaceTask("top", "bin", (x + 0.01, y, z)))
        record = again.run()
        assert record.success, record.reason
        assert robot.in_bin() == ["block_0"]
        record = robot.again(PickPlaceTask("top", "bin")).run()
        assert record.success, record.reason
        assert robot.in_bin() == ["block", "block_0"]
        record = robot.again(PickPlaceTask("top", "bin"), ONE).run()
        assert record.code is Code.INVALID_OBJECT_NAME
        assert robot.in_bin() == ["block", "block_0"]


class Elsewhere:
    """Grasps of the target, moved.

    Args:
        layout: of the cell.
        moved: takes a goal's grasp (4, 4) and says by which (4, 4) motion in the base frame.
    """

    def __init__(self, layout: CellLayout, moved: Callable[[np.ndarray], np.ndarray]) -> None:
        self._planner, self._moved = grasp_planner(layout, "top"), moved

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        plan = self._planner.plan(sight, thing, task)
        goals = []
        for goal in plan.goals:
            move = self._moved(goal.grasp)
            poses = {name: move @ pose for name, pose in goal.poses.items()}
            goals.append(dataclasses.replace(goal, **poses))
        return dataclasses.replace(plan, goals=tuple(goals))


def from_below(grasp: np.ndarray) -> np.ndarray:
    """As if the thing were to be grasped through the table."""
    about = geometry.make_transform(np.eye(3), grasp[:3, 3])
    return about @ geometry.from_axis_angle((1, 0, 0), np.pi) @ geometry.inverse(about)


def test_a_target_out_of_reach_is_left_alone(layout: CellLayout, planner: MotionPlanner) -> None:
    grasps = Elsewhere(layout, from_below)
    with cell_robot(layout, planner, "top", config=TWO, grasps=grasps) as robot:
        record = robot.run()
        assert record.code is Code.NO_IK_SOLUTION
        assert record.reason.startswith("pregrasp: motion: ")
        assert record.attempts == 0
        refused = [why for why in record.rejected if why.startswith("pregrasp: motion: ")]
        assert failed(record) == ["pregrasp"] * len(refused)
        assert refused


def test_outside_of_the_workspace_nothing_is_tried(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    grasps = Elsewhere(layout, lambda grasp: geometry.make_transform(np.eye(3), (0, -0.6, 0)))
    with cell_robot(layout, planner, "top", config=TWO, grasps=grasps) as robot:
        record = robot.run()
        assert record.code is Code.NO_IK_SOLUTION
        assert re.match(
            r"plan: the gripper would be outside of the workspace.* y = ", record.reason
        )
        assert set(failed(record)) == {"plan"}


def test_a_target_out_of_sight_is_looked_for_and_given_up(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    far = layout.target.base_from_object.copy()
    far[:2, 3] = (0.95, 0.0)
    with cell_robot(layout, planner, "top", config=TWO) as robot:
        robot.world.place_object(robot.target, far)
        record = robot.run()
        assert record.code is Code.INVALID_OBJECT_NAME
        assert record.reason == "look: 'top' is believed to be hidden or absent"
        assert [stage.name for stage in record.stages] == ["look", "view", "look"]


def test_a_target_under_a_shelf_is_left_alone(layout: CellLayout, planner: MotionPlanner) -> None:
    x, y, _ = layout.target.base_from_object[:3, 3]
    with cell_robot(layout, planner, "top", config=TWO) as robot:
        shelf = geometry.make_transform(np.eye(3), (x, y, 0.17))
        robot.motion.add_box("shelf", shelf, np.array([0.3, 0.3, 0.02]))
        record = robot.run()
        # Before it there is no room, and from above the shelf no way down.
        assert record.code in (Code.GOAL_IN_COLLISION, Code.PLANNING_FAILED)
        assert "shelf" in record.reason
        met = [why for why in record.rejected if why.startswith(("pregrasp: ", "approach: "))]
        assert len(met) == len(failed(record)) > 2
        assert all("shelf" in why for why in met)
        assert record.attempts == 0


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
        assert failed(record) == ["hold"]
        assert "it was lost" in reason(record, "hold")
        assert record.attempts == 2
        assert_placed(robot)


def test_a_grip_that_slips_for_good_ends_with_the_reason(
    layout: CellLayout, planner: MotionPlanner
) -> None:
    faults = [Fault(FaultKind.GRIPPER_SLIP)]
    with cell_robot(layout, planner, "top", faults=faults, config=TWO) as robot:
        record = robot.run()
        assert record.code is Code.CONTROL_FAILED
        assert record.reason.startswith("hold: it was lost")
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
