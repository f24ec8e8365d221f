# SPDX-License-Identifier: Apache-2.0
"""What to do after something went wrong, by its code: every code of MoveIt's has an answer."""

from __future__ import annotations

import enum

from tack_grasping.error_codes import MoveItErrorCode


class Decision(enum.Enum):
    """What comes next; where it cannot be had, what stands below it does."""

    AGAIN = "the same once more, after a pause"
    NEXT = "the next candidate"
    LOOK = "look again, from another view"
    GIVE_UP = "give up"


_C = MoveItErrorCode
_ANSWERS = {
    # Nothing has changed that another try could not see otherwise.
    _C.UNDEFINED: Decision.LOOK,
    _C.FAILURE: Decision.LOOK,
    # This grasp cannot be had from here, another may.
    _C.PLANNING_FAILED: Decision.NEXT,
    _C.TIMED_OUT: Decision.NEXT,
    _C.NO_IK_SOLUTION: Decision.NEXT,
    _C.GOAL_IN_COLLISION: Decision.NEXT,
    _C.GOAL_VIOLATES_PATH_CONSTRAINTS: Decision.NEXT,
    _C.GOAL_CONSTRAINTS_VIOLATED: Decision.NEXT,
    _C.GOAL_STATE_INVALID: Decision.NEXT,
    _C.INVALID_GOAL_CONSTRAINTS: Decision.NEXT,
    # The world is not as it was seen.
    _C.MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE: Decision.LOOK,
    _C.CONTROL_FAILED: Decision.LOOK,
    _C.SENSOR_INFO_STALE: Decision.LOOK,
    _C.INVALID_OBJECT_NAME: Decision.LOOK,
    _C.START_STATE_IN_COLLISION: Decision.LOOK,
    _C.START_STATE_VIOLATES_PATH_CONSTRAINTS: Decision.LOOK,
    # A moment later it may work.
    _C.INVALID_MOTION_PLAN: Decision.AGAIN,
    _C.UNABLE_TO_AQUIRE_SENSOR_DATA: Decision.AGAIN,
    _C.INVALID_ROBOT_STATE: Decision.AGAIN,
    _C.FRAME_TRANSFORM_FAILURE: Decision.AGAIN,
    _C.ROBOT_STATE_STALE: Decision.AGAIN,
    _C.COMMUNICATION_FAILURE: Decision.AGAIN,
    _C.START_STATE_INVALID: Decision.AGAIN,
    _C.CRASH: Decision.AGAIN,
    _C.ABORT: Decision.AGAIN,
    # A person wants it so, or has to mend the set-up.
    _C.PREEMPTED: Decision.GIVE_UP,
    _C.INVALID_GROUP_NAME: Decision.GIVE_UP,
    _C.INVALID_LINK_NAME: Decision.GIVE_UP,
    _C.COLLISION_CHECKING_UNAVAILABLE: Decision.GIVE_UP,
    _C.UNRECOGNIZED_GOAL_TYPE: Decision.GIVE_UP,
}


def decide(code: MoveItErrorCode, *, again: bool, candidates: bool) -> Decision:
    """What comes after a code other than SUCCESS.

    Args:
        code: what went wrong.
        again: whether the same may be tried once more.
        candidates: whether another grasp of what was seen is left to try, and still can be.
    """
    answer = _ANSWERS[code]
    if answer is Decision.AGAIN and not again:
        # Whoever did not answer does not answer from another view either: a person has to look.
        answer = Decision.GIVE_UP if code is _C.COMMUNICATION_FAILURE else Decision.NEXT
    if answer is Decision.NEXT and not candidates:
        answer = Decision.LOOK
    return answer
