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
    CompressedImage,
    RawImage,
    encode_color,
    encode_compressed_color,
    encode_depth,
)
from tack_perception.errors import SourceError
from tack_perception.frame import RGBDFrame
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


def make_frame(index):
    rng = np.random.default_rng(index)
    depth = rng.integers(200, 4000, (24, 32)).astype(np.float32) * np.float32(0.001)
    depth[:, :3] = np.nan
    color = np.kron(rng.integers(0, 256, (3, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    return RGBDFrame(color, depth, CAMERA, START + index * STEP, FRAME)


def write_bag(path, count=3, **options):
    with BagWriter(path, **options) as writer:
        identity = np.eye(4)
        writer.write_transform("world", "base", START, identity, static=True)
        for index in range(count):
            frame = make_frame(index)
            pose = geometry.from_axis_angle((0, 0, 1), 0.1 * index, (index, 0, 0))
            writer.write_transform("base", FRAME, frame.stamp_ns, pose)
            writer.write(frame)
    return path


def color_message(index, **changes):
    image = dataclasses.replace(encode_color(make_frame(index).color), **changes)
    return bag_messages.image_message(image, START + index * STEP, FRAME)


def depth_message(index, frame_id=FRAME, **changes):
    image = dataclasses.replace(encode_depth(make_frame(index).depth), **changes)
    return bag_messages.image_message(image, START + index * STEP, frame_id)


def info_message(index=0, intrinsics=CAMERA):
    return bag_messages.camera_info_message(intrinsics, START + index * STEP, FRAME)


def write_messages(path, messages):
    """A bag of (topic, message, log time index) as they are."""
    with BagWriter(path) as writer:
        for topic, message, index in messages:
            writer.write_message(topic, message, START + round(index * STEP))
    return path


def stamps(frames):
    return [(frame.stamp_ns - START) // STEP for frame in frames]


def read(path, **settings):
    with BagSource(path, BagConfiguration(**settings)) as source:
        return list(source), source.drops


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_round_trip_is_exact(tmp_path, storage, encoding):
    path = write_bag(tmp_path / "bag", storage=storage, depth_encoding=encoding)
    with BagSource(path) as source:
        assert isinstance(source, FrameSource)
        assert len(source) == 3
        assert source.name == "bag"
        for index, frame in enumerate(source):
            truth = make_frame(index)
            np.testing.assert_array_equal(frame.color, truth.color)
            np.testing.assert_allclose(frame.depth, truth.depth, rtol=1e-6)
            assert frame.intrinsics == CAMERA
            assert (frame.stamp_ns, frame.frame_id) == (truth.stamp_ns, FRAME)
        assert index == 2
        assert not source.drops


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_compressed_round_trip(tmp_path, encoding):
    path = write_bag(tmp_path / "bag", compressed=True, depth_encoding=encoding)
    with BagSource(path) as source:
        assert source.topics.color == COLOR + "/compressed"
        assert source.topics.depth == DEPTH + "/compressedDepth"
        frames = list(source)
    assert len(frames) == 3
    tolerance = 1e-6 if encoding == "16UC1" else 0.001
    np.testing.assert_allclose(frames[1].depth, make_frame(1).depth, atol=tolerance)
    assert np.abs(frames[1].color.astype(int) - make_frame(1).color).mean() < 8


def test_the_last_transform_is_known_before_the_first_frame(tmp_path):
    with BagSource(write_bag(tmp_path / "bag")) as source:
        next(iter(source))
        last = source.transforms.lookup("world", FRAME, START + 2 * STEP)
    np.testing.assert_allclose(
        last, geometry.from_axis_angle((0, 0, 1), 0.2, (2, 0, 0)), atol=1e-12
    )


def test_iterating_again_gives_the_same(tmp_path):
    with BagSource(write_bag(tmp_path / "bag")) as source:
        assert stamps(source) == stamps(source) == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_bare_file_and_a_folder_without_metadata(tmp_path, suffix):
    path = write_bag(tmp_path / "bag", storage="mcap" if suffix == ".mcap" else "sqlite3")
    assert stamps(read(path / f"bag{suffix}")[0]) == [0, 1, 2]
    (path / "metadata.yaml").unlink()
    frames, drops = read(path)
    assert stamps(frames) == [0, 1, 2]
    assert any("metadata.yaml" in reason for reason in drops)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_cut_bag_gives_what_is_left_and_says_where_it_ends(tmp_path, storage, metadata):
    path = write_bag(tmp_path / "bag", count=40, storage=storage)
    file = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    os.truncate(file, int(file.stat().st_size * 0.6))
    if not metadata:
        (path / "metadata.yaml").unlink()
    frames, drops = read(path)
    assert 10 <= len(frames) <= 30
    assert stamps(frames) == list(range(len(frames)))
    np.testing.assert_array_equal(frames[-1].color, make_frame(len(frames) - 1).color)
    cut = next(reason for reason in drops if "is cut off" in reason)
    assert "byte" in cut or "message" in cut


def test_every_cut_of_a_file_is_survived(tmp_path):
    path = write_bag(tmp_path / "bag", count=2)
    file = path / "bag.mcap"
    whole = file.read_bytes()
    counts = []
    for size in range(0, len(whole), 997):
        file.write_bytes(whole[:size])
        try:
            counts.append(len(read(file)[0]))
        except SourceError as error:
            counts.append(0)
            assert str(file) in str(error)  # noqa: PT017
    assert counts == sorted(counts)
    assert counts[-1] == 2


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_flipped_bytes_never_crash(tmp_path, storage):
    path = write_bag(tmp_path / "bag", storage=storage)
    file = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    whole = file.read_bytes()
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(25):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 20):
            damaged[at] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            outcomes.add(len(read(path)[0]))
        except SourceError:
            outcomes.add(-1)
    assert outcomes <= {-1, 0, 1, 2, 3}
    assert outcomes & {1, 2, 3}


@pytest.mark.parametrize("content", [b"", b"this is not a bag", b"\x89MCAP0\r\n"])
@pytest.mark.parametrize("name", ["x.mcap", "x.db3", "x.bag", "x.txt"])
def test_files_that_are_no_bags(tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(SourceError, match=name), BagSource(file):
        pass


def test_paths_that_are_no_bags(tmp_path):
    with pytest.raises(SourceError, match="there is no such bag"), BagSource(tmp_path / "no"):
        pass
    with pytest.raises(SourceError, match=r"holds metadata\.yaml"), BagSource(tmp_path):
        pass


def test_an_empty_bag_says_what_it_needs(tmp_path):
    with BagWriter(tmp_path / "bag"):
        pass
    with (
        pytest.raises(SourceError, match=r"no colour image\. It holds no topics; needed are"),
        BagSource(tmp_path / "bag"),
    ):
        pass


def test_a_bag_without_depth_lists_what_it_holds(tmp_path):
    path = write_messages(tmp_path / "bag", [(COLOR, color_message(0), 0)])
    with (
        pytest.raises(SourceError, match=rf"no depth image\. It holds {COLOR} \(sensor_msgs"),
        BagSource(path),
    ):
        pass


def test_a_bag_without_camera_info(tmp_path):
    path = write_messages(
        tmp_path / "bag", [(COLOR, color_message(0), 0), (DEPTH, depth_message(0), 0)]
    )
    with pytest.raises(SourceError, match="no camera_info beside"), BagSource(path):
        pass


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -5.0])
def test_a_camera_that_is_not_calibrated(tmp_path, value):
    info = info_message()
    info.k[0] = value
    path = write_messages(
        tmp_path / "bag",
        [(INFO, info, 0), (COLOR, color_message(0), 0), (DEPTH, depth_message(0), 0)],
    )
    with pytest.raises(SourceError, match=f"no usable camera_info on {INFO}"), BagSource(path):
        pass


def test_one_bad_camera_info_among_good_ones_is_counted(tmp_path):
    bad = info_message()
    bad.k[4] = np.nan
    path = write_messages(
        tmp_path / "bag",
        [
            (INFO, bad, 0),
            (COLOR, color_message(0), 0),
            (DEPTH, depth_message(0), 0),
            (INFO, info_message(1), 1),
        ],
    )
    frames, drops = read(path)
    assert stamps(frames) == [0]
    assert sum(drops.values()) == 1
    assert "must be finite" in next(iter(drops))


def test_a_calibration_that_changes_is_followed(tmp_path):
    zoomed = dataclasses.replace(CAMERA, fx=60.0, fy=62.0)
    messages = []
    for index in range(4):
        info = info_message(index, CAMERA if index < 2 else zoomed)
        messages += [
            (COLOR, color_message(index), index),
            (DEPTH, depth_message(index), index),
            (INFO, info, index),
        ]
    frames, _ = read(write_messages(tmp_path / "bag", messages))
    assert [frame.intrinsics.fx for frame in frames] == [30.0, 30.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ("color", "depth", "reason"),
    [
        ({"encoding": "bayer_rggb8"}, {}, "known are rgb8"),
        ({"width": 31, "step": 96}, {}, "image of 31×24 px, but camera_info is for 32×24"),
        ({"height": 12}, {}, "bytes of data"),
        ({}, {"encoding": "rgb8"}, "known are 16UC1"),
        ({}, {"width": 16, "step": 32, "data": bytes(32 * 24)}, "no camera_info to register it"),
        ({}, {"frame_id": "elsewhere"}, "in 'elsewhere' is not on the grid"),
        ({}, {"data": b""}, "0 bytes of data"),
    ],
)
def test_one_wrong_image_costs_one_frame(tmp_path, color, depth, reason):
    messages = [(INFO, info_message(), 0)]
    for index in range(3):
        bad = index == 1
        messages += [
            (COLOR, color_message(index, **(color if bad else {})), index),
            (DEPTH, depth_message(index, **(depth if bad else {})), index),
        ]
    frames, drops = read(write_messages(tmp_path / "bag", messages))
    assert stamps(frames) == [0, 2]
    assert sum(drops.values()) == 1
    assert reason in next(iter(drops))


def test_a_corrupt_jpeg_costs_one_frame(tmp_path):
    messages = [(INFO, info_message(), 0)]
    for index in range(3):
        data = b"\xff\xd8broken" if index == 1 else None
        frame = make_frame(index)
        image = encode_compressed_color(frame.color)
        image = CompressedImage(image.format, data or image.data)
        message = bag_messages.compressed_message(image, frame.stamp_ns, FRAME)
        messages += [
            (COLOR + "/compressed", message, index),
            (DEPTH, depth_message(index), index),
        ]
    frames, drops = read(write_messages(tmp_path / "bag", messages))
    assert stamps(frames) == [0, 2]
    assert "cut off" in next(iter(drops))


def test_images_without_a_partner_are_counted(tmp_path):
    messages = [(INFO, info_message(), 0)]
    messages += [(COLOR, color_message(index), index) for index in (0, 1, 2, 3)]
    messages += [(DEPTH, depth_message(index), index) for index in (0, 2, 3)]
    messages.sort(key=lambda item: item[2])
    frames, drops = read(write_messages(tmp_path / "bag", messages))
    assert stamps(frames) == [0, 2, 3]
    assert drops == {f"{COLOR}: no partner within 20 ms": 1}


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("wrong", [0, START // 2, START + 3600 * 10**9, 2**62])
def test_one_wrong_stamp_costs_one_frame(tmp_path, wrong, at):
    messages = [(INFO, info_message(index), index) for index in range(5)]
    for index in range(5):
        color, depth = color_message(index), depth_message(index)
        if index == at:
            sec, nanosec = divmod(wrong % (2**31 * 10**9), 10**9)
            for message in (color, depth):
                stamp = dataclasses.replace(message.header.stamp, sec=sec, nanosec=nanosec)
                message.header.stamp = stamp
        messages += [(COLOR, color, index), (DEPTH, depth, index)]
    frames, drops = read(write_messages(tmp_path / "bag", messages))
    assert stamps(frames) == [index for index in range(5) if index != at]
    assert sum(drops.values()) == 2
    assert all("stamp jumps" in reason for reason in drops)


def test_frames_out_of_order_are_put_in_order_or_counted(tmp_path):
    messages = [(INFO, info_message(), 0)]
    for log, index in enumerate((0, 2, 1, 3, 5, 4, 0)):
        messages += [(COLOR, color_message(index), log), (DEPTH, depth_message(index), log)]
    frames, drops = read(write_messages(tmp_path / "bag", messages))
    assert stamps(frames) == sorted(set(stamps(frames)))
    assert len(frames) + sum(drops.values()) >= 6
    assert drops


def test_wrong_transforms_are_counted_and_the_others_kept(tmp_path):
    good = bag_messages.transform_message("world", FRAME, START, np.eye(4))
    unset = bag_messages.transform_message("world", "tool", START, np.eye(4))
    unset.transforms[0].transform.rotation.w = 0.0
    path = write_messages(
        tmp_path / "bag",
        [
            ("/tf", unset, 0),
            ("/tf", good, 0),
            (INFO, info_message(), 0),
            (COLOR, color_message(0), 0),
            (DEPTH, depth_message(0), 0),
        ],
    )
    with BagSource(path) as source:
        assert source.transforms.frames() == (FRAME, "world")
        assert "norm 0" in next(iter(source.drops))


def test_unknown_types_beside_do_not_matter(tmp_path):
    path = write_bag(tmp_path / "bag")
    yaml = path / "metadata.yaml"
    yaml.write_text(yaml.read_text().replace("tf2_msgs/msg/TFMessage", "someone_msgs/msg/Thing"))
    frames, _ = read(path)
    assert stamps(frames) == [0, 1, 2]


def test_several_cameras_need_a_choice(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for camera in ("/left", "/right"):
            writer.write_message(f"{camera}/color/image_raw", color_message(0), START)
            writer.write_message(f"{camera}/color/camera_info", info_message(), START)
            writer.write_message(
                f"{camera}/aligned_depth_to_color/image_raw", depth_message(0), START
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


def test_a_topic_that_is_not_there_is_refused(tmp_path):
    path = write_bag(tmp_path / "bag")
    with (
        pytest.raises(SourceError, match="no messages on /nothing"),
        BagSource(path, BagConfiguration(color_topic="/nothing")),
    ):
        pass
    with (
        pytest.raises(SourceError, match=r"/tf is a tf2_msgs/msg/TFMessage, not an image"),
        BagSource(path, BagConfiguration(depth_topic="/tf")),
    ):
        pass


def test_use_before_opening_is_refused(tmp_path):
    source = BagSource(write_bag(tmp_path / "bag"))
    with pytest.raises(SourceError, match="open the bag first"):
        len(source)


@pytest.mark.parametrize("through", ["extrinsics", "tf"])
def test_depth_of_its_own_frame_is_registered(tmp_path, through):
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
    path = write_messages(
        tmp_path / "bag",
        [
            (*link, 0),
            (INFO, info_message(0, camera), 0),
            (COLOR, color_message(0), 0),
            (f"{prefix}/depth/camera_info", info, 0),
            (f"{prefix}/depth/image_rect_raw", image, 0),
        ],
    )
    frames, drops = read(path)
    assert not drops
    inner = frames[0].depth[2:-2, 4:-4]
    assert np.isfinite(inner).mean() > 0.95
    np.testing.assert_allclose(inner[np.isfinite(inner)], 1.0, atol=1e-3)


def test_unregistered_depth_without_extrinsics_is_counted(tmp_path):
    depth_frame = "camera_depth_optical_frame"
    path = write_messages(
        tmp_path / "bag",
        [
            (INFO, info_message(), 0),
            (COLOR, color_message(0), 0),
            ("/camera/camera/depth/camera_info", info_message(), 0),
            ("/camera/camera/depth/image_rect_raw", depth_message(0, depth_frame), 0),
        ],
    )
    frames, drops = read(path)
    assert frames == []
    assert "frame 'camera_color_optical_frame' is not in the tree" in next(iter(drops))


def test_data_that_is_no_message_is_counted(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        for index in range(2):
            writer.write_message(INFO, info_message(index), START + index * STEP)
            writer.write_message(COLOR, color_message(index), START + index * STEP)
            writer.write_message(DEPTH, depth_message(index), START + index * STEP)
    raw = (path / "bag.mcap").read_bytes()
    # The length of an encoding string that points past the end of the message.
    damaged = raw.replace(b"\x05\0\0\0rgb8\0", b"\xff\xff\xff\x7frgb8\0", 1)
    (path / "bag.mcap").write_bytes(damaged)
    frames, drops = read(path)
    assert stamps(frames) == [1]
    assert f"{COLOR}: not a sensor_msgs/msg/Image" in " ".join(drops)


def test_ros1_bags_are_read(tmp_path):
    from rosbags.rosbag1 import Writer

    store = bag_messages.ros1_types()
    types = store.types
    header = types["std_msgs/msg/Header"](
        seq=0,
        stamp=types["builtin_interfaces/msg/Time"](sec=START // 10**9, nanosec=0),
        frame_id="/" + FRAME,
    )
    frame = make_frame(0)

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
    frames, drops = read(tmp_path / "old.bag")
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
def test_real_depth_of_its_own_frame_is_registered(tmp_path):
    case = json.loads((DATA / "apc_shelf" / "case.json").read_text())
    depth_camera = CameraIntrinsics.from_camera_info(640, 480, case["depth_camera"]["K"])
    color_from_depth = geometry.nearest_transform(case["depth_camera"]["T_color_depth"])
    raw = cv2.imread(str(DATA / "apc_shelf" / case["images"][0]["depth_raw"]), cv2.IMREAD_UNCHANGED)
    with FolderSource(DATA / "apc_shelf") as folder:
        original = next(iter(folder))
    own, prefix = "camera_depth_optical_frame", "/camera/camera"
    image = RawImage(480, 640, "16UC1", 1280, raw.tobytes())
    color = bag_messages.image_message(encode_color(original.color), START, FRAME)
    path = write_messages(
        tmp_path / "bag",
        [
            (
                f"{prefix}/extrinsics/depth_to_color",
                bag_messages.extrinsics_message(color_from_depth),
                0,
            ),
            (INFO, info_message(0, original.intrinsics), 0),
            (COLOR, color, 0),
            (
                f"{prefix}/depth/camera_info",
                bag_messages.camera_info_message(depth_camera, START, own),
                0,
            ),
            (f"{prefix}/depth/image_rect_raw", bag_messages.image_message(image, START, own), 0),
        ],
    )
    (frame,), drops = read(path, depth_unit=0.0001)
    assert not drops
    both = np.isfinite(frame.depth) & np.isfinite(original.depth)
    assert both.sum() > 0.9 * np.isfinite(original.depth).sum()
    error = np.abs(frame.depth - original.depth)[both]
    assert np.median(error) < 0.001
    assert np.quantile(error, 0.9) < 0.005
