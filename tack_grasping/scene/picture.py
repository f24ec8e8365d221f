# SPDX-License-Identifier: Apache-2.0
"""A camera image with the planning scene drawn on it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from tack_grasping.scene.model import SceneModel
from tack_grasping.scene.obstacle import Obstacle
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.drawing import Color, Image, draw_label, enlarged, line, place

FloatArray = NDArray[np.float64]

TARGET_COLOR: Color = (64, 220, 96)
OBSTACLE_COLOR: Color = (255, 84, 64)
_BEND = np.cos(np.radians(12.0))  # flatter edges of a hull are not drawn


def draw_scene(
    image: Image,
    intrinsics: CameraIntrinsics,
    base_from_camera: FloatArray,
    model: SceneModel,
    *,
    scale: int = 2,
    names: bool = True,
) -> Image:
    """The image, enlarged, with the edges of all obstacles and of the target.

    Args:
        image: (H, W, 3) uint8 RGB.
        intrinsics: of its camera.
        base_from_camera: (4, 4), m.
        model: what was read; need not be from this image.
        scale: by how much it is enlarged.
        names: whether they are written.

    Returns:
        (scale·H, scale·W, 3) uint8 RGB.
    """
    canvas = enlarged(image, scale)
    camera_from_base = geometry.inverse(base_from_camera)
    taken: list[tuple[int, int, int, int]] = []
    shown = [(one, OBSTACLE_COLOR) for one in model.obstacles]
    if model.target is not None:
        shown.append((model.target, TARGET_COLOR))
    for obstacle, color in shown:
        corners, edges = _edges(obstacle)
        pixels = intrinsics.project(geometry.apply(camera_from_base, corners))
        for first, second in edges:
            ends = pixels[[first, second]]
            if np.isfinite(ends).all():
                line(canvas, place(ends[0], scale), place(ends[1], scale), color, scale)
        if names and np.isfinite(pixels).all():
            top = pixels[pixels[:, 1].argmin()]
            if intrinsics.contains(*top.tolist()):
                anchor = place(top, scale)
                draw_label(canvas, obstacle.name, anchor, color, scale=1, taken=taken)
    return canvas


def _edges(obstacle: Obstacle) -> tuple[FloatArray, list[tuple[int, int]]]:
    """(N, 3) corners in the base frame, and which of them are joined by an edge."""
    corners = obstacle.corners
    if obstacle.triangles is None:
        pairs = [(a, b) for a in range(8) for b in range(a) if (a ^ b).bit_count() == 1]
        return corners, pairs
    a, b, c = np.moveaxis(corners[obstacle.triangles], 1, 0)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    sides: dict[tuple[int, int], list[FloatArray]] = defaultdict(list)
    for triangle, normal in zip(obstacle.triangles.tolist(), normals, strict=True):
        for first, second in ((0, 1), (1, 2), (2, 0)):
            ends = sorted((triangle[first], triangle[second]))
            sides[ends[0], ends[1]].append(normal)
    bent = [ends for ends, found in sides.items() if len(found) < 2 or found[0] @ found[1] < _BEND]
    return corners, bent
