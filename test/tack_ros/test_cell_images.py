# SPDX-License-Identifier: Apache-2.0
"""Cameras of the cell that are set up in another way."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from sensor_msgs.msg import CameraInfo, Image

from tack_perception.encodings import decode_color, decode_depth
from tack_ros import qos
from tack_ros.conversions.images import to_intrinsics

pytestmark = pytest.mark.ros
SIZE = {"width": 160, "height": 120}


def test_nothing_is_rendered_while_nobody_listens(start_cell):
    cell = start_cell(cameras=["wrist"], noise=False, **SIZE)
    cell.pass_time(0.5)
    assert cell.cell.monitor.received_total == 0
    images = cell.listen(Image, "/wrist/color/image_raw", qos.SENSOR)
    cell.wait(lambda: len(images) > 1, "images")


def test_unaligned_depth_is_on_its_own_grid(start_cell):
    cell = start_cell(cameras=["scene"], align_depth=False, noise=False, **SIZE)
    topics = ("/scene/depth/image_rect_raw", "/scene/depth/camera_info", "/scene/color/camera_info")
    kinds = (Image, CameraInfo, CameraInfo)
    heard = [cell.listen(k, t, qos.SENSOR) for k, t in zip(kinds, topics, strict=True)]
    cell.wait(lambda: all(heard), "depth of the scene")
    depth, info, color = (messages[0] for messages in heard)
    assert depth.header.frame_id == info.header.frame_id == "scene_depth_optical_frame"
    assert color.header.frame_id == "scene_color_optical_frame"
    assert to_intrinsics(info).fx < to_intrinsics(color).fx  # depth sees more
    assert np.isfinite(decode_depth(depth, 0.001)).mean() > 0.5


def test_the_look_can_be_drawn_by_the_seed(start_cell):
    pictures = []
    for look, seed in ((False, 3), (True, 3), (True, 4), (True, 3)):
        cell = start_cell(cameras=["scene"], noise=True, random_look=look, seed=seed, **SIZE)
        images = cell.listen(Image, "/scene/color/image_raw", qos.SENSOR)
        cell.wait(lambda images=images: images, "an image")
        pictures.append(decode_color(images[0]).astype(int))
    steady, drawn, other, again = pictures
    assert np.abs(steady - drawn).mean() > 5
    assert np.abs(other - drawn).mean() > 5
    assert np.abs(again - drawn).mean() < 3  # the same light; the noise is where time has come to
