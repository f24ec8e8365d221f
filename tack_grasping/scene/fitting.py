# SPDX-License-Identifier: Apache-2.0
"""The solid around one thing: a box that stands on the table, or a convex hull."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from tack_grasping.scene.obstacle import Obstacle, hull_of
from tack_grasping.scene.settings import SceneConfig
from tack_grasping.scene.splitting import split
from tack_grasping.scene.table import Table
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_STEP = 0.004  # m, to which heights of hulls are rounded up: fewer triangles
_GAP = 1  # cells, half of the widest gap that counts as filled
_WORTH = 0.9  # share of the box below which a hull is worth its triangles
_SQUARE = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])


def fit_obstacle(
    name: str, columns: FloatArray, cell: float, table: Table, config: SceneConfig
) -> Obstacle:
    """A solid that holds all columns of a thing, down to the table, and the padding around them.

    Args:
        name: of the obstacle.
        columns: (N, 3) middle of each cell and height of the thing there, in the table's frame, m.
        cell: side of a cell, m.
        table: what it stands on.
        config: padding, and when a hull is taken.
    """
    flat = (columns[:, None, :2] + _SQUARE * cell).reshape(-1, 2)
    hull_of_cells = cv2.convexHull(flat.astype(np.float32)).reshape(-1, 2)
    outline = np.asarray(hull_of_cells, dtype=np.float32)
    box, volume = _box(name, outline, float(columns[:, 2].max()), table, config.padding)
    filled = _filled(columns, cell)
    if filled >= config.hull_below * volume:
        return box
    hull = _hull(name, columns, outline, cell, table, config.padding)
    saves = hull.volume < _WORTH * box.volume or config.hull_below >= 1
    return hull if saves else box


def fit_parts(
    name: str, columns: FloatArray, cell: float, table: Table, config: SceneConfig
) -> list[tuple[Obstacle, FloatArray]]:
    """As `fit_obstacle`, but a thing that fills too little of its solid is cut into parts.

    Returns:
        Each part's solid with its own columns.
    """
    whole = fit_obstacle(name, columns, cell, table, config)
    filled = _filled(columns, cell)
    if config.parts == 1 or filled >= config.split_below * _bare_volume(whole, config.padding):
        return [(whole, columns)]
    parts = split(columns, cell, config.parts)
    return [(fit_obstacle(name, part, cell, table, config), part) for part in parts]


def _filled(columns: FloatArray, cell: float) -> float:
    """The volume of the columns, m³; cells that a slanted look has skipped count as their sides."""
    places = np.floor((columns[:, :2] - columns[:, :2].min(axis=0)) / cell + 0.5).astype(int)
    tops = np.zeros(places.max(axis=0) + 1 + 2 * _GAP, dtype=np.float32)
    tops[places[:, 0] + _GAP, places[:, 1] + _GAP] = columns[:, 2]
    kernel = np.ones((2 * _GAP + 1, 2 * _GAP + 1), np.uint8)
    closed = cv2.morphologyEx(tops, cv2.MORPH_CLOSE, kernel)
    return float(np.sum(closed)) * cell**2


def _bare_volume(obstacle: Obstacle, padding: float) -> float:
    """About what its volume is without the padding, m³."""
    corners = geometry.apply(geometry.inverse(obstacle.base_from_shape), obstacle.corners)
    sides = np.ptp(corners, axis=0)
    bare = np.maximum(sides - (2 * padding, 2 * padding, padding), 0.0)
    return obstacle.volume * float(np.prod(bare / sides))


def _box(
    name: str, outline: NDArray[np.float32], top: float, table: Table, padding: float
) -> tuple[Obstacle, float]:
    """The upright box of least area around an outline, and its volume without the padding, m³."""
    (x, y), (length, width), degrees = cv2.minAreaRect(outline)
    if length < width:  # the longer side first, so that the next look finds the same axes
        length, width, degrees = width, length, degrees + 90
    height = top + padding
    table_from_box = geometry.from_axis_angle((0, 0, 1), math.radians(degrees), (x, y, height / 2))
    size = np.array([length + 2 * padding, width + 2 * padding, height])
    box = Obstacle(name, table.base_from_table @ table_from_box, size)
    return box, length * width * top


def _hull(
    name: str,
    columns: FloatArray,
    outline: NDArray[np.float32],
    cell: float,
    table: Table,
    padding: float,
) -> Obstacle:
    tops = columns.copy()
    tops[:, 2] = np.ceil(tops[:, 2] / _STEP) * _STEP
    middle = np.array([*outline.mean(axis=0).tolist(), 0.0])
    base = np.column_stack([outline, np.zeros(len(outline))])
    inner = _corners(np.concatenate([tops, base])) - middle
    # The sum with a box holds all that is within the padding; below the table is the table.
    side = padding + cell / 2
    offsets = np.array(
        [(x, y, z) for x in (-side, side) for y in (-side, side) for z in (-padding, padding)]
    )
    grown = (inner[:, None] + offsets).reshape(-1, 3)
    grown[:, 2] = np.maximum(grown[:, 2], 0.0)
    table_from_hull = geometry.make_transform(np.eye(3), middle)
    return hull_of(name, grown, table.base_from_table @ table_from_hull)


def _corners(points: FloatArray) -> FloatArray:
    """Those of the points that are corners of their hull; all where they lie in one plane."""
    try:
        corners: FloatArray = points[ConvexHull(points).vertices]
    except QhullError:
        return points
    return corners
