# SPDX-License-Identifier: Apache-2.0
"""What a pick-and-place asks of an arm, whoever moves it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.errors import TackError

FloatArray = NDArray[np.float64]


class MotionError(TackError):
    """A motion was refused, failed, or was stopped.

    Attributes:
        code: MoveIt's.
    """

    def __init__(self, code: MoveItErrorCode, sentence: str = "") -> None:
        super().__init__(f"{sentence or code.sentence} ({code.name} {int(code)})")
        self.code = code


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


class Motion(Protocol):
    """An arm with a gripper. Each call returns when the motion is over.

    Poses are (4, 4) base_from_gripper, m, the gripper frame being that of `PickPlaceGoal`.
    All raise `MotionError`.
    """

    def move_to(self, base_from_gripper: FloatArray) -> None:
        """Plan around obstacles and go."""
        ...

    def move_straight(self, base_from_gripper: FloatArray, *, touching: bool = False) -> None:
        """Go in a straight line; `touching` allows contact (with what is grasped, or put down)."""
        ...

    def move_home(self) -> None:
        """Go to the profile's home position."""
        ...

    def move_gripper(self, opening: float, force: float) -> GripperState:
        """Open or close to an opening, m, with at most a force, N."""
        ...

    def stop(self) -> None:
        """Cancel what is moving, from any thread; the call that waits for it raises PREEMPTED."""
        ...
