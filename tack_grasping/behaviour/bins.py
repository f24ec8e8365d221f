# SPDX-License-Identifier: Apache-2.0
"""Bins as a planner and a behaviour see them: walls to keep clear of, and what lies put away."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight
from tack_grasping.placing.scene import Container
from tack_grasping.points import NamedPoint
from tack_grasping.scene import RobotBox
from tack_grasping.scene.touching import wall_name
from tack_perception import geometry

FloatArray = NDArray[np.float64]
Wall = tuple[str, FloatArray, FloatArray]
"""Name, (4, 4) base_from_box, m, and (3,) full side lengths, m."""

_WALL = 0.008  # m, thickness of a bin's walls as a planner sees them
_FLOOR = 0.5  # m, below a bin's floor, that is the bin's, too: nothing there is seen as a thing
_ABOVE = 0.02  # m, above its walls, that is the bin's: depth is noisy


def bin_walls(bins: Mapping[str, Container]) -> list[Wall]:
    """The floors and walls of bins, for a planner."""
    walls = []
    for name, one in bins.items():
        length, width, depth = one.size
        t = _WALL
        for number, (place, size) in enumerate(
            (
                ((0, 0, -t / 2), (length + 2 * t, width + 2 * t, t)),
                ((0, (width + t) / 2, depth / 2), (length + 2 * t, t, depth)),
                ((0, -(width + t) / 2, depth / 2), (length + 2 * t, t, depth)),
                (((length + t) / 2, 0, depth / 2), (t, width, depth)),
                ((-(length + t) / 2, 0, depth / 2), (t, width, depth)),
            )
        ):
            pose = one.pose @ geometry.make_transform(np.eye(3), place)
            walls.append((wall_name(name, number), pose, np.array(size, dtype=np.float64)))
    return walls


def solid(one: Container) -> RobotBox:
    """All of a bin, with what lies in it and below it: nothing there is an obstacle of its own."""
    length, width, depth = one.size
    middle = geometry.make_transform(np.eye(3), (0.0, 0.0, (depth - _FLOOR + _ABOVE) / 2))
    size = np.array([length + 4 * _WALL, width + 4 * _WALL, depth + _FLOOR + _ABOVE])
    return RobotBox(one.pose @ middle, size)


def bin_around(point: FloatArray, bins: Mapping[str, Container]) -> str:
    """The name of the bin that a point (3,) is in, m in the base frame; "" for none."""
    inside = (name for name, one in bins.items() if solid(one).contains(point[None], 0.0)[0])
    return next(inside, "")


def left_to_do(sight: Sight, label: str, bins: Mapping[str, Container]) -> Sight:
    """A sight without points of a label in bins: such a thing is put away, or it is the bin's rim.

    Args:
        sight: what is seen.
        label: of the point.
        bins: by name, in the base frame.
    """

    def why(point: NamedPoint) -> str:
        name = bin_around(point.position, bins)
        return f"'{label}' is seen in '{name}': put away already" if name else ""

    return sight.without(label, why)
