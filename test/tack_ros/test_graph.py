# SPDX-License-Identifier: Apache-2.0
"""The whole graph, each node in its own process, started by `tack launch` from a shipped file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from vision_msgs.msg import Detection3DArray

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationSet, AnnotationStore
from tack_perception.sources.bag_writer import BagWriter
from tack_ros import qos
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.stamps import to_ns
from tack_ros.environment import graph_environment

pytestmark = pytest.mark.ros
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def recording(tmp_path, make_frame):
    """A bag of one second and a set with one click on its first frame."""
    base_from_camera = np.diag([1.0, -1.0, -1.0, 1.0])
    frames = [make_frame(START_NS + number * 100_000_000) for number in range(10)]
    with BagWriter(tmp_path / "bag") as writer:
        for frame in frames:
            writer.write_transform("base_link", frame.frame_id, frame.stamp_ns, base_from_camera)
            writer.write(frame)
    annotations = AnnotationSet()
    annotations.add(Annotation("corner", 84.0, 52.0, frames[0]))
    AnnotationStore(tmp_path / "set").save(annotations)
    return tmp_path


def test_from_a_bag_to_grasps_and_a_clean_end(graph, recording):
    detections = graph.listen(Detection3DArray, "/detector/detections", qos.RESULT)
    candidates = graph.listen(PoseArray, "/pick_place/grasp_candidates", qos.RESULT)
    diagnostics = graph.listen(DiagnosticArray, "/diagnostics", qos.RESULT)
    words = [f"bag:={recording / 'bag'}", f"set:={recording / 'set'}", "base_frame:=base_link"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tack_cli.main", "launch", "replay", *words],
        env=graph_environment(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=recording,
        start_new_session=True,
    )
    try:
        # Four interpreters start, on a machine that may be busy.
        graph.wait(
            lambda: any(a.poses for a in candidates) and any(a.detections for a in detections),
            "detections and grasps",
            60,
        )
        found = next(array for array in detections if array.detections)
        assert (to_ns(found.header.stamp) - START_NS) % 100_000_000 == 0
        keypoint = from_detection(found.detections[0])
        assert keypoint.label == "corner"
        assert keypoint.xyz[2] == pytest.approx(0.5, abs=0.005)
        goal = next(array for array in candidates if array.poses)
        assert goal.header.frame_id == "base_link"
        names = {"camera/camera", "annotation", "detector", "pick_place"}
        graph.wait(
            lambda: names <= {status.name for array in diagnostics for status in array.status},
            "the diagnostics of all nodes",
        )
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            print(process.communicate(timeout=30)[0])
    assert process.returncode == 0, output
    for name in ("camera", "annotation", "detector", "pick_place"):
        assert any(
            line.startswith(f"[{name}]") and line.endswith("has ended")
            for line in output.split("\n")
        ), output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("node", "arguments", "words"),
    [
        ("camera", ["-p", "source:=/no/such/bag"], "no/such/bag"),
        ("pick_place", ["-p", "planner.turns:=0"], "allowed is 1 to 36"),
    ],
)
def test_a_node_that_cannot_start_says_why(node, arguments, words):
    done = subprocess.run(
        [sys.executable, "-m", f"tack_ros.nodes.{node}", "--ros-args", *arguments],
        env=graph_environment(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
