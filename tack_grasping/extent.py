# SPDX-License-Identifier: Apache-2.0
"""How large the thing around a point is, as far as one depth image shows it.

Good enough to carry it past other things and to put it into the middle of a bin; nothing is known
of its far side, which is taken to go straight down to the support.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry

FloatArray = NDArray[np.float64]

_CELL = 0.006  # m, of the map in which neighbours belong together
_AROUND, _FEWEST = 0.05, 50  # m, and points
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

    def around(self, point: FloatArray) -> Extent:
        """What surely belongs to a point, (3,) in the base frame, m: the surface right around it.

        What one image shows as one thing may be several. All of it where that is too little.
        """
        near = np.linalg.norm(self.points - point, axis=1) < _AROUND
        return self.only(near) if np.count_nonzero(near) >= _FEWEST else self

    def only(self, which: NDArray[np.bool_]) -> Extent:
        """Some of its points, by (N,) which."""
        return dataclasses.replace(self, points=self.points[which])

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
    _, labels = label_cells(occupied)
    label_of_point = labels[cells[:, 0], cells[:, 1]]
    nearest = int(np.argmin(np.linalg.norm(standing[:, :2] - point[:2], axis=1)))
    return Extent(standing[label_of_point == label_of_point[nearest]], floor)


def label_cells(occupied: NDArray[np.bool_], reach: int = 0) -> tuple[int, NDArray[np.int32]]:
    """Which cells of a map from above belong together.

    Args:
        occupied: (nx, ny).
        reach: so many cells are added around each first: gaps of twice as many are bridged.

    Returns:
        How many things there are, and (nx, ny) their numbers from 1 on; 0 where nothing is.
    """
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    image = cv2.dilate(occupied.astype(np.uint8), kernel)
    count, found = cv2.connectedComponents(image, connectivity=8)
    labels = np.asarray(found, dtype=np.int32)
    labels[~occupied] = 0
    return int(count) - 1, labels
