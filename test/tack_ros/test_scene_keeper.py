# SPDX-License-Identifier: Apache-2.0
"""What the keeper of the planning scene does before the robot's driver has been found."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from sensor_msgs.msg import JointState

from tack_grasping.profiles import load_profile
from tack_ros import qos
from tack_ros.conversions.stamps import to_stamp
from tack_ros.move_group import scene_keeper
from tack_ros.move_group.scene_keeper import SceneKeeper
from tack_ros.node import TackNode
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.planner import MotionPlanner

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def planner():
    return MotionPlanner(load_profile("panda_2f85"))


@pytest.fixture
def keeper(graph, planner):
    return SceneKeeper(graph.start(TackNode, "keeper"), planner)


def test_a_request_right_after_the_start_waits_for_the_first_joint_state(graph, planner, keeper):
    profile = planner.robot.profile
    states = graph.publisher(JointState, "/joint_states", qos.RESULT)
    late = threading.Event()

    def drive():
        time.sleep(1.5)
        late.set()
        for _ in range(500):
            stamp = to_stamp(graph.probe.get_clock().now().nanoseconds)
            message = JointState(name=list(profile.joints), position=(profile.home + 0.1).tolist())
            message.header.stamp = stamp
            states.publish(message)
            if asked.wait(0.01):
                return

    asked = threading.Event()
    driver = threading.Thread(target=drive)
    driver.start()
    try:
        scene = keeper.now()
    finally:
        asked.set()
        driver.join()
    assert late.is_set()
    for joint, home in zip(profile.joints, profile.home, strict=True):
        assert scene.positions[joint] == pytest.approx(home + 0.1)


def test_without_a_driver_it_says_so(keeper, monkeypatch):
    monkeypatch.setattr(scene_keeper, "_FIRST_S", 0.5)
    with pytest.raises(MoveItError, match="no joint state has come on /joint_states yet") as error:
        keeper.now()
    assert error.value.code is MoveItErrorCode.ROBOT_STATE_STALE
