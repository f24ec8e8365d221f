# SPDX-License-Identifier: Apache-2.0
"""move_group and the cell together: motions, and what ends them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from action_msgs.msg import GoalStatus
from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.srv import GetCartesianPath
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import MotionConfig
from tack_perception import geometry
from tack_ros import qos
from tack_ros.calls import GoalRefusedError
from tack_ros.moveit import requests

pytestmark = pytest.mark.ros
CONFIG = MotionConfig(planning_time=60.0)
AWAY = np.array([0.6, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
WAIT_S = 120.0


@pytest.fixture(scope="module")
def shared(start_cell):
    return start_cell(move_group=True)


@pytest.fixture
def cell(shared):
    shared.home()
    assert shared.set_parameter(shared.move_group, "faults", [""]).successful
    # Generous: on a busy computer the word that a motion has ended may come late.
    for name, value in (("scaling", 1.1), ("margin", 20.0)):
        set_duration(shared, name, value)
    return shared


def set_duration(cell, name, value):
    full = {
        "scaling": "allowed_execution_duration_scaling",
        "margin": "allowed_goal_duration_margin",
    }
    answer = cell.set_parameter(cell.move_group, f"trajectory_execution.{full[name]}", value)
    assert answer.successful


def joints(cell, step=AWAY, config=CONFIG):
    wanted = dict(zip(cell.profile.joints, (cell.profile.home + step).tolist(), strict=True))
    return requests.joint_goal(cell.profile, wanted, config)


def pose(cell, shift):
    tip = cell.world.base_from_link(cell.profile.tip_frame)
    tip[:3, 3] += shift
    return geometry.nearest_transform(tip)


def move(cell, goal, **options):
    return cell.calls.send(MoveGroup, "/move_action", goal, **options)


def execute(cell, trajectory):
    goal = ExecuteTrajectory.Goal(trajectory=trajectory)
    return cell.calls.send(ExecuteTrajectory, "/execute_trajectory", goal)


def planned(cell, step=AWAY):
    goal = joints(cell, step)
    goal.planning_options.plan_only = True
    return move(cell, goal).result(WAIT_S)


def ends_with(sent, code, status=GoalStatus.STATUS_ABORTED):
    result = sent.result(WAIT_S)
    assert MoveItErrorCode.of(result.error_code.val) is code, result.error_code
    assert sent.status == status
    return result


def moving(cell):
    cell.wait(lambda: cell.speed() > 0.05, "the arm to move")


def test_to_joint_positions(cell):
    said = []
    sent = move(cell, joints(cell), on_feedback=said.append)
    result = ends_with(sent, MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home + AWAY, atol=6e-3)
    assert [message.state for message in said] == ["PLANNING", "MONITOR"]
    assert result.planning_time > 0
    start = dict(
        zip(
            result.trajectory_start.joint_state.name,
            result.trajectory_start.joint_state.position,
            strict=True,
        )
    )
    begun = [start[name] for name in cell.profile.joints]
    np.testing.assert_allclose(begun, cell.profile.home, atol=0.01)
    assert result.executed_trajectory == result.planned_trajectory


def test_to_a_pose(cell):
    wanted = pose(cell, (0.0, 0.15, -0.1))
    sent = move(cell, requests.pose_goal(cell.profile, wanted, CONFIG))
    ends_with(sent, MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)
    there = cell.world.base_from_link(cell.profile.tip_frame)
    np.testing.assert_allclose(there[:3, 3], wanted[:3, 3], atol=8e-3)


def test_only_a_plan(cell):
    result = planned(cell)
    assert result.error_code.val == MoveItErrorCode.SUCCESS
    points = result.planned_trajectory.joint_trajectory.points
    np.testing.assert_allclose(points[-1].positions, cell.profile.home + AWAY, atol=2e-3)
    assert not result.executed_trajectory.joint_trajectory.points
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home, atol=0.01)


def test_a_straight_way_is_planned_then_executed(cell):
    wanted = pose(cell, (0.0, 0.0, -0.1))
    request = requests.straight_request(cell.profile, [wanted], CONFIG)
    answer = cell.calls.call(GetCartesianPath, "/compute_cartesian_path", request, timeout_s=WAIT_S)
    assert answer.error_code.val == MoveItErrorCode.SUCCESS
    assert answer.fraction == pytest.approx(1.0)
    sent = execute(cell, answer.solution)
    ends_with(sent, MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)
    there = cell.world.base_from_link(cell.profile.tip_frame)
    np.testing.assert_allclose(there[:3, 3], wanted[:3, 3], atol=6e-3)


def test_a_trajectory_from_elsewhere_is_refused(cell):
    plan = planned(cell).planned_trajectory
    for point in plan.joint_trajectory.points:
        point.positions[2] += 0.03
    result = ends_with(execute(cell, plan), MoveItErrorCode.INVALID_MOTION_PLAN)
    assert "panda_joint3" in result.error_code.message
    assert "plan again from here" in result.error_code.message
    assert cell.speed() < 0.05


@pytest.mark.parametrize("spoil", ["empty", "NaN", "joint"])
def test_a_trajectory_that_is_none_is_refused(cell, spoil):
    plan = planned(cell).planned_trajectory
    code = MoveItErrorCode.INVALID_MOTION_PLAN
    if spoil == "empty":
        plan.joint_trajectory.points = []
    elif spoil == "NaN":
        plan.joint_trajectory.points[1].positions[0] = float("nan")
    else:
        plan.joint_trajectory.joint_names[0] = "elbow"
        code = MoveItErrorCode.INVALID_ROBOT_STATE
    ends_with(execute(cell, plan), code)
    assert cell.speed() < 0.05


def test_cancelling_preempts_and_stops(cell):
    with cell.slowly():
        sent = move(cell, joints(cell))
        moving(cell)
        sent.cancel()
        ends_with(sent, MoveItErrorCode.PREEMPTED, GoalStatus.STATUS_CANCELED)
    assert cell.stands()
    assert np.abs(cell.world.arm_motion()[0] - cell.profile.home - AWAY).max() > 0.05


def test_the_event_stop_stops(cell):
    events = cell.publisher(String, "/trajectory_execution_event", qos.RESULT)
    with cell.slowly():
        sent = move(cell, joints(cell))
        moving(cell)
        events.publish(String(data="start"))  # means nothing
        events.publish(String(data="stop"))
        ends_with(sent, MoveItErrorCode.PREEMPTED)
    assert cell.stands()


def test_a_second_motion_is_refused_and_the_first_goes_on(cell):
    with cell.slowly():
        first = move(cell, joints(cell))
        moving(cell)
        second = ends_with(move(cell, joints(cell)), MoveItErrorCode.CONTROL_FAILED)
    assert "another motion is under way" in second.error_code.message
    ends_with(first, MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)


def test_a_stalled_controller_fails_and_the_arm_stands(cell):
    with cell.slowly():
        sent = move(cell, joints(cell))
        moving(cell)
        assert cell.set_parameter(cell.cell, "faults", ["controller_stall"]).successful
    result = ends_with(sent, MoveItErrorCode.CONTROL_FAILED)
    assert "away from the trajectory" in result.error_code.message
    assert cell.set_parameter(cell.cell, "faults", [""]).successful
    assert cell.stands()
    ends_with(move(cell, joints(cell)), MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)


def test_a_motion_that_takes_too_long_is_stopped(cell):
    # So short a way that an arm that does not follow stays within the controller's tolerance: it
    # waits for half a second at the end, which is now too late.
    plan = planned(cell, 0.1 * AWAY).planned_trajectory
    set_duration(cell, "scaling", 1.0)
    set_duration(cell, "margin", 0.0)
    assert cell.set_parameter(cell.cell, "faults", ["controller_stall"]).successful
    with cell.slowly():
        result = ends_with(execute(cell, plan), MoveItErrorCode.TIMED_OUT)
    assert "was stopped" in result.error_code.message
    assert cell.stands()


def test_faults_of_planning(cell):
    assert cell.set_parameter(cell.move_group, "faults", ["plan_aborted"]).successful
    ends_with(move(cell, joints(cell)), MoveItErrorCode.ABORT)
    assert cell.set_parameter(cell.move_group, "faults", ["plan_refused"]).successful
    with pytest.raises(GoalRefusedError):
        move(cell, joints(cell)).result(WAIT_S)
    assert cell.speed() < 0.05
    refused = cell.set_parameter(cell.move_group, "faults", ["camera_delay"])
    assert not refused.successful
    assert "this node knows plan_refused, plan_aborted" in refused.reason
    assert cell.set_parameter(cell.move_group, "faults", [""]).successful
    assert planned(cell).error_code.val == MoveItErrorCode.SUCCESS


def test_stale_joint_states(cell):
    """They stop while the clock goes on, as when a driver hangs."""
    publisher = cell.cell._state._joints
    cell.cell._state._joints = Silent()
    try:
        cell.pass_time(1.5)
        result = ends_with(move(cell, joints(cell)), MoveItErrorCode.ROBOT_STATE_STALE)
        assert "s old" in result.error_code.message
    finally:
        cell.cell._state._joints = publisher
    ends_with(move(cell, joints(cell)), MoveItErrorCode.SUCCESS, GoalStatus.STATUS_SUCCEEDED)


class Silent:
    def publish(self, message):
        """Say nothing."""


def test_joint_states_that_are_no_use_are_counted_and_change_nothing(cell):
    states = cell.publisher(JointState, "/joint_states", qos.RESULT)
    drops = cell.move_group.drops
    states.publish(JointState(name=["panda_joint1"], position=[]))
    cell.wait(lambda: [r for r in drops.counts() if r.startswith("joint states:")], "a drop")
    assert planned(cell).error_code.val == MoveItErrorCode.SUCCESS


def test_many_clients_at_once_all_hear(cell):
    """More requests than threads: joint states still come through, and nobody is left waiting."""
    codes = []

    def ask():
        codes.append(planned(cell).error_code.val)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert codes == [MoveItErrorCode.SUCCESS] * 6
