# SPDX-License-Identifier: Apache-2.0
"""The two nodes as processes: Ctrl-C in the middle of a motion ends them well and quietly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from moveit_msgs.action import MoveGroup
from sensor_msgs.msg import Image, JointState

from tack_grasping.motion import MotionConfig
from tack_grasping.profiles import load_profile
from tack_ros import qos
from tack_ros.calls import CallError, Calls
from tack_ros.moveit import requests

pytestmark = pytest.mark.ros


@pytest.fixture
def calls(graph):
    made = Calls("test_calls", graph.context)
    yield made
    made.close()


@pytest.fixture
def nodes():
    def start(name, *parameters):
        words = [word for parameter in parameters for word in ("-p", parameter)]
        return subprocess.Popen(
            [sys.executable, "-m", f"tack_ros.nodes.{name}", "--ros-args", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    started = [
        start("cell", "width:=160", "height:=120"),
        start("move_group", "use_sim_time:=true"),
    ]
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_ctrl_c_during_a_motion(graph, calls, nodes):
    images = graph.listen(Image, "/wrist/color/image_raw", qos.SENSOR)
    states = graph.listen(JointState, "/joint_states", qos.RESULT)
    profile = load_profile("panda_2f85")
    config = MotionConfig(speed=0.05, acceleration=0.05)
    step = np.array([0.8, 0, 0, 0, 0, 0, 0])
    wanted = dict(zip(profile.joints, (profile.home + step).tolist(), strict=True))
    graph.wait(lambda: images, "an image", 60.0)
    goal = requests.joint_goal(profile, wanted, config)
    sent = calls.send(MoveGroup, "/move_action", goal, wait_s=60.0)
    graph.wait(lambda: sent.over or states[-1].velocity[0] > 0.02, "the arm to move", 30.0)
    assert not sent.over, sent.result(0.0).error_code
    for process in nodes:
        process.send_signal(signal.SIGINT)
    with pytest.raises(CallError, match="gone"):
        sent.result(60.0)
    for process in nodes:
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said
        for noise in ("Traceback", "terminate called", "internal error", "never retrieved"):
            assert noise not in said
