# SPDX-License-Identifier: Apache-2.0
"""Whether something still stands where it was seen, by the depth of a later image.

Only what is measured counts: where the old surface is out of view, hidden by something nearer (the
fingers, what they hold) or without depth, nothing can be told, and nothing is claimed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight
from tack_grasping.fingers import cloud_around
from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]

_ENOUGH = 0.25  # of the points must be seen or seen through, to say anything
_FEWEST = 20
_ALIKE = 0.1  # by which shares may differ and tell nothing
_FLAT = 0.004  # m; what is no higher cannot be told from the support
_AROUND, _ON, _STANDS = 0.03, 0.01, 0.006  # m: of a point, above and below the support
_STRAY = 0.02  # of the measurements: so many are too high by noise


@dataclasses.dataclass(frozen=True)
class Presence:
    """What a later image says of an earlier surface.

    Attributes:
        there: points at which it is measured again.
        gone: points at which something farther away is measured.
        unknown: points of which nothing can be told.
        again: (N,) which of all the points are measured again.
    """

    there: int
    gone: int
    unknown: int
    again: NDArray[np.bool_] = dataclasses.field(repr=False, compare=False)

    @property
    def share(self) -> float | None:
        """0 (gone) to 1 (there); None where too little can be told."""
        told = self.there + self.gone
        if told < max(_FEWEST, _ENOUGH * (told + self.unknown)):
            return None
        return self.there / told

    def is_rather_than(self, other: Presence, share: float) -> bool:
        """Whether a thing lies here, by more than a share, rather than at another place of its.

        A place next to this one is mostly covered by what lies here, too.
        """
        if self.share is None or self.share <= share:
            return False
        return other.share is None or other.share < self.share - _ALIKE


UNKNOWN = Presence(0, 0, 0, np.zeros(0, np.bool_))
"""Where nothing was looked at."""


def shifts(reach: float) -> list[FloatArray]:
    """Level moves to all sides, half as far as the reach (m) and all of it: (4, 4) each."""
    turns = np.arange(8) * np.pi / 4
    return [
        geometry.make_transform(np.eye(3), (far * np.cos(turn), far * np.sin(turn), 0.0))
        for far in (reach / 2, reach)
        for turn in turns
    ]


def is_bare(
    point: FloatArray, frame: RGBDFrame, base_from_camera: FloatArray, floor: float
) -> bool:
    """Whether a point lies on the support, and nothing stands out of the support there.

    Args:
        point: (3,) in the base frame, z up, m.
        frame: an image.
        base_from_camera: (4, 4) at its stamp, m.
        floor: height of the support, m.
    """
    if abs(point[2] - floor) > _ON:
        return False
    seen = geometry.apply(geometry.inverse(base_from_camera), point)
    cloud = cloud_around(frame, seen, base_from_camera, _AROUND)
    stands = np.count_nonzero(cloud[:, 2] > floor + _STANDS)
    return bool(len(cloud) >= _FEWEST and stands < _STRAY * len(cloud))


def standing(sight: Sight, label: str, floor: float) -> Sight:
    """A sight without points of a label where the depth shows the bare table."""

    def why(point: NamedPoint) -> str:
        bare = is_bare(point.position, sight.frame, sight.base_from_camera, floor)
        return f"'{label}' is seen where the table is bare" if bare else ""

    return sight.without(label, why)


def presence(
    points: FloatArray,
    frame: RGBDFrame,
    base_from_camera: FloatArray,
    floor: float,
    tolerance: float = 0.012,
) -> Presence:
    """Look for a surface again.

    Args:
        points: (N, 3) of it in the base frame, z up, m.
        frame: a later image.
        base_from_camera: (4, 4) at its stamp, m.
        floor: height of what it stands on, m: what is measured nearer to that than to the point is
            not the point, however flat the thing is.
        tolerance: by which it may have moved along the view, m.
    """
    points = np.asarray(points, dtype=np.float64)
    again = np.zeros(len(points), np.bool_)
    number = np.flatnonzero(points[:, 2] > floor + _FLAT)
    points = points[number]
    seen = geometry.apply(geometry.inverse(base_from_camera), points)
    ahead = seen[:, 2] > 0.01
    seen, heights = seen[ahead], points[ahead, 2] - floor
    height, width = frame.depth.shape
    pixels = np.rint(frame.intrinsics.project(seen)).astype(np.int64).reshape(-1, 2)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    pixels, seen, heights = pixels[inside], seen[inside], heights[inside]
    number = number[ahead][inside]
    measured = frame.depth[pixels[:, 1], pixels[:, 0]].astype(np.float64)
    farther = measured - seen[:, 2]  # NaN compares as False
    hit = geometry.apply(base_from_camera, frame.intrinsics.deproject(pixels, measured))
    stands = hit[:, 2] - floor > heights / 2
    again[number[(np.abs(farther) <= tolerance) & stands]] = True
    there = int(np.count_nonzero(again))
    gone = int(np.count_nonzero((farther > tolerance) | ((farther > 0) & ~stands)))
    return Presence(there, gone, len(points) - there - gone, again)
