# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection3DArray, VisionInfo
from visualization_msgs.msg import MarkerArray

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationSet, AnnotationStore
from tack_perception.encodings import decode_color, encode_depth
from tack_perception.errors import FileFormatError
from tack_ros import qos
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.images import to_camera_info, to_color_image, to_image
from tack_ros.conversions.stamps import to_header, to_ns
from tack_ros.nodes.detector import NOTHING_ENROLLED, DetectorNode

pytestmark = pytest.mark.ros
PIXEL = (84.0, 52.0)


class Bench:
    def __init__(self, graph, **parameters):
        self.graph = graph
        self.node = graph.start(DetectorNode, **parameters)
        self.detections = graph.listen(Detection3DArray, "/detector/detections", qos.RESULT)
        self.info = graph.publisher(CameraInfo, "color/camera_info", qos.SENSOR)
        self.color = graph.publisher(Image, "color/image_raw", qos.SENSOR)
        self.depth = graph.publisher(Image, "aligned_depth_to_color/image_raw", qos.SENSOR)
        graph.wait(lambda: self.node._detections.get_subscription_count(), "discovery")

    def now(self):
        return self.node.get_clock().now().nanoseconds

    def send(self, frame):
        header = to_header(frame.stamp_ns, frame.frame_id)
        self.info.publish(to_camera_info(frame.intrinsics, header))
        self.depth.publish(to_image(encode_depth(frame.depth), header))
        self.color.publish(to_color_image(frame.color, header))

    def wait_for_drop(self, words):
        self.graph.wait(
            lambda: [r for r in self.node.drops.counts() if words in r], f"a drop: {words}"
        )


@pytest.fixture
def save_set(tmp_path, make_frame):
    def save(*labels, name="set"):
        annotations = AnnotationSet()
        for label in labels:
            annotations.add(Annotation(label, *PIXEL, make_frame()))
        AnnotationStore(tmp_path / name).save(annotations)
        return str(tmp_path / name)

    return save


def test_an_annotated_point_is_found_in_space(graph, make_frame, save_set):
    bench = Bench(graph, annotations=save_set("corner"))
    markers = graph.listen(MarkerArray, "/detector/markers", qos.RESULT)
    overlay = graph.listen(Image, "/detector/overlay", qos.SENSOR)
    graph.wait(bench.node._markers.get_subscription_count, "discovery")
    graph.wait(bench.node._overlay.get_subscription_count, "discovery")
    frame = make_frame(bench.now())
    bench.send(frame)
    graph.wait(lambda: bench.detections and markers and overlay, "detections")
    array = bench.detections[0]
    assert array.header == to_header(frame.stamp_ns, frame.frame_id)
    (detection,) = array.detections
    keypoint = from_detection(detection)
    assert keypoint.label == "corner"
    expected = frame.intrinsics.deproject(PIXEL, 0.5)
    np.testing.assert_allclose(keypoint.xyz, expected, atol=0.005)
    np.testing.assert_allclose(keypoint.normal, (0, 0, -1), atol=0.05)
    assert not np.array_equal(decode_color(overlay[0]), frame.color)
    assert bench.node.drops.unexpected == 0
    assert bench.node._health().values["labels"] == "corner"


def test_an_announced_set_replaces_what_was_enrolled(graph, make_frame, save_set, tmp_path):
    bench = Bench(graph)
    bench.send(make_frame(bench.now()))
    bench.wait_for_drop(NOTHING_ENROLLED)
    assert bench.node._health().problem == NOTHING_ENROLLED
    announce = graph.publisher(VisionInfo, "annotation_set", qos.LATCHED)
    found = []
    for folder in (save_set("a"), save_set("b", name="other")):
        announce.publish(VisionInfo(database_location=folder))
        graph.wait(lambda: bench.node._announced, "the announcement")
        before = len(bench.detections)
        bench.send(make_frame(bench.now()))
        graph.wait(lambda n=before: len(bench.detections) > n, "detections")
        newest = bench.detections[-1].detections
        found.append([one.results[0].hypothesis.class_id for one in newest])
    assert found == [["a"], ["b"]]

    announce.publish(VisionInfo(database_location=str(tmp_path / "damaged")))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "annotations.yaml").write_text("version: [")
    graph.wait(lambda: bench.node._announced, "the announcement")
    bench.send(make_frame(bench.now()))
    graph.wait(lambda: len(bench.detections) == 3, "detections after a bad announcement")
    assert bench.detections[-1].detections[0].results[0].hypothesis.class_id == "b"
    assert "could not be used" in bench.node._health().problem


def test_a_point_without_depth_is_left_out_with_its_reason(graph, make_frame, save_set):
    bench = Bench(graph, annotations=save_set("corner"))
    frame = make_frame(bench.now())
    blind = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    bench.send(blind)
    graph.wait(lambda: bench.detections, "an answer")
    assert bench.detections[0].detections == []
    assert "refused: corner" in bench.node._health().values


def test_wrong_images_are_counted_drops_and_the_node_goes_on(graph, make_frame, save_set):
    bench = Bench(graph, annotations=save_set("corner"))
    frame = make_frame(bench.now())
    header = to_header(frame.stamp_ns, frame.frame_id)
    bench.info.publish(to_camera_info(frame.intrinsics, header))
    bench.depth.publish(to_image(encode_depth(frame.depth), header))
    color = to_color_image(frame.color, header)
    color.encoding = "bayer_rggb8"
    bench.color.publish(color)
    bench.wait_for_drop("colour encoding 'bayer_rggb8'")

    small = dataclasses.replace(frame.intrinsics, width=80)
    bench.info.publish(to_camera_info(small, header))
    header = to_header(bench.now(), frame.frame_id)
    graph.wait(lambda: bench.node.monitor.received_total == 1, "the first pair")
    bench.depth.publish(to_image(encode_depth(frame.depth), header))
    bench.color.publish(to_color_image(frame.color, header))
    bench.wait_for_drop("is expected for these intrinsics")

    bench.send(make_frame(bench.now()))
    graph.wait(lambda: bench.detections, "detections after all that")


def test_lifting_parameters_are_checked_and_used(graph, make_frame, save_set):
    bench = Bench(graph, annotations=save_set("corner"))
    refused = graph.set_parameter(bench.node, "lifting.max_depth_m", -1.0)
    assert "LiftingConfig.max_depth_m = -1.0: allowed is" in refused.reason
    assert graph.set_parameter(bench.node, "lifting.max_depth_m", 0.3).successful
    bench.send(make_frame(bench.now()))
    graph.wait(lambda: bench.detections, "an answer")
    assert bench.detections[0].detections == []
    refused = graph.set_parameter(bench.node, "method", "other")
    assert not refused.successful


def test_a_damaged_set_is_refused_at_the_start(graph, tmp_path):
    (tmp_path / "annotations.yaml").write_text("version: [")
    with pytest.raises(FileFormatError):
        graph.start(DetectorNode, annotations=str(tmp_path))


def test_only_the_newest_image_is_worked_on(graph, make_frame, save_set):
    bench = Bench(graph, annotations=save_set("corner"))
    start_ns = bench.now()
    for number in range(5):
        bench.send(make_frame(start_ns + number * 1_000_000))
    last_ns = start_ns + 4 * 1_000_000
    graph.wait(
        lambda: bench.detections and to_ns(bench.detections[-1].header.stamp) == last_ns,
        "the newest image",
    )
    overtaken = sum(bench.node.drops.counts().values())
    assert overtaken + bench.node.monitor.handled_total == bench.node.monitor.received_total
    assert bench.node.drops.unexpected == 0
