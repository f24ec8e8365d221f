# SPDX-License-Identifier: Apache-2.0
"""Which of several things a person means: by a place, or by a pixel of what the camera sees."""

from __future__ import annotations

import dataclasses

from tack_grasping.behaviour.sight import SightError, View
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.lifting import Refusal, lift


@dataclasses.dataclass(frozen=True)
class Pointed:
    """What a person has pointed at.

    Attributes:
        numbers: X, Y, Z in the base frame, m, or U, V in the picture, px.
    """

    numbers: tuple[float, ...]

    @staticmethod
    def parse(text: str) -> Pointed:
        """Read X,Y,Z or U,V.

        Raises:
            InvalidInputError: it is neither.
        """
        try:
            numbers = tuple(float(word) for word in text.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in (2, 3) or not all(abs(number) < 1e5 for number in numbers):
            raise InvalidInputError(
                f"{text!r}: a place X,Y,Z in m or a pixel U,V (column, row) is expected"
            )
        return Pointed(numbers)

    @property
    def is_pixel(self) -> bool:
        """Whether an image is needed to know where it is."""
        return len(self.numbers) == 2

    def place(self, view: View | None = None) -> tuple[float, float, float]:
        """Where it is in the base frame, m.

        Args:
            view: of which it is a pixel.

        Raises:
            SightError: it is a pixel, and there is no depth at it.
        """
        if not self.is_pixel:
            x, y, z = self.numbers
            return x, y, z
        assert view is not None
        u, v = self.numbers
        seen = lift(view.frame, u, v)
        if isinstance(seen, Refusal):
            raise SightError(
                MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, f"pixel ({u:g}, {v:g}): {seen.message}"
            )
        x, y, z = geometry.apply(view.base_from_camera, seen.xyz).tolist()
        return x, y, z

    def __str__(self) -> str:
        return ",".join(f"{number:g}" for number in self.numbers)
