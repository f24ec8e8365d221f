# SPDX-License-Identifier: Apache-2.0
"""Lays the surface of an object that two windows show onto itself.

Iterated closest points with projective data association (Blais and Levine 1995) and the distance to
the plane (Chen and Medioni 1992), both ways, for many similarities at once; then with colours
too (Park, Zhou and Koltun 2017). Pairs of points that a network has found hold on to what
surfaces do not tell: the turn of a bottle about its axis.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.relief import Relief, facing, nearest
from tack_perception.similarity import Similarities
from tack_perception.vectors import cross, dot

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
SCALES = (0.65, 1.5)
"""Of one instance of a class to another."""
# Lengths are in sizes of the object.
_WIDEST, _NARROWEST = 0.15, 0.04  # from where on two surfaces no longer meet: first and last
_SURFACE = 0.02  # deviation of a surface from the other
_COLOR = 0.2  # deviation of colours
_COLOR_REACH = 0.5
_SCALE = 1.06  # deviation of the scale, of its logarithm
_DAMPING = 2.0  # deviation of a step
_ALIKE = 0.5  # cosine between normals of surfaces that may be the same
_COARSE, _FINE = 8, 6  # iterations without and with colours
_SAMPLES = 160
_NEAR = 0.06  # distance at which a surface counts as met
_SLANTED = 0.1  # cosine to the camera below which it cannot be


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Points of the first window that were found in the second.

    Attributes:
        source, target: (M, 3) m.
        deviation: of a right one, in sizes of the object.
        reach: from where on one is wrong, in sizes of the object.
    """

    source: FloatArray
    target: FloatArray
    deviation: float
    reach: float


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """How well H similarities lay two surfaces onto each other: means over both ways.

    Attributes:
        met: (H,) share of the surface that lies on the other, nearer ones counting more.
        through: (H,) share that the other window looks through: it sees something behind.
    """

    met: FloatArray
    through: FloatArray


def align(
    first: Relief, second: Relief, start: Similarities, pairs: Pairs, size: float
) -> Similarities:
    """Bring similarities from the first window's camera to the second's to where surfaces meet.

    Args:
        first, second: what the windows show.
        start: H of them, about 20 degrees near.
        pairs: what holds them.
        size: of the object, m.
    """
    here, there = (one.seen(_SAMPLES) for one in (first, second))
    if not len(here) or not len(there):
        return start
    poses, steps = start, _COARSE + _FINE
    for step in range(steps):
        reach = size * _WIDEST * (_NARROWEST / _WIDEST) ** (step / (steps - 1))
        middles = poses.apply(first.points[here].mean(0)[None])[:, 0]
        system = _Normal(middles, size)
        _add_surface(system, first, second, poses, here, reach, colored=step >= _COARSE)
        _add_surface_back(system, first, second, poses, there, reach)
        _add_pairs(system, poses, pairs)
        poses = poses.moved(system.solve(poses.scale), middles)
        poses = dataclasses.replace(poses, scale=np.clip(poses.scale, *SCALES))
    return poses


class _Normal:
    """Normal equations of a step (rotation, translation, logarithm of the scale) of H similarities.

    Args:
        middles: (H, 3) about which is turned and scaled, m.
        size: of the object, m.
    """

    def __init__(self, middles: FloatArray, size: float) -> None:
        self.middles, self.size = middles, size
        self._matrix = np.zeros((len(middles), 7, 7))
        self._vector = np.zeros((len(middles), 7))

    def add(
        self, points: FloatArray, along: FloatArray, missed: FloatArray, weights: FloatArray
    ) -> None:
        """Residuals that fall by `along` · the points' motion.

        Args:
            points: (H, N, 3) where they are now, m.
            along: (H, N, 3) gradients.
            missed: (H, N) residuals.
            weights: (H, N) of their squares.
        """
        arm = points - self.middles[:, None]
        rows = np.empty((*along.shape[:2], 7))
        rows[..., :3], rows[..., 3:6], rows[..., 6] = cross(arm, along), along, dot(arm, along)
        weighted = (rows * weights[..., None]).transpose(0, 2, 1)
        self._matrix += weighted @ rows
        self._vector += (weighted @ missed[..., None])[..., 0]

    def add_several(
        self, points: FloatArray, along: FloatArray, missed: FloatArray, weights: FloatArray
    ) -> None:
        """As `add`, with C residuals at each point: (H, N, C, 3) along, (H, N, C) missed."""
        count, each = len(points), along.shape[2]
        self.add(
            np.repeat(points, each, axis=1), along.reshape(count, -1, 3),
            missed.reshape(count, -1), np.repeat(weights, each, axis=1),
        )  # fmt: skip

    def solve(self, scale: FloatArray) -> FloatArray:
        """(H, 7) steps, not too long ones, that make the residuals small."""
        size = self.size
        unit = np.array([1.0, 1.0, 1.0, size, size, size, 1.0])
        self._matrix += np.diag(1 / (_DAMPING * unit) ** 2)
        self._matrix[:, 6, 6] += 1 / _SCALE**2
        self._vector[:, 6] += np.log(scale) / _SCALE**2
        steps = -np.linalg.solve(self._matrix, self._vector[..., None])[..., 0]
        limit = np.array([0.4, 0.4, 0.4, 0.5 * size, 0.5 * size, 0.5 * size, 0.1])
        bounded: FloatArray = np.clip(steps, -limit, limit)
        return bounded


def _add_surface(
    system: _Normal, first: Relief, second: Relief, poses: Similarities, cells: NDArray[np.intp],
    reach: float, *, colored: bool,
) -> None:  # fmt: skip
    """The first surface, carried along, on the second."""
    points = poses.apply(first.points[cells])
    normals = poses.rotate(first.normals[cells])
    places = second.places(points)
    at, usable = _partners(second, places, normals)
    apart = np.where(usable[..., None], points - second.points[at], 0)
    missed, usable = _add_planes(system, points, second.normals[at], apart, usable, reach)
    if not colored:
        return
    usable &= np.abs(missed) < 2 * reach
    beside = np.clip(np.nan_to_num(places) - np.rint(np.nan_to_num(places)), -0.5, 0.5)
    slope = second.slope[at].astype(np.float64)  # (H, N, channels, 2)
    differ = second.color[at] + dot(slope, beside[..., None, :]) - first.color[cells]
    weights = usable / (1 + dot(differ, differ) / _COLOR_REACH**2) ** 2
    weights = weights / (len(cells) * _COLOR**2)
    # Cells by metres: what a pinhole camera makes of a step, which serves for any lens here.
    x, y, z = (points[..., axis, None] for axis in range(3))
    z = np.maximum(z, 1e-3)
    across = slope[..., 0] * (second.camera.fx * second.cells_per_px / z)
    down = slope[..., 1] * (second.camera.fy * second.cells_per_px / z)
    along = np.stack([across, down, -(across * x + down * y) / z], axis=-1)
    system.add_several(points, along, differ, weights)


def _add_surface_back(
    system: _Normal, first: Relief, second: Relief, poses: Similarities, cells: NDArray[np.intp],
    reach: float,
) -> None:  # fmt: skip
    """The second surface on the first."""
    targets = second.points[cells]
    at, usable = _partners(
        first, first.places(poses.undo(targets)), poses.unrotate(second.normals[cells])
    )
    partners = np.where(usable[..., None], first.points[at], 0)
    points, across = poses.apply(partners), poses.rotate(first.normals[at])
    apart = np.where(usable[..., None], points - targets, 0)
    _add_planes(system, points, across, apart, usable, reach)


def _add_planes(
    system: _Normal, points: FloatArray, across: FloatArray, apart: FloatArray, usable: Mask,
    reach: float,
) -> tuple[FloatArray, Mask]:  # fmt: skip
    """Distances (H, N) along normals; returned with whether the partners are near enough."""
    missed = dot(apart, across)
    usable = usable & (dot(apart, apart) < (3 * reach) ** 2)
    weights = usable * np.maximum(1 - (missed / reach) ** 2, 0) ** 2
    count = points.shape[1]
    system.add(points, across, missed, weights / (count * (_SURFACE * system.size) ** 2))
    return missed, usable


def _add_pairs(system: _Normal, poses: Similarities, pairs: Pairs) -> None:
    points = poses.apply(pairs.source)
    missed = points - pairs.target
    squared = dot(missed, missed) / (pairs.reach * system.size) ** 2
    count, deviation = len(pairs.source), pairs.deviation * system.size
    weights = np.maximum(1 - squared, 0) ** 2 / (count * deviation**2)
    axes = np.broadcast_to(np.eye(3), (*missed.shape, 3))
    system.add_several(points, axes, missed, weights)


def _partners(
    relief: Relief, places: FloatArray, normals: FloatArray
) -> tuple[NDArray[np.intp], Mask]:
    """(H, N) cells at places, and whether they may show the same surface of the object."""
    at, usable = nearest(places)
    usable &= relief.known[at] & relief.object[at]
    usable &= dot(normals, relief.normals[at]) > _ALIKE
    return at, usable


def fit_of(first: Relief, second: Relief, poses: Similarities, size: float) -> Fit:
    """How well similarities lay the surfaces of two windows onto each other."""
    here, there = (one.seen(_SAMPLES) for one in (first, second))
    nothing = np.zeros(len(poses))
    if not len(here) or not len(there):
        return Fit(nothing, nothing)
    both = [
        _overlap(
            second, poses.apply(first.points[here]), poses.rotate(first.normals[here]),
            size * poses.scale,
        ),
        _overlap(
            first, poses.undo(second.points[there]), poses.unrotate(second.normals[there]),
            np.full(len(poses), size),
        ),
    ]  # fmt: skip
    met, through = np.mean(both, axis=0)
    return Fit(met, through)


def _overlap(
    relief: Relief, points: FloatArray, normals: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    at, inside = nearest(relief.places(points))
    known = inside & relief.known[at]
    apart = np.where(known[..., None], relief.points[at] - points, 0) / size[:, None, None]
    behind, missed = apart[..., 2], np.abs(dot(apart, relief.normals[at]))
    alike = dot(normals, relief.normals[at]) > _ALIKE
    near = known & (facing(points, normals) > _SLANTED) & alike & relief.object[at]
    met = (near * np.maximum(1 - missed / _NEAR, 0)).mean(1)
    return met, (known & (behind > _NEAR)).mean(1)
