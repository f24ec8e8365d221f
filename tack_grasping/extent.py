# SPDX-License-Identifier: Apache-2.0
"""How large the thing around a point is, as far as one depth image shows it.

Good enough to carry it past other things and to put it into the middle of a bin; nothing is known
of its far side, which is taken to go straight down to the support.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry

FloatArray = NDArray[np.float64]

_ROUNDING, _PADDING = 1e-5, 0.01  # m; what one image shows is not all of it
_CELL = 0.006  # m, of the map in which neighbours belong together
_STEP = 0.08  # m; a neighbour that is so much higher or lower is another thing
_AROUND, _FEWEST = 0.05, 50  # m, and points
_ABOVE = 0.006  # m, above the support from which points belong to a thing


@dataclasses.dataclass(frozen=True, eq=False)
class Extent:
    """The visible surface of a thing on a level support.

    Attributes:
        points: (N, 3) of it in the base frame, m.
        floor: height of the support, m.
        neighbours: (M, 3) of other things on the support around it, m.
    """

    points: FloatArray
    floor: float
    neighbours: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))

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
        """The smallest upright box around it, with a little room beside, down to the support.

        Args:
            base_from_gripper: (4, 4), m.

        Returns:
            (4, 4) gripper_from_box and (3,) full side lengths, m.
        """
        # In mm: the rectangle is found in single precision.
        outline = (1e3 * (self.points[:, :2] - self.middle)).astype(np.float32)
        (x, y), (length, width), degrees = cv2.minAreaRect(outline)
        low = min(self.floor, float(self.points[:, 2].min()))
        high = max(self.floor, float(self.points[:, 2].max()))
        at = (*(self.middle + np.array([x, y]) / 1e3), (low + high) / 2)
        base_from_box = geometry.from_axis_angle((0, 0, 1), math.radians(degrees), at)
        size = np.array([length / 1e3, width / 1e3, high - low])
        size += (2 * _PADDING, 2 * _PADDING, _ROUNDING)
        return geometry.inverse(base_from_gripper) @ base_from_box, size


def down_to(floor: float, points: FloatArray) -> FloatArray:
    """What stands below some points of things: all of them stand on the support.

    An image from above shows little of their sides, and nothing of those that face away.

    Args:
        floor: height of the support, m.
        points: (N, 3) in a base frame with z up, m.

    Returns:
        (M, 3) columns from just above the support to the highest point of each place, m.
    """
    if not len(points):
        return points
    cells = np.floor(points[:, :2] / _CELL).astype(np.int64)
    places, which = np.unique(cells, axis=0, return_inverse=True)
    tops = np.full(len(places), -np.inf)
    np.maximum.at(tops, which.reshape(-1), points[:, 2])
    counts = np.maximum(np.floor((tops - floor) / _CELL).astype(np.int64), 0)
    column = np.repeat(np.arange(len(places)), counts)
    level = np.arange(len(column)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = (places[column] + 0.5) * _CELL
    result: FloatArray = np.column_stack([flat, floor + (level + 1) * _CELL])
    return result


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
    tops = np.full(cells.max(axis=0) + 1, -np.inf)
    np.maximum.at(tops, (cells[:, 0], cells[:, 1]), standing[:, 2])
    nearest = int(np.argmin(np.linalg.norm(standing - point, axis=1)))
    mine = _joined(tops, (int(cells[nearest, 0]), int(cells[nearest, 1])))
    which = mine[cells[:, 0], cells[:, 1]]
    return Extent(standing[which], floor, standing[~which])


def _joined(tops: FloatArray, start: tuple[int, int]) -> NDArray[np.bool_]:
    """(nx, ny) cells that belong to a start's: from neighbour to neighbour, without a high step.

    Args:
        tops: (nx, ny) height of each cell, m; -inf where nothing is.
        start: one of them.
    """
    occupied = np.isfinite(tops)
    mine = np.zeros(tops.shape, dtype=np.bool_)
    mine[start] = True
    low, high = np.where(occupied, tops, np.inf), np.where(occupied, tops, -np.inf)
    kernel = np.ones((3, 3))
    while True:
        # The lowest and the highest neighbour that is known to belong to it.
        least = cv2.erode(np.where(mine, low, np.inf), kernel, borderValue=np.inf)
        most = cv2.dilate(np.where(mine, high, -np.inf), kernel, borderValue=-np.inf)
        with np.errstate(invalid="ignore"):
            near = (tops <= most + _STEP) & (tops >= least - _STEP)
        grown = mine | (occupied & near)
        if (grown == mine).all():
            return mine
        mine = grown
