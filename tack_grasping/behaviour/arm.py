# SPDX-License-Identifier: Apache-2.0
"""The arm among things: how it goes with what it holds, and how it gets out of where it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.guard import Guarded
from tack_grasping.behaviour.sight import Eyes, SightError
from tack_grasping.behaviour.views import gripper_of
from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import MotionError
from tack_grasping.robot import RobotProfile
from tack_grasping.scene.touching import Touching

FloatArray = NDArray[np.float64]
Box = tuple[FloatArray, FloatArray]
"""(4, 4) gripper_from_box and (3,) full side lengths, m."""

_RISE, _RISES = 0.06, 3  # m at a time, and how often, until what is held is clear
_STOOD_STILL = (MoveItErrorCode.CONTROL_FAILED, MoveItErrorCode.TIMED_OUT)
NO_WAY = (
    MoveItErrorCode.PLANNING_FAILED,
    MoveItErrorCode.INVALID_MOTION_PLAN,
    MoveItErrorCode.NO_IK_SOLUTION,
)
"""Codes of a way that does not lead there, where another may."""
_LEFT = "put_down"  # its name in the planner's scene
_LOWERINGS = 5  # how often, at most, an arm goes on that was too slow
_STEP = 0.001  # m, less than which it has not got on in between
_EARLY = 0.03  # m before its place at which what is held may meet the support


class Arm:
    """An arm that remembers what it may hold, and the way out of where it is.

    Args:
        profile: the robot.
        motion: its arm, behind a stop.
        eyes: its camera.

    Attributes:
        holding: something may be between the fingers: they are opened only where it can stay.
        box: around what is held; None where its size is not known.
        out: (4, 4) base_from_gripper, m: the arm is among things, and gets out straight to here;
            None where it is clear.
        at_place: those things are where something is put down, not where it is grasped.
        left: base_from_box and size of what was let go since; no image has shown it to the planner
            yet.
    """

    def __init__(self, profile: RobotProfile, motion: Guarded, eyes: Eyes) -> None:
        self._profile, self._motion, self._eyes = profile, motion, eyes
        self.holding = False
        self.box: Box | None = None
        self.out: FloatArray | None = None
        self.at_place = False
        self.left: Box | None = None

    @property
    def _near(self) -> Touching:
        """What it may touch where it is."""
        return Touching.BINS if self.at_place else Touching.THINGS

    def check_empty(self, empty: float) -> None:
        """Refuse to begin with something between the fingers: to open them would drop it.

        Args:
            empty: fingers closer than this hold nothing, m.

        Raises:
            MotionError: there is something, left there by a cycle before or by a person.
        """
        state = self._motion.gripper_state()
        if state is not None and state.stalled and state.opening > empty:
            raise MotionError(
                MoveItErrorCode.INVALID_ROBOT_STATE,
                f"something is between the fingers already, {state.opening * 1e3:.1f} mm wide:"
                " take it out, and open them",
            )

    def leave(self) -> None:
        """Get out, the way it came. Raises MotionError."""
        if self.out is None:
            return
        if self.at_place and not self.holding:
            self._straight_or_planned(self.out)
        else:  # a planner knows nothing of the thing that the fingers are at
            self.get_out(self.out)
        self.out, self.at_place = None, False

    def get_out(self, base_from_gripper: FloatArray) -> None:
        """Go straight out to a pose (4, 4), m; whatever touches something already may go on.

        Raises:
            MotionError: there is no such way, or the arm does not follow.
        """
        try:
            self._motion.move_straight(base_from_gripper, touching=self._near)
        except MotionError as error:
            if error.code not in (MoveItErrorCode.START_STATE_IN_COLLISION, *NO_WAY):
                raise
            self._motion.move_straight(base_from_gripper, touching=Touching.OUT)

    def approach(self, goal: PickPlaceGoal) -> None:
        """Go straight to a grasp; where the arm's posture is in the way, in another one.

        Raises:
            MotionError: there is no free way in any, or the arm does not follow.
        """
        try:
            self._motion.move_straight(goal.grasp, touching=Touching.THINGS)
            return
        except MotionError as error:
            if error.code not in NO_WAY:
                raise
            try:
                self._motion.move_to(goal.pregrasp, onwards=goal.grasp)
            except MotionError as beyond:
                # Why it could not go is what a person has to know; but a stop is a stop.
                raise beyond if beyond.code is MoveItErrorCode.PREEMPTED else error from beyond
        self._motion.move_straight(goal.grasp, touching=Touching.THINGS)

    def let_go(self, base_from_gripper: FloatArray) -> None:
        """What was held stays behind, as the fingers had it at a pose (4, 4), m."""
        if self.holding and self.box is not None:
            gripper_from_box, size = self.box
            self.left = base_from_gripper @ gripper_from_box, size
        self.holding = False

    def go_home(self) -> None:
        """Go home, clear of what was just let go: any way might sweep it off its feet.

        Its box is larger than the thing, and may reach to the fingers: then it cannot be minded.

        Raises:
            MotionError: there is no way, or the arm does not follow.
        """
        if self.left is None:
            self.freed(self._motion.move_home)
            return
        self._motion.add_box(_LEFT, *self.left)
        try:
            self._motion.move_home()
            return
        except MotionError as error:
            if error.code is not MoveItErrorCode.START_STATE_IN_COLLISION:
                raise
        finally:
            with contextlib.suppress(MotionError):
                self._motion.remove(_LEFT)
        self.freed(self._motion.move_home)

    def freed(self, move: Callable[[], None]) -> None:
        """Do a planned motion; where something touches the arm at its start, go upwards first.

        Things are padded, and what was just seen may begin where the arm already is.

        Raises:
            MotionError: there is no such way, or the arm does not follow.
        """
        for rises in range(_RISES + 1):
            try:
                move()
                return
            except MotionError as error:
                if rises == _RISES or error.code is not MoveItErrorCode.START_STATE_IN_COLLISION:
                    raise
                above = self._here()
                if above is None:
                    raise
                above[2, 3] += _RISE
                try:
                    self.get_out(above)
                except MotionError as beyond:
                    # Why it could not begin is what a person has to know; but a stop is a stop.
                    raise beyond if beyond.code is MoveItErrorCode.PREEMPTED else error from beyond

    def carry(self, base_from_gripper: FloatArray) -> None:
        """Go on a free way, with what is held kept clear of all else.

        The box around what is held is larger than the thing, and begins beside its neighbours: so
        where it overlaps them the arm first goes on upwards.

        Raises:
            MotionError: there is no such way, or the arm does not follow.
        """
        self.freed(lambda: self._carry(base_from_gripper))

    def _carry(self, base_from_gripper: FloatArray) -> None:
        if self.box is not None:
            self._motion.hold(*self.box)
        try:
            self._motion.move_to(base_from_gripper)
        finally:
            with contextlib.suppress(MotionError):
                self._motion.let_go()

    def lower(self, base_from_gripper: FloatArray) -> None:
        """Go straight to where what is held is let go; it may meet the support a little early.

        An arm that stands still far above it has met nothing, and what it holds would fall. One
        that was only too slow has met nothing either, and goes on as long as it gets on: tall
        things topple even from two centimetres.

        Raises:
            MotionError: it did not get there.
        """
        before: FloatArray | None = None
        for number in range(_LOWERINGS):
            try:
                self._straight_or_planned(base_from_gripper)
                return
            except MotionError as error:
                if error.code not in _STOOD_STILL:
                    raise
                if error.code is MoveItErrorCode.TIMED_OUT:
                    now = self._here()
                    gets_on = number == 0 or (
                        before is not None and now is not None and _distance(before, now) > _STEP
                    )
                    before = now
                    if gets_on and number + 1 < _LOWERINGS:
                        continue
                    if gets_on:
                        raise
                if self._is_near(base_from_gripper, unknown=number > 0):
                    return
                if number > 0:
                    raise

    def put_back(self, goal: PickPlaceGoal) -> None:
        """What may be held goes to where it was taken from. Raises MotionError."""
        if self.at_place:
            self.leave()
        if self.out is None:
            self._carry_above(goal.lift)
        self.out = goal.pregrasp
        self.lower(goal.grasp)

    def _carry_above(self, base_from_gripper: FloatArray) -> None:
        """Carry to where it was lifted to, or higher where its box would overlap neighbours there.

        Raises:
            MotionError: it does not get there.
        """
        for rises in range(_RISES + 1):
            above = base_from_gripper.copy()
            above[2, 3] += rises * _RISE
            try:
                self.carry(above)
                return
            except MotionError as error:
                if rises == _RISES or error.code is not MoveItErrorCode.GOAL_IN_COLLISION:
                    raise

    def _is_near(self, base_from_gripper: FloatArray, *, unknown: bool) -> bool:
        """Whether the gripper is nearly where it should be; `unknown` without a wrist camera.

        A wrist camera without an image says no: what is held high above its place would fall.
        """
        try:
            here = gripper_of(self._profile, self._eyes.glance())
        except SightError:
            return False
        if here is None:
            return unknown
        return _distance(here, base_from_gripper) <= _EARLY

    def _here(self) -> FloatArray | None:
        """(4, 4) base_from_gripper, by the wrist camera; None where it cannot say."""
        try:
            return gripper_of(self._profile, self._eyes.glance())
        except SightError:
            return None

    def _straight_or_planned(self, pose: FloatArray) -> None:
        """Go straight; where a joint's limit forbids that, any free way will do.

        So it is where the arm has sprung back meanwhile, having let go of what it pressed on.
        """
        try:
            self._motion.move_straight(pose, touching=self._near)
        except MotionError as error:
            if error.code not in NO_WAY:
                raise
            if self.holding:
                self.carry(pose)
            else:
                self._motion.move_to(pose)


def _distance(one: FloatArray, other: FloatArray) -> float:
    """Between the origins of two poses in one frame, m."""
    return float(np.linalg.norm((one - other)[:3, 3]))
