# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_grasping.robot import RobotProfile
from tack_sim.cell.executor import (
    ExecutionCode,
    ExecutorConfig,
    Tolerances,
    TrajectoryExecutor,
)
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.path import joint_move, straight_move
from tack_sim.cell.world import CellWorld
from tack_sim.planning.requests import Trajectory
from tack_sim.robots.kinematics import Kinematics

STEP = np.array([0.4, 0.2, -0.3, 0.2, 0.1, 0.3, -0.4])


@pytest.fixture(scope="module")
def shared(profile: RobotProfile) -> CellWorld:
    return CellWorld(CellLayout(profile, ()), meshes=False)


@pytest.fixture
def world(shared: CellWorld) -> CellWorld:
    shared.reset()
    shared.faults.clear()
    return shared


@pytest.fixture
def move(profile: RobotProfile) -> Trajectory:
    return joint_move(profile, profile.home, profile.home + STEP)


def test_a_trajectory_is_followed_closely_to_its_end(world: CellWorld, move: Trajectory) -> None:
    executor = TrajectoryExecutor(world)
    assert executor.start(move) is None
    worst = 0.0
    while executor.active:
        world.step(0.01)
        if (desired := executor.desired) is not None:
            worst = max(worst, float(np.abs(world.arm_motion()[0] - desired).max()))
    assert executor.result is not None
    assert executor.result.code is ExecutionCode.SUCCESSFUL
    assert worst < 0.02
    assert move.duration <= world.time < move.duration + 0.5
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home + STEP, atol=5e-3)


def test_the_order_of_joints_is_that_of_their_names(world: CellWorld, move: Trajectory) -> None:
    turned = Trajectory(
        move.joints[::-1], move.times, move.positions[:, ::-1],
        move.velocities[:, ::-1], move.accelerations[:, ::-1],
    )  # fmt: skip
    assert TrajectoryExecutor(world).run(turned).code is ExecutionCode.SUCCESSFUL
    np.testing.assert_allclose(world.arm_motion()[0], world.profile.home + STEP, atol=5e-3)


def test_a_stop_stops_at_once_and_holds(world: CellWorld, move: Trajectory) -> None:
    executor = TrajectoryExecutor(world)
    executor.start(move)
    world.step(move.duration / 2)
    executor.stop("the person let go of the button")
    here = world.arm_motion()[0]
    assert executor.result is not None
    assert executor.result.code is ExecutionCode.STOPPED
    assert "let go" in executor.result.message
    world.step(1.0)
    there, speed = world.arm_motion()
    assert np.abs(there - here).max() < 0.06
    assert np.abs(speed).max() < 1e-3
    executor.stop()
    assert "let go" in executor.result.message  # nothing was going on any more


def test_a_stall_on_the_way_breaks_the_path_tolerance(world: CellWorld, move: Trajectory) -> None:
    world.faults.append(Fault(FaultKind.CONTROLLER_STALL, 0.2))
    result = TrajectoryExecutor(world).run(move)
    assert result.code is ExecutionCode.PATH_TOLERANCE_VIOLATED
    assert "panda_joint" in result.message
    before = world.arm_motion()[0]
    world.step(0.5)
    np.testing.assert_allclose(world.arm_motion()[0], before, atol=0.02)


def test_a_stall_at_the_end_misses_the_goal(world: CellWorld, move: Trajectory) -> None:
    world.faults.append(Fault(FaultKind.CONTROLLER_STALL, 0.85 * move.duration))
    result = TrajectoryExecutor(world).run(move)
    assert result.code is ExecutionCode.GOAL_TOLERANCE_VIOLATED
    assert world.time > move.duration + 0.5


def test_trajectories_that_cannot_be_followed_are_refused(
    world: CellWorld, move: Trajectory
) -> None:
    executor = TrajectoryExecutor(world)
    nan = move.positions.copy()
    nan[1, 3] = np.nan
    for bad, code in (
        (dataclasses.replace(move, joints=("elbow", *move.joints[1:])), "INVALID_JOINTS"),
        (dataclasses.replace(move, positions=nan), "INVALID_GOAL"),
        (dataclasses.replace(move, times=move.times[::-1]), "INVALID_GOAL"),
        (dataclasses.replace(move, positions=move.positions[:1]), "INVALID_GOAL"),
        (dataclasses.replace(move, times=move.times[:0], positions=move.positions[:0]),
         "INVALID_GOAL"),
    ):  # fmt: skip
        refused = executor.start(bad)
        assert refused is not None
        assert refused.code.name == code
        assert refused.message
        assert not executor.active


def test_a_straight_way_is_straight(world: CellWorld, profile: RobotProfile) -> None:
    kinematics = Kinematics(profile)
    start = kinematics.gripper_pose(profile.home)
    goal = start.copy()
    goal[:3, 3] += (0.05, -0.1, -0.15)
    way = straight_move(kinematics, profile, profile.home, start, goal)
    assert way is not None
    executor = TrajectoryExecutor(world)
    assert executor.start(way) is None
    direction = (goal - start)[:3, 3] / np.linalg.norm((goal - start)[:3, 3])
    while executor.active:
        world.step(0.02)
        off = world.base_from_gripper()[:3, 3] - start[:3, 3]
        assert np.linalg.norm(off - direction * (off @ direction)) < 2e-3
    np.testing.assert_allclose(world.base_from_gripper(), goal, atol=2e-3)
    far = goal.copy()
    far[0, 3] += 2.0
    assert straight_move(kinematics, profile, profile.home, start, far) is None


def test_a_first_point_in_the_future_is_reached_from_where_the_arm_is(
    world: CellWorld, profile: RobotProfile
) -> None:
    still = np.zeros((1, 7))
    goal = Trajectory(
        tuple(profile.joints), np.array([1.0]), (profile.home + STEP)[None], still, still
    )
    executor = TrajectoryExecutor(world)
    assert executor.start(goal, delay=0.3) is None
    while world.time < 0.25:
        world.step(0.01)
    assert executor.run(goal).code is ExecutionCode.SUCCESSFUL
    np.testing.assert_allclose(world.arm_motion()[0], profile.home + STEP, atol=5e-3)


def test_a_trajectory_of_the_past_is_refused(world: CellWorld, move: Trajectory) -> None:
    refused = TrajectoryExecutor(world).start(move, delay=-move.duration - 1.0)
    assert refused is not None
    assert refused.code is ExecutionCode.OLD_HEADER_TIMESTAMP


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("path", ExecutionCode.PATH_TOLERANCE_VIOLATED),
        ("path_velocity", ExecutionCode.PATH_TOLERANCE_VIOLATED),
        ("goal", ExecutionCode.GOAL_TOLERANCE_VIOLATED),
    ],
)
def test_tolerances_of_one_goal_hold_for_that_goal(
    world: CellWorld, move: Trajectory, field: str, code: ExecutionCode
) -> None:
    executor = TrajectoryExecutor(world)
    tight = dataclasses.replace(
        Tolerances.of(ExecutorConfig(), 7),
        **{field: np.array([np.inf] * 3 + [1e-9] + [np.inf] * 3)},
    )
    assert executor.start(move, tight) is None
    while executor.active:
        world.step(0.01)
    assert executor.result is not None
    assert executor.result.code is code
    assert "panda_joint4" in executor.result.message
    back = joint_move(world.profile, world.arm_motion()[0], world.profile.home)
    assert executor.run(back).code is ExecutionCode.SUCCESSFUL
