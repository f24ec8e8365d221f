# SPDX-License-Identifier: Apache-2.0
"""A taught grasp frame, found again from three or more of its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tack_grasping.points import NamedPoint
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_LEAST_VARIANCE = 1e-8  # m²; no point counts as known better than to 0.1 mm


def fitted(taught: FloatArray, seen: FloatArray, weights: FloatArray) -> FloatArray:
    """The rigid motion that carries points onto others with the least weighted squares (Kabsch).

    Args:
        taught, seen: (k, 3) the same points in two frames, not on one line, m.
        weights: (k,) positive.

    Returns:
        (4, 4) seen ← taught, m.
    """
    middle, goal = (np.average(points, axis=0, weights=weights) for points in (taught, seen))
    turn = Rotation.align_vectors(seen - goal, taught - middle, weights=weights)[0].as_matrix()
    return geometry.make_transform(turn, goal - turn @ middle)


def weights_of(points: Sequence[NamedPoint]) -> FloatArray:
    """(k,) the inverse of each point's variance, 1 in the mean."""
    variances = np.array([np.trace(point.covariance) / 3 for point in points])
    weights = 1 / np.maximum(variances, _LEAST_VARIANCE)
    scaled: FloatArray = weights / weights.mean()
    return scaled


def misfits(
    taught: Mapping[str, FloatArray], seen: Mapping[str, NamedPoint], frame_from_taught: FloatArray
) -> dict[str, float]:
    """How far each point is from where the frame has it, m."""
    return {
        label: float(
            np.linalg.norm(geometry.apply(frame_from_taught, taught[label]) - point.position)
        )
        for label, point in seen.items()
    }
