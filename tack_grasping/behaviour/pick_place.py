# SPDX-License-Identifier: Apache-2.0
"""The stages of a pick-and-place: what each does, and what is known between them.

Which stage follows which is in `tree`.
"""

from __future__ import annotations

import functools
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.account import Account
from tack_grasping.behaviour.arm import NO_WAY, Arm
from tack_grasping.behaviour.bins import bin_around
from tack_grasping.behaviour.finding import Finder
from tack_grasping.behaviour.guard import Guarded
from tack_grasping.behaviour.presence import UNKNOWN, Presence, presence, shifts
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import FreshEyes, SightError
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.extent import Extent, extent_around
from tack_grasping.fingers import cloud_around
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import MotionError
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_LARGEST = 0.2  # m, radius of the largest thing that is carried
_UNOPENED = 0.005  # m, by which the fingers may miss the opening that a grasp needs
_LET_GO = 0.001  # m, by which they have to open to have let go
_CODE = MoveItErrorCode


class PickPlace:
    """The stages, and what they know. Each raises StageError where it cannot be done.

    Args:
        task: what is to be done.
        robot: that does it.
        config: patience.
        account: told what was seen, tried and rejected.

    Attributes:
        stopped: set once a person wants no more motion; every stage then refuses.
        goals: candidates that are left.
        goal: the one that is tried.
        arm: what it may hold, and how it gets out of where it is.
        placed: the thing was let go at its place.
    """

    def __init__(
        self, task: PickPlaceTask, robot: Robot, config: BehaviourConfig, account: Account
    ) -> None:
        self._task, self._robot, self._config, self._account = task, robot, config, account
        self.stopped = threading.Event()
        self._motion, self._eyes = Guarded(robot.motion, self.stopped), FreshEyes(robot.eyes)
        self.arm = Arm(robot.profile, self._motion, robot.eyes)
        self._finder = Finder(
            task, robot, self._motion, self._eyes, config, account, self.arm.go_home
        )
        self.goals: deque[PickPlaceGoal] = deque()
        self.goal: PickPlaceGoal | None = None
        self.placed = False
        self._extent: Extent | None = None
        self._put_from_taken: FloatArray = np.eye(4)
        self._width = float("nan")
        self._floor = robot.profile.table_height
        self.look = self._finder.look
        self.compare, self.scene = self._finder.compare, self._finder.scene

    def go_on(self, task: PickPlaceTask, account: Account) -> None:
        """What is held is put somewhere after all, in a cycle of its own, which a person wants."""
        self._task, self._account = task, account
        self.stopped.clear()

    @property
    def point(self) -> FloatArray | None:
        """(3,) of the task's point in the base frame, where it was when it was grasped, m."""
        return self._finder.near

    def stop(self) -> None:
        """No motion from now on. From any thread."""
        self.stopped.set()
        self._motion.stop()

    def check_stopped(self) -> None:
        """Refuse to go on after `stop`."""
        self._motion.check()

    @property
    def looks_around(self) -> bool:
        """The look that failed last only wanted to see more."""
        return self._finder.looks_around

    def view(self) -> None:
        """Go where else the thing can be seen from: home first, then around where it may be."""
        self.arm.freed(self._finder.view)

    def plan(self) -> None:
        """Find grasps, of the surest thing that has any."""
        self.goals.clear()
        finder = self._finder
        found = finder.plan(doubtful=3 * self._account.tried > 2 * self._config.tries)
        self.goals.extend(found.goals[: self._config.candidates])
        self._extent, view = None, finder.sight
        assert found.thing is not None
        assert finder.near is not None
        assert view is not None
        keypoint = found.thing.keypoints.get(self._task.label)
        if keypoint is not None and keypoint.xyz is not None:
            cloud = cloud_around(view.frame, keypoint.xyz, view.base_from_camera, _LARGEST)
            self._extent = extent_around(cloud, finder.near, self._floor)

    def check(self) -> None:
        """The thing is still where it was seen."""
        (there,) = self._there(np.eye(4))
        if there.share is not None and there.share < self._config.moved:
            self._finder.lose()
            raise SightError(
                _CODE.SENSOR_INFO_STALE,
                f"it was moved meanwhile: {there.share:.0%} of what was seen is still there,"
                f" {self._config.moved:.0%} is needed",
            )

    # Grasping

    def choose(self) -> None:
        """Take the next candidate."""
        if not self.goals:
            raise StageError(_CODE.NO_IK_SOLUTION, "no candidate is left")
        self.goal = self.goals.popleft()
        self._account.planned(self.goal)

    def open(self) -> None:
        """Open the gripper as wide as the grasp wants."""
        wanted = self._opening
        state = self._motion.move_gripper(wanted, self._robot.profile.gripper.force)
        if not state.reached and state.opening < wanted - _UNOPENED:
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"the fingers opened to {state.opening * 1e3:.1f} mm only, {wanted * 1e3:.1f} mm"
                " are needed: is something between them, or beside them?",
            )

    def pregrasp(self) -> None:
        """Go in front of the grasp; where there is no room, less open, or farther away from it."""
        self.arm.leave()  # the candidate before may have ended on its way to the thing
        first: MotionError | None = None
        for goal in self._wanted.ways_in():
            opened, self.goal = self._opening, goal
            if self._opening != opened:
                self.open()
            try:
                self.arm.freed(functools.partial(self._motion.move_to, goal.pregrasp))
                return
            except MotionError as error:
                no_room = error.code is _CODE.GOAL_IN_COLLISION
                if not no_room and (first is None or error.code not in NO_WAY):
                    raise
                first = first or error
        assert first is not None
        raise first

    def approach(self) -> None:
        """Go straight to the grasp."""
        self.arm.out, self.arm.left = self._wanted.pregrasp, None
        self._finder.touch()
        self.arm.approach(self._wanted)

    def close(self) -> None:
        """Close the fingers on it."""
        self.arm.holding = True  # until it is known better: nothing is dropped by mistake
        self.arm.box = None if self._extent is None else self._extent.box(self._wanted.grasp)
        state = self._motion.move_gripper(0.0, self._robot.profile.gripper.force)
        self._width = state.opening
        if state.opening < self._config.empty:
            self.arm.holding = False
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"the fingers met nothing (opening {state.opening * 1e3:.1f} mm)",
            )

    def lift(self) -> None:
        """Lift it straight."""
        self._finder.lose()
        self.arm.get_out(self._wanted.lift)
        self.arm.out = None

    def hold(self) -> None:
        """Close once more: the fingers are as far apart as they were when they had closed."""
        state = self._motion.move_gripper(0.0, self._robot.profile.gripper.force)
        lost = state.opening < self._config.empty
        if lost or state.opening < self._width - self._config.slip:
            # What has slipped may still be between them: it is put back, not dropped.
            self.arm.holding = not lost
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it {'was lost' if lost else 'has slipped'}: the fingers went from"
                f" {self._width * 1e3:.1f} to {state.opening * 1e3:.1f} mm",
            )

    def verify_lift(self) -> None:
        """It is no longer where it was."""
        if self._extent is None:
            return
        assert self.point is not None
        self._extent = self._extent.around(self.point)  # what surely was lifted
        (there,) = self._there(np.eye(4))
        if there is UNKNOWN:
            return
        if there.share is not None and there.share > self._config.left:
            # Something is between the fingers all the same: it is put back, not dropped.
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it still lies where it was: {there.share:.0%} of what was seen is there",
            )
        self._extent = self._extent.only(~there.again)  # what is there still is of its neighbours

    # Placing

    def carry(self) -> None:
        """Go above the place, with what is held kept clear of all else."""
        goal = self._wanted
        assert goal.preplace is not None
        self.arm.carry(goal.preplace)
        self.hold()

    def put_down(self) -> None:
        """Go down to the place; an arm that cannot get on has met the support a little early."""
        goal = self._wanted
        assert goal.place is not None
        self.arm.out, self.arm.at_place = goal.preplace, True
        self.arm.lower(goal.place)

    def release(self) -> None:
        """Let it go."""
        state = self._motion.move_gripper(self._opening, self._robot.profile.gripper.force)
        if not state.reached and state.opening < self._width + _LET_GO:
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"the fingers did not open (from {self._width * 1e3:.1f}"
                f" to {state.opening * 1e3:.1f} mm)",
            )
        assert self._wanted.place is not None
        self.arm.let_go(self._wanted.place)
        self._put_from_taken = self._wanted.place @ geometry.inverse(self._wanted.grasp)
        self.placed = True
        self.arm.out = self._wanted.retreat

    def retreat(self) -> None:
        """Go away from it."""
        self.arm.leave()

    def verify_place(self) -> None:
        """It stands where it was put and not where it was taken from, as far as can be seen.

        What was put into a bin lies there as it fell.
        """
        taken, put = self._there(np.eye(4), self._put_from_taken)
        if taken.is_rather_than(put, self._config.left):
            self.placed = False
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it lies where it was taken from ({taken.share:.0%} is there)",
            )
        if self.point is None or put.share is None or put.share >= self._config.stands:
            return
        at = geometry.apply(self._put_from_taken, self.point)
        if bin_around(at, self._robot.bins):
            return
        around = self._there(*(m @ self._put_from_taken for m in shifts(self._config.astray)))
        if max(there.share or 0.0 for there in around) < self._config.stands:
            self.placed = False
            self._finder.meant_at(at)
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it does not stand where it was put: {put.share:.0%} of what was seen is there",
            )

    def home(self) -> None:
        """Go home."""
        self.arm.go_home()

    def come_back(self) -> None:
        """Get into a state from which all can begin again: nothing held, the arm clear.

        It can be called again after it has failed, and goes on from there.
        """
        goal, gripper = self.goal, self._robot.profile.gripper
        if goal is None:
            return
        if self.arm.holding:
            self.arm.put_back(goal)
        self._motion.move_gripper(min(goal.width, gripper.stroke), gripper.force)
        self.arm.let_go(goal.grasp)
        self.arm.leave()
        self.goal = None

    @property
    def _wanted(self) -> PickPlaceGoal:
        assert self.goal is not None
        return self.goal

    @property
    def _opening(self) -> float:
        return min(self._wanted.width, self._robot.profile.gripper.stroke)

    def _there(self, *moves: FloatArray) -> list[Presence]:
        """What of the thing is measured where it was seen, or is after each of some moves.

        Nothing where that is not looked at.

        Args:
            moves: (4, 4) in the base frame, m.
        """
        if not self._config.verify or self._extent is None:
            return [UNKNOWN] * len(moves)
        view, points = self._eyes.glance(), self._extent.points
        return [
            presence(geometry.apply(move, points), view.frame, view.base_from_camera, self._floor)
            for move in moves
        ]
