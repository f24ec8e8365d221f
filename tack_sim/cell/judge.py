# SPDX-License-Identifier: Apache-2.0
"""Whether a grasp or a place succeeded, from the true physics of the cell."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_sim.cell.bin import Bin
from tack_sim.cell.contacts import Collision
from tack_sim.cell.world import CellWorld

FloatArray = NDArray[np.float64]

LIFT = 0.08
"""How far an object must be lifted, m."""

HOLD = 1.0
"""How long it is then held still, s."""

_FALLING = 0.05  # m/s
_REST_SPEED, _REST_TURN = 0.01, 0.1  # m/s, rad/s


@dataclasses.dataclass(frozen=True)
class GraspVerdict:
    """What became of a grasp, at the end of the hold.

    Attributes:
        lifted: how far the centre of mass rose, m.
        pads: whether the left and the right pad press on the object.
        speed: of the object, m/s.
        slip: motion of the object relative to the gripper during the hold, m.
        slip_angle: the same as a turn, rad.
        collisions: since the judge was made.
    """

    lifted: float
    pads: tuple[bool, bool]
    speed: float
    slip: float
    slip_angle: float
    collisions: tuple[Collision, ...]

    @property
    def success(self) -> bool:
        """Lifted by more than `LIFT`, between both pads, and not falling."""
        return self.lifted > LIFT and all(self.pads) and self.speed < _FALLING

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.success:
            return f"held {1000 * self.lifted:.0f} mm above where it was"
        if self.lifted <= LIFT:
            risen = max(0.0, 1000 * self.lifted)
            return f"lifted by {risen:.0f} mm; {1000 * LIFT:.0f} mm are asked for"
        if not all(self.pads):
            return "it is not between both pads"
        return f"it moves at {self.speed:.2f} m/s"


class GraspJudge:
    """Watches one grasp. Make it before the grasp, and call `hold` after the lift.

    Args:
        world: the cell.
        name: of the object.
    """

    def __init__(self, world: CellWorld, name: str) -> None:
        self._world, self._name = world, name
        self._height = float(world.object_centre(name)[2])
        self._since = world.time

    def hold(self, seconds: float = HOLD) -> GraspVerdict:
        """Let the cell's time pass, and judge."""
        before = self.gripper_from_object()
        self._world.step(seconds)
        return self.verdict(before)

    def verdict(self, gripper_from_object: FloatArray | None = None) -> GraspVerdict:
        """Judge now.

        Args:
            gripper_from_object: (4, 4) as `gripper_from_object` was when the hold began; without
                it no slip is stated.
        """
        world, name = self._world, self._name
        with world.lock:
            slip = slip_angle = math.nan
            if gripper_from_object is not None:
                change = geometry.inverse(gripper_from_object) @ self.gripper_from_object()
                slip = self._moved(change)
                slip_angle = geometry.rotation_angle(geometry.nearest_transform(change))
            return GraspVerdict(
                lifted=float(world.object_centre(name)[2]) - self._height,
                pads=world.pads_on(name),
                speed=world.object_speed(name)[0],
                slip=slip,
                slip_angle=slip_angle,
                collisions=tuple(c for c in world.collisions if c.end >= self._since),
            )

    def gripper_from_object(self) -> FloatArray:
        """(4, 4) pose of the object in the gripper frame now, m."""
        world = self._world
        with world.lock:
            pose: FloatArray = geometry.inverse(world.base_from_gripper()) @ world.object_pose(
                self._name
            )
            return pose

    def _moved(self, change: FloatArray) -> float:
        """How far the object's centre of mass moved, m: its origin may be far from the pads."""
        world = self._world
        centre = geometry.apply(
            geometry.inverse(world.object_pose(self._name)), world.object_centre(self._name)
        )
        return float(np.linalg.norm(geometry.apply(change, centre) - centre))


@dataclasses.dataclass(frozen=True)
class PlaceVerdict:
    """What became of a place.

    Attributes:
        at_rest: the object does not move.
        there: its centre of mass is between the bin's walls and its lowest point below
            their rim, or it is within the tolerance of the wanted position.
        released: no pad touches it.
        tilt: angle between its vertical axis at the start and now, rad.
        distance: of its centre of mass from the bin's middle, or of its frame from the wanted
            pose, level, m.
        collisions: since the start or the last `forget_collisions`.
    """

    at_rest: bool
    there: bool
    released: bool
    tilt: float
    distance: float
    collisions: tuple[Collision, ...]

    @property
    def success(self) -> bool:
        """At rest where it should be, and let go."""
        return self.at_rest and self.there and self.released

    @property
    def upright(self) -> bool:
        """Within 15° of how it stood at the start."""
        return self.tilt < math.radians(15)


def judge_place(
    world: CellWorld,
    name: str,
    where: Bin | FloatArray,
    *,
    tolerance: float = 0.03,
    settle: float = 0.5,
) -> PlaceVerdict:
    """Judge where an object lies after it was let go.

    Args:
        world: the cell; its time passes by `settle`.
        name: of the object.
        where: the bin, or the wanted (4, 4) base_from_object, m.
        tolerance: largest distance from the wanted pose, m.
        settle: time for it to come to rest, s.
    """
    if settle > 0:
        world.step(settle)
    with world.lock:
        pose, centre = world.object_pose(name), world.object_centre(name)
        if isinstance(where, Bin):
            # A bottle that stands in the bin has its centre of mass above the walls.
            vertices = world.layout.placed(name).model.mesh.vertices
            lowest = float(geometry.apply(pose, vertices)[:, 2].min())
            there = where.holds(np.array([centre[0], centre[1], lowest]))
            distance = float(np.linalg.norm((centre - where.base_from_bin[:3, 3])[:2]))
        else:
            distance = float(np.linalg.norm((pose - where)[:2, 3]))
            there = float(np.linalg.norm((pose - where)[:3, 3])) <= tolerance
        up = geometry.inverse(world.layout.placed(name).base_from_object)[:3, 2]
        tilt = math.acos(float(np.clip(geometry.rotate(pose, up)[2], -1, 1)))
        speed, turn = world.object_speed(name)
        return PlaceVerdict(
            at_rest=speed < _REST_SPEED and turn < _REST_TURN,
            there=there,
            released=not any(world.pads_on(name)),
            tilt=tilt,
            distance=distance,
            collisions=world.collisions,
        )
