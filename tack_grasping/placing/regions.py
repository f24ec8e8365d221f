# SPDX-License-Identifier: Apache-2.0
"""Constraints on the thing's whole surface: standing on a support, in a bin, clear of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_grasping.placing.scene import Scene
from tack_grasping.placing.spec import ClearOf, In, On
from tack_grasping.placing.state import State
from tack_grasping.placing.targets import Box, millimetres
from tack_grasping.placing.terms import Noise, Term
from tack_perception import geometry
from tack_perception.vectors import cross

FloatArray = NDArray[np.float64]

EDGE = 0.002
"""How far a thing may stick out of the rectangle that it stands on, m."""


class Touching(Term):
    """The lowest point, or a named one, at the height of a support."""

    def __init__(self, item: On, scene: Scene) -> None:
        super().__init__(item.words, item.tolerance)
        pose = scene.supports[item.support].pose
        self.normal: FloatArray = pose[:3, 2]
        self.height = float(self.normal @ pose[:3, 3]) + item.gap
        self._point = scene.points[item.point] if item.point else None

    @property
    def lowest(self) -> bool:
        """Whether it is about the lowest point."""
        return self._point is None

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        if self._point is None:
            reach, derivative = state.beyond(-self.normal[None])
            height, derivative = -reach, -derivative
        else:
            at, slope = state.point(self._point.position)
            height, derivative = (self.normal @ at)[None], (self.normal @ slope)[None]
        return (height - self.height) / self.tolerance, derivative / self.tolerance

    def value(self, state: State) -> float:
        """Signed: above 0 it hangs in the air."""
        return self.tolerance * float(self.rows(state)[0][0])

    def drawn(self, state: State, noise: Noise) -> FloatArray | None:
        """See `Term`."""
        if self._point is None:
            return None
        error: FloatArray = noise(self._point) @ state.rotation.T @ self.normal
        return self.value(state) + error


class Within(Term):
    """The thing between walls or above edges, and its lowest point between two heights."""

    equal = False

    def __init__(
        self, words: str, tolerance: float, normals: FloatArray, limits: FloatArray
    ) -> None:
        """Take (K, 3) outward normals and (K,) how far the thing may reach along them, m."""
        super().__init__(words, tolerance)
        self._normals, self._limits = normals, limits

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        reach, derivative = state.beyond(self._normals)
        return (reach - self._limits) / self.tolerance, derivative / self.tolerance


class Dropping(Term):
    """The lowest point not below a bin's floor, and not far above."""

    equal = False

    def __init__(self, item: In, scene: Scene) -> None:
        super().__init__(
            f"at most {millimetres(item.drop)} above the floor of {item.bin}", item.tolerance
        )
        pose = scene.bins[item.bin].pose
        self._normal: FloatArray = pose[:3, 2]
        floor = float(self._normal @ pose[:3, 3])
        self._middle, self._half = floor + item.drop / 2, item.drop / 2

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        reach, derivative = state.beyond(-self._normal[None])
        off = -reach[0] - self._middle
        rows = np.array([off, -off]) - self._half
        return rows / self.tolerance, np.vstack([-derivative, derivative]) / self.tolerance


class Clearing(Term):
    """No point of the surface near other points, or near a box."""

    equal = False

    def __init__(self, item: ClearOf, scene: Scene) -> None:
        super().__init__(item.words, item.tolerance)
        self._surface, self._distance = scene.surface, item.distance
        self._points: FloatArray | None = None
        if item.box is None:
            known = scene.others[item.object]
            names = item.points or tuple(sorted(known))
            self._points = np.array([known[name].position for name in names])
        else:
            self._box, self._frame = item.box, scene.frame(item.box.frame)

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        surface = self._surface @ state.rotation.T + state.shift
        if self._points is None:
            nearest, distances, away = _to_box(surface, self._box, self._frame)
        else:
            offsets = surface[:, None] - self._points
            lengths = np.linalg.norm(offsets, axis=2)
            nearest = lengths.argmin(axis=0)
            columns = np.arange(len(self._points))
            distances = lengths[nearest, columns]
            away = offsets[nearest, columns] / np.maximum(distances, 1e-9)[:, None]
        arms = surface[nearest] - state.shift
        derivative = -np.hstack([cross(arms, away), away])
        return (self._distance - distances) / self.tolerance, derivative / self.tolerance


def walls(item: In, scene: Scene) -> Within:
    """The four walls of a bin, seen from above."""
    container = scene.bins[item.bin]
    half = np.asarray(container.size[:2]) / 2 - item.margin
    return Within(item.words, item.tolerance, *_sides(container.pose, np.zeros(2), half))


def edges(item: On, scene: Scene) -> Within | None:
    """The edges of the rectangle where the thing may stand; None where there are none."""
    support = scene.supports[item.support]
    size = item.size or support.size
    if size is None:
        return None
    half = np.asarray(size) / 2 - item.margin
    words = f"within the rectangle on {item.support}"
    return Within(words, EDGE, *_sides(support.pose, np.asarray(item.centre), half))


def _sides(pose: FloatArray, centre: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(4, 3) outward normals of a rectangle in a pose's xy plane, and (4,) limits, m."""
    axes = pose[:3, :2].T
    middle = axes @ pose[:3, 3] + centre
    return np.vstack([axes, -axes]), np.concatenate([middle + half, half - middle])


def _to_box(
    surface: FloatArray, box: Box, frame: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The point nearest to a box: index (1,), signed distance (1,), direction away (1, 3)."""
    local = geometry.apply(geometry.inverse(frame), surface) - box.position
    beyond = np.abs(local) - np.asarray(box.size) / 2
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
    distances = outside + np.minimum(beyond.max(axis=1), 0)
    nearest = int(distances.argmin())
    away = np.maximum(beyond[nearest], 0)
    if not away.any():
        away = np.eye(3)[int(beyond[nearest].argmax())]
    away = geometry.rotate(frame, np.where(local[nearest] < 0, -away, away))
    length = float(np.linalg.norm(away))
    return np.array([nearest]), distances[nearest, None], (away / length)[None]
