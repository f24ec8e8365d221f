# SPDX-License-Identifier: Apache-2.0
"""How large the thing around a point is, as far as one depth image shows it.

Good enough to carry it past other things and to put it into the middle of a bin; nothing is known
of its far side, which is taken to go straight down to the support.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tack_perception import geometry

FloatArray = NDArray[np.float64]

_CELL = 0.006  # m, of the map in which neighbours belong together
_ABOVE = 0.006  # m, above the support from which points belong to a thing


@dataclasses.dataclass(frozen=True, eq=False)
class Extent:
    """The visible surface of a thing on a level support.

    Attributes:
        points: (N, 3) of it in the base frame, m.
        floor: height of the support, m.
    """

    points: FloatArray
    floor: float

    @property
    def middle(self) -> FloatArray:
        """(2,) middle of its outline from above, m."""
        flat = self.points[:, :2]
        middle: FloatArray = (flat.min(axis=0) + flat.max(axis=0)) / 2
        return middle

    def box(self, base_from_gripper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The box around it, down to the support, along the axes of a gripper.

        Args:
            base_from_gripper: (4, 4), m.

        Returns:
            (4, 4) gripper_from_box and (3,) full side lengths, m.
        """
        bottom = self.points.copy()
        bottom[:, 2] = self.floor
        gripper_from_base = geometry.inverse(base_from_gripper)
        corners = geometry.apply(gripper_from_base, np.concatenate([self.points, bottom]))
        low, high = corners.min(axis=0), corners.max(axis=0)
        return geometry.make_transform(np.eye(3), (low + high) / 2), high - low


def extent_around(cloud: FloatArray, point: FloatArray, floor: float) -> Extent | None:
    """The thing that a point belongs to.

    Args:
        cloud: (N, 3) around it in a base frame with z up, m.
        point: (3,) on it, m.
        floor: height of the support, m.

    Returns:
        Its extent, or None where nothing stands out of the support there.
    """
    standing = cloud[cloud[:, 2] > floor + _ABOVE]
    if not len(standing):
        return None
    cells = np.floor((standing[:, :2] - point[:2]) / _CELL).astype(np.int64)
    origin = cells.min(axis=0)
    cells -= origin
    occupied = np.zeros(cells.max(axis=0) + 1, dtype=np.bool_)
    occupied[cells[:, 0], cells[:, 1]] = True
    labels, _ = ndimage.label(occupied, structure=np.ones((3, 3)))
    label_of_point = labels[cells[:, 0], cells[:, 1]]
    nearest = int(np.argmin(np.linalg.norm(standing[:, :2] - point[:2], axis=1)))
    return Extent(standing[label_of_point == label_of_point[nearest]], floor)
