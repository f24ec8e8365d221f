# SPDX-License-Identifier: Apache-2.0
"""One pick, with a place where the goal has one: the plain sequence, without a second try."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import GripperState, Motion, MotionError
from tack_grasping.robot import Gripper

FloatArray = NDArray[np.float64]

_EMPTY_M = 0.002  # fingers closer than this hold nothing


@dataclasses.dataclass(frozen=True)
class PickOutcome:
    """What came of a goal.

    Attributes:
        success: every stage was carried out.
        stage: the last stage that was begun.
        reason: one sentence; "" after success.
        code: MoveIt's code of what went wrong; SUCCESS otherwise.
        seconds: stage → time that it took, s, in order.
        grasped_width: opening of the gripper on the object, m; NaN before it was closed.
    """

    success: bool
    stage: str
    reason: str
    code: MoveItErrorCode
    seconds: Mapping[str, float]
    grasped_width: float


def pick_and_place(
    goal: PickPlaceGoal,
    motion: Motion,
    gripper: Gripper,
    *,
    on_stage: Callable[[str], None] = lambda stage: None,
    clock: Callable[[], float] = time.perf_counter,
) -> PickOutcome:
    """Carry out one goal: approach, grasp, lift and, where the goal has a place, put down.

    Args:
        goal: its poses in the robot's base frame.
        motion: the arm.
        gripper: its limits.
        on_stage: called with the name of each stage as it begins.
        clock: s; tells how long stages take.

    Returns:
        The outcome; a motion that fails is one, not an exception.
    """
    seconds: dict[str, float] = {}
    width = float("nan")
    for stage, act in _stages(goal, motion, gripper):
        on_stage(stage)
        started = clock()
        try:
            state = act()
            if stage == "close":
                assert state is not None
                width = state.opening
                _check_grasp(state)
        except MotionError as error:
            seconds[stage] = clock() - started
            reason = f"{stage}: {error}"
            return PickOutcome(False, stage, reason, error.code, MappingProxyType(seconds), width)
        seconds[stage] = clock() - started
    return PickOutcome(True, stage, "", MoveItErrorCode.SUCCESS, MappingProxyType(seconds), width)


def _stages(
    goal: PickPlaceGoal, motion: Motion, gripper: Gripper
) -> list[tuple[str, Callable[[], GripperState | None]]]:
    opened = min(goal.width, gripper.stroke)
    stages: list[tuple[str, Callable[[], GripperState | None]]] = [
        ("open", lambda: motion.move_gripper(opened, gripper.force)),
        ("pregrasp", lambda: motion.move_to(goal.pregrasp)),
        ("approach", lambda: motion.move_straight(goal.grasp, touching=True)),
        ("close", lambda: motion.move_gripper(0.0, gripper.force)),
        ("lift", lambda: motion.move_straight(goal.lift, touching=True)),
    ]
    if goal.preplace is not None and goal.place is not None and goal.retreat is not None:
        preplace, place, retreat = goal.preplace, goal.place, goal.retreat
        stages += [
            ("carry", lambda: motion.move_to(preplace)),
            ("place", lambda: _put_down(motion, place)),
            ("release", lambda: motion.move_gripper(opened, gripper.force)),
            ("retreat", lambda: _straight_or_planned(motion, retreat)),
        ]
    return stages


def _put_down(motion: Motion, pose: FloatArray) -> None:
    """Go to the place; an arm that cannot get on has met the support a little early."""
    try:
        _straight_or_planned(motion, pose)
    except MotionError as error:
        if error.code is not MoveItErrorCode.CONTROL_FAILED:
            raise


def _straight_or_planned(motion: Motion, pose: FloatArray) -> None:
    """Go straight; where a joint's limit forbids that, any free way will do.

    So it is where the arm has sprung back meanwhile, having let go of what it pressed on.
    """
    try:
        motion.move_straight(pose, touching=True)
    except MotionError as error:
        if error.code not in (
            MoveItErrorCode.PLANNING_FAILED,
            MoveItErrorCode.INVALID_MOTION_PLAN,
        ):
            raise
        motion.move_to(pose)


def _check_grasp(state: GripperState) -> None:
    """Fingers that met nothing hold nothing.

    Raises:
        MotionError: the gripper is closed.
    """
    if state.opening < _EMPTY_M:
        raise MotionError(
            MoveItErrorCode.CONTROL_FAILED,
            f"the fingers met nothing (opening {state.opening * 1e3:.1f} mm)",
        )
