# SPDX-License-Identifier: Apache-2.0
"""The points that a camera sees, thinned for display, and which of them a click means."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]

_STRIDE = 3  # px
_FARTHEST = 1.5  # m
_NEAR_RAY = 0.006  # m; a point so near to the ray of a click is under it


@dataclasses.dataclass(frozen=True, eq=False)
class Cloud:
    """Some of the points of a frame.

    Attributes:
        frame: where they come from.
        base_from_camera: (4, 4), m.
        points: (N, 3) float32 in the camera's frame, m.
        colors: (N, 3) uint8 RGB.
    """

    frame: RGBDFrame
    base_from_camera: FloatArray
    points: NDArray[np.float32]
    colors: NDArray[np.uint8]

    @classmethod
    def of(cls, frame: RGBDFrame, base_from_camera: FloatArray) -> Cloud:
        """Every third pixel with depth, of every third row."""
        chosen = (slice(_STRIDE // 2, None, _STRIDE),) * 2
        points = frame.intrinsics.image_rays()[chosen] * frame.depth[chosen][..., None]
        known = points[..., 2] < _FARTHEST  # false for NaN
        return cls(frame, base_from_camera, points[known], np.asarray(frame.color)[chosen][known])

    def pixel(self, origin: FloatArray, direction: FloatArray) -> tuple[float, float] | None:
        """The pixel (u, v) of the first point under a ray.

        Args:
            origin: (3,) of the ray in the base frame, m.
            direction: (3,) in the base frame, of any length.
        """
        camera_from_base = geometry.inverse(self.base_from_camera)
        start = geometry.apply(camera_from_base, origin)
        ahead = geometry.unit(geometry.rotate(camera_from_base, direction))
        along = (self.points - start) @ ahead
        beside = np.linalg.norm(self.points - start - along[:, None] * ahead, axis=1)
        under = (along > 0) & (beside < _NEAR_RAY)
        if not under.any():
            return None
        # Of those under the ray the front ones count, and of them the one nearest to it.
        front = under & (along < along[under].min() + 2 * _NEAR_RAY)
        nearest = int(np.argmin(np.where(front, beside, np.inf)))
        u, v = self.frame.intrinsics.project(start + along[nearest] * ahead)
        return float(u), float(v)
