# SPDX-License-Identifier: Apache-2.0
"""One candidate motion while it is searched for, and how points follow a small change of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tack_perception.vectors import cross

FloatArray = NDArray[np.float64]
_UNIT, _NOTHING = np.eye(3), np.zeros((3, 3))


class State:
    """A motion p → R p + s of the thing, a step away from another.

    A step is a rotation vector (rad), applied after the other's rotation, and a translation (m).
    Where the thing stands on a support, the translation along the support's normal counts from the
    thing's lowest point: how it lies and how high it lies are then independent of each other.

    Args:
        base: (4, 4) rotation, and translation counted like this, m.
        step: (6,) rotation vector, translation.
        extremes: (N, 3) points that can touch a plane, m.
        normal: (3,) of the support; None where there is none.
    """

    def __init__(
        self,
        base: FloatArray,
        step: FloatArray,
        extremes: FloatArray,
        normal: FloatArray | None = None,
    ) -> None:
        self.rotation: FloatArray = Rotation.from_rotvec(step[:3]).as_matrix() @ base[:3, :3]
        self.base = np.eye(4)
        self.base[:3, :3] = self.rotation
        self.base[:3, 3] = base[:3, 3] + step[3:]
        self.shift: FloatArray = self.base[:3, 3].copy()
        self._normal = normal
        turned = extremes @ self.rotation.T
        if normal is not None:
            heights = turned @ normal
            lowest = int(heights.argmin())
            self._lowest = hat(turned[lowest]) @ normal
            self.shift -= heights[lowest] * normal
        self.extremes: FloatArray = turned + self.shift
        self._jacobian = left_jacobian(step[:3])

    @property
    def motion(self) -> FloatArray:
        """(4, 4), m."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.shift
        return matrix

    def turn(self) -> tuple[FloatArray, FloatArray]:
        """Rotation vector (3,) of the whole turn, rad, and its derivative (3, 6)."""
        turn = Rotation.from_matrix(self.rotation).as_rotvec()
        slope = np.asarray(np.linalg.inv(left_jacobian(turn)), np.float64)
        return turn, _beside(slope, _NOTHING)

    def point(self, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where a point of the thing goes (3,), m, and its derivative (3, 6)."""
        turned = self.rotation @ position
        return turned + self.shift, _beside(-hat(turned), _UNIT)

    def vector(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where a direction of the thing goes (3,), and its derivative (3, 6)."""
        turned = self.rotation @ vector
        return turned, _beside(-hat(turned), _NOTHING)

    def beyond(self, normals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How far the thing reaches along directions (K, 3): (K,) m, and its derivative (K, 6)."""
        reach = self.extremes @ normals.T
        farthest = reach.argmax(axis=0)
        arms = self.extremes[farthest] - self.shift
        return reach[farthest, np.arange(len(normals))], _beside(cross(arms, normals), normals)

    def by_step(self, derivative: FloatArray) -> FloatArray:
        """A derivative (K, 6) by a small turn after R, and by s, as one by the step."""
        turn, shift = derivative[:, :3], derivative[:, 3:]
        if self._normal is not None:
            turn = turn - np.outer(shift @ self._normal, self._lowest)
        return _beside(turn @ self._jacobian, shift)


def _beside(turn: FloatArray, shift: FloatArray) -> FloatArray:
    """(K, 6) of (K, 3) each; np.hstack spends ten times as long on its arguments."""
    derivative = np.empty((len(turn), 6))
    derivative[:, :3], derivative[:, 3:] = turn, shift
    return derivative


def hat(vector: FloatArray) -> FloatArray:
    """(3, 3) matrix of the cross product with a vector (3,)."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def left_jacobian(turn: FloatArray) -> FloatArray:
    """(3, 3) J with exp(turn + d) = exp(J d) exp(turn) for a small d."""
    angle = math.sqrt(float(turn @ turn))
    across = hat(turn)
    if angle < 1e-4:
        return _UNIT + across / 2 + across @ across / 6
    first = (1 - math.cos(angle)) / angle**2
    second = (angle - math.sin(angle)) / angle**3
    jacobian: FloatArray = _UNIT + first * across + second * across @ across
    return jacobian
