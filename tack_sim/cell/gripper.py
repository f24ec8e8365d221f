# SPDX-License-Identifier: Apache-2.0
"""The gripper's own controller: an opening that is approached at a speed with a force."""

from __future__ import annotations

from typing import Any

from tack_grasping.motion import GripperState
from tack_grasping.robot import Gripper
from tack_perception.errors import InvalidInputError
from tack_sim.robots.spec import GRIPPER

_REACHED = 0.002  # m
_STILL = 0.0003  # m, by which fingers that stand still may tremble: some things chatter in a grip
_STALL_S = 0.1  # so long: fingers that swing back stand still for a moment, too
_SLIP_FORCE = 0.05  # of the commanded force, under the fault


class GripperController:
    """Drives the actuator of `robot_spec`: its length is the opening, its force that of each pad.

    Args:
        model: mujoco.MjModel of the cell.
        gripper: of the robot's profile.
    """

    def __init__(self, model: Any, gripper: Gripper) -> None:
        self._model, self._gripper = model, gripper
        self._actuator = int(model.actuator(GRIPPER).id)
        self.slips = False
        self.reset()

    def reset(self) -> None:
        """Open, with the full force."""
        self._wanted = self._set_point = self._gripper.stroke
        self._force = self._gripper.force
        self._still_s, self._rests_at = 0.0, self._wanted

    def command(self, opening: float, force: float) -> None:
        """Go to an opening, m, with at most a force, N."""
        gripper = self._gripper
        if not -1e-6 <= opening <= gripper.stroke + 1e-6:
            raise InvalidInputError(
                f"{gripper.name}: opening {opening} m is not in 0 to {gripper.stroke} m"
            )
        if not 0 < force <= gripper.force + 1e-6:
            raise InvalidInputError(
                f"{gripper.name}: force {force} N is not in 0 to {gripper.force} N"
            )
        self._wanted, self._force, self._still_s = opening, force, 0.0

    def update(self, data: Any, seconds: float) -> None:
        """Move the set-point on by the time of one step of physics."""
        reach = self._gripper.speed * seconds
        self._set_point += min(reach, max(-reach, self._wanted - self._set_point))
        data.ctrl[self._actuator] = self._set_point
        force = self._force * (_SLIP_FORCE if self.slips else 1.0)
        self._model.actuator_forcerange[self._actuator] = (-force, force)
        opening = float(data.actuator_length[self._actuator])
        if self._is_kept(data) and abs(opening - self._rests_at) <= _STILL:
            self._still_s += seconds
        else:
            self._still_s, self._rests_at = 0.0, opening

    def _is_kept(self, data: Any) -> bool:
        """Whether the set-point has arrived, and the fingers are not there."""
        return abs(self._set_point - self._wanted) < 1e-9 and not self._is_there(data)

    def _is_there(self, data: Any) -> bool:
        return abs(float(data.actuator_length[self._actuator]) - self._wanted) <= _REACHED

    def state(self, data: Any) -> GripperState:
        """Opening, force, and whether it arrived or something keeps it from arriving."""
        opening = float(data.actuator_length[self._actuator])
        effort = abs(float(data.actuator_force[self._actuator]))
        reached = self._is_there(data)
        return GripperState(opening, effort, not reached and self._still_s >= _STALL_S, reached)
