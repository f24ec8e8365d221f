# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from cell_robot import STILL, down, failing, missing, wall

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionConfig
from tack_grasping.robot import KeepOut, RobotProfile
from tack_grasping.scene.touching import Touching
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import ObjectModel
from tack_sim.planning.planner import MotionPlanner


@pytest.mark.parametrize("pose", [down(0.5, 0.2, 0.2), down(0.4, -0.3, 0.3), down(0.6, 0, 0.15)])
def test_it_goes_where_it_is_told(motion: CellMotion, world: CellWorld, pose: np.ndarray) -> None:
    motion.move_to(pose)
    distance, angle = missing(world, pose)
    assert distance < 0.004
    assert angle < 0.015
    assert np.abs(world.arm_motion()[1]).max() < 0.02
    assert world.collisions == ()


def test_it_goes_home(motion: CellMotion, world: CellWorld) -> None:
    motion.move_to(down(0.5, 0.2, 0.2))
    motion.move_home()
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=0.006)


def test_a_straight_way_is_straight(motion: CellMotion, world: CellWorld) -> None:
    start, end = down(0.5, 0.2, 0.3), down(0.5, 0.2, 0.1)
    motion.move_to(start)
    seen: list[np.ndarray] = []
    world.add_controller(lambda _: seen.append(world.base_from_gripper()[:3, 3]))
    motion.move_straight(end)
    assert missing(world, end)[0] < 0.003
    way = np.array(seen)
    assert np.abs(way[:, :2] - (0.5, 0.2)).max() < 0.004
    assert way[0, 2] > 0.29
    assert way[:, 2].min() > 0.095


def test_a_straight_way_that_goes_on_too_short_is_refused(
    motion: CellMotion, world: CellWorld
) -> None:
    motion.move_to(down(0.5, 0.2, 0.3))
    wall(motion)
    before = world.time
    error = failing(lambda: motion.move_straight(down(0.5, -0.2, 0.2)))
    assert error.code is Code.PLANNING_FAILED
    assert "of the straight way is possible, 98% is needed" in error.sentence
    assert world.time == before


def test_touching_allows_fingers_what_a_straight_way_may_not_else(
    motion: CellMotion, world: CellWorld
) -> None:
    """An obstacle that is only in the scene, not in the world."""
    motion.move_to(down(0.5, 0.0, 0.3))
    around = geometry.make_transform(np.eye(3), (0.5, 0, 0.1))
    motion.add_box("thing", around, np.array([0.15, 0.15, 0.3]))
    error = failing(lambda: motion.move_straight(down(0.5, 0.0, 0.1), touching=Touching.THINGS))
    assert error.code is Code.PLANNING_FAILED
    assert re.search("(base|knuckle)_link and thing overlap", error.sentence)
    motion.add_box("thing", around, np.array([0.15, 0.15, 0.08]))
    error = failing(lambda: motion.move_straight(down(0.5, 0.0, 0.1)))
    assert error.code is Code.PLANNING_FAILED
    motion.move_straight(down(0.5, 0.0, 0.1), touching=Touching.THINGS)
    assert missing(world, down(0.5, 0.0, 0.1))[0] < 0.003


def test_what_the_robot_has_to_keep_out_of_is_never_touched(
    motion: CellMotion, world: CellWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    motion.move_to(down(0.5, 0.0, 0.3))
    box = KeepOut("glass", geometry.make_transform(np.eye(3), (0.5, 0, 0.1)), np.full(3, 0.15))
    profile = dataclasses.replace(world.profile, keep_out=(box,))
    monkeypatch.setattr(motion, "_profile", profile)
    motion.add_box(box.name, box.base_from_box, box.size)
    error = failing(lambda: motion.move_straight(down(0.5, 0.0, 0.1), touching=Touching.THINGS))
    assert error.code is Code.PLANNING_FAILED
    assert "glass" in error.sentence


def test_even_where_it_may_touch_things_the_arm_does_not_touch_itself(
    motion: CellMotion, world: CellWorld
) -> None:
    """With the elbow this way the forearm meets the shoulder before the hand is down."""
    motion.move_joints(np.array([0.411, -1.063, -0.747, -2.776, -0.655, 1.798, -1.62]))
    low = world.base_from_gripper()
    low[2, 3] = 0.03
    error = failing(lambda: motion.move_straight(low, touching=Touching.THINGS))
    assert error.code is Code.PLANNING_FAILED
    assert "panda_link1 and panda_link5 overlap" in error.sentence
    assert world.collisions == ()


def test_it_comes_in_a_posture_in_which_it_gets_on(motion: CellMotion, world: CellWorld) -> None:
    motion.move_joints(np.array([0.411, -1.063, -0.747, -2.776, -0.655, 1.798, -1.62]))
    there = world.base_from_gripper()
    low = there.copy()
    low[2, 3] = 0.03
    motion.move_to(there, onwards=low)
    motion.move_straight(low, touching=Touching.THINGS)
    assert missing(world, low)[0] < 0.003
    assert world.collisions == ()
    far = there.copy()
    far[2, 3] += 1.5
    error = failing(lambda: motion.move_to(there, onwards=far))
    assert error.code is Code.PLANNING_FAILED
    assert "in none of 8 postures" in error.sentence


@pytest.mark.parametrize("pose", [down(1.5, 0, 0.3), down(0.5, 0, -0.6)], ids=["far", "below"])
def test_what_is_out_of_reach_is_refused(
    motion: CellMotion, world: CellWorld, pose: np.ndarray
) -> None:
    before = world.time
    error = failing(lambda: motion.move_to(pose))
    assert error.code is Code.NO_IK_SOLUTION
    assert error.sentence
    assert world.time == before
    assert failing(lambda: motion.move_straight(pose)).code in (
        Code.PLANNING_FAILED, Code.NO_IK_SOLUTION,
    )  # fmt: skip


def test_a_goal_inside_an_obstacle_is_refused(motion: CellMotion) -> None:
    wall(motion)
    assert failing(lambda: motion.move_to(down(0.5, 0, 0.1))).code is Code.GOAL_IN_COLLISION


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_poses_that_are_none_are_refused(
    motion: CellMotion, world: CellWorld, value: float
) -> None:
    pose = down(0.5, 0.0, value)
    for act in (motion.move_to, motion.move_straight):
        with pytest.raises(InvalidInputError, match="base_from_gripper"):
            act(pose)
    for joints in (np.full(7, value), np.zeros(3), np.zeros((2, 7))):
        with pytest.raises(InvalidInputError, match="7 finite values"):
            motion.move_joints(joints)
    for opening in (-0.01, 0.2, value):
        with pytest.raises(InvalidInputError, match="opening"):
            motion.move_gripper(opening, 10.0)
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home, atol=STILL)


def test_what_is_held_is_kept_clear_of_an_obstacle(motion: CellMotion, world: CellWorld) -> None:
    """A rod under the gripper, carried across a wall that the gripper alone passes lower."""
    wall(motion)
    motion.move_to(down(0.5, 0.3, 0.45))
    gripper_from_rod = geometry.make_transform(np.eye(3), (0, 0, 0.1))
    size = np.array([0.02, 0.02, 0.2])
    motion.hold(gripper_from_rod, size)
    points = (np.indices((9, 9, 9)).reshape(3, -1).T / 8 - 0.5) * size
    depths: list[float] = []

    def watch(_: float) -> None:
        rod = geometry.apply(world.base_from_gripper() @ gripper_from_rod, points)
        outside = np.abs(rod - (0.5, 0, 0.15)) - (0.25, 0.01, 0.15)
        depths.append(float(outside.max(axis=1).min()))

    world.add_controller(watch)
    motion.move_to(down(0.5, -0.3, 0.45))
    assert missing(world, down(0.5, -0.3, 0.45))[0] < 0.004
    assert min(depths) > 0
    # With the rod the arm cannot stand where its tips would be just above the wall.
    low = down(0.5, 0.0, 0.36)
    assert failing(lambda: motion.move_to(low)).code is Code.GOAL_IN_COLLISION
    motion.let_go()
    motion.move_to(low)


def test_the_box_around_what_is_held_may_reach_to_the_wrist(
    motion: CellMotion, world: CellWorld
) -> None:
    """A handle held low: its box goes up to the last link, against which it does not move."""
    motion.move_to(down(0.5, 0.2, 0.5))
    # The last link ends 0.16 m behind the tips; what comes before it turns against the box.
    motion.hold(geometry.make_transform(np.eye(3), (0, 0, -0.05)), np.array([0.05, 0.05, 0.28]))
    motion.move_to(down(0.5, -0.2, 0.5))
    assert missing(world, down(0.5, -0.2, 0.5))[0] < 0.004


def test_holding_twice_and_letting_go_twice_is_harmless(motion: CellMotion) -> None:
    for size in (0.05, 0.1):
        motion.hold(geometry.make_transform(np.eye(3), (0, 0, 0.05)), np.full(3, size))
    assert len(motion.scene.attached) == 1
    motion.let_go()
    motion.let_go()
    assert not motion.scene.attached
    assert not motion.scene.world


# The gripper


def test_fingers_open_and_close(motion: CellMotion) -> None:
    state = motion.move_gripper(0.02, 20.0)
    assert state.reached
    assert state.opening == pytest.approx(0.02, abs=0.003)
    assert not motion.move_gripper(0.0, 20.0).stalled
    assert motion.move_gripper(0.08, 20.0).opening == pytest.approx(0.08, abs=0.003)


def test_fingers_report_what_they_hold(
    profile: RobotProfile, block: ObjectModel, planner: MotionPlanner
) -> None:
    world = CellWorld(sample_layout(profile, block, 1), meshes=False)
    held = world.object_pose(world.layout.target.name)
    pose = held @ down(0, 0, 0.04)
    world.place_object(world.layout.target.name, pose)
    motion = CellMotion(world, planner=planner)
    grasp = held.copy()
    grasp[:3, :3] = np.column_stack([-held[:3, 1], held[:3, 0], held[:3, 2]]) @ np.diag([1, -1, -1])
    grasp[2, 3] = 0.04
    grasp = geometry.nearest_transform(grasp)
    above = grasp.copy()
    above[2, 3] += 0.1
    world.place_object(world.layout.target.name, held)
    motion.move_to(above)
    motion.move_straight(grasp, touching=Touching.THINGS)
    state = motion.move_gripper(0.0, profile.gripper.force)
    assert state.stalled
    assert state.opening == pytest.approx(0.04, abs=0.003)
    assert world.pads_on(world.layout.target.name) == (True, True)


# Time


def test_two_runs_are_equal_bit_for_bit(profile: RobotProfile) -> None:
    states = []
    for _ in range(2):
        world = CellWorld(CellLayout(profile, ()), meshes=False)
        motion = CellMotion(world, planner=MotionPlanner(profile))
        wall(motion)
        for y in (0.2, -0.2):
            motion.move_to(down(0.5, y, 0.2))
        motion.move_straight(down(0.5, -0.2, 0.1))
        motion.move_gripper(0.03, 30.0)
        states.append((world.time, world.snapshot().qpos))
    assert states[0][0] == states[1][0]
    np.testing.assert_array_equal(states[0][1], states[1][1])


def test_the_clock_runs_with_the_cell_and_with_what_is_thought(
    motion: CellMotion, world: CellWorld
) -> None:
    began = motion.clock()
    motion.wait(2.0)
    assert motion.clock() - began > 2.0
    assert world.time == pytest.approx(2.0)
    before = motion.clock(), world.time
    motion.move_home()
    assert motion.clock() - before[0] > world.time - before[1]


def test_a_shorter_fraction_may_be_enough(world: CellWorld, planner: MotionPlanner) -> None:
    half = dataclasses.replace(MotionConfig(), straight_fraction=0.3)
    motion = CellMotion(world, half, planner)
    motion.move_to(down(0.5, 0.2, 0.3))
    wall(motion)
    motion.move_straight(down(0.5, -0.2, 0.2))
    assert 0.0 < world.base_from_gripper()[1, 3] < 0.18
