# SPDX-License-Identifier: Apache-2.0
"""What one depth image measured, and what it therefore says of any place in space."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_grasping.scene.table import Table
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]

_JUMP_M, _JUMP_SHARE = 0.02, 0.02  # of depth between neighbours, absolute and of the depth: an edge
_BETWEEN = 0.2  # share of the jump by which a pixel in the air is away from both surfaces
_SPECK_SCALE = 8000.0  # inverse depth as whole numbers, 1/m
_SPECK_STEP = 80  # of these between neighbours on one surface: 1 cm at 1 m
_SPECK_PX = 30
_KERNEL = np.ones((5, 5), np.uint8)
_FAR = np.float32(1e3)
_TYPICAL_TOP, _LEAST_ABOVE = 0.1, 0.05  # m, of things, and of the camera above such a top
_THROUGH_M = 0.02  # behind a place that is measured free


class View:
    """One depth image from a known place.

    Attributes:
        depth: (H, W) float32, m; NaN where unknown and where a pixel hangs in the air between two
            surfaces, as pixels at silhouettes do.
        base_from_camera: (4, 4), m.

    Args:
        frame: the image.
        base_from_camera: (4, 4), m.

    Raises:
        InvalidInputError: not a rigid transform.
    """

    def __init__(self, frame: RGBDFrame, base_from_camera: FloatArray) -> None:
        self.base_from_camera = geometry.check_transform(base_from_camera, "base_from_camera")
        self._intrinsics = frame.intrinsics
        self._rays = frame.intrinsics.image_rays()
        self.depth = _without_flying(frame.depth)

    def points(self, step: int) -> tuple[FloatArray, FloatArray]:
        """Every so many-th pixel: (N, 3) points in the base frame, m, and (N,) depths, m."""
        depth = self.depth[::step, ::step]
        known = np.isfinite(depth)
        depths = depth[known].astype(np.float64)
        rays = self._rays[::step, ::step][known]
        return geometry.apply(self.base_from_camera, rays * depths[:, None]), depths

    def spacing(self, points: FloatArray, depths: FloatArray, table: Table) -> float:
        """How far apart neighbouring pixels meet the level top of a thing, m: the median.

        Args:
            points: (N, 3) of the region in the base frame, m.
            depths: (N,) of their pixels, m.
            table: what things stand on.
        """
        place = self.base_from_camera[:3, 3]
        above = max(float(table.heights(place[None])[0]) - _TYPICAL_TOP, _LEAST_ABOVE)
        distance = np.linalg.norm(points - place, axis=1)
        return float(np.median(depths * distance)) / (self._intrinsics.fy * above)

    def heights(self, table: Table) -> FloatImage:
        """(H, W) height of each pixel above the table, m; NaN where unknown."""
        table_from_camera = geometry.inverse(table.base_from_table) @ self.base_from_camera
        row = table_from_camera[2].astype(np.float32)
        heights: FloatImage = self.depth * (self._rays @ row[:3]) + row[3]
        return heights

    def on_table(self, table: Table, mask: Mask) -> FloatArray:
        """(N, 3) the masked pixels' points in the table's frame, m."""
        table_from_camera = geometry.inverse(table.base_from_table) @ self.base_from_camera
        cloud = self._rays[mask] * self.depth[mask][:, None]
        turned = cloud @ table_from_camera[:3, :3].T.astype(np.float32)
        placed: FloatArray = turned.astype(np.float64) + table_from_camera[:3, 3]
        return placed

    def noise_at(self, point: FloatArray, noise: float) -> float:
        """Standard deviation of a height at a point (3,) of the base frame, m.

        Args:
            point: m.
            noise: of a height at 1 m, m; NaN counts as 0.
        """
        distance = geometry.apply(geometry.inverse(self.base_from_camera), point)[2]
        return 0.0 if math.isnan(noise) else float(noise * distance**2)

    def seen_through(self, points: FloatArray, noise: float) -> Mask:
        """Which places (N, 3) of the base frame are free: what was measured lies behind them.

        Args:
            points: m.
            noise: of depth at 1 m, m.
        """
        local = geometry.apply(geometry.inverse(self.base_from_camera), points)
        pixels = self._intrinsics.project(local)
        height, width = self.depth.shape
        inside = np.asarray(np.isfinite(pixels).all(axis=1), dtype=np.bool_)
        us, vs = np.round(np.where(inside[:, None], pixels, -1)).astype(np.int64).T
        inside &= (us >= 0) & (us < width) & (vs >= 0) & (vs < height)
        free = np.zeros(len(points), dtype=np.bool_)
        z = local[inside, 2]
        nearest = cv2.erode(np.where(np.isfinite(self.depth), self.depth, -_FAR), _KERNEL[:3, :3])
        free[inside] = nearest[vs[inside], us[inside]] > z + _THROUGH_M + 3 * noise * z * z
        return free


def view_of(frame: RGBDFrame, base_from_camera: FloatArray) -> View:
    """The view of a frame.

    Raises:
        InvalidInputError: as `View`; also for a frame without any depth.
    """
    view = View(frame, base_from_camera)
    if not np.isfinite(view.depth).any():
        raise InvalidInputError(
            "the depth image holds no depth at all: is the depth stream on, and the lens free?"
        )
    return view


def _without_flying(depth: FloatImage) -> FloatImage:
    known = np.isfinite(depth)
    low = cv2.erode(np.where(known, depth, _FAR), _KERNEL)
    high = cv2.dilate(np.where(known, depth, np.float32(0)), _KERNEL)
    jump = high - low
    flying = jump > _JUMP_M + _JUMP_SHARE * high
    flying &= (depth - low > _BETWEEN * jump) & (high - depth > _BETWEEN * jump)
    # What is left of them are specks that no neighbour shares its place with.
    inverse = np.where(known & ~flying, np.minimum(_SPECK_SCALE / depth, 32000), 0)
    specks = np.nan_to_num(inverse).astype(np.int16)
    cv2.filterSpeckles(specks, 0, _SPECK_PX, _SPECK_STEP)
    cleaned: FloatImage = np.where(specks == 0, np.float32(np.nan), depth)
    return cleaned
