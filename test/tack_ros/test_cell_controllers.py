# SPDX-License-Identifier: Apache-2.0
"""The arm's controller: FollowJointTrajectory as ros2_control serves it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from action_msgs.msg import GoalStatus
from control_msgs.action import FollowJointTrajectory
from control_msgs.msg import JointTolerance
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from tack_perception.errors import InvalidInputError
from tack_ros.cell.tolerances import goal_tolerances
from tack_ros.conversions.stamps import to_stamp
from tack_ros.conversions.trajectories import to_duration, to_robot_trajectory
from tack_sim.cell.executor import ExecutorConfig, Tolerances
from tack_sim.cell.path import joint_move

pytestmark = pytest.mark.ros
Result = FollowJointTrajectory.Result
STEP = np.array([0.5, 0.0, 0.0, 0.3, 0.0, 0.0, -0.4])
WAIT_S = 120.0


@pytest.fixture(scope="module")
def shared(start_cell):
    return start_cell()


@pytest.fixture
def cell(shared):
    shared.home()
    return shared


def goal_of(cell, step=STEP, **fields):
    """From home by a step, from rest to rest."""
    move = joint_move(cell.profile, cell.profile.home, cell.profile.home + step)
    return FollowJointTrajectory.Goal(
        trajectory=to_robot_trajectory(move).joint_trajectory, **fields
    )


def one_point(cell, positions, seconds):
    point = JointTrajectoryPoint(
        positions=list(map(float, positions)), time_from_start=to_duration(seconds)
    )
    trajectory = JointTrajectory(joint_names=list(cell.profile.joints), points=[point])
    return FollowJointTrajectory.Goal(trajectory=trajectory)


def send(cell, goal, **options):
    return cell.calls.send(FollowJointTrajectory, cell.profile.arm_controller, goal, **options)


def moving(cell):
    cell.wait(lambda: cell.speed() > 0.1, "the arm to move")


def test_a_trajectory_is_followed_to_its_end_and_told_of_on_the_way(cell):
    feedback = []
    goal = send(cell, goal_of(cell), on_feedback=feedback.append)
    result = goal.result(WAIT_S)
    assert goal.succeeded
    assert result.error_code == Result.SUCCESSFUL
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home + STEP, atol=5e-3)
    assert feedback
    for said in feedback:
        assert said.joint_names == list(cell.profile.joints)
        wanted = np.subtract(said.desired.positions, said.actual.positions)
        np.testing.assert_allclose(said.error.positions, wanted, atol=1e-9)


def test_a_single_point_is_reached_from_where_the_arm_is(cell):
    goal = send(cell, one_point(cell, cell.profile.home + STEP, 1.0))
    assert goal.result(WAIT_S).error_code == Result.SUCCESSFUL
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home + STEP, atol=5e-3)


def spoilt(cell, how):
    goal = goal_of(cell)
    points, names = goal.trajectory.points, goal.trajectory.joint_names
    if how == "other joints":
        names[2] = "elbow"
    elif how == "a joint too few":
        del names[-1]
    elif how == "NaN":
        points[1].positions[3] = float("nan")
    elif how == "empty":
        points.clear()
    elif how == "times":
        points[1].time_from_start = points[0].time_from_start
    elif how == "past":
        goal.trajectory.header.stamp = to_stamp(cell.now_ns() - 60_000_000_000)
    elif how == "elsewhere":
        for point in points:
            point.positions[0] += 1.0
    return goal


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("other joints", Result.INVALID_JOINTS, "the arm has panda_joint1"),
        ("a joint too few", Result.INVALID_GOAL, "positions"),
        ("NaN", Result.INVALID_GOAL, "NaN"),
        ("empty", Result.INVALID_GOAL, "without points"),
        ("times", Result.INVALID_GOAL, "times do not rise"),
        ("past", Result.OLD_HEADER_TIMESTAMP, "ago"),
        ("elsewhere", Result.PATH_TOLERANCE_VIOLATED, "panda_joint1 is 1.0"),
    ],
)
def test_what_cannot_be_followed_is_aborted_with_its_code_and_a_sentence(cell, how, code, words):
    goal = send(cell, spoilt(cell, how))
    result = goal.result(WAIT_S)
    assert goal.status == GoalStatus.STATUS_ABORTED
    assert result.error_code == code
    assert words in result.error_string
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home, atol=0.02)


def test_a_goal_that_is_refused_leaves_the_one_under_way_alone(cell):
    with cell.slowly():
        first = send(cell, goal_of(cell))
        moving(cell)
        assert send(cell, spoilt(cell, "NaN")).result(WAIT_S).error_code == Result.INVALID_GOAL
    assert first.result(WAIT_S).error_code == Result.SUCCESSFUL


def test_cancelling_stops_the_arm(cell):
    with cell.slowly():
        goal = send(cell, goal_of(cell))
        moving(cell)
        goal.cancel()
        goal.result(WAIT_S)
    assert goal.status == GoalStatus.STATUS_CANCELED
    assert cell.stands()
    assert np.abs(cell.world.arm_motion()[0] - cell.profile.home - STEP).max() > 0.05


def test_a_newer_goal_takes_over(cell):
    with cell.slowly():
        first = send(cell, goal_of(cell))
        moving(cell)
        second = send(cell, one_point(cell, cell.profile.home, 1.0))
        assert "newer goal" in first.result(WAIT_S).error_string
    assert first.status == GoalStatus.STATUS_ABORTED
    assert second.result(WAIT_S).error_code == Result.SUCCESSFUL
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home, atol=5e-3)


def test_a_stamp_in_the_future_delays_the_start(cell):
    goal = goal_of(cell)
    with cell.slowly():
        goal.trajectory.header.stamp = to_stamp(cell.now_ns() + 1_000_000_000)
        sent = send(cell, goal)
        cell.pass_time(0.4)
        assert cell.speed() < 0.05
    assert sent.result(WAIT_S).error_code == Result.SUCCESSFUL


def test_a_stalled_arm_violates_the_path_and_stands_when_it_can_move_again(cell):
    with cell.slowly():
        goal = send(cell, goal_of(cell))
        moving(cell)
        assert cell.set_parameter(cell.cell, "faults", ["controller_stall"]).successful
    result = goal.result(WAIT_S)
    assert result.error_code == Result.PATH_TOLERANCE_VIOLATED
    assert "0.15 rad are allowed" in result.error_string
    assert cell.set_parameter(cell.cell, "faults", [""]).successful
    assert cell.stands()
    # And it follows again.
    back = send(cell, one_point(cell, cell.profile.home, 1.0))
    assert back.result(WAIT_S).error_code == Result.SUCCESSFUL


def test_path_tolerances_of_the_goal_are_kept(cell):
    tight = JointTolerance(name="panda_joint1", position=1e-5)
    result = send(cell, goal_of(cell, path_tolerance=[tight])).result(WAIT_S)
    assert result.error_code == Result.PATH_TOLERANCE_VIOLATED
    assert "1e-05 rad are allowed" in result.error_string
    assert cell.stands()


def test_goal_tolerances_of_the_goal_are_kept(cell):
    tight = JointTolerance(name="panda_joint2", position=1e-7)
    goal = goal_of(cell, goal_tolerance=[tight], goal_time_tolerance=to_duration(0.2))
    result = send(cell, goal).result(WAIT_S)
    assert result.error_code == Result.GOAL_TOLERANCE_VIOLATED
    assert "panda_joint2 is still" in result.error_string
    assert "0.2 s after" in result.error_string


def test_a_tolerance_of_minus_one_switches_the_check_off(cell):
    free = [JointTolerance(name=name, position=-1.0) for name in cell.profile.joints]
    with cell.slowly():
        goal = send(cell, goal_of(cell, path_tolerance=free))
        moving(cell)
        assert cell.set_parameter(cell.cell, "faults", ["controller_stall"]).successful
    result = goal.result(WAIT_S)  # off the path by any distance, it fails at the end only
    assert result.error_code == Result.GOAL_TOLERANCE_VIOLATED


def test_tolerances_of_unknown_joints_are_refused(cell):
    foreign = JointTolerance(name="elbow", position=0.1)
    result = send(cell, goal_of(cell, path_tolerance=[foreign])).result(WAIT_S)
    assert result.error_code == Result.INVALID_GOAL
    assert "path tolerance of 'elbow'" in result.error_string


def test_tolerances_are_read_as_ros2_control_reads_them():
    default = Tolerances.of(ExecutorConfig(), 2)
    goal = FollowJointTrajectory.Goal(
        path_tolerance=[JointTolerance(name="b", position=0.3, velocity=0.4)],
        goal_tolerance=[JointTolerance(name="a", position=-1.0)],
        goal_time_tolerance=to_duration(-1.0),
    )
    read = goal_tolerances(goal, ("a", "b"), default)
    assert read.path.tolist() == [default.path[0], 0.3]
    assert read.path_velocity.tolist() == [np.inf, 0.4]
    assert read.goal.tolist() == [np.inf, default.goal[1]]
    assert read.goal_time == np.inf
    for spoil in (-0.5, float("nan")):
        bad = FollowJointTrajectory.Goal(goal_tolerance=[JointTolerance(name="a", position=spoil)])
        with pytest.raises(InvalidInputError, match="goal tolerance of a"):
            goal_tolerances(bad, ("a", "b"), default)
