# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import resource
import signal

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource

START = 1_700_000_000_123_456_789
CAMERA = CameraIntrinsics(64, 48, 60.0, 61.0, 31.5, 23.5)


def make_frame(index, camera=CAMERA):
    color = np.full((camera.height, camera.width, 3), index, np.uint8)
    depth = np.full((camera.height, camera.width), 0.5 + index / 100, np.float32)
    return RGBDFrame(color, depth, camera, START + index * 10**8, "camera_color_optical_frame")


def write(path, **options):
    with BagWriter(path, **options) as writer:
        writer.write_transform("map", "base", START, np.eye(4), static=True)
        for index in range(3):
            writer.write(make_frame(index))
    return path


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_same_input_gives_the_same_bytes(tmp_path, storage, compressed):
    first = write(tmp_path / "a" / "bag", storage=storage, compressed=compressed)
    second = write(tmp_path / "b" / "bag", storage=storage, compressed=compressed)
    files = sorted(path.name for path in first.iterdir())
    assert files == sorted(["metadata.yaml", "bag.mcap" if storage == "mcap" else "bag.db3"])
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_names_types_hashes_and_qos(tmp_path):
    metadata = yaml.safe_load((write(tmp_path / "bag") / "metadata.yaml").read_text())
    info = metadata["rosbag2_bagfile_information"]
    topics = {entry["topic_metadata"]["name"]: entry for entry in info["topics_with_message_count"]}
    assert {name: entry["message_count"] for name, entry in topics.items()} == {
        "/tf_static": 1,
        "/camera/camera/color/image_raw": 3,
        "/camera/camera/color/camera_info": 3,
        "/camera/camera/aligned_depth_to_color/image_raw": 3,
        "/camera/camera/aligned_depth_to_color/camera_info": 3,
    }
    image = topics["/camera/camera/color/image_raw"]["topic_metadata"]
    assert image["type"] == "sensor_msgs/msg/Image"
    # The public hashes of the two types, as ROS 2 itself reports them.
    assert image["type_description_hash"] == (
        "RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47"
    )
    static = topics["/tf_static"]["topic_metadata"]
    assert static["type_description_hash"] == (
        "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"
    )
    (latched,) = yaml.safe_load(static["offered_qos_profiles"])
    (live,) = yaml.safe_load(image["offered_qos_profiles"])
    assert (latched["durability"], latched["reliability"]) == (1, 1)  # transient local, reliable
    assert (live["durability"], live["reliability"]) == (2, 1)  # volatile, reliable


def test_camera_info_is_complete(tmp_path):
    with AnyReader([write(tmp_path / "bag")]) as reader:
        chosen = [c for c in reader.connections if c.topic.endswith("color/camera_info")]
        connection, log_ns, data = next(iter(reader.messages(chosen)))
        info = reader.deserialize(data, connection.msgtype)
    assert log_ns == START
    assert (info.header.stamp.sec, info.header.stamp.nanosec) == divmod(START, 10**9)
    assert (info.width, info.height, info.distortion_model) == (64, 48, "plumb_bob")
    np.testing.assert_array_equal(info.k, [60, 0, 31.5, 0, 61, 23.5, 0, 0, 1])
    np.testing.assert_array_equal(info.p, [60, 0, 31.5, 0, 0, 61, 23.5, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(info.d, np.zeros(5))


def test_the_depth_unit_is_kept(tmp_path):
    camera = CameraIntrinsics(2, 1, 1.0, 1.0, 0.5, 0.0)
    depth = np.array([[0.12345, 0.0712]], np.float32)
    frame = RGBDFrame(np.zeros((1, 2, 3), np.uint8), depth, camera, START, "c")
    with BagWriter(tmp_path / "bag", depth_unit=0.0001) as writer:
        writer.write(frame)
    with BagSource(tmp_path / "bag", BagConfiguration(depth_unit=0.0001)) as source:
        np.testing.assert_allclose(next(iter(source)).depth, depth, atol=0.000051)


def test_a_block_that_raises_leaves_a_readable_bag(tmp_path):
    def interrupted():
        with BagWriter(tmp_path / "bag") as writer:
            writer.write(make_frame(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with BagSource(tmp_path / "bag") as source:
        assert len(list(source)) == 1
        assert not source.drops


def test_an_existing_bag_is_not_overwritten(tmp_path):
    path = write(tmp_path / "bag")
    before = (path / "bag.mcap").read_bytes()
    with pytest.raises(InvalidInputError, match="exists already"):
        BagWriter(path)
    assert (path / "bag.mcap").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "match"),
    [({"storage": "zip"}, "known are mcap, sqlite3"), ({"depth_encoding": "8UC1"}, "known are 16")],
)
def test_unknown_options_are_refused(tmp_path, options, match):
    with pytest.raises(InvalidInputError, match=match):
        BagWriter(tmp_path / "bag", **options)
    assert not (tmp_path / "bag").exists()


def test_a_transform_that_is_not_rigid_is_refused(tmp_path):
    with (
        BagWriter(tmp_path / "bag") as writer,
        pytest.raises(InvalidInputError, match="transform a ← b"),
    ):
        writer.write_transform("a", "b", START, 2 * np.eye(4))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TackError, match="cannot be written"), BagWriter(tmp_path / "file" / "bag"):
        pass


def test_a_full_disk_is_an_error_and_keeps_what_fits(tmp_path):
    # A limit on the file size fails as a full disk does (EFBIG for ENOSPC).
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    camera = CameraIntrinsics(640, 480, 600.0, 600.0, 320.0, 240.0)

    def record():
        with BagWriter(tmp_path / "bag") as writer:
            for index in range(10):
                writer.write(make_frame(index, camera))

    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        with pytest.raises(TackError, match="cannot be written"):
            record()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    with BagSource(tmp_path / "bag") as source:
        frames = list(source)
    assert 2 <= len(frames) <= 4
    assert (frames[1].color == 1).all()
