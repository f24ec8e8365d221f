# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from tack_perception.encodings import encode_depth
from tack_ros import qos
from tack_ros.conversions.images import to_camera_info, to_color_image, to_image
from tack_ros.conversions.stamps import to_header, to_stamp
from tack_ros.frame_subscriber import FrameInputConfig, FrameSubscriber
from tack_ros.node import TackNode

pytestmark = pytest.mark.ros
MS = 1_000_000


class Consumer(TackNode):
    def __init__(self, **options):
        super().__init__("consumer", **options)
        self.frames = []
        config = self.parameters.declare(FrameInputConfig)
        self.subscriber = FrameSubscriber(self, self.frames.append, lambda: config.value)


class Camera:
    """Publishes frames, and sends each message only when the one before has come in."""

    def __init__(self, graph, consumer):
        self._graph, self._consumer = graph, consumer
        self.info = graph.publisher(CameraInfo, "color/camera_info", qos.SENSOR)
        self.color = graph.publisher(Image, "color/image_raw", qos.SENSOR)
        self.depth = graph.publisher(Image, "aligned_depth_to_color/image_raw", qos.SENSOR)

    def now(self):
        return self._consumer.get_clock().now().nanoseconds

    def send_info(self, frame):
        self.info.publish(to_camera_info(frame.intrinsics, to_header(1, frame.frame_id)))

    def send(self, frame, stamp_ns, depth_stamp_ns=None):
        header = to_header(stamp_ns, frame.frame_id)
        depth_header = to_header(depth_stamp_ns or stamp_ns, frame.frame_id)
        self.depth.publish(to_image(encode_depth(frame.depth), depth_header))
        self.color.publish(to_color_image(frame.color, header))


@pytest.fixture
def consumer(graph):
    return graph.start(Consumer)


@pytest.fixture
def camera(graph, consumer):
    return Camera(graph, consumer)


def dropped(consumer, words):
    return sum(count for reason, count in consumer.drops.counts().items() if words in reason)


def test_colour_and_depth_become_a_frame(graph, consumer, camera, make_frame):
    frame = make_frame()
    stamp_ns = camera.now()
    camera.send_info(frame)
    camera.send(frame, stamp_ns, stamp_ns + 5 * MS)
    camera.send(frame, stamp_ns + 33 * MS)
    graph.wait(lambda: len(consumer.frames) == 2, "two frames")
    back = consumer.frames[0].frame()
    assert back.stamp_ns == stamp_ns
    np.testing.assert_array_equal(back.color, frame.color)
    np.testing.assert_array_equal(back.depth, frame.depth)
    assert consumer.drops.unexpected == 0


def test_without_camera_info_frames_are_counted_drops(graph, consumer, camera, make_frame):
    frame = make_frame()
    camera.send(frame, camera.now())
    graph.wait(lambda: dropped(consumer, "no camera info has come yet"), "a drop")
    info = to_camera_info(frame.intrinsics, to_header(1, frame.frame_id))
    info.k = np.full(9, np.nan)
    camera.info.publish(info)
    graph.wait(lambda: dropped(consumer, "camera info: intrinsic matrix"), "a refused info")
    camera.send(frame, camera.now())
    graph.wait(lambda: dropped(consumer, "it is not valid"), "a second drop")
    camera.send_info(frame)
    graph.wait(lambda: camera.send(frame, camera.now()) or consumer.frames, "a frame after all")


@pytest.mark.parametrize(
    ("shift_s", "words"),
    [(-5, "s old, max_age is 1 s"), (5, "in the future, max_lead is 0.5 s")],
)
def test_stamps_far_from_now_are_counted_drops(graph, consumer, camera, make_frame, shift_s, words):
    frame = make_frame()
    camera.send_info(frame)
    camera.send(frame, camera.now() + shift_s * 1000 * MS)
    graph.wait(lambda: dropped(consumer, words) == 2, "colour and depth dropped")
    stamp_ns = camera.now()
    camera.send(frame, stamp_ns)
    graph.wait(lambda: consumer.frames, "a frame after that")
    assert consumer.frames[0].stamp_ns == stamp_ns


def test_unstamped_and_repeated_images_are_counted_drops(graph, consumer, camera, make_frame):
    frame = make_frame()
    camera.send_info(frame)
    header = to_header(0, frame.frame_id)
    camera.color.publish(to_color_image(frame.color, header))
    graph.wait(lambda: dropped(consumer, "colour image: no stamp"), "a drop")
    stamp_ns = camera.now()
    camera.send(frame, stamp_ns)
    graph.wait(lambda: consumer.frames, "a frame")
    camera.send(frame, stamp_ns - 20 * MS)
    graph.wait(lambda: dropped(consumer, "not newer than the last one used"), "a late image")
    assert len(consumer.frames) == 1


def test_colour_without_depth_is_counted(graph, consumer, camera, make_frame):
    frame = make_frame()
    camera.send_info(frame)
    stamp_ns = camera.now()
    camera.color.publish(to_color_image(frame.color, to_header(stamp_ns, frame.frame_id)))
    camera.send(frame, stamp_ns + 100 * MS)
    graph.wait(lambda: dropped(consumer, "colour: no partner within 20 ms"), "a drop")
    graph.wait(lambda: consumer.frames, "the next frame")
    assert consumer.frames[0].stamp_ns == stamp_ns + 100 * MS


def test_a_wrong_encoding_is_refused_when_it_is_decoded(graph, consumer, camera, make_frame):
    frame = make_frame()
    camera.send_info(frame)
    stamp_ns = camera.now()
    color = to_color_image(frame.color, to_header(stamp_ns, frame.frame_id))
    color.encoding = "bayer_rggb8"
    camera.depth.publish(to_image(encode_depth(frame.depth), to_header(stamp_ns, frame.frame_id)))
    camera.color.publish(color)
    graph.wait(lambda: consumer.frames, "the pair")
    with pytest.raises(ValueError, match="bayer_rggb8"):
        consumer.frames[0].frame()


def test_simulated_time_counts_and_may_jump_back(graph, make_frame):
    consumer = graph.start(Consumer, use_sim_time=True)
    camera = Camera(graph, consumer)
    frame = make_frame()
    camera.send_info(frame)
    camera.send(frame, 100 * 1000 * MS)
    graph.wait(lambda: dropped(consumer, "no time has come on /clock"), "a drop before /clock")
    clock = graph.publisher(Clock, "/clock", 10)
    for start_s in (100, 40):
        clock.publish(Clock(clock=to_stamp(start_s * 1000 * MS)))
        graph.wait(lambda s=start_s: camera.now() == s * 1000 * MS, "the clock")
        before = len(consumer.frames)
        camera.send(frame, start_s * 1000 * MS)
        graph.wait(lambda n=before: len(consumer.frames) == n + 1, "a frame")
    assert [f.stamp_ns for f in consumer.frames] == [100 * 1000 * MS, 40 * 1000 * MS]


def test_a_stream_that_starts_again_is_followed(graph, make_frame):
    consumer = graph.start(Consumer, max_age=0.0)
    camera = Camera(graph, consumer)
    frame = make_frame()
    camera.send_info(frame)
    graph.wait(lambda: consumer.subscriber._intrinsics, "the camera info")
    for sent, stamp_ms in enumerate((100_000, 100_033, 50_000, 50_033), 1):
        camera.send(frame, stamp_ms * MS)
        graph.wait(lambda n=sent: len(consumer.frames) == n, f"frame {sent}")
    assert dropped(consumer, "started again") == 1
