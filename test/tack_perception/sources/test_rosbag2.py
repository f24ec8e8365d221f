# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import (
    RawImage,
    encode_color,
    encode_depth,
)
from tack_perception.errors import SourceError
from tack_perception.sources import bag_messages
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.base import FrameSource
from tack_perception.sources.folder import FolderSource
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[4] / "shared" / "data"))
FRAME = "camera_color_optical_frame"
START = 1_700_000_000_000_000_000
STEP = 33_000_000
CAMERA = CameraIntrinsics(32, 24, 30.0, 31.0, 15.5, 11.5, "plumb_bob", (0.1, -0.05, 1e-3, 0, 0))
COLOR, DEPTH = "/camera/camera/color/image_raw", "/camera/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/camera/color/camera_info"


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_round_trip_is_exact(tmp_path, storage, encoding, bags):
    path = bags.write_bag(tmp_path / "bag", storage=storage, depth_encoding=encoding)
    with BagSource(path) as source:
        assert isinstance(source, FrameSource)
        assert len(source) == 3
        assert source.name == "bag"
        for index, frame in enumerate(source):
            truth = bags.make_frame(index)
            np.testing.assert_array_equal(frame.color, truth.color)
            np.testing.assert_allclose(frame.depth, truth.depth, rtol=1e-6)
            assert frame.intrinsics == CAMERA
            assert (frame.stamp_ns, frame.frame_id) == (truth.stamp_ns, FRAME)
        assert index == 2
        assert not source.drops


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_compressed_round_trip(tmp_path, encoding, bags):
    path = bags.write_bag(tmp_path / "bag", compressed=True, depth_encoding=encoding)
    with BagSource(path) as source:
        assert source.topics.color == COLOR + "/compressed"
        assert source.topics.depth == DEPTH + "/compressedDepth"
        frames = list(source)
    assert len(frames) == 3
    tolerance = 1e-6 if encoding == "16UC1" else 0.001
    np.testing.assert_allclose(frames[1].depth, bags.make_frame(1).depth, atol=tolerance)
    assert np.abs(frames[1].color.astype(int) - bags.make_frame(1).color).mean() < 8


def test_the_last_transform_is_known_before_the_first_frame(tmp_path, bags):
    with BagSource(bags.write_bag(tmp_path / "bag")) as source:
        next(iter(source))
        last = source.transforms.lookup("world", FRAME, START + 2 * STEP)
    np.testing.assert_allclose(
        last, geometry.from_axis_angle((0, 0, 1), 0.2, (2, 0, 0)), atol=1e-12
    )


def test_iterating_again_gives_the_same(tmp_path, bags):
    with BagSource(bags.write_bag(tmp_path / "bag")) as source:
        assert bags.stamps(source) == bags.stamps(source) == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_bare_file_and_a_folder_without_metadata(tmp_path, suffix, bags):
    path = bags.write_bag(tmp_path / "bag", storage="mcap" if suffix == ".mcap" else "sqlite3")
    assert bags.stamps(bags.read(path / f"bag{suffix}")[0]) == [0, 1, 2]
    (path / "metadata.yaml").unlink()
    frames, drops = bags.read(path)
    assert bags.stamps(frames) == [0, 1, 2]
    assert any("metadata.yaml" in reason for reason in drops)


def test_a_calibration_that_changes_is_followed(tmp_path, bags):
    zoomed = dataclasses.replace(CAMERA, fx=60.0, fy=62.0)
    messages = []
    for index in range(4):
        info = bags.info_message(index, CAMERA if index < 2 else zoomed)
        messages += [
            (COLOR, bags.color_message(index), index),
            (DEPTH, bags.depth_message(index), index),
            (INFO, info, index),
        ]
    frames, _ = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert [frame.intrinsics.fx for frame in frames] == [30.0, 30.0, 60.0, 60.0]


def test_unknown_types_beside_do_not_matter(tmp_path, bags):
    path = bags.write_bag(tmp_path / "bag")
    yaml = path / "metadata.yaml"
    yaml.write_text(yaml.read_text().replace("tf2_msgs/msg/TFMessage", "someone_msgs/msg/Thing"))
    frames, _ = bags.read(path)
    assert bags.stamps(frames) == [0, 1, 2]


def test_several_cameras_need_a_choice(tmp_path, bags):
    with BagWriter(tmp_path / "bag") as writer:
        for camera in ("/left", "/right"):
            writer.write_message(f"{camera}/color/image_raw", bags.color_message(0), START)
            writer.write_message(f"{camera}/color/camera_info", bags.info_message(), START)
            writer.write_message(
                f"{camera}/aligned_depth_to_color/image_raw", bags.depth_message(0), START
            )
    with (
        pytest.raises(SourceError, match="several cameras; choose one with color_topic: /left"),
        BagSource(tmp_path / "bag"),
    ):
        pass
    settings = BagConfiguration(color_topic="/right/color/image_raw")
    with BagSource(tmp_path / "bag", settings) as source:
        assert source.topics.depth.startswith("/right")
        assert len(list(source)) == 1


@pytest.mark.parametrize("through", ["extrinsics", "tf"])
def test_depth_of_its_own_frame_is_registered(tmp_path, through, bags):
    # A wall at 1 m, seen by a depth camera 10 mm to the left of colour, of half the resolution.
    depth_camera = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
    color_from_depth = geometry.make_transform(np.eye(3), (-0.01, 0, 0))
    wall = np.full((48, 64), 1.0, np.float32)
    depth_frame = "camera_depth_optical_frame"
    image = bag_messages.image_message(encode_depth(wall), START, depth_frame)
    camera = dataclasses.replace(CAMERA, model="none", coefficients=())
    info = bag_messages.camera_info_message(depth_camera, START, depth_frame)
    prefix = "/camera/camera"
    link = (
        (f"{prefix}/extrinsics/depth_to_color", bag_messages.extrinsics_message(color_from_depth))
        if through == "extrinsics"
        else (
            "/tf_static",
            bag_messages.transform_message(FRAME, depth_frame, START, color_from_depth),
        )
    )
    path = bags.write_messages(
        tmp_path / "bag",
        [
            (*link, 0),
            (INFO, bags.info_message(0, camera), 0),
            (COLOR, bags.color_message(0), 0),
            (f"{prefix}/depth/camera_info", info, 0),
            (f"{prefix}/depth/image_rect_raw", image, 0),
        ],
    )
    frames, drops = bags.read(path)
    assert not drops
    inner = frames[0].depth[2:-2, 4:-4]
    assert np.isfinite(inner).mean() > 0.95
    np.testing.assert_allclose(inner[np.isfinite(inner)], 1.0, atol=1e-3)


def test_ros1_bags_are_read(tmp_path, bags):
    from rosbags.rosbag1 import Writer

    store = bag_messages.ros1_types()
    types = store.types
    header = types["std_msgs/msg/Header"](
        seq=0,
        stamp=types["builtin_interfaces/msg/Time"](sec=START // 10**9, nanosec=0),
        frame_id="/" + FRAME,
    )
    frame = bags.make_frame(0)

    def image(raw: RawImage):
        return types["sensor_msgs/msg/Image"](
            header=header,
            height=raw.height,
            width=raw.width,
            encoding=raw.encoding,
            is_bigendian=0,
            step=raw.step,
            data=np.frombuffer(raw.data, np.uint8),
        )

    info = types["sensor_msgs/msg/CameraInfo"](
        header=header,
        height=24,
        width=32,
        distortion_model="plumb_bob",
        D=np.array(CAMERA.coefficients),
        K=CAMERA.matrix.reshape(-1),
        R=np.eye(3).reshape(-1),
        P=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
    )
    with Writer(tmp_path / "old.bag") as writer:
        for topic, message in (
            ("/camera/color/image_raw", image(encode_color(frame.color))),
            (
                "/camera/aligned_depth_to_color/image_raw",
                image(encode_depth(frame.depth)),
            ),
            ("/camera/color/camera_info", info),
        ):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, START, store.serialize_ros1(message, kind))
    frames, drops = bags.read(tmp_path / "old.bag")
    assert not drops
    assert frames[0].frame_id == FRAME
    assert frames[0].intrinsics == CAMERA
    np.testing.assert_array_equal(frames[0].color, frame.color)


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason=f"needs the recordings in {DATA} (or TACK_DATA)")
def test_the_real_recording_is_read():
    with (
        BagSource(DATA / "apc_shelf" / "rosbag2_apc") as bag,
        FolderSource(DATA / "apc_shelf") as folder,
    ):
        frames, originals = list(bag), list(folder)
        assert len(bag) == len(frames) == 3
        assert not bag.drops
        pose = bag.transforms.lookup("world", frames[1].frame_id, frames[1].stamp_ns)
    for frame, original in zip(frames, originals, strict=False):
        np.testing.assert_array_equal(frame.color, original.color)
        assert frame.intrinsics == original.intrinsics
        known = np.isfinite(frame.depth)
        np.testing.assert_allclose(frame.depth[known], original.depth[known], atol=0.00055)
    np.testing.assert_allclose(pose[:3, 3], (1.1461966, -0.0923773, 1.1563401), atol=1e-6)


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason=f"needs the recordings in {DATA} (or TACK_DATA)")
def test_real_depth_of_its_own_frame_is_registered(tmp_path, bags):
    case = json.loads((DATA / "apc_shelf" / "case.json").read_text())
    depth_camera = CameraIntrinsics.from_camera_info(640, 480, case["depth_camera"]["K"])
    color_from_depth = geometry.nearest_transform(case["depth_camera"]["T_color_depth"])
    raw = cv2.imread(str(DATA / "apc_shelf" / case["images"][0]["depth_raw"]), cv2.IMREAD_UNCHANGED)
    with FolderSource(DATA / "apc_shelf") as folder:
        original = next(iter(folder))
    own, prefix = "camera_depth_optical_frame", "/camera/camera"
    image = RawImage(480, 640, "16UC1", 1280, raw.tobytes())
    color = bag_messages.image_message(encode_color(original.color), START, FRAME)
    path = bags.write_messages(
        tmp_path / "bag",
        [
            (
                f"{prefix}/extrinsics/depth_to_color",
                bag_messages.extrinsics_message(color_from_depth),
                0,
            ),
            (INFO, bags.info_message(0, original.intrinsics), 0),
            (COLOR, color, 0),
            (
                f"{prefix}/depth/camera_info",
                bag_messages.camera_info_message(depth_camera, START, own),
                0,
            ),
            (f"{prefix}/depth/image_rect_raw", bag_messages.image_message(image, START, own), 0),
        ],
    )
    (frame,), drops = bags.read(path, depth_unit=0.0001)
    assert not drops
    both = np.isfinite(frame.depth) & np.isfinite(original.depth)
    assert both.sum() > 0.9 * np.isfinite(original.depth).sum()
    error = np.abs(frame.depth - original.depth)[both]
    assert np.median(error) < 0.001
    assert np.quantile(error, 0.9) < 0.005
