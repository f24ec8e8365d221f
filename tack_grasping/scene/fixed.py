# SPDX-License-Identifier: Apache-2.0
"""What of the planning scene does not come from things on the table: the table, and keep-out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_grasping.scene.obstacle import Obstacle
from tack_grasping.scene.plan_map import Region
from tack_grasping.scene.settings import SceneConfig
from tack_grasping.scene.table import Table
from tack_perception import geometry

FloatArray = NDArray[np.float64]

TABLE = "table"
"""Name of the table in the planning scene."""

_GAP = 0.005  # m, of the slab below the table's top: what is grasped may be near it
_THICKNESS = 0.1  # m
_AROUND = 0.5  # m, by which the slab is larger than the region
_FOOT_GAP = 0.001  # m, of the slab below the foot of the base


def fixed_obstacles(
    profile: RobotProfile,
    table: Table,
    region: Region,
    previous: Sequence[Obstacle],
    config: SceneConfig,
) -> tuple[tuple[Obstacle, ...], list[str]]:
    """The table as a slab, and the boxes of the profile's `keep_out`.

    Args:
        profile: the robot.
        table: as it was found.
        region: whose surroundings the slab covers.
        previous: fixed obstacles so far; the old slab is kept while it is the same but for noise.
        config: settings.

    Returns:
        The obstacles, and notes.
    """
    slab, notes = _slab(table, region, profile)
    for old in previous:
        if old.name == TABLE and _alike(old, slab, min(config.keep_shape, 0.002)):
            slab = old
    boxes = [Obstacle(box.name, box.base_from_box, box.size) for box in profile.keep_out]
    return (slab, *boxes), notes


def _slab(table: Table, region: Region, profile: RobotProfile) -> tuple[Obstacle, list[str]]:
    low, high = region.low[:2] - _AROUND, region.high[:2] + _AROUND
    low = np.minimum(low, -0.2)  # under the base, too
    corners = geometry.apply(
        table.base_from_table,
        [(x, y, 0.0) for x in (low[0], 0.2) for y in (-0.2, 0.2)],
    )
    # Where the robot stands on the table, a table that is found a few millimetres too high would
    # run into its foot, and nothing could be planned.
    gap, notes = _GAP, []
    rise = float(corners[:, 2].max()) + _FOOT_GAP if profile.table_height <= 0 else 0.0
    if rise > gap:
        gap = rise
        notes.append(
            f"the table is put {gap * 1e3:.0f} mm lower than it was seen, below the robot's foot"
        )
    size = np.array([*(high - low), _THICKNESS])
    middle = np.array([*((low + high) / 2), -gap - _THICKNESS / 2])
    pose = table.base_from_table @ geometry.make_transform(np.eye(3), middle)
    return Obstacle(TABLE, pose, size), notes


def _alike(old: Obstacle, new: Obstacle, tolerance: float) -> bool:
    return bool(np.abs(old.corners - new.corners).max() <= tolerance)
