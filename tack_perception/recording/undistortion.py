# SPDX-License-Identifier: Apache-2.0
"""Frames as a camera without lens distortion would have taken them."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame


def undistorted(frame: RGBDFrame) -> RGBDFrame:
    """The same frame without lens distortion; the frame itself where it has none."""
    if frame.intrinsics.model == "none":
        return frame
    straight, u, v = _maps(frame.intrinsics)
    color = cv2.remap(frame.color, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # Between a near and a far pixel there is no surface: depth is never mixed.
    depth = cv2.remap(
        frame.depth, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=np.nan
    )
    return dataclasses.replace(
        frame, color=np.asarray(color, np.uint8), depth=np.asarray(depth, np.float32),
        intrinsics=straight,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _maps(
    camera: CameraIntrinsics,
) -> tuple[CameraIntrinsics, NDArray[np.float32], NDArray[np.float32]]:
    """The camera without distortion, and where each of its pixels is in the distorted picture."""
    straight = dataclasses.replace(camera, model="none", coefficients=())
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(np.float64)
    there = camera.project(straight.deproject(pixels, np.ones(len(pixels))))
    maps = there.reshape(camera.height, camera.width, 2).astype(np.float32)
    return straight, np.ascontiguousarray(maps[..., 0]), np.ascontiguousarray(maps[..., 1])
