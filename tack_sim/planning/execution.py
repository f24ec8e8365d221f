# SPDX-License-Identifier: Apache-2.0
"""What MoveIt's trajectory execution checks before and during a motion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.requests import Trajectory

START_TOLERANCE = 0.01
"""A trajectory starts no farther than this from where the arm is, rad (MoveIt's default)."""

DURATION_SCALING = 1.1
DURATION_MARGIN = 0.5
"""A motion is stopped after DURATION_SCALING × its duration + DURATION_MARGIN s (the defaults)."""


def allowed_duration(trajectory: Trajectory) -> float:
    """How long the motion may take, s."""
    return DURATION_SCALING * trajectory.duration + DURATION_MARGIN


def check_start(
    trajectory: Trajectory,
    positions: Mapping[str, float],
    tolerance: float = START_TOLERANCE,
) -> None:
    """Refuse a trajectory that does not start where the arm is.

    Args:
        trajectory: about to be executed.
        positions: joint → current position, rad.
        tolerance: rad; 0 switches the check off, as in MoveIt.

    Raises:
        MoveItError: INVALID_MOTION_PLAN too far away, or empty; INVALID_ROBOT_STATE a joint has no
            current position.
    """
    if not len(trajectory.times):
        raise MoveItError(MoveItErrorCode.INVALID_MOTION_PLAN, "trajectory without points")
    missing = [joint for joint in trajectory.joints if joint not in positions]
    if missing:
        raise MoveItError(
            MoveItErrorCode.INVALID_ROBOT_STATE,
            f"no current position of {', '.join(missing)}: are the joint states coming in?",
        )
    current = np.array([positions[joint] for joint in trajectory.joints])
    distances = np.abs(trajectory.positions[0] - current)
    # `not <=` refuses NaN as well.
    if tolerance > 0 and not (distances <= tolerance).all():
        worst = int(np.argmax(np.nan_to_num(distances, nan=np.inf)))
        raise MoveItError(
            MoveItErrorCode.INVALID_MOTION_PLAN,
            f"the trajectory starts with {trajectory.joints[worst]} at"
            f" {trajectory.positions[0, worst]:.4f} rad, but the joint is at"
            f" {current[worst]:.4f} rad; at most {tolerance:g} rad apart: plan again from here",
        )
