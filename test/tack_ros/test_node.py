# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy
from control_msgs.action import GripperCommand
from rclpy.action.server import ActionServer

from tack_ros.actions import servers_of
from tack_ros.environment import graph_environment
from tack_ros.node import TackNode

pytestmark = pytest.mark.ros

SCRIPT = """
import sys, time
import rclpy
from tack_ros.node import TackNode, run

class Node(TackNode):
    def __init__(self):
        super().__init__("clumsy")
        self.ticks = 0
        self.at_end(lambda: print("closed", flush=True))
        self.create_timer(0.01, self.tick)

    def tick(self):
        self.ticks += 1
        if self.ticks == 5:
            counts = self.drops.counts()
            print(counts["internal error in tick: ValueError: oops"], "faults, ready", flush=True)
        if self.ticks < 5:
            raise ValueError("oops")

sys.exit(run(Node))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_callback_that_fails_does_not_end_the_node_and_a_signal_does(number):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env=graph_environment(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "4 faults, ready\n"
        process.send_signal(number)
        process.send_signal(number)  # a second one must not tear the end
        assert process.communicate(timeout=30)[0] == "closed\n"
        assert process.returncode == 0
    finally:
        process.kill()


def test_a_node_that_has_ended_serves_no_more(graph):
    other = rclpy.Context()
    rclpy.init(context=other)
    node = TackNode("short_lived", context=other)
    server = ActionServer(node, GripperCommand, "gripper", lambda goal: GripperCommand.Result())
    try:
        graph.wait(lambda: servers_of(graph.probe, "gripper"), "the server")
        graph.wait(lambda: "short_lived" in graph.probe.get_node_names(), "the node")
        node.destroy_node()
        graph.wait(lambda: not servers_of(graph.probe, "gripper"), "its end")
        # With its action forgotten the node would stay, for as long as somebody knows it.
        graph.wait(lambda: "short_lived" not in graph.probe.get_node_names(), "the node's end")
        assert server
    finally:
        node.destroy_node()
        other.try_shutdown()


HANGING = """
import sys, threading
from control_msgs.action import GripperCommand
from rclpy.action.server import ActionServer
from tack_ros.node import TackNode, run

class Node(TackNode):
    def __init__(self):
        super().__init__("hanging")
        self.server = ActionServer(self, GripperCommand, "gripper", print)
        self.create_timer(0.01, lambda: threading.Event().wait())

sys.exit(run(Node, threads=2))
"""


def test_a_callback_that_does_not_end_keeps_no_node_on_the_graph(graph):
    process = subprocess.Popen([sys.executable, "-c", HANGING], env=graph_environment(os.environ))
    try:
        graph.wait(lambda: servers_of(graph.probe, "gripper"), "the server", 30.0)
        process.send_signal(signal.SIGINT)
        graph.wait(lambda: not servers_of(graph.probe, "gripper"), "its end", 15.0)
    finally:
        process.kill()
        process.wait()
