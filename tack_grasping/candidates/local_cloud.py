# SPDX-License-Identifier: Apache-2.0
"""The cloud where a gripper is to go: thinned, with normals, and which way its surface bends.

Everything is computed in axes that belong to the scene itself, so that the same scene in another
frame gives the same numbers.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tack_perception import geometry

FloatArray = NDArray[np.float64]

_CELL = 0.002  # m; the cloud is thinned to one point in each, so counts are areas, near or far
_NEIGHBOURS = 16  # that make a normal: 5 mm about a point of a thinned surface
_FLAT = 0.15  # variance across a surface over that along it, above which it is none
_PATCH = 0.015  # m, radius of the surface whose bend is measured
_LEAST_IN_PATCH = 20
_LEAST_BEND = 10.0  # 1/m, by which the two curvatures must differ: a radius of 10 cm
_AROUND = 0.06  # m, radius in which the thing's extent is measured
_NO_TURN = 1e-9  # rad; rounding must not make half a turn of none
_CALIPERS = 60  # directions in which the thing's width is measured
_MOST = 1000  # points that are enough for it
_LEAST_LENGTH = 1.25  # times its width that a thing must be long to have a narrow side


class LocalCloud:
    """The part of a cloud that is near a gripper.

    Args:
        points: (N, 3) in any frame, m.
        frame_from_local: (4, 4) the axes in which it is looked at, z along the approach, m.
    """

    def __init__(self, points: FloatArray, frame_from_local: FloatArray) -> None:
        self.points = _thinned(geometry.apply(geometry.inverse(frame_from_local), points))
        """(M, 3) in the local axes, m."""
        self._normals = np.full_like(self.points, np.nan)
        self._asked = np.zeros(len(self.points), dtype=np.bool_)

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def normals(self, which: NDArray[np.bool_]) -> FloatArray:
        """Unit normals of the surface at some points, of either sign.

        A normal is the direction in which the neighbours spread least. It is NaN where there are
        too few of them, or where they lie on no surface: on what is as thin as the noise.

        Args:
            which: (M,) the points that are asked for, K of them.

        Returns:
            (K, 3) in the local axes.
        """
        new = which & ~self._asked
        if new.any() and len(self.points) >= _NEIGHBOURS:
            _, near = self._tree.query(self.points[new], _NEIGHBOURS)
            spread = self.points[near]
            spread = spread - spread.mean(axis=1, keepdims=True)
            sizes, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", spread, spread))
            flat = sizes[:, 0] < _FLAT * sizes[:, 1]
            self._normals[new] = np.where(flat[:, None], axes[..., 0], np.nan)
        self._asked |= which
        chosen: FloatArray = self._normals[which]
        return chosen


def closing_directions(
    points: FloatArray, at: FloatArray, approach: FloatArray, depth: float
) -> list[tuple[FloatArray, str]]:
    """Which way the fingers might close, by the shape of the cloud around a point.

    Args:
        points: (N, 3) of the scene, m; those near the point count.
        at: (3,) the point, m.
        approach: (3,) unit direction in which the gripper comes.
        depth: of the finger tips below the point, m; what is deeper is not looked at.

    Returns:
        Unit directions (3,) across the approach with their reasons, the best first: across the
        strongest bend of the surface, then across the thing's narrow side; none where the shape
        gives none. Each points to where the cloud reaches farther, so its sign is the scene's.
    """
    points = points[np.linalg.norm(points - at, axis=1) <= _AROUND]
    axes = geometry.frame_from_axes(approach, (1, 0, 0), at)
    local = geometry.apply(geometry.inverse(axes), points)
    found = []
    for measure, reason in ((_bend, "across the strongest bend"), (_narrow, "across its width")):
        if (flat := measure(local, depth)) is None:
            continue
        if float(((local[:, :2] @ flat) ** 3).sum()) < 0:
            flat = -flat
        found.append((geometry.rotate(axes, [*flat, 0.0]), reason))
    return found


def _bend(local: FloatArray, depth: float) -> FloatArray | None:
    """(2,) direction of the greatest convex curvature at the origin, by a quadric."""
    x, y, z = local[np.linalg.norm(local, axis=1) <= _PATCH].T
    if len(x) < _LEAST_IN_PATCH:
        return None
    terms = np.column_stack([x * x / 2, x * y, y * y / 2, x, y, np.ones_like(x)])
    a, b, c = np.linalg.lstsq(terms, z, rcond=None)[0][:3]
    # z goes into the thing, so a surface that bends away from the gripper has positive curvature.
    curvatures, directions = np.linalg.eigh([[a, b], [b, c]])
    if curvatures[1] - curvatures[0] < _LEAST_BEND or curvatures[1] <= 0:
        return None
    strongest: FloatArray = directions[:, 1]
    return strongest


def _narrow(local: FloatArray, depth: float) -> FloatArray | None:
    """(2,) direction in which what stands above the finger tips extends least."""
    standing = local[local[:, 2] < depth, :2]
    if len(standing) < _LEAST_IN_PATCH:
        return None
    # The angles that are tried are counted from the scene's own axis, not from the frame's.
    axis = np.linalg.eigh(np.cov(standing.T))[1][:, 0]
    angles = np.pi * np.arange(_CALIPERS) / _CALIPERS
    cos, sin = np.cos(angles), np.sin(angles)
    directions = np.stack([cos * axis[0] - sin * axis[1], sin * axis[0] + cos * axis[1]])
    some = standing[:: max(len(standing) // _MOST, 1)]
    low, high = np.percentile(some @ directions, (1, 99), axis=0)
    widths = high - low
    best = int(widths.argmin())
    if widths.max() < widths[best] * _LEAST_LENGTH:
        return None
    narrowest: FloatArray = directions[:, best]
    return narrowest


def turn_between(closing: FloatArray, other: FloatArray, approach: FloatArray) -> float:
    """Angle about the approach from one closing direction to another, 0 to π rad."""
    sine = float(np.cross(closing, other) @ approach)
    angle = math.atan2(sine, float(closing @ other)) % math.pi
    return angle if math.pi - angle > _NO_TURN else 0.0


def _thinned(points: FloatArray) -> FloatArray:
    """One point of each cell of a grid."""
    if not len(points):
        return points
    cells = np.floor((points - points.min(axis=0)) / _CELL).astype(np.int64)
    sides = cells.max(axis=0) + 1
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    _, first = np.unique(keys, return_index=True)
    thinned: FloatArray = points[np.sort(first)]
    return thinned
