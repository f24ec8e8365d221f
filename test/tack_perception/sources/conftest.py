# SPDX-License-Identifier: Apache-2.0
"""Small bags, good and bad, for the tests of the bag source."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import encode_color, encode_depth
from tack_perception.frame import RGBDFrame
from tack_perception.sources import bag_messages
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagConfiguration, BagSource

FRAME = "camera_color_optical_frame"
START = 1_700_000_000_000_000_000
STEP = 33_000_000
CAMERA = CameraIntrinsics(32, 24, 30.0, 31.0, 15.5, 11.5, "plumb_bob", (0.1, -0.05, 1e-3, 0, 0))


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


@pytest.fixture
def bags():
    """The helpers above."""
    return SimpleNamespace(
        make_frame=make_frame,
        write_bag=write_bag,
        color_message=color_message,
        depth_message=depth_message,
        info_message=info_message,
        write_messages=write_messages,
        stamps=stamps,
        read=read,
    )
