# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from tack_perception import geometry
from tack_perception.encodings import decode_color, decode_depth
from tack_perception.errors import ConfigurationError, SourceError
from tack_perception.sources.bag_writer import BagWriter
from tack_ros import qos
from tack_ros.conversions.images import to_intrinsics
from tack_ros.conversions.stamps import to_ns
from tack_ros.conversions.transforms import from_transform
from tack_ros.nodes.camera import CameraNode

pytestmark = pytest.mark.ros
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 50_000_000


@pytest.fixture
def bag(tmp_path, make_frame):
    """Three frames of a camera that moves along x by 0.1 m between them."""
    base_from_camera = np.eye(4)
    with BagWriter(tmp_path / "bag") as writer:
        writer.write_transform("world", "base", START_NS, np.eye(4), static=True)
        for number in range(3):
            frame = make_frame(START_NS + number * PERIOD_NS, seed=number)
            base_from_camera[0, 3] = 0.1 * number
            writer.write_transform("base", frame.frame_id, frame.stamp_ns, base_from_camera)
            writer.write(frame)
    return str(tmp_path / "bag")


def test_a_bag_is_published_as_realsense_ros_does(graph, bag, make_frame):
    topics = {
        "color/image_raw": Image,
        "aligned_depth_to_color/image_raw": Image,
        "color/camera_info": CameraInfo,
        "aligned_depth_to_color/camera_info": CameraInfo,
    }
    heard = {
        name: graph.listen(kind, f"/camera/{name}", qos.SENSOR) for name, kind in topics.items()
    }
    moving = graph.listen(TFMessage, "/tf", qos.TF)
    static = graph.listen(TFMessage, "/tf_static", qos.TF_STATIC)
    clock = graph.listen(Clock, "/clock", 10)
    node = graph.start(CameraNode, source=bag, wait_for_subscribers=10.0)
    graph.wait(lambda: node.monitor.handled_total == 3, "three frames")
    graph.wait(lambda: len(moving) == 3 and all(len(m) == 3 for m in heard.values()), "all of them")

    for number in range(3):
        frame = make_frame(START_NS + number * PERIOD_NS, seed=number)
        for messages in heard.values():
            assert to_ns(messages[number].header.stamp) == frame.stamp_ns
            assert messages[number].header.frame_id == frame.frame_id
        color, depth, info = (heard[name][number] for name in list(topics)[:3])
        assert (color.encoding, depth.encoding) == ("rgb8", "16UC1")
        np.testing.assert_array_equal(decode_color(color), frame.color)
        np.testing.assert_array_equal(decode_depth(depth), frame.depth)
        assert to_intrinsics(info) == frame.intrinsics
        (transform,) = moving[number].transforms
        assert (transform.header.frame_id, transform.child_frame_id) == ("base", frame.frame_id)
        assert to_ns(transform.header.stamp) == frame.stamp_ns
        expected = geometry.from_axis_angle((0, 0, 1), 0, (0.1 * number, 0, 0))
        np.testing.assert_allclose(from_transform(transform.transform), expected, atol=1e-9)
    assert static[0].transforms[0].child_frame_id == "base"
    times = [to_ns(message.clock) for message in clock]
    assert times == sorted(times)
    assert times[-1] == START_NS + 2 * PERIOD_NS
    assert node.drops.unexpected == 0


def test_a_loop_begins_again_and_32_bit_depth_is_exact(graph, bag):
    depth = graph.listen(Image, "/camera/aligned_depth_to_color/image_raw", qos.SENSOR)
    graph.start(CameraNode, source=bag, loop=True, rate=10.0, depth_encoding="32FC1", clock=False)
    graph.wait(lambda: len(depth) >= 4, "more frames than the bag holds")
    assert depth[0].encoding == "32FC1"
    stamps = [to_ns(message.header.stamp) for message in depth]
    assert START_NS in stamps[1:] or stamps.count(START_NS) > 1


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"source": "no/such/bag"}, SourceError, "no/such/bag"),
        ({"source": "x", "rate": 0.0}, ConfigurationError, "rate = 0.0: allowed is 0.01 to 100"),
        ({"source": "x", "depth_encoding": "8UC1"}, ConfigurationError, "one of '16UC1', '32FC1'"),
    ],
)
def test_what_cannot_be_opened_is_refused(graph, parameters, kind, words):
    with pytest.raises(kind, match=words.replace(".", r"\.")):
        graph.start(CameraNode, **parameters)


class FailingSource:
    """A camera that is unplugged after its first frame."""

    name, transforms, drops = "serial 1", None, Counter()

    def __init__(self, frame):
        self._frame = frame

    def __len__(self):
        return 0

    def __iter__(self):
        yield self._frame
        self.drops["a frame came twice"] += 2
        yield self._frame
        raise SourceError("serial 1 was unplugged")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_lost_camera_is_reported_and_the_node_lives(graph, make_frame):
    color = graph.listen(Image, "/camera/color/image_raw", qos.SENSOR)
    node = graph.start(CameraNode, FailingSource(make_frame()))
    graph.wait(lambda: node._state.broken, "the failure")
    assert node._state.problem == "serial 1 was unplugged"
    assert node.drops.counts()["a frame came twice"] == 2
    graph.wait(lambda: color, "frames after the camera was opened again")
