# SPDX-License-Identifier: Apache-2.0
"""The planning scene as one or several looks have shown it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_grasping.extent import Extent
from tack_grasping.scene.obstacle import Obstacle
from tack_grasping.scene.table import Table

FloatArray = NDArray[np.float64]

TARGET = "target"
"""Name of what is to be grasped."""


@dataclasses.dataclass(frozen=True, eq=False)
class SceneModel:
    """What a motion has to go around, in the robot's base frame.

    Attributes:
        frame_id: the base frame.
        stamp_ns: of the last image, ns.
        table: the plane that things stand on.
        fixed: the table as a slab, and the profile's boxes to keep out of.
        obstacles: what was seen to stand on the table; their names stay from look to look.
        target: the solid around what is to be grasped; it is not among the obstacles. None where
            no target was asked for, or nothing stands there.
        extent: its visible surface, to carry it past other things; None as for `target`.
        seen: share of the workspace's table that was seen, or stood on, in the last image; NaN
            where not asked for.
        specks: how many things were so small that they were taken for noise.
        notes: sentences for a person: what could not be decided or was left out.
        surface: (N, 3) the highest places of all obstacles, m: what the next look begins with.
        target_surface: (N, 3) the same of the target.
        numbered: how many names have been given.
    """

    frame_id: str
    stamp_ns: int
    table: Table
    fixed: tuple[Obstacle, ...]
    obstacles: tuple[Obstacle, ...]
    target: Obstacle | None = None
    extent: Extent | None = None
    seen: float = math.nan
    specks: int = 0
    notes: tuple[str, ...] = ()
    surface: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    target_surface: FloatArray = dataclasses.field(default_factory=lambda: np.zeros((0, 3)))
    numbered: int = 0

    @property
    def solids(self) -> tuple[Obstacle, ...]:
        """All that a planner has to know of: what is fixed and the obstacles, not the target."""
        return self.fixed + self.obstacles

    def without_target(self) -> SceneModel:
        """The scene once the target hangs in the gripper: it stands nowhere any more."""
        return dataclasses.replace(self, target=None, extent=None, target_surface=np.zeros((0, 3)))
