# SPDX-License-Identifier: Apache-2.0
"""Cuts a thing that encloses free space, as a bin or an angle does, into parts that do not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TILE = 0.03  # m, the finest cut
_TILES = 24  # along one side; larger things have larger tiles
_WASTE = 0.3  # share of a part that may be added by joining two


def split(columns: FloatArray, cell: float, most: int) -> list[FloatArray]:
    """The columns of a thing as those of its parts.

    The thing is cut into tiles along the sides of its box. Neighbours are joined again, those
    first that enclose the least, until only such are left whose common box would be much too large.

    Args:
        columns: (N, 3) middle of each cell and height there, m.
        cell: side of a cell, m.
        most: parts.
    """
    flat = columns[:, :2].astype(np.float32)
    angle = np.radians(cv2.minAreaRect(flat)[2])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    local = columns[:, :2] @ turn
    low = local.min(axis=0)
    tile = max(_TILE, float((local.max(axis=0) - low).max()) / _TILES)
    keys = np.floor((local - low) / tile).astype(np.int64)
    _, group = np.unique(keys[:, 0] * (_TILES + 1) + keys[:, 1], return_inverse=True)
    group = group.ravel()
    count = int(group.max()) + 1
    lows, highs = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    solid = np.column_stack([local, columns[:, 2]])
    half = np.array([cell / 2, cell / 2, 0.0])
    np.minimum.at(lows, group, solid - half)
    np.maximum.at(highs, group, solid + half)
    lows[:, 2] = 0.0
    owner = _joined(lows, highs, most)[group]
    return [columns[owner == part] for part in np.unique(owner)]


def _joined(lows: FloatArray, highs: FloatArray, most: int) -> NDArray[np.int64]:
    """(n,) the part of each tile."""
    owner = np.arange(len(lows))
    alive = np.ones(len(lows), dtype=np.bool_)
    volumes = np.prod(highs - lows, axis=1)
    added = np.full((len(lows), len(lows)), np.inf)
    for first in range(len(lows)):
        _fill_row(added, first, lows, highs, volumes, alive)
    while alive.sum() > 1:
        first, second = divmod(int(added.argmin()), len(added))
        waste = added[first, second]
        whole = waste + volumes[first] + volumes[second]
        if waste > _WASTE * whole and alive.sum() <= most:
            break
        lows[first] = np.minimum(lows[first], lows[second])
        highs[first] = np.maximum(highs[first], highs[second])
        volumes[first] = whole
        alive[second] = False
        added[second], added[:, second] = np.inf, np.inf
        owner[owner == second] = first
        _fill_row(added, first, lows, highs, volumes, alive)
    return owner


def _fill_row(
    added: FloatArray,
    row: int,
    lows: FloatArray,
    highs: FloatArray,
    volumes: FloatArray,
    alive: NDArray[np.bool_],
) -> None:
    """What joining with each other part would enclose beside both, m³."""
    sides = np.maximum(highs, highs[row]) - np.minimum(lows, lows[row])
    waste = np.prod(sides, axis=1) - volumes - volumes[row]
    waste[~alive] = np.inf
    waste[row] = np.inf
    added[row], added[:, row] = waste, waste
