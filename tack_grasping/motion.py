# SPDX-License-Identifier: Apache-2.0
"""What a pick-and-place asks of an arm, whoever moves it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import StageError
from tack_grasping.scene.touching import Touching
from tack_perception.configuration import Configuration, setting

FloatArray = NDArray[np.float64]


class MotionError(StageError):
    """A motion was refused, failed, or was stopped."""


@dataclasses.dataclass(frozen=True)
class GripperState:
    """What the gripper reports at the end of a command.

    Attributes:
        opening: between the fingers, m.
        effort: N.
        stalled: something between the fingers kept them from going on.
        reached: the commanded opening was reached.
    """

    opening: float
    effort: float
    stalled: bool
    reached: bool


@dataclasses.dataclass(frozen=True)
class MotionConfig(Configuration):
    """How motions are asked for."""

    speed: float = setting(0.4, "share of the joint velocity limits", low=0.01, high=1.0)
    acceleration: float = setting(0.4, "share of the acceleration limits", low=0.01, high=1.0)
    straight_speed: float = setting(
        0.15, "share of both limits on straight ways near things", low=0.01, high=1.0
    )
    planning_time: float = setting(5.0, "allowed for one plan", unit="s", low=0.1, high=120.0)
    attempts: int = setting(3, "planning attempts of move_group", low=1, high=50)
    position_tolerance: float = setting(
        0.001, "radius around a wanted position", unit="m", low=1e-5, high=0.1
    )
    angle_tolerance: float = setting(
        0.01, "about each axis of a wanted orientation", unit="rad", low=1e-4, high=0.5
    )
    joint_tolerance: float = setting(
        0.001, "of wanted joint positions", unit="rad", low=1e-5, high=0.1
    )
    straight_step: float = setting(
        0.005, "distance of the points of a straight way", unit="m", low=1e-4, high=0.1
    )
    straight_fraction: float = setting(
        0.98, "least share of a straight way that must be possible", low=0.1, high=1.0
    )
    patience: float = setting(
        60.0, "how long to wait for a motion beyond its own time", unit="s", low=1.0, high=3600.0
    )
    server_patience: float = setting(
        20.0,
        "how long to wait until a server is there, and for short answers",
        unit="s",
        low=0.1,
        high=600.0,
    )
    gripper_patience: float = setting(
        10.0, "how long to wait for the gripper", unit="s", low=1.0, high=600.0
    )


class Motion(Protocol):
    """An arm with a gripper. Each call returns when the motion is over.

    Poses are (4, 4) base_from_gripper, m, the gripper frame being that of `PickPlaceGoal`.
    All raise `MotionError`.
    """

    def move_to(self, base_from_gripper: FloatArray, *, onwards: FloatArray | None = None) -> None:
        """Plan around obstacles and go.

        Args:
            base_from_gripper: where to.
            onwards: the arm is to go straight on to here, touching `Touching.THINGS`: it comes in a
                posture in which it can. Without it any will do.
        """
        ...

    def move_straight(
        self, base_from_gripper: FloatArray, *, touching: Touching = Touching.NOTHING
    ) -> None:
        """Go in a straight line; `touching` says with what contact is allowed without a free way.

        So it is at what is grasped, and where something is put down.
        """
        ...

    def move_home(self) -> None:
        """Go to the profile's home position."""
        ...

    def move_gripper(self, opening: float, force: float) -> GripperState:
        """Open or close to an opening, m, with at most a force, N."""
        ...

    def reach(self, base_from_gripper: FloatArray) -> float:
        """How well the arm gets to a pose: 0 (not at all) to 1."""
        ...

    def hold(self, gripper_from_box: FloatArray, size: FloatArray) -> None:
        """From now on a box is held: it moves with the gripper, and is kept clear of all else.

        Args:
            gripper_from_box: (4, 4), m.
            size: (3,) full side lengths, m.
        """
        ...

    def let_go(self) -> None:
        """Nothing is held any more."""
        ...

    def add_box(self, name: str, base_from_box: FloatArray, size: FloatArray) -> None:
        """From now on a box stands there, and is kept clear of: (4, 4) and (3,) side lengths, m."""
        ...

    def remove(self, name: str) -> None:
        """The box of that name stands there no more."""
        ...

    def stop(self) -> None:
        """Cancel what is moving, and refuse all that follows, until a person allows it again.

        From any thread; the call that waits for a motion raises PREEMPTED.
        """
        ...
