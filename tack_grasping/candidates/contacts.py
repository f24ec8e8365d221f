# SPDX-License-Identifier: Apache-2.0
"""Where the fingers will touch, and whether they will hold there: what the cloud shows of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.fingers import SKIN, deep, ends
from tack_grasping.robot import Gripper
from tack_perception import geometry

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HIDDEN_SIDE = 0.5
"""What a side counts that the cloud does not show; a side that faces its finger counts 1."""
NOTHING_SEEN = 0.3
"""Antipodality where the cloud shows nothing at all between the fingers."""

_BAND = 0.003  # m, at either end of what is between the fingers: there they touch first
_BELOW = 0.003  # m, under the top: above that, normals are those of the edge
_FACING = 0.26  # cosine; what runs along the closing direction ends there because it is hidden
_TOP = 0.94  # cosine; what faces the palm is the top of the thing, not a side of it
_LEAST = 6  # cells that make a side
_SHARED = 8  # cells whose normals come of much the same neighbours
_AT_THE_CONE = 0.2  # what a side counts whose normal is as far off as friction allows
_GAP = 0.006  # m without any point, that parts one thing from the next


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of the thing, where a finger will touch it.

    Attributes:
        angle: between the surface's mean normal and the closing direction, rad; NaN where the
            cloud does not show it.
        doubt: standard deviation of the angle, rad.
    """

    angle: float = math.nan
    doubt: float = 0.0

    @property
    def seen(self) -> bool:
        """Whether the cloud shows it."""
        return not math.isnan(self.angle)

    def beyond(self, cone: float) -> float:
        """How far it is outside a friction cone for sure (2σ), rad; 0 where it is not."""
        return max(self.angle - 2 * self.doubt - cone, 0.0) if self.seen else 0.0

    def worth(self, cone: float) -> float:
        """1 facing the finger, less towards the cone's edge, 0 outside of it for sure."""
        if not self.seen:
            return HIDDEN_SIDE
        if self.beyond(cone) > 0:
            return 0.0
        return 1 - (1 - _AT_THE_CONE) * min(self.angle / cone, 1.0) ** 2


@dataclasses.dataclass(frozen=True)
class Contacts:
    """What the fingers meet.

    Attributes:
        low, high: the sides at the finger at negative and at positive y.
        across: lowest and highest x that the thing reaches from the gripper's middle, m.
        depth: of the tips below the top of what is between the fingers, m.
    """

    low: Side
    high: Side
    across: tuple[float, float]
    depth: float

    def antipodality(self, cone: float) -> float:
        """1 where both sides face their fingers; 0 where one would slip.

        A side that is not seen counts less than one that is seen to be good, and more than one
        that is seen to be bad.

        Args:
            cone: half the angle of the friction cone, rad.
        """
        return math.sqrt(self.low.worth(cone) * self.high.worth(cone))

    def beyond(self, cone: float) -> float:
        """How far the worse side is outside a friction cone for sure, rad; 0 where it is not."""
        return max(self.low.beyond(cone), self.high.beyond(cone))

    def words(self) -> str:
        """The sides in a few words, for a person."""
        seen = [side for side in (self.low, self.high) if side.seen]
        if not seen:
            return "neither side is seen"
        angles = " and ".join(
            f"{math.degrees(side.angle):.0f}±{math.degrees(side.doubt):.0f}°" for side in seen
        )
        sides = "one side" if len(seen) == 1 else "both sides"
        return f"{sides} seen, {angles} from the closing direction"


def contacts(
    seen: FloatArray,
    normals: Callable[[BoolArray], FloatArray],
    opening: float,
    gripper: Gripper,
) -> Contacts | None:
    """Look at what is between the fingers.

    Args:
        seen: (N, 3) points in the gripper's frame, m.
        normals: takes (N,) which of the points, and gives the surface's normals there, of either
            sign, in the gripper's axes; NaN where not known.
        opening: between the fingers, m.
        gripper: its fingers.

    Returns:
        None where nothing is between them.
    """
    y = seen[:, 1]
    reach = deep(seen, gripper)
    inside = reach & (np.abs(y) <= opening / 2 - SKIN)
    if not inside.any():
        return None
    low, high = ends(np.sort(y[inside]))
    top = ends(np.sort(seen[inside, 2]))[0]
    between = (np.abs(y) <= opening / 2 - SKIN) & (seen[:, 2] <= -SKIN)
    between &= seen[:, 2] >= -gripper.finger_depth
    left, right = run(seen[between, 0])
    half = gripper.finger_width / 2
    flanks = inside & (seen[:, 2] > top + _BELOW)
    return Contacts(
        _side(normals(flanks & (y <= low + _BAND))),
        _side(normals(flanks & (y >= high - _BAND))),
        (left - half, right + half),
        -top,
    )


def width_needed(seen: FloatArray, gripper: Gripper) -> float:
    """How wide the thing in the middle is along the closing direction, m, fingers or no fingers.

    Args:
        seen: (N, 3) points in the gripper's frame, m.
        gripper: its fingers.
    """
    low, high = run(seen[deep(seen, gripper), 1])
    return high - low


def run(values: FloatArray) -> tuple[float, float]:
    """The ends of the stretch of values, m, without a gap that holds 0 or is nearest to it."""
    if not len(values):
        return 0.0, 0.0
    ordered = np.sort(values)
    middle = int(np.abs(ordered).argmin())
    gaps = np.flatnonzero(np.diff(ordered) > _GAP)
    before, after = gaps[gaps < middle], gaps[gaps >= middle]
    first = int(before[-1]) + 1 if len(before) else 0
    last = int(after[0]) if len(after) else len(ordered) - 1
    return float(ordered[first]), float(ordered[last])


def _side(normals: FloatArray) -> Side:
    """The side that has these normals (K, 3), of either sign."""
    y, z = np.abs(normals[:, 1]), np.abs(normals[:, 2])
    facing = normals[(y > _FACING) & (z < _TOP)]
    if len(facing) < _LEAST:
        return Side()
    facing = facing * np.sign(facing[:, 1:2])
    mean = geometry.unit(facing.mean(axis=0))
    # Normals share their neighbours, so many of them are not as good as many measurements.
    scatter = math.sqrt(float(((facing - mean) ** 2).sum(axis=1).mean()))
    doubt = scatter / math.sqrt(max(len(facing) / _SHARED, 1.0))
    return Side(math.atan2(math.hypot(mean[0], mean[2]), mean[1]), doubt)
