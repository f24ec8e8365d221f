# SPDX-License-Identifier: Apache-2.0
"""What is asked of a place: constraints and costs over named points, each with its tolerance.

Lengths are in m and angles in rad. Positions and vectors are written in a named frame; "" is the
frame of the goals. The solver aims at the middle of what a constraint allows, and only leaves it
where other constraints make it.
"""

from __future__ import annotations

import dataclasses
import math

from tack_grasping.placing.targets import (
    UP,
    Box,
    Direction,
    Where,
    check_length,
    check_numbers,
    degrees,
    millimetres,
)
from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError

STEEPEST = math.radians(170)
"""Angles between an axis and a direction lie between 10° and this, or are 0."""


@dataclasses.dataclass(frozen=True)
class PointAt:
    """A point of the thing comes to a place.

    Attributes:
        point: label of the thing's point.
        where: the place.
        tolerance: largest distance, m.
        level: only the horizontal distance counts.
    """

    point: str
    where: Where
    tolerance: float
    level: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", check_label(self.point))
        check_length(self.tolerance, "point_at: tolerance")

    @property
    def words(self) -> str:
        """The constraint for a person."""
        return f"{self.point} {'over or under' if self.level else 'at'} {self.where.words}"


@dataclasses.dataclass(frozen=True)
class Near:
    """A point of the thing is near a place: anywhere in reach, or as near as possible (cost).

    Attributes:
        point, where, level: as in `PointAt`.
        tolerance: largest distance, m; as a cost: the distance that costs 1.
    """

    point: str
    where: Where
    tolerance: float
    level: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "point", check_label(self.point))
        check_length(self.tolerance, "near: tolerance")

    @property
    def words(self) -> str:
        """The constraint for a person."""
        return f"{self.point} near {self.where.words}{' (level)' if self.level else ''}"


@dataclasses.dataclass(frozen=True)
class Axis:
    """An axis of the thing has a direction: from one point to another, or the normal at one.

    Attributes:
        start: label where the axis starts.
        end: label where it ends; "" for the surface normal at `start`.
        along: the direction; not used where `towards` is given.
        towards: the place that the axis looks at from `start`; None for `along`.
        angle: between axis and direction, rad: 0, or from 10° to 170°.
        level: only headings count: both are laid into the horizontal plane first.
        tolerance: largest angle off, rad.
    """

    start: str
    end: str = ""
    along: Direction = UP
    towards: Where | None = None
    angle: float = 0.0
    level: bool = False
    tolerance: float = math.radians(5)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", check_label(self.start))
        if self.end:
            object.__setattr__(self, "end", check_label(self.end))
        if self.end == self.start:
            raise InvalidInputError(f"axis from {self.start!r} to itself has no direction")
        check_angle(self.tolerance, "axis: tolerance")
        if self.angle and not math.pi - STEEPEST <= self.angle <= STEEPEST:
            raise InvalidInputError(
                f"axis: angle {degrees(self.angle)}: 0°, or 10° to 170° are allowed; for 180° turn"
                " the axis or the direction round"
            )
        if self.level and self.angle:
            raise InvalidInputError("axis: level compares headings and has no angle")
        if self.level and self.along.kind in ("up", "down") and self.towards is None:
            raise InvalidInputError(
                f"axis: level compares headings, and {self.along.kind!r} has none"
            )

    @property
    def words(self) -> str:
        """The constraint for a person."""
        axis = f"{self.start}→{self.end}" if self.end else f"normal at {self.start}"
        to = self.along.words if self.towards is None else f"towards {self.towards.words}"
        angle = f"{degrees(self.angle)} from " if self.angle else ""
        return f"{axis} {angle}{to}{' (heading)' if self.level else ''}"


@dataclasses.dataclass(frozen=True)
class On:
    """The thing touches a support with its lowest point, and stands on a rectangle of it.

    Attributes:
        support: name of the support.
        tolerance: of the height, m.
        point: label of the point that touches; "" takes the lowest of all.
        gap: height above the support at which the thing is let go, m.
        centre: (x, y) of the rectangle in the support's frame, m.
        size: (x, y) of the rectangle, m; None takes the support's own.
        margin: kept from the rectangle's edges, m.
    """

    support: str
    tolerance: float
    point: str = ""
    gap: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    size: tuple[float, float] | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        check_name(self.support, "stand_on: support")
        check_length(self.tolerance, "stand_on: tolerance")
        if self.point:
            object.__setattr__(self, "point", check_label(self.point))
        check_length(self.gap, "stand_on: gap", zero=True)
        check_length(self.margin, "stand_on: margin", zero=True)
        check_numbers(self.centre, 2, "stand_on: centre")
        if self.size is not None:
            check_numbers(self.size, 2, "stand_on: size", positive=True)

    @property
    def words(self) -> str:
        """The constraint for a person."""
        gap = f", {millimetres(self.gap)} above it" if self.gap else ""
        return f"{self.point or 'lowest point'} on {self.support}{gap}"


@dataclasses.dataclass(frozen=True)
class In:
    """The thing lies within the walls of a bin, seen from above, and not far above its floor.

    Attributes:
        bin: name of the bin.
        drop: largest height of the lowest point above the floor at release, m.
        margin: kept from the walls, m.
        tolerance: how far it may be outside of all this, m.
    """

    bin: str
    drop: float = 0.05
    margin: float = 0.0
    tolerance: float = 0.002

    def __post_init__(self) -> None:
        check_name(self.bin, "in: bin")
        check_length(self.drop, "in: drop", zero=True)
        check_length(self.margin, "in: margin", zero=True)
        check_length(self.tolerance, "in: tolerance")

    @property
    def words(self) -> str:
        """The constraint for a person."""
        return f"within the walls of {self.bin}"


@dataclasses.dataclass(frozen=True)
class KeepTurn:
    """The thing turns little: at most by the tolerance, or as little as the rest allows (cost).

    Attributes:
        tolerance: largest turn, rad; as a cost: the turn that costs 1.
    """

    tolerance: float = 1.0

    def __post_init__(self) -> None:
        check_angle(self.tolerance, "keep_turn: tolerance")

    @property
    def words(self) -> str:
        """The constraint for a person."""
        return "turned little"


@dataclasses.dataclass(frozen=True)
class ClearOf:
    """No seen point of the thing is nearer than a distance to another object's points, or to a box.

    Attributes:
        distance: m.
        object: name of the other object; "" for a box.
        points: of the other object; empty takes all that are known.
        box: the box; None for an object.
        tolerance: by how much it may be nearer, m.
    """

    distance: float
    object: str = ""
    points: tuple[str, ...] = ()
    box: Box | None = None
    tolerance: float = 0.002

    def __post_init__(self) -> None:
        check_length(self.distance, "clear_of: distance", zero=True)
        check_length(self.tolerance, "clear_of: tolerance")
        if bool(self.object) == (self.box is not None):
            raise InvalidInputError("clear_of: either an object or a box is expected")
        object.__setattr__(self, "points", tuple(check_label(name) for name in self.points))

    @property
    def words(self) -> str:
        """The constraint for a person."""
        what = self.object or (self.box.words if self.box else "")
        return f"{millimetres(self.distance)} clear of {what}"


Constraint = PointAt | Near | Axis | On | In | KeepTurn | ClearOf


@dataclasses.dataclass(frozen=True)
class Cost:
    """A wish: costs weight · (value / tolerance)², and gives way to every constraint.

    Attributes:
        wish: what is wished for.
        weight: among the costs.
    """

    wish: Near | Axis | KeepTurn
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.wish, Near | Axis | KeepTurn):
            raise InvalidInputError(
                f"{type(self.wish).__name__} cannot be a cost; near, axis and keep_turn can"
            )
        if not (math.isfinite(self.weight) and 1e-3 <= self.weight <= 1e3):
            raise InvalidInputError(f"weight {self.weight}: 0.001 to 1000 is allowed")


@dataclasses.dataclass(frozen=True)
class PlaceSpec:
    """Where a thing shall go.

    Attributes:
        name: of the specification.
        constraints: all have to be met.
        costs: wishes.

    Raises:
        InvalidInputError: on construction of this or of its parts, for what is not allowed.
    """

    name: str
    constraints: tuple[Constraint, ...]
    costs: tuple[Cost, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_label(self.name))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        object.__setattr__(self, "costs", tuple(self.costs))
        if not self.constraints:
            raise InvalidInputError(f"{self.name}: at least one constraint is needed")


def check_angle(value: float, what: str) -> None:
    """Refuse an angle (rad) that is no tolerance: above 0, at most 180°."""
    if not (math.isfinite(value) and 0 < value <= math.pi + 1e-9):
        raise InvalidInputError(f"{what} {value} rad: above 0, at most 180° is allowed")


def check_name(value: str, what: str) -> None:
    """Refuse an empty name."""
    if not value.strip():
        raise InvalidInputError(f"{what}: a name is expected")
