# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from tack_perception.encodings import (
    CompressedImage,
    encode_compressed_color,
)
from tack_perception.errors import SourceError
from tack_perception.sources import bag_messages
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource

FRAME = "camera_color_optical_frame"
START = 1_700_000_000_000_000_000
STEP = 33_000_000
COLOR, DEPTH = "/camera/camera/color/image_raw", "/camera/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/camera/color/camera_info"


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_cut_bag_gives_what_is_left_and_says_where_it_ends(tmp_path, storage, metadata, bags):
    path = bags.write_bag(tmp_path / "bag", count=40, storage=storage)
    file = next(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    os.truncate(file, int(file.stat().st_size * 0.6))
    if not metadata:
        (path / "metadata.yaml").unlink()
    frames, drops = bags.read(path)
    assert 10 <= len(frames) <= 30
    assert bags.stamps(frames) == list(range(len(frames)))
    np.testing.assert_array_equal(frames[-1].color, bags.make_frame(len(frames) - 1).color)
    cut = next(reason for reason in drops if "is cut off" in reason)
    assert "byte" in cut or "message" in cut


def test_every_cut_of_a_file_is_survived(tmp_path, bags):
    path = bags.write_bag(tmp_path / "bag", count=2)
    file = path / "bag.mcap"
    whole = file.read_bytes()
    counts = []
    for size in range(0, len(whole), 997):
        file.write_bytes(whole[:size])
        try:
            counts.append(len(bags.read(file)[0]))
        except SourceError as error:
            counts.append(0)
            assert str(file) in str(error)  # noqa: PT017
    assert counts == sorted(counts)
    assert counts[-1] == 2


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_flipped_bytes_never_crash(tmp_path, storage, bags):
    path = bags.write_bag(tmp_path / "bag", storage=storage)
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
            outcomes.add(len(bags.read(path)[0]))
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


def test_a_bag_without_depth_lists_what_it_holds(tmp_path, bags):
    path = bags.write_messages(tmp_path / "bag", [(COLOR, bags.color_message(0), 0)])
    with (
        pytest.raises(SourceError, match=rf"no depth image\. It holds {COLOR} \(sensor_msgs"),
        BagSource(path),
    ):
        pass


def test_a_bag_without_camera_info(tmp_path, bags):
    path = bags.write_messages(
        tmp_path / "bag", [(COLOR, bags.color_message(0), 0), (DEPTH, bags.depth_message(0), 0)]
    )
    with pytest.raises(SourceError, match="no camera_info beside"), BagSource(path):
        pass


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -5.0])
def test_a_camera_that_is_not_calibrated(tmp_path, value, bags):
    info = bags.info_message()
    info.k[0] = value
    path = bags.write_messages(
        tmp_path / "bag",
        [(INFO, info, 0), (COLOR, bags.color_message(0), 0), (DEPTH, bags.depth_message(0), 0)],
    )
    with pytest.raises(SourceError, match=f"no usable camera_info on {INFO}"), BagSource(path):
        pass


def test_one_bad_camera_info_among_good_ones_is_counted(tmp_path, bags):
    bad = bags.info_message()
    bad.k[4] = np.nan
    path = bags.write_messages(
        tmp_path / "bag",
        [
            (INFO, bad, 0),
            (COLOR, bags.color_message(0), 0),
            (DEPTH, bags.depth_message(0), 0),
            (INFO, bags.info_message(1), 1),
        ],
    )
    frames, drops = bags.read(path)
    assert bags.stamps(frames) == [0]
    assert sum(drops.values()) == 1
    assert "must be finite" in next(iter(drops))


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
def test_one_wrong_image_costs_one_frame(tmp_path, color, depth, reason, bags):
    messages = [(INFO, bags.info_message(), 0)]
    for index in range(3):
        bad = index == 1
        messages += [
            (COLOR, bags.color_message(index, **(color if bad else {})), index),
            (DEPTH, bags.depth_message(index, **(depth if bad else {})), index),
        ]
    frames, drops = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert bags.stamps(frames) == [0, 2]
    assert sum(drops.values()) == 1
    assert reason in next(iter(drops))


def test_a_corrupt_jpeg_costs_one_frame(tmp_path, bags):
    messages = [(INFO, bags.info_message(), 0)]
    for index in range(3):
        data = b"\xff\xd8broken" if index == 1 else None
        frame = bags.make_frame(index)
        image = encode_compressed_color(frame.color)
        image = CompressedImage(image.format, data or image.data)
        message = bag_messages.compressed_message(image, frame.stamp_ns, FRAME)
        messages += [
            (COLOR + "/compressed", message, index),
            (DEPTH, bags.depth_message(index), index),
        ]
    frames, drops = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert bags.stamps(frames) == [0, 2]
    assert "cut off" in next(iter(drops))


def test_images_without_a_partner_are_counted(tmp_path, bags):
    messages = [(INFO, bags.info_message(), 0)]
    messages += [(COLOR, bags.color_message(index), index) for index in (0, 1, 2, 3)]
    messages += [(DEPTH, bags.depth_message(index), index) for index in (0, 2, 3)]
    messages.sort(key=lambda item: item[2])
    frames, drops = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert bags.stamps(frames) == [0, 2, 3]
    assert drops == {f"{COLOR}: no partner within 20 ms": 1}


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("wrong", [0, START // 2, START + 3600 * 10**9, 2**62])
def test_one_wrong_stamp_costs_one_frame(tmp_path, wrong, at, bags):
    messages = [(INFO, bags.info_message(index), index) for index in range(5)]
    for index in range(5):
        color, depth = bags.color_message(index), bags.depth_message(index)
        if index == at:
            sec, nanosec = divmod(wrong % (2**31 * 10**9), 10**9)
            for message in (color, depth):
                stamp = dataclasses.replace(message.header.stamp, sec=sec, nanosec=nanosec)
                message.header.stamp = stamp
        messages += [(COLOR, color, index), (DEPTH, depth, index)]
    frames, drops = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert bags.stamps(frames) == [index for index in range(5) if index != at]
    assert sum(drops.values()) == 2
    assert all("stamp jumps" in reason for reason in drops)


def test_frames_out_of_order_are_put_in_order_or_counted(tmp_path, bags):
    messages = [(INFO, bags.info_message(), 0)]
    for log, index in enumerate((0, 2, 1, 3, 5, 4, 0)):
        messages += [
            (COLOR, bags.color_message(index), log),
            (DEPTH, bags.depth_message(index), log),
        ]
    frames, drops = bags.read(bags.write_messages(tmp_path / "bag", messages))
    assert bags.stamps(frames) == sorted(set(bags.stamps(frames)))
    assert len(frames) + sum(drops.values()) >= 6
    assert drops


def test_wrong_transforms_are_counted_and_the_others_kept(tmp_path, bags):
    good = bag_messages.transform_message("world", FRAME, START, np.eye(4))
    unset = bag_messages.transform_message("world", "tool", START, np.eye(4))
    unset.transforms[0].transform.rotation.w = 0.0
    path = bags.write_messages(
        tmp_path / "bag",
        [
            ("/tf", unset, 0),
            ("/tf", good, 0),
            (INFO, bags.info_message(), 0),
            (COLOR, bags.color_message(0), 0),
            (DEPTH, bags.depth_message(0), 0),
        ],
    )
    with BagSource(path) as source:
        assert source.transforms.frames() == (FRAME, "world")
        assert "norm 0" in next(iter(source.drops))


def test_a_topic_that_is_not_there_is_refused(tmp_path, bags):
    path = bags.write_bag(tmp_path / "bag")
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


def test_use_before_opening_is_refused(tmp_path, bags):
    source = BagSource(bags.write_bag(tmp_path / "bag"))
    with pytest.raises(SourceError, match="open the bag first"):
        len(source)


def test_unregistered_depth_without_extrinsics_is_counted(tmp_path, bags):
    depth_frame = "camera_depth_optical_frame"
    path = bags.write_messages(
        tmp_path / "bag",
        [
            (INFO, bags.info_message(), 0),
            (COLOR, bags.color_message(0), 0),
            ("/camera/camera/depth/camera_info", bags.info_message(), 0),
            ("/camera/camera/depth/image_rect_raw", bags.depth_message(0, depth_frame), 0),
        ],
    )
    frames, drops = bags.read(path)
    assert frames == []
    assert "frame 'camera_color_optical_frame' is not in the tree" in next(iter(drops))


def test_data_that_is_no_message_is_counted(tmp_path, bags):
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        for index in range(2):
            writer.write_message(INFO, bags.info_message(index), START + index * STEP)
            writer.write_message(COLOR, bags.color_message(index), START + index * STEP)
            writer.write_message(DEPTH, bags.depth_message(index), START + index * STEP)
    raw = (path / "bag.mcap").read_bytes()
    # The length of an encoding string that points past the end of the message.
    damaged = raw.replace(b"\x05\0\0\0rgb8\0", b"\xff\xff\xff\x7frgb8\0", 1)
    (path / "bag.mcap").write_bytes(damaged)
    frames, drops = bags.read(path)
    assert bags.stamps(frames) == [1]
    assert f"{COLOR}: not a sensor_msgs/msg/Image" in " ".join(drops)
