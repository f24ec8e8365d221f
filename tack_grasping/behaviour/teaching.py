# SPDX-License-Identifier: Apache-2.0
"""One click becomes several: the robot looks at the point from all sides by itself."""

from __future__ import annotations

from collections.abc import Callable

from tack_grasping.behaviour.search import look_around
from tack_grasping.behaviour.sight import Eyes, Surroundings
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.motion import Motion
from tack_grasping.robot import RobotProfile
from tack_perception.errors import TackError


def teach(
    label: str,
    profile: RobotProfile,
    motion: Motion,
    eyes: Eyes,
    carry: Callable[[], str],
    surroundings: Surroundings | None = None,
) -> str:
    """Go around a point that was clicked on, and have the click carried to each view.

    Args:
        label: of the point; it is in view now.
        profile, motion, eyes: the robot, its arm and its camera.
        carry: makes clicks of what the camera sees now; a sentence, or TackError.
        surroundings: tells the planner what stands around, the thing itself too; None for nobody.

    Returns:
        From how many sides it is known now, and why not from others.

    Raises:
        MotionError, SightError: the arm does not move, or no image comes.
        StageError: the point is not seen, or in no other view.
    """
    sight = eyes.look()
    things = sight.found(label)
    if surroundings is not None:
        surroundings.update(sight, None)
    views, learned = 0, 0
    refused, unreached = list[str](), list[str]()
    target = things[0].points[label].position
    for _ in look_around(profile, motion, eyes, target, unreached.append):
        views += 1
        try:
            carry()
            learned += 1
        except TackError as error:
            refused.append(str(error))
    motion.move_home()
    why = "; ".join(dict.fromkeys(refused if views else unreached))
    if not learned:
        raise StageError(
            MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA,
            f"'{label}' is seen in none of {views} other views: {why or 'there is no other'}",
        )
    said = f"'{label}' is known from {learned} more sides now"
    return f"{said}; not from others: {why}" if why else said
