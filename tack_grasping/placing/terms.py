# SPDX-License-Identifier: Apache-2.0
"""Constraints as the solver sees them: rows that shall be zero, or not above zero.

A term is made in a scene whose z axis is up. Its rows are in units of its tolerance.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.placing.scene import Scene, axis_of
from tack_grasping.placing.spec import Axis, Near, PointAt
from tack_grasping.placing.state import State
from tack_grasping.points import NamedPoint

FloatArray = NDArray[np.float64]
Noise = Callable[[NamedPoint], FloatArray]
"""Draws of a point's error: (N, 3) m, the same for the same point."""

_SHORTEST = 1e-3  # of a vector's horizontal part, below which its heading is no longer followed


class Term(abc.ABC):
    """One line of the report.

    Attributes:
        words: what is asked for.
        tolerance: in `unit`.
        unit: "m" or "rad".
        equal: aims at rows of zero; otherwise rows below zero will do.
        reach: rows at which the tolerance begins: 0, or 1 where anything within it is as good.
    """

    equal = True
    reach = 0.0
    unit = "m"

    def __init__(self, words: str, tolerance: float) -> None:
        self.words = words
        self.tolerance = tolerance

    @abc.abstractmethod
    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """(K,) rows, of length 1 (together, or each where not `equal`) at the tolerance's edge,
        and their derivative (K, 6) by a small turn and shift.
        """  # noqa: D205

    def value(self, state: State) -> float:
        """How far off it is, in `unit`; below 0 where there is room to spare."""
        rows = self.rows(state)[0]
        return self.tolerance * float(np.linalg.norm(rows) if self.equal else rows.max())

    def drawn(self, state: State, noise: Noise) -> FloatArray | None:
        """(N,) values for errors of the points; None where these are not known."""
        return None


class Position(Term):
    """A point at, or near, a place."""

    def __init__(self, item: PointAt | Near, scene: Scene) -> None:
        super().__init__(item.words, item.tolerance)
        self.equal = isinstance(item, PointAt)
        self.reach = 0.0 if self.equal else 1.0
        self.point = scene.points[item.point]
        self.goal = scene.place(item.where)[0]
        self._other = _other(scene, item.where.object, item.where.point)
        self.level = item.level
        self._count = 2 if item.level else 3  # z is up

    def off(self, state: State) -> tuple[FloatArray, FloatArray]:
        """(2 or 3,) m, and its derivative."""
        at, derivative = state.point(self.point.position)
        return (at - self.goal)[: self._count], derivative[: self._count]

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        off, derivative = self.off(state)
        if not self.equal:
            far = max(float(np.linalg.norm(off)), 1e-12)
            off, derivative = np.array([far]), (off / far @ derivative)[None]
        return off / self.tolerance, derivative / self.tolerance

    def drawn(self, state: State, noise: Noise) -> FloatArray | None:
        """See `Term`."""
        at = state.point(self.point.position)[0] + noise(self.point) @ state.rotation.T
        off = at - self.goal - (0 if self._other is None else noise(self._other))
        values: FloatArray = np.linalg.norm(off[:, : self._count], axis=1)
        return values


class Pointing(Term):
    """An axis of the thing along a direction, or towards a place."""

    unit = "rad"

    def __init__(self, item: Axis, scene: Scene) -> None:
        super().__init__(item.words, item.tolerance)
        self.item = item
        self.start = scene.points[item.start]
        self.end = scene.points[item.end] if item.end else None
        self.axis = axis_of(self.start, self.end)
        self.place: FloatArray | None = None
        self.direction = np.zeros(3)
        along = item.along
        self._others: tuple[NamedPoint, ...] = ()
        if item.towards is not None:
            self.place = scene.place(item.towards)[0]
            other = _other(scene, item.towards.object, item.towards.point)
            self._others = () if other is None else (other,)
        else:
            self.direction = scene.direction(along)
            if along.kind == "object":
                known = scene.others[along.object]
                labels = (along.start, along.end) if along.end else (along.start,)
                self._others = tuple(known[label] for label in labels)
        # A normal's own error is not known.
        self._measured = self.end is not None and (along.kind != "object" or bool(along.end))

    @property
    def pair(self) -> tuple[FloatArray, FloatArray] | None:
        """Axis and direction where these do not depend on where the thing is, and are parallel."""
        if self.place is not None or self.item.angle:
            return None
        return self.axis, self.direction

    @property
    def level(self) -> bool:
        """Whether only headings count."""
        return self.item.level

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        axis, d_axis = state.vector(self.axis)
        aim, d_aim = self.direction, np.zeros((3, 6))
        if self.place is not None:
            at, d_at = state.point(self.start.position)
            aim, d_aim = _normalised(self.place - at, -d_at)
        if self.item.level:
            axis, d_axis = _normalised(axis[:2], d_axis[:2])
            aim, d_aim = _normalised(aim[:2], d_aim[:2])
        if self.item.angle:
            cosine = float(axis @ aim)
            sine = math.sqrt(max(1 - cosine * cosine, 1e-3))
            rows = np.array([math.acos(min(max(cosine, -1), 1)) - self.item.angle])
            derivative = -(aim @ d_axis + axis @ d_aim)[None] / sine
            return rows / self.tolerance, derivative / self.tolerance
        # The chord between the two directions is smooth all around, unlike the angle.
        chord = 2 * math.sin(self.tolerance / 2)
        return (axis - aim) / chord, (d_axis - d_aim) / chord

    def value(self, state: State) -> float:
        """See `Term`."""
        axis = state.rotation @ self.axis
        aim = self.direction
        if self.place is not None:
            aim = self.place - state.point(self.start.position)[0]
        return float(self._angles(axis[None], aim[None])[0])

    def drawn(self, state: State, noise: Noise) -> FloatArray | None:
        """See `Term`."""
        if not self._measured or self.end is None:
            return None
        length = float(np.linalg.norm(self.end.position - self.start.position))
        error = (noise(self.end) - noise(self.start)) @ state.rotation.T
        axis = state.rotation @ self.axis * length + error
        aim = self.direction[None]
        if self.place is not None:
            aim = (self.place - state.point(self.start.position)[0])[None]
            aim = aim - noise(self.start) @ state.rotation.T
            aim = aim + (noise(self._others[0]) if self._others else 0)
        elif self._others:
            first, last = self._others
            aim = last.position - first.position + noise(last) - noise(first)
        return self._angles(axis, np.broadcast_to(aim, axis.shape))

    def _angles(self, axes: FloatArray, aims: FloatArray) -> FloatArray:
        """(N,) how far off each pair of vectors (N, 3) is, rad."""
        if self.item.level:
            axes, aims = axes * (1, 1, 0), aims * (1, 1, 0)
        across = np.linalg.norm(np.cross(axes, aims), axis=1)
        angle = np.arctan2(across, (axes * aims).sum(axis=1))
        off: FloatArray = np.abs(angle - self.item.angle)
        return off


class Turning(Term):
    """The thing turned by at most the tolerance."""

    equal = False
    reach = 1.0
    unit = "rad"

    def rows(self, state: State) -> tuple[FloatArray, FloatArray]:
        """See `Term`."""
        turn, slope = state.turn()
        angle = max(float(np.linalg.norm(turn)), 1e-12)
        return np.array([angle]) / self.tolerance, (turn / angle @ slope)[None] / self.tolerance


def _other(scene: Scene, name: str, label: str) -> NamedPoint | None:
    return scene.others[name][label] if name else None


def _normalised(vector: FloatArray, derivative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A vector at length 1, and its derivative."""
    length = max(float(np.linalg.norm(vector)), _SHORTEST)
    result = vector / length
    slope = (derivative - np.outer(result, result @ derivative)) / length
    return result, slope
