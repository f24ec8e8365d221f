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

_NARROW = 0.04  # m; material wider than the narrowest by this costs 1 - 1/e of the score
_BLOCKED = 12  # cells in the fingers' way that cost 1 - 1/e of the score
_LEAST = 8  # cells between the fingers that are something to hold
_SKIN = 0.002  # m, noise of the cloud that does not count as contact
_CELL = 0.002  # m; the cloud is thinned to one point in each, so counts are areas, near or far
_ROOM = 0.010  # m on each side of what is closed on, above which more does not help


@dataclasses.dataclass(frozen=True, eq=False)
class Surroundings:
    """What is known of the place where a gripper is to go.

    Attributes:
        points: (N, 3) cloud around the point, in the frame of the goals, m; thinned when it is
            made.
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
        object.__setattr__(self, "points", _thinned(points))


@dataclasses.dataclass(frozen=True)
class FingerFit:
    """How the fingers of one candidate fit.

    Attributes:
        width: of what is between the fingers, m; NaN where there is nothing.
        offset: of its middle from the gripper's middle along the closing direction, m.
        between: number of points between the fingers.
        blocked: number of points where the fingers or the palm would be.
        opening: of the gripper, m.
    """

    width: float
    offset: float
    between: int
    blocked: int
    opening: float

    @property
    def holds(self) -> bool:
        """Whether there is something between the fingers."""
        return self.between >= _LEAST

    def clearance(self) -> float:
        """1 with free fingers, towards 0 the more stands in their way."""
        return math.exp(-self.blocked / _BLOCKED)

    def room(self) -> float:
        """1 where the fingers pass well clear of what is between them, towards 0 where not."""
        if not self.holds:
            return 0.0
        return math.sqrt(min(max(self.opening - self.width, 0.0) / 2 / _ROOM, 1.0))

    def narrowness(self, narrowest: float) -> float:
        """1 for the narrowest of all candidates, towards 0 for wider ones."""
        return math.exp(-max(self.width - narrowest, 0.0) / _NARROW) if self.holds else 0.0


def finger_fit(
    points: FloatArray, frame_from_gripper: FloatArray, opening: float, gripper: Gripper
) -> FingerFit:
    """Look at a cloud from a gripper's pose, before it closes.

    Args:
        points: (N, 3) in the frame, m.
        frame_from_gripper: (4, 4) z approach, y closing, between the finger tips, m.
        opening: between the fingers, m.
        gripper: its fingers.
    """
    x, y, z = geometry.apply(geometry.inverse(frame_from_gripper), points).T
    across = np.abs(x) <= gripper.finger_width / 2
    deep = (z <= -_SKIN) & (z >= -gripper.finger_depth)
    inside = across & deep & (np.abs(y) <= opening / 2 - _SKIN)
    outer = opening / 2 + gripper.finger_thickness
    fingers = across & deep & (np.abs(y) > opening / 2 - _SKIN) & (np.abs(y) <= outer)
    palm = (z < -gripper.finger_depth) & (np.hypot(x, y) <= outer)
    blocked = int(np.count_nonzero(fingers | palm))
    between = int(np.count_nonzero(inside))
    if not between:
        return FingerFit(math.nan, 0.0, 0, blocked, opening)
    low, high = np.percentile(y[inside], (2, 98))
    return FingerFit(float(high - low), float(low + high) / 2, between, blocked, opening)


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


def _thinned(points: FloatArray) -> FloatArray:
    """One point of each cell of a grid."""
    if not len(points):
        return points
    cells = np.floor((points - points.min(axis=0)) / _CELL).astype(np.int64)
    sides = cells.max(axis=0) + 1
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    _, first = np.unique(keys, return_index=True)
    thinned: FloatArray = points[np.sort(first)]
    return thinned
