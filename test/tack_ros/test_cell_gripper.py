# SPDX-License-Identifier: Apache-2.0
"""The gripper's action, of both types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand, ParallelGripperCommand

from tack_ros.calls import GoalRefusedError
from tack_ros.moveit import requests

pytestmark = pytest.mark.ros
WAIT_S = 120.0
ROBOTS = Path(__file__).parents[2] / "config/robots"


class Bench:
    """A cell with a gripper whose action is of one type."""

    def __init__(self, cell, parallel):
        self.cell, self.gripper = cell, cell.profile.gripper
        self.kind = ParallelGripperCommand if parallel else GripperCommand
        self._make = requests.parallel_gripper_goal if parallel else requests.gripper_goal
        self._parallel = parallel

    def goal(self, opening, force=20.0):
        return self._make(self.gripper, opening, force)

    def send(self, goal):
        return self.cell.calls.send(self.kind, self.gripper.action, goal)

    def opening(self, result):
        position = result.state.position[0] if self._parallel else result.position
        return self.gripper.opening(position)

    def set_position(self, goal, value):
        if self._parallel:
            goal.command.position[0] = value
        else:
            goal.command.position = value


@pytest.fixture(scope="module", params=["gripper_command", "parallel_gripper_command"])
def shared(request, start_cell, tmp_path_factory):
    parallel = request.param != "gripper_command"
    robot = "panda_2f85"
    if parallel:
        profile = yaml.safe_load((ROBOTS / "panda_hand.yaml").read_text())
        profile["gripper"]["action_type"] = request.param
        path = tmp_path_factory.mktemp("robot") / "panda_hand.yaml"
        path.write_text(yaml.safe_dump(profile))
        robot = str(path)
    return Bench(start_cell(robot=robot, object_class="box"), parallel)


@pytest.fixture
def bench(shared):
    shared.cell.home()
    return shared


def test_an_opening_is_reached(bench):
    for opening in (0.03, 0.07):
        goal = bench.send(bench.goal(opening))
        result = goal.result(WAIT_S)
        assert goal.succeeded
        assert result.reached_goal
        assert not result.stalled
        assert bench.opening(result) == pytest.approx(opening, abs=2.5e-3)


def test_openings_beyond_the_stroke_end_at_it(bench):
    bench.send(bench.goal(0.05)).result(WAIT_S)
    result = bench.send(bench.goal(0.2)).result(WAIT_S)
    assert result.reached_goal
    assert bench.opening(result) == pytest.approx(bench.gripper.stroke, abs=2.5e-3)


@pytest.fixture
def between_fingers(bench):
    """The target, a box, between the fingers, where it floats."""
    world = bench.cell.world
    target = world.layout.target
    corners = target.model.mesh.vertices
    with world.lock:
        pose = world.base_from_gripper()
        pose[:3, 3] -= pose[:3, :3] @ (corners.min(axis=0) + corners.max(axis=0)) / 2
        gravity = world.model.opt.gravity.copy()
        world.model.opt.gravity[:] = 0
        world.place_object(target.name, pose)
    yield float(np.ptp(corners[:, 1]))
    with world.lock:
        world.model.opt.gravity[:] = gravity
        world.place_object(target.name, target.base_from_object)


def test_fingers_stall_on_an_object(bench, between_fingers):
    goal = bench.send(bench.goal(0.0))
    result = goal.result(WAIT_S)
    assert goal.succeeded
    assert result.stalled
    assert not result.reached_goal
    assert bench.opening(result) == pytest.approx(between_fingers, abs=5e-3)
    assert bench.cell.world.pads_on(bench.cell.world.layout.target.name) == (True, True)


def test_a_gripper_that_slips_loses_what_it_holds_until_the_fault_ends(bench, between_fingers):
    world, name = bench.cell.world, bench.cell.world.layout.target.name

    def weight(down):
        with world.lock:
            world.model.opt.gravity[2] = -9.81 * down

    assert bench.send(bench.goal(0.0)).result(WAIT_S).stalled
    weight(1)
    bench.cell.pass_time(0.5)
    height = world.object_pose(name)[2, 3]
    bench.cell.pass_time(0.3)
    assert world.object_pose(name)[2, 3] > height - 2e-3
    assert bench.cell.set_parameter(bench.cell.cell, "faults", ["gripper_slip"]).successful
    bench.cell.wait(lambda: world.object_pose(name)[2, 3] < height - 0.1, "the object to fall")
    assert bench.send(bench.goal(0.05)).result(WAIT_S).reached_goal


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(bench, value):
    goal = bench.goal(0.03)
    bench.set_position(goal, value)
    with pytest.raises(GoalRefusedError):
        bench.send(goal).result(WAIT_S)
    with pytest.raises(GoalRefusedError):
        bench.send(bench.goal(0.03, force=-5.0)).result(WAIT_S)
    assert bench.send(bench.goal(0.03)).result(WAIT_S).reached_goal


def test_cancelling_stops_the_fingers(bench):
    state = bench.cell.world.gripper_state
    with bench.cell.slowly():
        goal = bench.send(bench.goal(0.0))
        bench.cell.wait(
            lambda: state().opening < bench.gripper.stroke - 0.01, "the fingers to move"
        )
        goal.cancel()
        result = goal.result(WAIT_S)
    assert goal.status == GoalStatus.STATUS_CANCELED
    bench.cell.pass_time(0.3)
    assert state().opening > 0.01
    assert state().opening == pytest.approx(bench.opening(result), abs=0.015)


def test_a_newer_goal_takes_over(bench):
    with bench.cell.slowly():
        first = bench.send(bench.goal(0.0))
        second = bench.send(bench.goal(0.06))
    assert second.result(WAIT_S).reached_goal
    assert not first.result(WAIT_S).reached_goal
    assert first.status == GoalStatus.STATUS_ABORTED
