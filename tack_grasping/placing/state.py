# SPDX-License-Identifier: Apache-2.0
"""One candidate motion while it is searched for, and how points follow a small change of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]


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
        return turn, np.hstack([np.linalg.inv(left_jacobian(turn)), np.zeros((3, 3))])

    def point(self, position: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where a point of the thing goes (3,), m, and its derivative (3, 6)."""
        turned = self.rotation @ position
        return turned + self.shift, np.hstack([-hat(turned), np.eye(3)])

    def vector(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where a direction of the thing goes (3,), and its derivative (3, 6)."""
        turned = self.rotation @ vector
        return turned, np.hstack([-hat(turned), np.zeros((3, 3))])

    def beyond(self, normals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How far the thing reaches along directions (K, 3): (K,) m, and its derivative (K, 6)."""
        reach = self.extremes @ normals.T
        farthest = reach.argmax(axis=0)
        arms = self.extremes[farthest] - self.shift
        derivative = np.hstack([np.cross(arms, normals), normals])
        return reach[farthest, np.arange(len(normals))], derivative

    def by_step(self, derivative: FloatArray) -> FloatArray:
        """A derivative (K, 6) by a small turn after R, and by s, as one by the step."""
        turn, shift = derivative[:, :3], derivative[:, 3:]
        if self._normal is not None:
            turn = turn - np.outer(shift @ self._normal, self._lowest)
        return np.hstack([turn @ self._jacobian, shift])


def hat(vector: FloatArray) -> FloatArray:
    """(3, 3) matrix of the cross product with a vector (3,)."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def left_jacobian(turn: FloatArray) -> FloatArray:
    """(3, 3) J with exp(turn + d) = exp(J d) exp(turn) for a small d."""
    angle = math.sqrt(float(turn @ turn))
    cross = hat(turn)
    if angle < 1e-4:
        return np.eye(3) + cross / 2 + cross @ cross / 6
    first = (1 - math.cos(angle)) / angle**2
    second = (angle - math.sin(angle)) / angle**3
    jacobian: FloatArray = np.eye(3) + first * cross + second * cross @ cross
    return jacobian
