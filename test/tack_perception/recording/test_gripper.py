# SPDX-License-Identifier: Apache-2.0
"""What moves with the camera is found by what it looks like in every picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tack_perception.frame import RGBDFrame
from tack_perception.recording.gripper import moving_with_camera
from test.tack_perception.recording import scenes

H, W = scenes.CAMERA.height, scenes.CAMERA.width


def frames(count=12, *, gripper=True, moving=True, seed=0):
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.integers(0, 255, (90, 160, 3), np.uint8), (4 * W, 2 * H))
    finger = np.zeros((H, W), bool)
    finger[: H // 3, W // 3 : W // 2] = True
    made = []
    for n in range(count):
        shift = 25 * n if moving else 0
        color = wide[10 : 10 + H, shift : shift + W].copy()
        depth = np.full((H, W), 0.5 + 0.02 * (n if moving else 0), np.float32)
        if gripper:
            color[finger], depth[finger] = (40, 42, 45), 0.12
        noisy = np.clip(color + rng.normal(0, 2, color.shape), 0, 255).astype(np.uint8)
        made.append(RGBDFrame(noisy, depth, scenes.CAMERA, n, "camera"))
    return made, finger


def test_a_gripper_is_found():
    some, finger = frames()
    found = moving_with_camera(some)
    assert (found & finger).sum() / (found | finger).sum() > 0.75
    assert found[finger].mean() > 0.97


def test_one_without_depth_is_found_too():
    some, finger = frames()
    blind = [RGBDFrame(f.color, np.where(finger, np.nan, f.depth).astype(np.float32),
                       f.intrinsics, f.stamp_ns, f.frame_id) for f in some]  # fmt: skip
    assert moving_with_camera(blind)[finger].mean() > 0.97


def test_a_plain_table_is_no_gripper():
    some, finger = frames()
    plain = np.zeros_like(finger)
    plain[2 * H // 3 :] = True
    rng = np.random.default_rng(1)
    made = []
    for n, frame in enumerate(some):
        color, depth = frame.color.copy(), frame.depth.copy()
        edge = plain.copy()
        edge[: 2 * H // 3 + 3 * n % 17] = False  # where it ends moves with the picture
        color[edge] = (150 + rng.normal(0, 3, (edge.sum(), 3))).astype(np.uint8)
        depth[edge] = 0.5
        made.append(RGBDFrame(color, depth, frame.intrinsics, frame.stamp_ns, "camera"))
    found = moving_with_camera(made)
    assert found[finger].mean() > 0.97
    assert found[plain].mean() < 0.02


@pytest.mark.parametrize(
    "options", [{"gripper": False}, {"moving": False}, {"count": 3}], ids=lambda o: next(iter(o))
)
def test_none_is_invented(options):
    assert not moving_with_camera(frames(**options)[0]).any()
