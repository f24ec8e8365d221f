# SPDX-License-Identifier: Apache-2.0
"""The client that moves an arm through move_group, on the simulated one."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from control_msgs.action import GripperCommand
from rclpy.action.server import ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionConfig, MotionError
from tack_grasping.robot import KeepOut
from tack_grasping.scene.touching import Touching
from tack_perception.errors import InvalidInputError
from tack_ros.moveit.client import MoveItMotion
from tack_ros.moveit.loss import Loss

pytestmark = pytest.mark.ros
CONFIG = MotionConfig(planning_time=60.0, attempts=1, patience=120.0, server_patience=60.0)
AWAY = np.array([0.6, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def shared(start_cell):
    return start_cell(move_group=True)


@pytest.fixture
def cell(shared):
    shared.home()
    return shared


@pytest.fixture
def motion(cell):
    return MoveItMotion(cell.profile, cell.calls, CONFIG)


def gripper_pose(cell, shift=(0.0, 0.0, 0.0)):
    pose = cell.world.base_from_gripper()
    pose[:3, 3] += shift
    return pose


class Doing:
    """A call under way on a thread."""

    def __init__(self, call, *args):
        self.error = None
        self._thread = threading.Thread(target=self._run, args=(call, *args))
        self._thread.start()

    def _run(self, call, *args):
        try:
            call(*args)
        except MotionError as error:
            self.error = error

    def code(self):
        self._thread.join(120.0)
        assert not self._thread.is_alive()
        return self.error and self.error.code


def test_to_poses_straight_and_home(cell, motion):
    there = gripper_pose(cell, (0.0, 0.1, -0.1))
    motion.move_to(there)
    np.testing.assert_allclose(gripper_pose(cell), there, atol=0.02)
    down = there.copy()
    down[2, 3] -= 0.08
    motion.move_straight(down)
    np.testing.assert_allclose(gripper_pose(cell)[:3, 3], down[:3, 3], atol=6e-3)
    motion.move_straight(down)  # there already
    motion.move_straight(there, touching=Touching.THINGS)
    motion.move_home()
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home, atol=6e-3)
    motion.move_joints(cell.profile.home + AWAY)
    np.testing.assert_allclose(cell.world.arm_motion()[0], cell.profile.home + AWAY, atol=6e-3)


def test_the_gripper(cell, motion):
    state = motion.move_gripper(0.03, 20.0)
    assert state.reached
    assert not state.stalled
    assert state.opening == pytest.approx(0.03, abs=2.5e-3)
    for opening, force in ((0.2, 20.0), (-0.01, 20.0), (np.nan, 20.0), (0.03, 0.0), (0.03, 1e3)):
        with pytest.raises(InvalidInputError):
            motion.move_gripper(opening, force)


def test_a_goal_that_cannot_be_reached_has_move_groups_code_and_sentence(cell, motion):
    with pytest.raises(MotionError) as raised:
        motion.move_to(gripper_pose(cell, (2.0, 0.0, 0.0)))
    assert raised.value.code in (Code.NO_IK_SOLUTION, Code.PLANNING_FAILED, Code.GOAL_STATE_INVALID)
    assert str(raised.value).startswith("motion: ")
    assert raised.value.code.name in str(raised.value)
    with pytest.raises(MotionError, match=r"only \d+% of the straight way") as raised:
        motion.move_straight(gripper_pose(cell, (0.0, 0.0, 0.9)))
    assert raised.value.code is Code.PLANNING_FAILED


def test_boxes_stop_it_until_they_are_removed(cell, motion):
    there = gripper_pose(cell, (0.0, 0.2, -0.1))
    motion.add_box("wall", there, np.array([0.1, 0.1, 0.1]))
    with pytest.raises(MotionError) as raised:
        motion.move_to(there)
    assert raised.value.code is Code.GOAL_IN_COLLISION
    assert "wall" in str(raised.value)
    motion.remove("wall")
    motion.move_to(there)
    with pytest.raises(MotionError, match="refused the change"):
        motion.remove("wall")


def test_what_stands_around_may_be_touched_by_the_fingers_where_that_is_wanted(cell, motion):
    """A box that is only in the planning scene, around where the fingers go."""
    there = gripper_pose(cell)
    there[2, 3] -= 0.08
    motion.add_box("thing", there, np.array([0.1, 0.1, 0.15]))
    with pytest.raises(MotionError, match=r"only \d+% of the straight way"):
        motion.move_straight(there, touching=Touching.THINGS)  # it would meet the palm
    motion.add_box("thing", there, np.array([0.1, 0.1, 0.08]))
    with pytest.raises(MotionError, match=r"only \d+% of the straight way"):
        motion.move_straight(there)
    motion.move_straight(there, touching=Touching.THINGS)
    np.testing.assert_allclose(gripper_pose(cell)[:3, 3], there[:3, 3], atol=6e-3)
    motion.remove("thing")
    motion.move_home()
    motion.add_box("thing", there, np.array([0.1, 0.1, 0.08]))
    with pytest.raises(MotionError):  # only that one way was allowed to touch it
        motion.move_straight(there)
    motion.remove("thing")


def test_it_comes_in_a_posture_in_which_it_gets_on(cell, motion):
    """The forearm meets the shoulder before the hand is down, with the elbow this way."""
    motion.move_joints(np.array([0.411, -1.063, -0.747, -2.776, -0.655, 1.798, -1.62]))
    there = gripper_pose(cell)
    low = there.copy()
    low[2, 3] = 0.03
    with pytest.raises(MotionError, match=r"only \d+% of the straight way"):
        motion.move_straight(low, touching=Touching.THINGS)
    motion.move_to(there, onwards=low)
    np.testing.assert_allclose(gripper_pose(cell)[:3, 3], there[:3, 3], atol=6e-3)
    motion.move_straight(low, touching=Touching.THINGS)
    np.testing.assert_allclose(gripper_pose(cell)[:3, 3], low[:3, 3], atol=6e-3)
    motion.move_straight(there)
    with pytest.raises(MotionError, match="in none of 8 postures"):
        motion.move_to(there, onwards=gripper_pose(cell, (0.0, 0.0, 1.5)))
    motion.move_home()


def test_what_the_robot_has_to_keep_out_of_is_never_touched(cell, motion, monkeypatch):
    there = gripper_pose(cell)
    there[2, 3] -= 0.08
    box = KeepOut("glass", there, np.array([0.1, 0.1, 0.1]))
    monkeypatch.setattr(motion, "_profile", dataclasses.replace(cell.profile, keep_out=(box,)))
    motion.add_box(box.name, box.base_from_box, box.size)
    with pytest.raises(MotionError, match=r"only \d+% of the straight way"):
        motion.move_straight(there, touching=Touching.THINGS)
    motion.remove("glass")


def test_what_is_held_moves_along(cell, motion):
    motion.add_box("held", gripper_pose(cell), np.array([0.05, 0.1, 0.05]))
    motion.attach("held")
    motion.move_joints(cell.profile.home + AWAY)
    motion.detach("held")
    with pytest.raises(MotionError) as raised:  # it is where the gripper is now
        motion.move_home()
    assert raised.value.code is Code.START_STATE_IN_COLLISION
    motion.remove("held")
    motion.move_home()


def test_stop_ends_what_moves_and_latches_until_resume(cell):
    motion = MoveItMotion(cell.profile, cell.calls, CONFIG)
    with cell.slowly():
        doing = Doing(motion.move_joints, cell.profile.home + AWAY)
        cell.wait(lambda: cell.speed() > 0.02, "the arm to move")
        motion.stop()
        assert doing.code() is Code.PREEMPTED
    assert cell.stands()
    for call in (motion.move_home, lambda: motion.move_gripper(0.05, 20.0)):
        with pytest.raises(MotionError, match="resume") as raised:
            call()
        assert raised.value.code is Code.PREEMPTED
    assert cell.speed() < 0.02
    motion.resume()
    motion.move_home()


def test_stop_ends_a_straight_way_and_the_gripper_too(cell):
    motion = MoveItMotion(cell.profile, cell.calls, CONFIG)
    with cell.slowly():
        doing = Doing(motion.move_straight, gripper_pose(cell, (0.0, 0.0, -0.15)))
        cell.wait(lambda: cell.speed() > 0.01, "the arm to move")
        motion.stop()
        assert doing.code() is Code.PREEMPTED
    assert cell.stands()
    motion.resume()
    opening, state = cell.profile.gripper.stroke, cell.world.gripper_state
    with cell.slowly():
        doing = Doing(motion.move_gripper, 0.0, 20.0)
        cell.wait(lambda: state().opening < opening - 0.01, "the fingers to move")
        motion.stop()
        assert doing.code() is Code.PREEMPTED
    cell.pass_time(0.3)
    assert cell.world.gripper_state().opening > 0.01


def test_faults_become_errors_with_their_code(cell, motion):
    with cell.slowly():
        doing = Doing(motion.move_joints, cell.profile.home + AWAY)
        cell.wait(lambda: cell.speed() > 0.1, "the arm to move")
        assert cell.set_parameter(cell.cell, "faults", ["controller_stall"]).successful
    assert doing.code() is Code.CONTROL_FAILED
    assert "away from the trajectory" in str(doing.error)
    assert cell.set_parameter(cell.cell, "faults", [""]).successful
    for fault, code in (("plan_aborted", Code.ABORT), ("plan_refused", Code.FAILURE)):
        assert cell.set_parameter(cell.move_group, "faults", [fault]).successful
        with pytest.raises(MotionError) as raised:
            motion.move_home()
        assert raised.value.code is code
    with pytest.raises(MotionError) as raised:
        motion.move_straight(gripper_pose(cell, (0.0, 0.0, -0.05)))
    assert raised.value.code is Code.PLANNING_FAILED
    assert cell.set_parameter(cell.move_group, "faults", [""]).successful
    motion.move_home()


def test_what_takes_too_long_is_cancelled(cell):
    config = dataclasses.replace(CONFIG, patience=1.0, planning_time=3.0, speed=0.01)
    motion = MoveItMotion(cell.profile, cell.calls, config)
    with cell.slowly(), pytest.raises(MotionError) as raised:
        motion.move_joints(cell.profile.home + AWAY)
    assert raised.value.code is Code.TIMED_OUT
    assert cell.stands(0.5)


def test_nobody_there(cell):
    config = dataclasses.replace(CONFIG, server_patience=0.5)
    motion = MoveItMotion(cell.profile, cell.calls, config, namespace="/elsewhere")
    with pytest.raises(MotionError, match="nobody serves it") as raised:
        motion.add_box("box", np.eye(4), np.ones(3))
    assert raised.value.code is Code.COMMUNICATION_FAILURE


def test_a_stop_ends_the_wait_for_a_server_that_is_not_there(cell):
    config = dataclasses.replace(CONFIG, server_patience=600.0)  # longer than the test waits
    motion = MoveItMotion(cell.profile, cell.calls, config, namespace="/elsewhere")
    doing = Doing(motion.move_home)
    time.sleep(0.2)
    motion.stop()
    assert doing.code() is Code.PREEMPTED


def test_after_a_loss_the_planning_scene_is_brought_back_before_the_next_motion(cell):
    config = dataclasses.replace(CONFIG, server_patience=0.3)
    motion, lost, order = MoveItMotion(cell.profile, cell.calls, CONFIG), True, []

    def restore():
        order.append("restored")
        if lost:
            raise MotionError(Code.COMMUNICATION_FAILURE, "still nobody")

    motion.loss.restore = restore
    motion.move_home()
    assert order == []
    queries = motion._queries
    queries._config, prefix = config, queries._prefix
    queries._prefix = "/elsewhere/"
    with pytest.raises(MotionError, match="nobody serves it"):
        motion.add_box("box", np.eye(4), np.ones(3))
    queries._config, queries._prefix = CONFIG, prefix
    for _ in range(2):
        with pytest.raises(MotionError, match="still nobody"):
            motion.move_home()
    lost = False
    motion.move_home()
    motion.move_home()
    assert order == ["restored"] * 3


def test_a_server_that_came_in_between_is_told_of_the_planning_scene():
    there, told = [{b"old"}], []
    loss = Loss(lambda: None, lambda: frozenset(there[-1]))
    loss.restore = lambda: told.append(there[-1])
    loss.make_good()
    loss.make_good()
    assert told == []
    for servers in ({b"old", b"new"}, {b"new"}, set(), {b"newest"}):
        there.append(servers)
        loss.make_good()
        loss.make_good()
    assert told == [{b"old", b"new"}, {b"new"}, set(), set(), {b"newest"}]


@pytest.mark.parametrize("stalled", [True, False])
def test_a_gripper_that_aborts_has_failed_unless_its_fingers_stalled(cell, stalled):
    """The default of ros2_control, whose allow_stalling is false."""
    gripper = dataclasses.replace(cell.profile.gripper, action="strict/gripper_cmd")
    profile = dataclasses.replace(cell.profile, gripper=gripper)

    def execute(handle):
        handle.abort()
        return GripperCommand.Result(position=0.4, effort=20.0, stalled=stalled)

    server = ActionServer(
        cell.probe, GripperCommand, gripper.action, execute, callback_group=ReentrantCallbackGroup()
    )
    try:
        motion = MoveItMotion(profile, cell.calls, CONFIG)
        if stalled:
            state = motion.move_gripper(0.0, 20.0)
            assert state.stalled
            assert state.opening == pytest.approx(gripper.stroke / 2)
        else:
            with pytest.raises(MotionError) as raised:
                motion.move_gripper(0.0, 20.0)
            assert raised.value.code is Code.CONTROL_FAILED
    finally:
        server.destroy()
