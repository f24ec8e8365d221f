# SPDX-License-Identifier: Apache-2.0
"""MoveIt's error codes, each with a sentence for a person."""

from __future__ import annotations

import enum

from tack_perception.errors import TackError


class MoveItErrorCode(enum.IntEnum):
    """The numbers of moveit_msgs/MoveItErrorCodes."""

    SUCCESS = 1
    UNDEFINED = 0
    FAILURE = 99999
    PLANNING_FAILED = -1
    INVALID_MOTION_PLAN = -2
    MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE = -3
    CONTROL_FAILED = -4
    UNABLE_TO_AQUIRE_SENSOR_DATA = -5
    TIMED_OUT = -6
    PREEMPTED = -7
    START_STATE_IN_COLLISION = -10
    START_STATE_VIOLATES_PATH_CONSTRAINTS = -11
    GOAL_IN_COLLISION = -12
    GOAL_VIOLATES_PATH_CONSTRAINTS = -13
    GOAL_CONSTRAINTS_VIOLATED = -14
    INVALID_GROUP_NAME = -15
    INVALID_GOAL_CONSTRAINTS = -16
    INVALID_ROBOT_STATE = -17
    INVALID_LINK_NAME = -18
    INVALID_OBJECT_NAME = -19
    FRAME_TRANSFORM_FAILURE = -21
    COLLISION_CHECKING_UNAVAILABLE = -22
    ROBOT_STATE_STALE = -23
    SENSOR_INFO_STALE = -24
    COMMUNICATION_FAILURE = -25
    START_STATE_INVALID = -26
    GOAL_STATE_INVALID = -27
    UNRECOGNIZED_GOAL_TYPE = -28
    CRASH = -29
    ABORT = -30
    NO_IK_SOLUTION = -31

    @property
    def sentence(self) -> str:
        """What it means."""
        return _SENTENCES[self]

    @classmethod
    def of(cls, number: int) -> MoveItErrorCode:
        """The code of a number; FAILURE for one that MoveIt does not define."""
        try:
            return cls(number)
        except ValueError:
            return cls.FAILURE


_C = MoveItErrorCode
_SENTENCES = {
    _C.SUCCESS: "done",
    _C.UNDEFINED: "no result was given",
    _C.FAILURE: "it failed for a reason that has no code",
    _C.PLANNING_FAILED: "no path was found in the time allowed",
    _C.INVALID_MOTION_PLAN: "the planned path was found to be invalid when it was checked",
    _C.MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE: "something new stands in the planned path",
    _C.CONTROL_FAILED: "the controller did not carry the motion out",
    _C.UNABLE_TO_AQUIRE_SENSOR_DATA: "sensor data could not be had",
    _C.TIMED_OUT: "it took longer than allowed",
    _C.PREEMPTED: "it was cancelled",
    _C.START_STATE_IN_COLLISION: "the robot touches something already",
    _C.START_STATE_VIOLATES_PATH_CONSTRAINTS: "the path constraints do not hold at the start",
    _C.GOAL_IN_COLLISION: "the robot would touch something at the goal",
    _C.GOAL_VIOLATES_PATH_CONSTRAINTS: "the path constraints cannot hold at the goal",
    _C.GOAL_CONSTRAINTS_VIOLATED: "the goal was not reached within its tolerance",
    _C.INVALID_GROUP_NAME: "there is no such planning group",
    _C.INVALID_GOAL_CONSTRAINTS: "the goal is not valid",
    _C.INVALID_ROBOT_STATE: "the robot state is not valid",
    _C.INVALID_LINK_NAME: "there is no such link",
    _C.INVALID_OBJECT_NAME: "there is no such object in the planning scene",
    _C.FRAME_TRANSFORM_FAILURE: "a pose is given in a frame that is not known",
    _C.COLLISION_CHECKING_UNAVAILABLE: "collisions cannot be checked",
    _C.ROBOT_STATE_STALE: "joint states are too old",
    _C.SENSOR_INFO_STALE: "sensor data are too old",
    _C.COMMUNICATION_FAILURE: "a server did not answer",
    _C.START_STATE_INVALID: "the start state is not valid",
    _C.GOAL_STATE_INVALID: "the goal state is not valid",
    _C.UNRECOGNIZED_GOAL_TYPE: "this type of goal is not understood",
    _C.CRASH: "the planner crashed",
    _C.ABORT: "it was aborted",
    _C.NO_IK_SOLUTION: "the pose cannot be reached",
}


class StageError(TackError):
    """A stage of a pick-and-place went wrong.

    Attributes:
        code: MoveIt's.
        sentence: what happened, for a person; without the code.
    """

    def __init__(self, code: MoveItErrorCode, sentence: str = "") -> None:
        self.code, self.sentence = code, sentence or code.sentence
        super().__init__(f"{self.sentence} ({code.name} {int(code)})")
