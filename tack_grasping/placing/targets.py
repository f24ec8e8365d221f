# SPDX-License-Identifier: Apache-2.0
"""Places and directions that a place specification names."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from tack_perception.errors import InvalidInputError

Triple = tuple[float, float, float]
LONGEST = 10.0  # m; whoever writes more has mistaken the unit


def check_numbers(
    values: Sequence[float], count: int, what: str, *, positive: bool = False
) -> None:
    """Refuse other than `count` finite lengths up to 10 m (above 0 where `positive`)."""
    good = len(values) == count and all(
        math.isfinite(value) and abs(value) <= LONGEST and (value > 0 or not positive)
        for value in values
    )
    if not good:
        kind = "above 0 " if positive else ""
        raise InvalidInputError(
            f"{what} {list(values)}: {count} finite {'number' if count == 1 else 'numbers'}"
            f" {kind}and up to {LONGEST:g} m are expected"
        )


def check_length(value: float, what: str, *, zero: bool = False) -> None:
    """Refuse a length (m) that is negative, above 10 m or, unless `zero`, 0."""
    if not (math.isfinite(value) and 0 <= value <= LONGEST and (zero or value > 0)):
        least = "0" if zero else "above 0"
        raise InvalidInputError(f"{what} {value} m: {least} to {LONGEST:g} m is allowed")


def millimetres(value: float) -> str:
    """A length (m) for a person."""
    return f"{_short(value * 1e3)} mm" if abs(value) < 1 else f"{_short(value)} m"


def degrees(value: float) -> str:
    """An angle (rad) for a person."""
    return f"{_short(math.degrees(value))}°"


def _short(value: float) -> str:
    """Three digits, and none beyond the third after the point; 0 has no sign."""
    return f"{round(value, 3) + 0.0:.3g}"


@dataclasses.dataclass(frozen=True)
class Where:
    """A position in a named frame, or relative to a point of another object.

    Attributes:
        position: (x, y, z) along the axes of `frame`: from its origin, or from the object's point.
        frame: name of the frame; "" is the frame of the goals.
        object: name of the other object; "" for a position of its own.
        point: label of the other object's point.
        above: added along up, m.
    """

    position: Triple = (0.0, 0.0, 0.0)
    frame: str = ""
    object: str = ""
    point: str = ""
    above: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(self.position, 3, "position")
        check_numbers((self.above,), 1, "above")
        if bool(self.object) != bool(self.point):
            raise InvalidInputError("a point of another object needs both: object and point")

    @property
    def words(self) -> str:
        """The place for a person."""
        numbers = ", ".join(f"{value:g}" for value in self.position)
        where = f"{self.object}'s {self.point}" if self.object else f"({numbers})"
        if self.object and any(self.position):
            where += f" + ({numbers})"
        if self.frame and (not self.object or any(self.position)):
            where += f" in {self.frame}"
        return where + (f", {millimetres(self.above)} up" if self.above else "")


@dataclasses.dataclass(frozen=True)
class Direction:
    """A direction: up, down, a vector in a named frame, or an axis of another object.

    Attributes:
        kind: up, down, vector or object.
        vector: (x, y, z) of any length above 0, for `vector`.
        frame: of the vector; "" is the frame of the goals.
        object: name of the other object.
        start, end: labels of its points; without an end, the normal at `start`.
    """

    kind: str = "up"
    vector: Triple = (0.0, 0.0, 0.0)
    frame: str = ""
    object: str = ""
    start: str = ""
    end: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("up", "down", "vector", "object"):
            raise InvalidInputError(f"direction {self.kind!r}: up, down, vector or object expected")
        check_numbers(self.vector, 3, "direction")
        if self.kind == "vector" and not any(self.vector):
            raise InvalidInputError("direction (0, 0, 0): a vector above length 0 is expected")
        if self.kind == "object" and not (self.object and self.start and self.start != self.end):
            raise InvalidInputError("an object's axis needs the object and its point or two points")

    @property
    def words(self) -> str:
        """The direction for a person."""
        if self.kind == "vector":
            numbers = ", ".join(f"{value:g}" for value in self.vector)
            return f"along ({numbers})" + (f" in {self.frame}" if self.frame else "")
        if self.kind == "object":
            axis = f"{self.start}→{self.end}" if self.end else f"normal at {self.start}"
            return f"along {self.object}'s {axis}"
        return self.kind


UP = Direction("up")


@dataclasses.dataclass(frozen=True)
class Box:
    """A box along the axes of a named frame.

    Attributes:
        position: (x, y, z) of its middle, m.
        size: (x, y, z) whole lengths, m.
        frame: name of the frame; "" is the frame of the goals.
    """

    position: Triple
    size: Triple
    frame: str = ""

    def __post_init__(self) -> None:
        check_numbers(self.position, 3, "box: position")
        check_numbers(self.size, 3, "box: size", positive=True)

    @property
    def words(self) -> str:
        """The box for a person."""
        numbers = ", ".join(f"{value:g}" for value in self.position)
        return f"the box at ({numbers})" + (f" in {self.frame}" if self.frame else "")
