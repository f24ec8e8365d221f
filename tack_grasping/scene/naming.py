# SPDX-License-Identifier: Apache-2.0
"""Names that stay from look to look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tack_grasping.scene.obstacle import Obstacle

FloatArray = NDArray[np.float64]

UNNAMED = "thing"
"""What obstacles are called until they have a name; and how names begin."""

_LEAST_OVERLAP = 0.15  # share of a thing that has to stand where the old one stood


def keep_names(
    fitted: Sequence[tuple[Obstacle, FloatArray]],
    previous: Sequence[Obstacle],
    numbered: int,
    keep_shape: float,
) -> tuple[tuple[Obstacle, ...], int]:
    """Give each obstacle the name of what stood there before, or a new one.

    Args:
        fitted: obstacles, each with (N, 3) places half-way up in its columns in the base frame, m.
        previous: what stood there before.
        numbered: how many names have been given so far.
        keep_shape: one that differs by less from the old one is the old one, m.

    Returns:
        The obstacles in the same order, and how many names have been given now.
    """
    overlap = np.zeros((len(fitted), len(previous)))
    bounds = [(places.min(axis=0), places.max(axis=0)) for _, places in fitted]
    for column, old in enumerate(previous):
        low, high = old.corners.min(axis=0), old.corners.max(axis=0)
        for row, (_, places) in enumerate(fitted):
            if (bounds[row][0] <= high).all() and (bounds[row][1] >= low).all():
                overlap[row, column] = np.mean(old.contains(places))
    rows, columns = linear_sum_assignment(-overlap) if overlap.size else ((), ())
    matched = {
        int(row): previous[column]
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] >= _LEAST_OVERLAP
    }
    named = []
    for row, (obstacle, _) in enumerate(fitted):
        if row not in matched:
            numbered += 1
            named.append(obstacle.renamed(f"{UNNAMED}_{numbered}"))
        elif _alike(matched[row], obstacle, keep_shape):
            named.append(matched[row])
        else:
            named.append(obstacle.renamed(matched[row].name))
    return tuple(named), numbered


def _alike(old: Obstacle, new: Obstacle, tolerance: float) -> bool:
    return bool(
        old.contains(new.corners, tolerance).all() and new.contains(old.corners, tolerance).all()
    )
