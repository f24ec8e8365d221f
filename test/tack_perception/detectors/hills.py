# SPDX-License-Identifier: Apache-2.0
"""A scene for tests of geometry: a hill of a known shape and colour, seen from above."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tack_perception.camera import CameraIntrinsics
from tack_perception.crops import Crop
from tack_perception.detectors.scene import Window
from tack_perception.frame import RGBDFrame
from tack_perception.similarity import Similarities

FloatArray = NDArray[np.float64]
FOOT = np.array([0, 0, 0.6])
"""Of the hills, in the camera's frame, m."""
CAMERA = CameraIntrinsics(320, 240, 300, 300, 159.5, 119.5)


def hill(x: FloatArray, y: FloatArray) -> FloatArray:
    """Distance along z of a smooth hill towards the camera that lies like no other, m."""
    ridge = np.exp(-((x - 0.01) ** 2 + 3 * (y - 0.3 * x) ** 2) / 0.002)
    knob = np.exp(-((x + 0.03) ** 2 + (y - 0.02) ** 2) / 0.0002)
    return 0.6 - 0.06 * ridge - 0.02 * knob


def dome(x: FloatArray, y: FloatArray) -> FloatArray:
    """A hill that is the same from all sides."""
    return 0.6 - 0.08 * np.exp(-(x**2 + y**2) / 0.003)


def stripes(x: FloatArray, y: FloatArray) -> FloatArray:
    """(..., 3) colours, 0 to 1, that tell directions apart."""
    red, blue = (0.5 + 0.4 * np.sin(70 * axis) for axis in (x, y))
    return np.stack([red, np.full_like(red, 0.3), blue], -1)


def blocks(x: FloatArray, y: FloatArray, seed: int = 0) -> FloatArray:
    """(..., 3) colours of a print: blocks of 5 mm that lie like no others."""
    colors = np.random.default_rng(seed).uniform(0.1, 0.9, (64, 64, 3))
    at = np.floor(np.stack([x, y], -1) / 0.005).astype(int) % 64
    painted: FloatArray = colors[at[..., 1], at[..., 0]]
    return painted


def view(
    shape: Callable[[FloatArray, FloatArray], FloatArray] = hill,
    *,
    turn: FloatArray | None = None,
    shift: FloatArray | None = None,
    scale: float = 1.0,
    paint: Callable[[FloatArray, FloatArray], FloatArray] = stripes,
) -> RGBDFrame:
    """What the camera sees of a hill that was scaled, turned (3, 3) about its foot and shifted."""
    turn = np.eye(3) if turn is None else turn
    shift = np.zeros(3) if shift is None else shift
    u, v = np.meshgrid(np.arange(320), np.arange(240))
    rays = CAMERA.rays(np.stack([u, v], -1).astype(float))
    depth = np.full(u.shape, 0.6)
    for _ in range(80):
        local = ((rays * depth[..., None] - shift - FOOT) @ turn) / scale + FOOT
        missed = shape(local[..., 0], local[..., 1]) - local[..., 2]
        depth = depth + 0.5 * missed * scale
    colors = paint(local[..., 0], local[..., 1])
    return RGBDFrame((255 * colors).astype(np.uint8), depth.astype(np.float32), CAMERA, 1, "cam")


def motion_of(turn: FloatArray, shift: FloatArray, scale: float = 1.0) -> Similarities:
    """The similarity by which `view` has moved a hill."""
    arm = scale * turn @ FOOT
    return Similarities(np.array([scale]), turn[None], (shift + FOOT - arm)[None])


def about_the_foot(degrees: Sequence[float]) -> Similarities:
    """Turns about the hill's foot, along the way to the camera."""
    turn = Rotation.from_rotvec([(0, 0, one) for one in degrees], degrees=True).as_matrix()
    return Similarities(np.ones(len(degrees)), turn, FOOT - turn @ FOOT)


def window(frame: RGBDFrame, u: float = 159.5, v: float = 119.5, side: float = 160.0) -> Window:
    """Around the hill, as if a network had found it there."""
    shown = np.zeros((32, 32), np.float32)
    shown[6:26, 6:26] = 1
    crop = Crop(u, v, side, 64)
    return Window(crop, torch.zeros(1, 32, 32), torch.zeros(1), True, frame, shown)
