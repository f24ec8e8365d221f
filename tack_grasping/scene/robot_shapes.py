# SPDX-License-Identifier: Apache-2.0
"""What of an image is the robot itself: solids at their poses, and which points lie in them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

_HAND_DEPTH = 0.16  # m, from the fingers' roots back over hand, coupling and flange
_HAND_RADIUS = 0.09  # m


@dataclasses.dataclass(frozen=True, eq=False)
class RobotBox:
    """A box.

    Attributes:
        base_from_box: (4, 4), pose of its middle, m.
        size: (3,) full side lengths, m.
    """

    base_from_box: FloatArray
    size: FloatArray

    def __post_init__(self) -> None:
        geometry.check_transform(self.base_from_box, "base_from_box of a robot's shape")
        size = np.asarray(self.size, dtype=np.float64)
        if size.shape != (3,) or not np.isfinite(size).all() or (size < 0).any():
            raise InvalidInputError(f"size {size.tolist()} of a robot's box: three lengths, m")

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """(3,) lowest and (3,) highest corner of the upright box around it, m."""
        reach = np.abs(self.base_from_box[:3, :3]) @ np.asarray(self.size) / 2
        middle = self.base_from_box[:3, 3]
        return middle - reach, middle + reach

    def contains(self, points: FloatArray, padding: float) -> NDArray[np.bool_]:
        """Whether points (N, 3) of the base frame lie in it or within the padding, m."""
        local = geometry.apply(geometry.inverse(self.base_from_box), points)
        return np.asarray((np.abs(local) <= self.size / 2 + padding).all(axis=-1), dtype=np.bool_)


@dataclasses.dataclass(frozen=True, eq=False)
class RobotCapsule:
    """All that is within a radius of a line.

    Attributes:
        start, end: (3,) of the line in the base frame, m.
        radius: m.
    """

    start: FloatArray
    end: FloatArray
    radius: float

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            place = np.array(getattr(self, name), dtype=np.float64)
            if place.shape != (3,) or not np.isfinite(place).all():
                raise InvalidInputError(f"{name} {place.tolist()} of a capsule: (3,) finite m")
            object.__setattr__(self, name, place)
        if not 0 < self.radius < np.inf:
            raise InvalidInputError(f"radius {self.radius} of a capsule: a length above 0 m")

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """(3,) lowest and (3,) highest corner of the upright box around it, m."""
        ends = np.stack([self.start, self.end])
        return ends.min(axis=0) - self.radius, ends.max(axis=0) + self.radius

    def contains(self, points: FloatArray, padding: float) -> NDArray[np.bool_]:
        """Whether points (N, 3) of the base frame lie in it or within the padding, m."""
        along = self.end - self.start
        length = float(along @ along)
        away = points - self.start
        if length > 0:
            away = away - np.clip(away @ along / length, 0, 1)[:, None] * along
        reach = self.radius + padding
        return np.asarray(np.einsum("nc,nc->n", away, away) <= reach * reach, dtype=np.bool_)


RobotShape = RobotBox | RobotCapsule


def gripper_shapes(
    profile: RobotProfile, base_from_gripper: FloatArray, opening: float | None = None
) -> tuple[RobotShape, ...]:
    """The gripper as the profile knows it: its fingers, and the hand behind them.

    Args:
        profile: the robot.
        base_from_gripper: (4, 4), m.
        opening: between the fingers, m; None for all that they sweep.
    """
    pose = geometry.check_transform(base_from_gripper, "base_from_gripper")
    gripper = profile.gripper
    inner = 0.0 if opening is None else opening / 2
    outer = (gripper.stroke if opening is None else opening) / 2 + gripper.finger_thickness
    shapes: list[RobotShape] = []
    for side in (-1.0, 1.0):
        middle = (0.0, side * (inner + outer) / 2, -gripper.finger_depth / 2)
        size = np.array([gripper.finger_width, outer - inner, gripper.finger_depth])
        at = geometry.make_transform(np.eye(3), middle)
        shapes.append(RobotBox(pose @ at, size))
    root, back = geometry.apply(
        pose,
        [
            (0.0, 0.0, -gripper.finger_depth - 0.5 * _HAND_RADIUS),
            (0.0, 0.0, -gripper.finger_depth - _HAND_DEPTH),
        ],
    )
    shapes.append(RobotCapsule(root, back, _HAND_RADIUS))
    return tuple(shapes)


def chain_shapes(places: ArrayLike, radius: float = 0.10) -> tuple[RobotShape, ...]:
    """An arm as capsules between the origins of its links, as TF has them: no CAD is needed.

    Args:
        places: (N, 3) origins of the links along the chain, in the base frame, m.
        radius: that covers the thickest link, m.
    """
    points = np.asarray(places, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InvalidInputError(f"origins of links of shape {points.shape}: finite (N, 3) expected")
    return tuple(
        RobotCapsule(first, second, radius) for first, second in itertools.pairwise(points)
    )


def on_robot(
    points: FloatArray, shapes: Iterable[RobotShape], padding: float = 0.0
) -> NDArray[np.bool_]:
    """(N,) which points lie on the robot.

    Args:
        points: (N, 3) in the base frame, m.
        shapes: of the robot; also of what the planning scene knows already (a bin, a shelf).
        padding: around each, m.
    """
    found = np.zeros(len(points), dtype=np.bool_)
    for shape in shapes:
        near = np.arange(len(points))
        for axis, (low, high) in enumerate(zip(*shape.bounds(), strict=True)):  # most are far
            values = points[near, axis]
            near = near[(values >= low - padding) & (values <= high + padding)]
        found[near] |= shape.contains(points[near], padding)
    return found
