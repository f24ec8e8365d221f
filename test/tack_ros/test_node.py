# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from tack_ros.environment import graph_environment

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
