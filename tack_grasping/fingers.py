# SPDX-License-Identifier: Apache-2.0
"""Whether a gripper's fingers fit around what the depth camera saw.

One click says where, not which way the fingers close. The cloud around the point does: between the
fingers there has to be something narrower than the opening, and where the fingers themselves go
there must be nothing.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import Gripper
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]

REACH = 0.12
"""Radius of the cloud that is looked at, m: a finger and its opening."""

SKIN = 0.002
"""Noise of the cloud that does not count as contact, m."""

ROOM = 0.010
"""On each side of what is closed on, m: more does not help."""

_NARROW = 0.04  # m; material wider than the narrowest by this costs 1 - 1/e of the score
_BLOCKED = 12  # cells in the fingers' way that cost 1 - 1/e of the score
_LEAST = 8  # cells between the fingers that are something to hold
_ENDS = (0.02, 0.98)  # shares of the points, between which the width is measured


@dataclasses.dataclass(frozen=True, eq=False)
class Surroundings:
    """What is known of the place where a gripper is to go.

    Attributes:
        points: (N, 3) cloud around the point, in the frame of the goals, m; the planner thins it.
        gripper: what has to fit.
        floor: height along `up` that the finger tips must stay above (the table's top plus a
            clearance), in the frame of the goals, m; None where it is not known.
    """

    points: FloatArray
    gripper: Gripper
    floor: float | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise InvalidInputError(f"cloud of shape {points.shape}: (N, 3) finite m is expected")
        object.__setattr__(self, "points", points)


@dataclasses.dataclass(frozen=True)
class FingerFit:
    """How the fingers of one candidate fit.

    Attributes:
        width: of what is between the fingers, m; NaN where there is nothing.
        offset: of its middle from the gripper's middle along the closing direction, m.
        between: number of points between the fingers.
        blocked: number of points where the fingers or the palm would be.
        opening: of the gripper, m.
        palm: how many of the blocked ones are in the way of the palm.
    """

    width: float
    offset: float
    between: int
    blocked: int
    opening: float
    palm: int = 0

    @property
    def holds(self) -> bool:
        """Whether there is something between the fingers."""
        return self.between >= _LEAST

    def clearance(self) -> float:
        """1 with free fingers, towards 0 the more stands in their way."""
        return math.exp(-self.blocked / _BLOCKED)

    def room(self) -> float:
        """1 where the fingers pass well clear of what is between them, towards 0 where not."""
        return room(self.opening, self.width) if self.holds else 0.0

    def narrowness(self, narrowest: float) -> float:
        """1 for the narrowest of all candidates, towards 0 for wider ones."""
        return math.exp(-max(self.width - narrowest, 0.0) / _NARROW) if self.holds else 0.0


def finger_fit(
    points: FloatArray, frame_from_gripper: FloatArray, opening: float, gripper: Gripper
) -> FingerFit:
    """Look at a cloud from a gripper's pose, before it closes.

    Args:
        points: (N, 3) in the frame, m; thinned, if counts are to mean areas.
        frame_from_gripper: (4, 4) z approach, y closing, between the finger tips, m.
        opening: between the fingers, m.
        gripper: its fingers.
    """
    return fit_seen(geometry.apply(geometry.inverse(frame_from_gripper), points), opening, gripper)


def fit_seen(seen: FloatArray, opening: float, gripper: Gripper) -> FingerFit:
    """As `finger_fit`, of points (N, 3) in the gripper's own frame, m."""
    x, y, z = seen.T
    outer = opening / 2 + gripper.finger_thickness
    reach = deep(seen, gripper)
    fingers = reach & (np.abs(y) > opening / 2 - SKIN) & (np.abs(y) <= outer)
    palm = int(np.count_nonzero((z < -gripper.finger_depth) & (np.hypot(x, y) <= outer)))
    blocked = int(np.count_nonzero(fingers)) + palm
    held = np.sort(y[reach & (np.abs(y) <= opening / 2 - SKIN)])
    if not len(held):
        return FingerFit(math.nan, 0.0, 0, blocked, opening, palm)
    low, high = ends(held)
    return FingerFit(high - low, (low + high) / 2, len(held), blocked, opening, palm)


def deep(seen: FloatArray, gripper: Gripper) -> NDArray[np.bool_]:
    """Which of (N, 3) points in the gripper's frame, m, are as far along as the fingers reach."""
    x, _, z = seen.T
    across = np.abs(x) <= gripper.finger_width / 2
    return np.asarray(across & (z <= -SKIN) & (z >= -gripper.finger_depth))


def ends(ordered: FloatArray) -> tuple[float, float]:
    """Where a row of ascending values begins and ends, but for the noise outside."""
    places = np.multiply(_ENDS, len(ordered) - 1)
    low, high = np.interp(places, np.arange(len(ordered)), ordered).tolist()
    return low, high


def room(opening: float, width: float) -> float:
    """1 where fingers pass well clear of what is between them, towards 0 where not."""
    return math.sqrt(min(max(opening - width, 0.0) / 2 / ROOM, 1.0))


def cloud_around(
    frame: RGBDFrame, point: ArrayLike, frame_from_camera: FloatArray, radius: float = REACH
) -> FloatArray:
    """The part of an image's cloud around a point.

    Args:
        frame: the image.
        point: (3,) in the camera's optical frame, in front of it, m.
        frame_from_camera: (4, 4), m.
        radius: m.

    Returns:
        (N, 3) in the frame of the goals, m.
    """
    center = np.asarray(point, dtype=np.float64)
    intrinsics = frame.intrinsics
    u, v = intrinsics.project(center)
    reach_u, reach_v = (radius * f / center[2] for f in (intrinsics.fx, intrinsics.fy))
    rows = slice(max(int(v - reach_v), 0), max(int(v + reach_v) + 1, 0))
    columns = slice(max(int(u - reach_u), 0), max(int(u + reach_u) + 1, 0))
    patch = frame.depth[rows, columns].astype(np.float64)
    vs, us = np.nonzero(np.isfinite(patch))
    pixels = np.column_stack([us + columns.start, vs + rows.start])
    cloud = intrinsics.deproject(pixels, patch[vs, us])
    near = np.linalg.norm(cloud - center, axis=1) <= radius
    return geometry.apply(frame_from_camera, cloud[near])
