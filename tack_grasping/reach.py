# SPDX-License-Identifier: Apache-2.0
"""How well an arm is placed in a posture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tack_grasping.robot import RobotProfile

_ROOM = 0.35  # rad from the limits, above which more does not help
_LEAST = 0.3

TOUCHING = 0.2
"""Share of the score of a posture in which the arm touches something, or itself."""


def posture_score(profile: RobotProfile, positions: ArrayLike) -> float:
    """0.3 where a joint is at its limit, to 1 where all have room to move.

    Args:
        profile: the robot.
        positions: (n,) rad, in the order of its joints.
    """
    q = np.asarray(positions, dtype=np.float64)
    lower = np.array([limits.lower for limits in profile.joints.values()])
    upper = np.array([limits.upper for limits in profile.joints.values()])
    room = float(np.minimum(q - lower, upper - q).min())
    return _LEAST + (1 - _LEAST) * min(max(room, 0.0) / _ROOM, 1.0)
