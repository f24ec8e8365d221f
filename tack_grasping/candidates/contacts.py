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

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HIDDEN_SIDE = 0.5
"""What a side counts that the cloud does not show; a side that faces its finger counts 1."""
NOTHING_SEEN = 0.3
"""Antipodality where the cloud shows nothing at all between the fingers."""

_BAND = 0.003  # m, at either end of what is between the fingers: there they touch first
_FACING = 0.26  # cosine; what runs along the closing direction ends there because it is hidden
_TOP = 0.85  # cosine; what faces the palm is the top of the thing, not a side of it
_LEAST = 4  # cells that make a side
_AT_THE_CONE = 0.2  # what a side counts whose normal is as far off as friction allows
_GAP = 0.006  # m without any point, that parts one thing from the next


@dataclasses.dataclass(frozen=True)
class Contacts:
    """What the fingers meet.

    Attributes:
        low, high: angle between the surface's normal and the closing direction at the finger at
            negative and at positive y, rad; NaN where the cloud does not show that side.
        across: lowest and highest x that the thing reaches from the gripper's middle, m.
        depth: of the tips below the top of what is between the fingers, m.
    """

    low: float
    high: float
    across: tuple[float, float]
    depth: float

    def antipodality(self, cone: float) -> float:
        """1 where both sides face their fingers; 0 where one would slip.

        A side that is not seen counts less than one that is seen to be good, and more than one
        that is seen to be bad.

        Args:
            cone: half the angle of the friction cone, rad.
        """
        return math.sqrt(_side(self.low, cone) * _side(self.high, cone))

    def worst(self) -> float:
        """The larger of the two angles, rad; 0 where none is seen."""
        return max((angle for angle in (self.low, self.high) if not math.isnan(angle)), default=0.0)

    def words(self) -> str:
        """The sides in a few words, for a person."""
        seen = [math.degrees(angle) for angle in (self.low, self.high) if not math.isnan(angle)]
        if not seen:
            return "neither side is seen"
        angles = " and ".join(f"{angle:.0f}°" for angle in seen)
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
    depth = -ends(np.sort(seen[inside, 2]))[0]
    between = (np.abs(y) <= opening / 2 - SKIN) & (seen[:, 2] <= -SKIN)
    between &= seen[:, 2] >= -gripper.finger_depth
    left, right = run(seen[between, 0])
    half = gripper.finger_width / 2
    return Contacts(
        _angle(normals(inside & (y <= low + _BAND))),
        _angle(normals(inside & (y >= high - _BAND))),
        (left - half, right + half),
        depth,
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


def _angle(normals: FloatArray) -> float:
    """Between the mean normal of a side and the closing direction y, rad; NaN: not seen."""
    facing = normals[(np.abs(normals[:, 1]) > _FACING) & (np.abs(normals[:, 2]) < _TOP)]
    if len(facing) < _LEAST:
        return math.nan
    mean = (facing * np.sign(facing[:, 1:2])).mean(axis=0)
    return math.atan2(float(np.hypot(mean[0], mean[2])), float(mean[1]))


def _side(angle: float, cone: float) -> float:
    if math.isnan(angle):
        return HIDDEN_SIDE
    if angle > cone:
        return 0.0
    return 1 - (1 - _AT_THE_CONE) * (angle / cone) ** 2
