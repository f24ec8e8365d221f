# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray
from visualization_msgs.msg import Marker

from tack_grasping.candidates import plan_surface_grasps
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import encode_depth
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint
from tack_ros.conversions.detections import from_detection, to_detections
from tack_ros.conversions.goals import to_grasps, to_poses
from tack_ros.conversions.images import (
    to_camera_info,
    to_color_image,
    to_image,
    to_intrinsics,
    to_raw_frame,
)
from tack_ros.conversions.markers import click_markers, goal_markers, keypoint_markers
from tack_ros.conversions.stamps import to_header, to_ns, to_stamp
from tack_ros.conversions.transforms import from_pose, from_transform, to_pose, to_transform

pytestmark = pytest.mark.ros


def through_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_are_exact(stamp_ns):
    assert to_ns(to_stamp(stamp_ns)) == stamp_ns


@given(
    st.lists(st.floats(-math.pi, math.pi), min_size=3, max_size=3),
    st.lists(st.floats(-10, 10), min_size=3, max_size=3),
)
def test_transforms_survive_the_wire(rotation, translation):
    matrix = geometry.exp([0, 0, 0, *rotation])
    matrix[:3, 3] = translation
    pose = from_pose(through_the_wire(to_pose(matrix)))
    stamped = through_the_wire(to_transform(matrix, "a", "b", 5))
    np.testing.assert_allclose(pose, matrix, atol=1e-9)
    np.testing.assert_allclose(from_transform(stamped.transform), matrix, atol=1e-9)
    assert (stamped.header.frame_id, stamped.child_frame_id) == ("a", "b")


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_a_frame_survives_the_wire(make_frame, encoding):
    frame = make_frame(stamp_ns=1_700_000_000_123_456_789)
    depth = frame.depth.copy()
    depth[0, 0] = np.nan
    header = to_header(frame.stamp_ns, frame.frame_id)
    color_message = through_the_wire(to_color_image(frame.color, header))
    depth_message = through_the_wire(to_image(encode_depth(depth, encoding), header))
    raw = to_raw_frame(color_message, depth_message, frame.intrinsics, frame.stamp_ns, 0.001)
    back = raw.frame()
    np.testing.assert_array_equal(back.color, frame.color)
    np.testing.assert_array_equal(back.depth, depth)
    assert (back.stamp_ns, back.frame_id) == (frame.stamp_ns, frame.frame_id)
    assert to_ns(color_message.header.stamp) == frame.stamp_ns


def test_depth_of_another_frame_is_refused(make_frame):
    frame = make_frame()
    color = to_color_image(frame.color, to_header(1, "camera_color_optical_frame"))
    depth = to_image(encode_depth(frame.depth), to_header(1, "camera_depth_optical_frame"))
    with pytest.raises(InvalidInputError, match="registered to colour"):
        to_raw_frame(color, depth, frame.intrinsics, 1, 0.001).frame()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("encoding", "bayer_rggb8", "colour encoding 'bayer_rggb8'"),
        ("width", 80, "uint8"),
        ("height", 7, "bytes of data"),
        ("step", 3, "a row needs"),
    ],
)
def test_a_wrong_image_is_refused(make_frame, field, value, sentence):
    frame = make_frame()
    color = to_color_image(frame.color, to_header(1, frame.frame_id))
    setattr(color, field, value)
    depth = to_image(encode_depth(frame.depth), to_header(1, frame.frame_id))
    with pytest.raises(InvalidInputError, match=sentence):
        to_raw_frame(color, depth, frame.intrinsics, 1, 0.001).frame()


@pytest.mark.parametrize(
    "camera",
    [
        CameraIntrinsics(640, 480, 600.5, 601.5, 319.5, 239.5),
        CameraIntrinsics(
            640, 480, 600.5, 601.5, 319.5, 239.5, "plumb_bob", (0.1, -0.2, 1e-3, 2e-3, 0.05)
        ),
        CameraIntrinsics(640, 480, 600, 600, 319, 239, "equidistant", (0.1, 0.01, 0.0, 0.0)),
    ],
)
def test_camera_info_survives_the_wire(camera):
    info = through_the_wire(to_camera_info(camera, Header(frame_id="optical")))
    assert to_intrinsics(info) == camera
    assert list(info.p[:3]) == [camera.fx, 0, camera.cx]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": np.full(9, np.nan)}, "must be finite"),
        ({"k": np.full(9, np.inf)}, "must be finite"),
        ({"k": np.zeros(9)}, "uncalibrated"),
        ({"distortion_model": "magic", "d": [1.0]}, "distortion model 'magic'"),
        ({"d": [float("nan")] * 5}, "finite"),
        ({"width": 0}, "camera width"),
        ({"binning_x": 2}, "binning"),
    ],
)
def test_a_wrong_camera_info_is_refused(change, sentence):
    info = to_camera_info(CameraIntrinsics(640, 480, 600, 600, 319, 239), Header())
    for name, value in change.items():
        setattr(info, name, value)
    with pytest.raises(InvalidInputError, match=sentence):
        to_intrinsics(info)


def keypoint(label="mug", normal=(0, 0, -1.0), covariance=None):
    covariance = np.diag([1e-6, 2e-6, 9e-6]) if covariance is None else covariance
    return Keypoint(
        label, 10, 20, 0.75, xyz=(0.1, -0.2, 0.5), xyz_covariance=covariance, normal=normal
    )


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_keypoints_survive_the_wire(direction):
    normal = geometry.unit(direction)
    sent = keypoint(normal=normal)
    array = through_the_wire(to_detections([sent], to_header(5, "optical")))
    (detection,) = array.detections
    back = from_detection(detection)
    assert (back.label, back.confidence) == (sent.label, sent.confidence)
    np.testing.assert_allclose(back.xyz, sent.xyz)
    np.testing.assert_allclose(back.xyz_covariance, sent.xyz_covariance)
    np.testing.assert_allclose(back.normal, normal, atol=1e-9)
    assert array.header == detection.header == to_header(5, "optical")


def test_a_keypoint_without_normal_stays_without():
    (detection,) = to_detections([keypoint(normal=None)], Header()).detections
    assert from_detection(detection).normal is None


def test_keypoints_without_position_are_left_out():
    flat = Keypoint("flat", 1, 2, 0.9, refusal="flat: no depth")
    [left] = to_detections([flat, keypoint()], Header()).detections
    assert left.results[0].hypothesis.class_id == "mug"


def test_which_thing_a_point_is_on_survives():
    second = dataclasses.replace(keypoint(), instance=1)
    [message] = to_detections([second], Header()).detections
    assert from_detection(message).instance == 1
    message.id = "somebody else's track"
    assert from_detection(message).instance == 0


def test_a_detection_of_others_without_covariance_has_no_normal():
    (detection,) = to_detections([keypoint()], Header()).detections
    detection.results[0].pose.covariance = np.zeros(36)
    assert from_detection(detection).normal is None


def test_wrong_detections_are_refused():
    with pytest.raises(InvalidInputError, match="no hypothesis"):
        from_detection(Detection3D())
    (detection,) = to_detections([keypoint()], Header()).detections
    detection.results[0].pose.pose.position.x = math.nan
    with pytest.raises(InvalidInputError, match="finite"):
        from_detection(detection)


def test_goals_become_poses_in_their_order():
    plan = plan_surface_grasps(keypoint(), np.eye(4), "optical", 7, place_at=(0.3, 0, 0.5))
    array = through_the_wire(to_grasps(plan.goals, 7, "optical"))
    grasps = [from_pose(pose) for pose in array.poses]
    np.testing.assert_allclose(grasps, [goal.grasp for goal in plan.goals], atol=1e-12)
    poses = to_poses(plan.goals[0])
    assert list(poses) == ["pregrasp", "grasp", "lift", "preplace", "place", "retreat"]
    np.testing.assert_allclose(from_pose(poses["place"].pose), plan.goals[0].place, atol=1e-12)
    assert poses["grasp"].header == to_header(7, "optical")


def test_markers_can_be_sent_and_are_placed_right():
    header = to_header(7, "optical")
    found = through_the_wire(keypoint_markers([keypoint()], header, ["cup", "mug"]))
    ball, arrow, text = found.markers
    assert (ball.type, arrow.type, text.type) == (
        Marker.SPHERE,
        Marker.ARROW,
        Marker.TEXT_VIEW_FACING,
    )
    # The long axis of the ellipsoid is that of the covariance: z, two sigma to each side.
    axes = from_pose(ball.pose)[:3, :3]
    sizes = np.array([ball.scale.x, ball.scale.y, ball.scale.z])
    along_z = axes @ np.diag(sizes) @ axes.T
    assert along_z[2, 2] == pytest.approx(4 * 3e-3)
    assert (arrow.points[1].z - arrow.points[0].z) == pytest.approx(-0.05)
    assert text.text == "mug 0.75"

    plan = plan_surface_grasps(keypoint(), np.eye(4), "optical", 7)
    grippers = through_the_wire(goal_markers(plan.goals)).markers
    assert {marker.ns for marker in grippers} == {"grippers", "path", "goal"}
    assert not goal_markers([]).markers

    clicks = through_the_wire(click_markers([("mug", header, (1, 2, 3))])).markers
    assert clicks[0].action == Marker.DELETEALL
    assert clicks[1].pose.position.y == 2


def test_empty_arrays_can_be_sent():
    assert through_the_wire(Detection3DArray()).detections == []
    assert through_the_wire(Image()).width == through_the_wire(CameraInfo()).width == 0
