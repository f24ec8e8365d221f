# SPDX-License-Identifier: Apache-2.0
"""An arm behind a person's stop."""

from __future__ import annotations

import threading
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import GripperState, Motion, MotionError
from tack_grasping.scene.touching import Touching

FloatArray = NDArray[np.float64]


class Guarded:
    """A `Motion` that is asked for nothing once a stop is set, whatever it would answer itself.

    It is looked at before each call: a stage of several motions ends with the one that was stopped.

    Args:
        motion: the arm.
        stopped: set by whoever stops, and never cleared here.
    """

    def __init__(self, motion: Motion, stopped: threading.Event) -> None:
        self._motion, self._stopped = motion, stopped

    def check(self) -> None:
        """Refuse to go on after a stop. Raises MotionError."""
        if self._stopped.is_set():
            raise MotionError(MoveItErrorCode.PREEMPTED, "stopped by a person")

    def move_to(self, base_from_gripper: FloatArray, *, onwards: FloatArray | None = None) -> None:
        """Plan around obstacles and go."""
        self.check()
        self._motion.move_to(base_from_gripper, onwards=onwards)

    def move_straight(
        self, base_from_gripper: FloatArray, *, touching: Touching = Touching.NOTHING
    ) -> None:
        """Go in a straight line."""
        self.check()
        self._motion.move_straight(base_from_gripper, touching=touching)

    def move_home(self) -> None:
        """Go to the home position."""
        self.check()
        self._motion.move_home()

    def move_gripper(self, opening: float, force: float) -> GripperState:
        """Open or close."""
        self.check()
        return self._motion.move_gripper(opening, force)

    def reach(self, base_from_gripper: FloatArray) -> float:
        """How well the arm gets to a pose; moves nothing."""
        return self._motion.reach(base_from_gripper)

    def gripper_state(self) -> GripperState | None:
        """Where the fingers are; None for an arm that cannot say. Moves nothing."""
        read = getattr(self._motion, "gripper_state", None)
        return None if read is None else cast(GripperState, read())

    def hold(self, gripper_from_box: FloatArray, size: FloatArray) -> None:
        """A box is held from now on."""
        self.check()
        self._motion.hold(gripper_from_box, size)

    def let_go(self) -> None:
        """Nothing is held any more, as far as planning goes; moves nothing."""
        self._motion.let_go()

    def add_box(self, name: str, base_from_box: FloatArray, size: FloatArray) -> None:
        """A box stands there; moves nothing."""
        self._motion.add_box(name, base_from_box, size)

    def remove(self, name: str) -> None:
        """It stands there no more; moves nothing."""
        self._motion.remove(name)

    def stop(self) -> None:
        """Cancel what is moving."""
        self._motion.stop()
