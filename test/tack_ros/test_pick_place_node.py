# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from geometry_msgs.msg import PointStamped, PoseArray, PoseStamped
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from tack_perception import geometry
from tack_perception.keypoint import Keypoint
from tack_ros import qos
from tack_ros.conversions.detections import to_detections
from tack_ros.conversions.stamps import to_header, to_ns
from tack_ros.conversions.transforms import from_pose, to_point, to_transform
from tack_ros.nodes.pick_place import PickPlaceNode

pytestmark = pytest.mark.ros
CAMERA = "camera_color_optical_frame"
# A camera 1 m above the base that looks straight down.
BASE_FROM_CAMERA = geometry.from_axis_angle((1, 0, 0), math.pi, (0.5, 0.0, 1.0))


def mug(label="mug", confidence=0.9):
    covariance = np.eye(3) * 1e-6
    return Keypoint(
        label, 0, 0, confidence, xyz=(0.0, 0.1, 0.8), xyz_covariance=covariance, normal=(0, 0, -1)
    )


class Bench:
    def __init__(self, graph, **parameters):
        self.graph = graph
        self.node = graph.start(PickPlaceNode, **parameters)
        self.candidates = graph.listen(PoseArray, "/pick_place/grasp_candidates", qos.RESULT)
        self.poses = {
            name: graph.listen(PoseStamped, f"/pick_place/{name}_pose", qos.RESULT)
            for name in ("grasp", "pregrasp", "place")
        }
        self.markers = graph.listen(MarkerArray, "/pick_place/markers", qos.RESULT)
        self.detections = graph.publisher(Detection3DArray, "detections", qos.RESULT)
        self.tf = graph.publisher(TFMessage, "/tf", qos.TF)
        graph.wait(lambda: self.node._markers.get_subscription_count(), "discovery")
        graph.wait(lambda: self.node._candidates.get_subscription_count(), "discovery")

    def now(self):
        return self.node.get_clock().now().nanoseconds

    def send_transform(self, stamp_ns, matrix=BASE_FROM_CAMERA):
        self.tf.publish(TFMessage(transforms=[to_transform(matrix, "base_link", CAMERA, stamp_ns)]))

    def send(self, stamp_ns, *keypoints):
        self.detections.publish(to_detections(keypoints, to_header(stamp_ns, CAMERA)))

    def wait_for_drop(self, words):
        self.graph.wait(
            lambda: [r for r in self.node.drops.counts() if words in r], f"a drop: {words}"
        )


@pytest.fixture
def bench(graph):
    return Bench(graph)


def test_a_detection_becomes_grasps_in_the_base_frame(bench, graph):
    stamp_ns = bench.now()
    bench.send_transform(stamp_ns)
    bench.send(stamp_ns, mug())
    graph.wait(lambda: bench.candidates and bench.markers and bench.poses["pregrasp"], "goals")
    assert bench.candidates[0].header == to_header(stamp_ns, "base_link")
    assert len(bench.candidates[0].poses) == 8
    grasp = from_pose(bench.poses["grasp"][0].pose)
    np.testing.assert_allclose(grasp, from_pose(bench.candidates[0].poses[0]), atol=1e-12)
    # The point lies at z = 0.2 m above the base; the finger tips go 10 mm below the surface.
    np.testing.assert_allclose(grasp[:3, 3], (0.5, -0.1, 0.19), atol=1e-9)
    np.testing.assert_allclose(grasp[:3, 2], (0, 0, -1), atol=1e-9)
    pregrasp = from_pose(bench.poses["pregrasp"][0].pose)
    np.testing.assert_allclose(pregrasp[:3, 3], (0.5, -0.1, 0.30), atol=1e-9)
    assert not bench.poses["place"]


def test_a_place_point_adds_the_place(bench, graph):
    place = graph.publisher(PointStamped, "/pick_place/place_point", qos.RESULT)
    place.publish(PointStamped(header=to_header(0, "base_link"), point=to_point((0.2, 0.3, 0.1))))
    graph.wait(lambda: bench.node._place, "the place point")
    stamp_ns = bench.now()
    bench.send_transform(stamp_ns)
    bench.send(stamp_ns, mug())
    graph.wait(lambda: bench.poses["place"], "a place pose")
    placed = from_pose(bench.poses["place"][0].pose)
    np.testing.assert_allclose(placed[:3, 3], (0.2, 0.3, 0.09), atol=1e-9)
    place.publish(PointStamped(point=to_point((math.nan, 0, 0))))
    bench.wait_for_drop("place point is not finite")


def test_a_transform_that_comes_late_is_waited_for(graph):
    bench = Bench(graph, tf_timeout=10.0)
    stamp_ns = bench.now()
    bench.send(stamp_ns, mug())
    graph.wait(lambda: bench.node.monitor.received_total, "the detection")
    bench.send_transform(stamp_ns)
    graph.wait(lambda: bench.candidates, "goals")
    assert bench.node.drops.unexpected == 0


def test_missing_and_outdated_transforms_are_counted_drops(bench, graph):
    bench.send(bench.now(), mug())
    bench.wait_for_drop("not in the tree")
    now_ns = bench.now()
    bench.send_transform(now_ns + 100_000_000)
    bench.send_transform(now_ns + 200_000_000)
    graph.wait(lambda: bench.node._transforms.buffer.frames(), "transforms")
    bench.send(now_ns, mug())
    bench.wait_for_drop("before the oldest")
    bench.send_transform(now_ns - 60_000_000_000)
    bench.wait_for_drop("older than the newest")
    bench.send(now_ns + 150_000_000, mug())
    graph.wait(lambda: bench.candidates, "goals after all that")


def test_without_a_base_frame_goals_are_in_the_cameras(graph):
    bench = Bench(graph, base_frame="")
    stamp_ns = bench.now()
    bench.send(stamp_ns, mug())
    graph.wait(lambda: bench.candidates, "goals")
    assert bench.candidates[0].header == to_header(stamp_ns, CAMERA)
    np.testing.assert_allclose(from_pose(bench.candidates[0].poses[0])[:3, 2], (0, 0, 1), atol=1e-9)


def test_only_the_wanted_label_is_planned_for_and_refusals_are_told(graph):
    bench = Bench(graph, base_frame="", label="cup")
    bench.send(bench.now(), mug(), mug("cup", confidence=0.1))
    graph.wait(lambda: bench.candidates, "an answer")
    assert bench.candidates[0].poses == []
    health = bench.node._health().values
    assert health["refused: cup"] == "cup: confidence 0.10 is below 0.3"
    assert "refused: mug" not in health
    assert graph.set_parameter(bench.node, "label", "mug").successful
    bench.send(bench.now(), mug())
    graph.wait(lambda: len(bench.candidates) == 2, "an answer")
    assert len(bench.candidates[1].poses) == 8


def test_wrong_detections_are_counted_drops(graph):
    bench = Bench(graph, base_frame="")
    stamp_ns = bench.now()
    bench.send(stamp_ns - 60_000_000_000, mug())
    bench.wait_for_drop("s old, max_age is 5 s")
    bench.send(stamp_ns + 60_000_000_000, mug())
    bench.wait_for_drop("in the future")
    bench.send(0, mug())
    bench.wait_for_drop("no stamp")
    broken = to_detections([mug(), mug("cup")], to_header(stamp_ns, CAMERA))
    broken.detections[0].results[0].pose.pose.position.z = math.nan
    bench.detections.publish(broken)
    bench.wait_for_drop("detection: mug: xyz")
    graph.wait(lambda: bench.candidates, "the other detection")
    bench.send(stamp_ns, mug())
    bench.wait_for_drop("not newer")
    assert [to_ns(array.header.stamp) for array in bench.candidates] == [stamp_ns]


def test_planner_parameters_are_checked_and_used(graph):
    bench = Bench(graph, base_frame="")
    refused = graph.set_parameter(bench.node, "planner.turns", 0)
    assert refused.reason == "SurfacePlannerConfig.turns = 0: allowed is 1 to 36"
    assert graph.set_parameter(bench.node, "planner.turns", 7).successful
    bench.send(bench.now(), mug())
    graph.wait(lambda: bench.candidates, "goals")
    assert len(bench.candidates[0].poses) == 7
