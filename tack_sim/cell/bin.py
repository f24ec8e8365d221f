# SPDX-License-Identifier: Apache-2.0
"""The bin that objects are placed in: an open box of five slabs."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Bin:
    """An open box on the table.

    Attributes:
        base_from_bin: (4, 4), the middle of its underside, z up, m.
        inner: length, width and depth of its inside, m.
        thickness: of its walls and floor, m.
    """

    base_from_bin: FloatArray
    inner: tuple[float, float, float]
    thickness: float = 0.006

    def __post_init__(self) -> None:
        geometry.check_transform(self.base_from_bin, "base_from_bin")
        if min(*self.inner, self.thickness) <= 0:
            raise InvalidInputError(
                f"bin of {self.inner} m, walls {self.thickness} m: not positive"
            )

    @property
    def outer(self) -> tuple[float, float, float]:
        """Length, width and height of its outside, m."""
        length, width, depth = self.inner
        t = self.thickness
        return length + 2 * t, width + 2 * t, depth + t

    def slabs(self) -> list[tuple[FloatArray, FloatArray]]:
        """Its floor and four walls: ((4, 4) base_from_slab, (3,) full side lengths), m."""
        length, width, depth = self.inner
        t = self.thickness
        middle = t + depth / 2
        parts = [
            ((0, 0, t / 2), (length + 2 * t, width + 2 * t, t)),
            ((0, (width + t) / 2, middle), (length + 2 * t, t, depth)),
            ((0, -(width + t) / 2, middle), (length + 2 * t, t, depth)),
            (((length + t) / 2, 0, middle), (t, width, depth)),
            ((-(length + t) / 2, 0, middle), (t, width, depth)),
        ]
        return [
            (self.base_from_bin @ geometry.make_transform(np.eye(3), place), np.array(size))
            for place, size in parts
        ]

    def outline(self) -> FloatArray:
        """(4, 2) x and y of its corners in the base frame, counter-clockwise, m."""
        x, y, _ = self.outer
        corners = [(x / 2, y / 2, 0), (-x / 2, y / 2, 0), (-x / 2, -y / 2, 0), (x / 2, -y / 2, 0)]
        return geometry.apply(self.base_from_bin, corners)[:, :2]

    def holds(self, position: FloatArray, margin: float = 0.0) -> bool:
        """Whether a point is above its floor and between its walls.

        Args:
            position: (3,) in the base frame, m.
            margin: how far into the walls it may lie, and below their rim it has to, m.
        """
        place = geometry.apply(geometry.inverse(self.base_from_bin), position)
        half = np.array(self.inner[:2]) / 2 + margin
        top = self.outer[2] - margin
        return bool((np.abs(place[:2]) <= half).all() and 0 <= place[2] <= top)
