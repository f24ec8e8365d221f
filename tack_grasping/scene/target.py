# SPDX-License-Identifier: Apache-2.0
"""Which of the things is the target, with all of its pieces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tack_grasping.scene.plan_map import Region

FloatArray = NDArray[np.float64]
Cells = NDArray[np.int64]

_REACH = 0.03  # m, from the target's point within which its thing has to be
_HIDDEN = 6.0  # standard deviations of a height: a part that is lower may drown in the noise
_SMALL, _BESIDE = 0.25, 0.02  # share of the target's area, and how near (m) such a piece is part
_ENCLOSED = 0.6  # share of a piece within the target's outline that makes it a part


def take_target(
    found: list[Cells], tops: FloatArray, region: Region, points: FloatArray, noise: float
) -> tuple[Cells | None, list[Cells], float]:
    """The target's cells, and the other things.

    A piece belongs to the target where most of it is within the target's outline from above (the
    inside of a shoe), and a small one right beside it. Where one of the two is so low that noise
    could hide it (the blade of a screwdriver), a gap as wide as that counts as hidden, too.

    Args:
        found: cells of all things.
        tops: flat map of heights, m.
        region: whose map that is.
        points: (K, 3) on the target, in the table's frame, m.
        noise: standard deviation of a height at the target, m.

    Returns:
        The target's cells, None where nothing is near a point; the others; and how far the nearest
        thing is from the points, m (infinite where there is none).
    """
    gaps = np.array(
        [
            [_gap(region.middles(cells), tops[cells], point, region.cell) for cells in found]
            for point in points
        ]
    ).reshape(len(points), len(found))
    nearest = float(gaps.min()) if gaps.size else float("inf")
    if nearest > _REACH:
        return None, found, nearest
    mine = {int(row.argmin()) for row in gaps if row.min() <= _REACH}
    target = np.concatenate([found[index] for index in sorted(mine)])
    others = [cells for index, cells in enumerate(found) if index not in mine]
    grown = True
    while grown:
        part_of_it = [_belongs(cells, target, tops, region, noise) for cells in others]
        pieces = [cells for cells, part in zip(others, part_of_it, strict=True) if part]
        others = [cells for cells, part in zip(others, part_of_it, strict=True) if not part]
        target, grown = np.concatenate([target, *pieces]), bool(pieces)
    return target, others, nearest


def _gap(middles: FloatArray, tops: FloatArray, point: FloatArray, cell: float) -> float:
    """How far a point is from columns, m: one within a column is on it."""
    away = np.maximum(np.abs(middles - point[:2]) - cell / 2, 0.0)
    over = np.maximum(point[2] - tops, 0.0)
    return float(np.linalg.norm(np.column_stack([away, over]), axis=1).min())


def _belongs(cells: Cells, target: Cells, tops: FloatArray, region: Region, noise: float) -> bool:
    piece, mine = region.middles(cells), region.middles(target)
    outline = cv2.convexHull(mine.astype(np.float32))
    within = [
        cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0
        for x, y in piece[:: max(1, len(piece) // 50)]
    ]
    if np.mean(within) >= _ENCLOSED:
        return True
    gap = float(cKDTree(mine).query(piece)[0].min())
    if len(piece) < _SMALL * len(mine) and gap <= _BESIDE:
        return True
    hidden = _HIDDEN * noise
    return gap <= hidden and min(tops[cells].max(), tops[target].max()) <= hidden
