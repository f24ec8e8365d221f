# SPDX-License-Identifier: Apache-2.0
"""The region seen from above: how high things stand in each cell, and which cells are one thing."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_grasping.scene.settings import SceneConfig
from tack_grasping.scene.table import Table

FloatArray = NDArray[np.float64]

_SPARSE = 2.5  # times their spacing, pixels may be apart on one thing


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """The part of space that is looked at, in the table's frame.

    Attributes:
        low, high: (3,) corners, m.
        cell: side of the cells of its map, m.
    """

    low: FloatArray
    high: FloatArray
    cell: float

    @classmethod
    def around(cls, profile: RobotProfile, table: Table, config: SceneConfig) -> Region:
        """The workspace and what is beside it, from the table up."""
        low, high = (corner.copy() for corner in profile.workspace)
        low[:2] -= config.beside
        high += config.beside
        low[2], high[2] = 0.0, high[2] - table.height
        return cls(low, high, config.cell)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along x and y."""
        x, y = np.ceil((self.high - self.low)[:2] / self.cell).astype(int).tolist()
        return x, y

    def clipped(self, points: FloatArray) -> FloatArray:
        """(K, 3) the points (N, 3) of the table's frame above it; too high ones at its top."""
        flat = points[:, :2]
        inside = ((flat >= self.low[:2]) & (flat < self.high[:2])).all(axis=1)
        found: FloatArray = points[inside & (points[:, 2] >= self.low[2])]
        found[:, 2] = np.minimum(found[:, 2], self.high[2])
        return found

    def cells(self, points: FloatArray) -> NDArray[np.int64]:
        """(N,) index into the flat map of points (N, 2 or more) that lie inside."""
        x, y = np.floor((points[:, :2] - self.low[:2]) / self.cell).astype(np.int64).T
        columns = self.shape[1]
        flat: NDArray[np.int64] = x * columns + np.minimum(y, columns - 1)
        return flat

    def middles(self, cells: NDArray[np.int64]) -> FloatArray:
        """(N, 2) middles of cells of the flat map in the table's frame, m."""
        x, y = np.divmod(cells, self.shape[1])
        middles: FloatArray = self.low[:2] + (np.column_stack([x, y]) + 0.5) * self.cell
        return middles

    def columns(self, tops: FloatArray, cells: NDArray[np.int64]) -> FloatArray:
        """(N, 3) middles of cells with their heights, in the table's frame, m."""
        return np.column_stack([self.middles(cells), tops[cells]])

    def tops(self, points: FloatArray) -> FloatArray:
        """The highest of some points (N, 3) in each cell of the flat map, m; 0 where none is."""
        tops = np.zeros(self.shape[0] * self.shape[1])
        np.maximum.at(tops, self.cells(points), points[:, 2])
        return tops


def things(
    tops: FloatArray, region: Region, spacing: float, config: SceneConfig
) -> tuple[list[NDArray[np.int64]], int]:
    """The cells of each thing, the largest first, and how many specks were left out.

    Args:
        tops: flat map of heights, m; 0 where nothing is.
        region: whose map that is.
        spacing: of the image's pixels on a level surface, m: in a slanted look wider than a cell.
        config: settings.
    """
    occupied = tops.reshape(region.shape) > 0
    join = max(config.join, _SPARSE * spacing)
    reach = max(0, round((join / config.cell - 1) / 2))
    while True:
        count, labels = _label_cells(occupied, reach)
        flat = labels.ravel()
        areas = np.bincount(flat, minlength=count + 1)[1:] * config.cell**2
        large = np.flatnonzero(areas >= config.least_area) + 1
        if len(large) <= config.most:
            break
        reach = 2 * reach + 1  # too many for a planner: near ones become one
    order = np.argsort(flat, kind="stable")
    ends = np.cumsum(np.bincount(flat, minlength=count + 1))
    found = [order[ends[number - 1] : ends[number]] for number in large]
    return sorted(found, key=lambda cells: -len(cells)), count - len(large)


def _label_cells(occupied: NDArray[np.bool_], reach: int) -> tuple[int, NDArray[np.int32]]:
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
