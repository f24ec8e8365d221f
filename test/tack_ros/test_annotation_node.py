# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import VisionInfo
from visualization_msgs.msg import MarkerArray

from tack_perception import geometry
from tack_perception.annotations import load_annotations
from tack_perception.encodings import decode_color, encode_depth
from tack_perception.errors import FileFormatError
from tack_ros import qos
from tack_ros.conversions.images import to_camera_info, to_color_image, to_image
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_point, to_transform
from tack_ros.nodes.annotation import AnnotationNode

pytestmark = pytest.mark.ros


class Desk:
    def __init__(self, graph, folder, **parameters):
        self.graph, self.folder = graph, folder
        self.node = graph.start(AnnotationNode, set=str(folder), **parameters)
        self.info = graph.publisher(CameraInfo, "color/camera_info", qos.SENSOR)
        self.color = graph.publisher(Image, "color/image_raw", qos.SENSOR)
        self.depth = graph.publisher(Image, "aligned_depth_to_color/image_raw", qos.SENSOR)
        self.clicks = graph.publisher(PointStamped, "/clicked_point", qos.RESULT)
        self.announced = graph.listen(VisionInfo, "/annotation/set", qos.LATCHED)
        graph.wait(lambda: self.announced, "the first announcement")

    def now(self):
        return self.node.get_clock().now().nanoseconds

    def send(self, frame):
        header = to_header(frame.stamp_ns, frame.frame_id)
        self.info.publish(to_camera_info(frame.intrinsics, header))
        self.depth.publish(to_image(encode_depth(frame.depth), header))
        handled = self.node.monitor.handled_total
        self.color.publish(to_color_image(frame.color, header))
        self.graph.wait(lambda: self.node.monitor.handled_total > handled, "the image")

    def click(self, xyz, frame_id, stamp_ns):
        point = PointStamped(header=to_header(stamp_ns, frame_id), point=to_point(xyz))
        self.clicks.publish(point)

    def call(self, name):
        return self.graph.call(Trigger, f"/annotation/{name}", Trigger.Request())

    def set(self, name, value):
        assert self.graph.set_parameter(self.node, name, value).successful

    def on_disk(self):
        return [
            (shot.label, round(shot.u, 3), round(shot.v, 3))
            for shot in load_annotations(self.folder)
        ]


@pytest.fixture
def desk(graph, tmp_path):
    return Desk(graph, tmp_path / "set")


def test_a_click_in_the_cameras_frame_is_saved_and_announced(desk, graph, make_frame):
    markers = graph.listen(MarkerArray, "/annotation/markers", qos.LATCHED)
    overlay = graph.listen(Image, "/annotation/overlay", qos.LATCHED)
    frame = make_frame(desk.now())
    desk.send(frame)
    desk.set("label", "mug handle")
    xyz = frame.intrinsics.deproject((40.0, 30.0), 0.5)
    desk.click(xyz, frame.frame_id, frame.stamp_ns)
    graph.wait(lambda: len(desk.announced) == 2, "the announcement")
    assert desk.on_disk() == [("mug handle", 40.0, 30.0)]
    assert desk.announced[-1].database_location == str(desk.folder)
    assert desk.announced[-1].database_version == 2
    graph.wait(lambda: overlay, "the picture")
    assert not np.array_equal(decode_color(overlay[-1]), frame.color)
    graph.wait(lambda: markers and len(markers[-1].markers) == 3, "the markers")
    assert markers[-1].markers[2].text == "mug handle"


def test_a_click_in_another_frame_uses_tf_at_the_images_stamp(desk, graph, make_frame):
    transforms = graph.publisher(TFMessage, "/tf", qos.TF)
    first, second = make_frame(desk.now() - 200_000_000), make_frame(desk.now(), seed=1)
    for frame, x in ((first, 1.0), (second, 2.0)):
        world_from_camera = geometry.from_axis_angle((0, 1, 0), 0.3, (x, 0, 0))
        transforms.publish(
            TFMessage(
                transforms=[
                    to_transform(world_from_camera, "world", frame.frame_id, frame.stamp_ns)
                ]
            )
        )
        desk.send(frame)
    in_camera = first.intrinsics.deproject((100.0, 50.0), 0.5)
    world_from_first = geometry.from_axis_angle((0, 1, 0), 0.3, (1.0, 0, 0))
    # RViz stamps the click when it is made: a little after the image that is seen.
    desk.click(geometry.apply(world_from_first, in_camera), "world", first.stamp_ns + 30_000_000)
    graph.wait(lambda: len(desk.announced) == 2, "the announcement")
    (shot,) = load_annotations(desk.folder)
    assert shot.frame.stamp_ns == first.stamp_ns
    np.testing.assert_allclose(shot.pixel, (100, 50), atol=1e-3)


@pytest.mark.parametrize(
    ("xyz", "frame_id", "shift_s", "words"),
    [
        ((np.nan, 0, 0.5), "camera_color_optical_frame", 0, "finite"),
        ((0, np.inf, 0.5), "camera_color_optical_frame", 0, "finite"),
        ((0, 0, -0.5), "camera_color_optical_frame", 0, "behind the camera"),
        ((3, 0, 0.5), "camera_color_optical_frame", 0, "outside"),
        ((0, 0, 0.9), "camera_color_optical_frame", 0, "hidden"),
        ((0, 0, 0.5), "camera_color_optical_frame", -60, "before the oldest"),
        ((0, 0, 0.5), "camera_color_optical_frame", 60, "after the newest"),
        ((0, 0, 0.5), "nowhere", 0, "nowhere"),
        ((0, 0, 0.5), "", 0, "no frame_id"),
    ],
)
def test_a_click_that_means_nothing_is_a_counted_drop(
    desk, graph, make_frame, xyz, frame_id, shift_s, words
):
    frame = make_frame(desk.now())
    desk.send(frame)
    desk.click(xyz, frame_id, frame.stamp_ns + shift_s * 1_000_000_000)
    counts = graph.wait(desk.node.drops.counts, "a drop")
    assert len(counts) == 1
    assert words in next(iter(counts))
    assert not desk.folder.exists()


def test_the_whole_job_without_a_mouse(desk, make_frame):
    assert not desk.call("annotate").success  # no picture yet
    assert "nothing to undo" in desk.call("undo").message
    frame = make_frame(desk.now())
    desk.send(frame)
    desk.set("label", "spout")
    desk.set("pixel", [10.0, 20.0])
    assert desk.call("annotate").success
    desk.set("pixel", [50.0, 60.0])
    desk.set("pixel_stamp", frame.stamp_ns)
    said = desk.call("annotate").message
    assert "spout at pixel (50.0, 60.0)" in said
    assert desk.on_disk() == [("spout", 10, 20), ("spout", 50, 60)]
    desk.set("label", "rim")
    assert desk.call("rename").success  # the newest one
    assert desk.on_disk() == [("spout", 10, 20), ("rim", 50, 60)]
    listed = desk.call("list").message.splitlines()
    assert listed[0] == f"2 annotations in {desk.folder}"
    desk.set("selected", listed[1].split()[0])
    assert "deleted" in desk.call("delete").message
    assert desk.on_disk() == [("rim", 50, 60)]
    assert "took back" in desk.call("undo").message
    assert desk.on_disk() == [("spout", 10, 20), ("rim", 50, 60)]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pixel", [500.0, 20.0], "outside the 160×120 image"),
        ("pixel_stamp", 5, "before the oldest"),
    ],
)
def test_a_wrong_request_is_answered_with_a_reason(desk, make_frame, name, value, words):
    desk.send(make_frame(desk.now()))
    desk.set(name, value)
    answer = desk.call("annotate")
    assert not answer.success
    assert words in answer.message
    assert len(desk.node._set) == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pixel", [1.0], "two numbers"),
        ("pixel", [float("inf"), 1.0], "finite"),
        ("label", "a/b", "letters, digits"),
        ("label", "", "letters, digits"),
        ("click.surface_tolerance_m", -1.0, "at least 0 m"),
        ("history", 10, "read-only"),
    ],
)
def test_a_wrong_parameter_is_refused(desk, graph, name, value, words):
    result = graph.set_parameter(desk.node, name, value)
    assert not result.successful
    assert words in result.reason


def test_nothing_is_lost_when_saving_fails(desk, make_frame):
    desk.folder.write_text("a file where the folder of the set should be")
    desk.send(make_frame(desk.now()))
    answer = desk.call("annotate")
    assert not answer.success
    assert "kept in memory but not saved" in answer.message
    assert "not saved" in desk.node._health().problem
    desk.folder.unlink()
    assert desk.call("save").success
    assert desk.node._health().problem == ""
    assert len(desk.on_disk()) == 1


def test_without_autosave_the_set_is_saved_when_asked(graph, tmp_path, make_frame):
    desk = Desk(graph, tmp_path / "set", autosave=False)
    desk.send(make_frame(desk.now()))
    assert "(not saved yet)" in desk.call("annotate").message
    assert not desk.folder.exists()
    assert desk.call("save").success
    assert len(desk.on_disk()) == 1


def test_load_switches_sets_and_a_bad_one_changes_nothing(desk, tmp_path, make_frame):
    desk.send(make_frame(desk.now()))
    assert desk.call("annotate").success
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "annotations.yaml").write_text("version: [")
    desk.set("set", str(damaged))
    assert not desk.call("load").success
    assert "1 annotations in" in desk.call("list").message
    desk.set("set", str(tmp_path / "other"))
    assert desk.call("load").message == f"loaded 0 annotations from {tmp_path / 'other'}"
    desk.set("set", str(desk.folder))
    assert desk.call("load").message == f"loaded 1 annotations from {desk.folder}"


def test_a_damaged_set_is_refused_at_the_start(graph, tmp_path):
    (tmp_path / "annotations.yaml").write_text("version: [")
    with pytest.raises(FileFormatError):
        graph.start(AnnotationNode, set=str(tmp_path))


def test_who_comes_late_still_hears_of_the_set(desk, graph):
    late = graph.listen(VisionInfo, "/annotation/set", qos.LATCHED)
    graph.wait(lambda: late, "the announcement")
    assert late[0].method == "tack annotation set"


def test_a_click_is_carried_to_what_the_camera_sees_from_elsewhere(graph, tmp_path, make_frame):
    desk = Desk(graph, tmp_path / "set", fixed_frame="base")
    transforms = graph.publisher(TFMessage, "/tf", qos.TF)

    def send(frame, x):
        pose = geometry.from_axis_angle((0, 0, 1), 0.0, (x, 0, 0))
        where = to_transform(pose, "base", frame.frame_id, frame.stamp_ns)
        transforms.publish(TFMessage(transforms=[where]))
        desk.send(frame)

    answer = desk.call("carry")
    assert not answer.success
    assert answer.message.startswith("no image whose place is known has come")
    first = make_frame(desk.now())
    send(first, 0.0)
    for name, value in (("label", "rim"), ("pixel", [60.0, 50.0])):
        desk.set(name, value)
    assert desk.call("annotate").success
    second = make_frame(desk.now(), seed=1)
    send(second, 0.1)  # 0.1 m at 0.5 m and 150 px: 30 px
    graph.wait(
        lambda: desk.node._here is not None and desk.node._here[0].stamp_ns == second.stamp_ns,
        "the place of the image",
    )
    answer = desk.call("carry")
    assert answer.success, answer.message
    assert answer.message.startswith("rim at pixel (30.0, 50.0)")
    assert desk.on_disk() == [("rim", 60.0, 50.0), ("rim", 30.0, 50.0)]
    third = make_frame(desk.now(), seed=2)
    send(third, 0.4)
    graph.wait(lambda: desk.node._here[0].stamp_ns == third.stamp_ns, "the place of the image")
    answer = desk.call("carry")
    assert not answer.success
    assert answer.message == "rim: out of view, or at the border of the image"
    assert len(desk.on_disk()) == 2
    assert desk.call("load").success  # clicks of another session: who knows where the thing is now
    assert desk.call("carry").message == (
        "nothing whose place is known was clicked on since this node began"
    )


def test_a_click_on_an_image_from_before_the_transforms_is_asked_for_again(
    graph, tmp_path, make_frame
):
    desk = Desk(graph, tmp_path / "set", fixed_frame="base")
    transforms = graph.publisher(TFMessage, "/tf", qos.TF)
    desk.send(make_frame(desk.now()))
    for name, value in (("label", "rim"), ("pixel", [60.0, 50.0])):
        desk.set(name, value)
    assert desk.call("annotate").success
    later = make_frame(desk.now(), seed=1)
    where = to_transform(np.eye(4), "base", later.frame_id, later.stamp_ns)
    transforms.publish(TFMessage(transforms=[where]))
    desk.send(later)
    graph.wait(lambda: desk.node._here is not None, "the place of the image")
    answer = desk.call("carry")
    assert not answer.success
    assert answer.message.startswith("rim: click on it again, for it is not known where the camera")
    assert desk.on_disk() == [("rim", 60.0, 50.0)]
    desk.set("pixel", [61.0, 50.0])
    assert desk.call("annotate").success
    assert desk.call("carry").success


def test_a_click_without_depth_says_that_it_is_not_carried(desk, make_frame):
    frame = make_frame(desk.now())
    desk.send(dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan)))
    for name, value in (("label", "rim"), ("pixel", [60.0, 50.0])):
        desk.set(name, value)
    answer = desk.call("annotate")
    assert answer.success
    assert "it cannot be carried: rim: " in answer.message
    assert desk.on_disk() == [("rim", 60.0, 50.0)]


def test_without_a_fixed_frame_clicks_are_not_carried(desk):
    answer = desk.call("carry")
    assert not answer.success
    assert "set the parameter fixed_frame" in answer.message
