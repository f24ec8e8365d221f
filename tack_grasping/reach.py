# SPDX-License-Identifier: Apache-2.0
"""How well an arm is placed in a posture, and in which it gets on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import MotionError
from tack_grasping.robot import RobotProfile

FloatArray = NDArray[np.float64]
Joints = Mapping[str, float]
"""Joint → position, rad."""

_ROOM = 0.35  # rad from the limits, above which more does not help
_LEAST = 0.3

_POSTURES = 8  # that are tried

LOST = (MoveItErrorCode.PREEMPTED, MoveItErrorCode.COMMUNICATION_FAILURE)
"""Codes of a question that has no answer: no other posture, and no other question, changes that."""

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


def posture_onwards(
    profile: RobotProfile, there: Callable[[Joints], Joints], back: Callable[[Joints], Joints]
) -> FloatArray:
    """A posture from which an arm gets all along a straight way.

    It is found from the far end, where it is the most in its own way: an arm that leans over
    something there may have another posture, with the elbow to the other side, that does not.

    Args:
        profile: the robot.
        there: a free posture at the far end, found from some joint positions on (of those that it
            is not told the arm's present ones); raises MotionError where it finds none.
        back: the posture at the near end that a straight way from there comes to; raises
            MotionError where it does not get all the way.

    Returns:
        (n,) rad, in the order of the profile's joints.

    Raises:
        MotionError: none was found; says what was in the way last. Or it was stopped.
    """
    for number in range(_POSTURES):
        rng = np.random.default_rng(number)
        limits = profile.joints.items() if number else ()
        start = {name: float(rng.uniform(limit.lower, limit.upper)) for name, limit in limits}
        try:
            found = back(there(start))
        except MotionError as error:
            if error.code in LOST:
                raise
            last = error
        else:
            return np.array([found[name] for name in profile.joints])
    raise MotionError(
        MoveItErrorCode.PLANNING_FAILED,
        f"in none of {_POSTURES} postures does the arm get all along the straight way:"
        f" {last.sentence}",
    ) from last
