# SPDX-License-Identifier: Apache-2.0
"""What objects cover of the table, and how far apart two of them stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from tack_sim.objects.model import ObjectModel

FloatArray = NDArray[np.float64]


def footprint(model: ObjectModel, base_from_object: FloatArray) -> FloatArray:
    """The convex outline of an object seen from above.

    Returns:
        (N, 2) x and y of its corners in the base frame, counter-clockwise, m.
    """
    rotation, translation = base_from_object[:2, :3], base_from_object[:2, 3]
    flat = model.mesh.vertices @ rotation.T + translation
    outline: FloatArray = flat[ConvexHull(flat).vertices]
    return outline


def gap(first: FloatArray, second: FloatArray) -> float:
    """How far apart two convex outlines are at least, m; negative where they overlap.

    The widest gap along a normal of an edge (separating axes), which is never more than the true
    distance.
    """
    widest = -np.inf
    for outline in (first, second):
        edges = np.roll(outline, -1, axis=0) - outline
        normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        a, b = first @ normals.T, second @ normals.T
        between = np.maximum(b.min(axis=0) - a.max(axis=0), a.min(axis=0) - b.max(axis=0))
        widest = max(widest, float(between.max()))
    return widest
