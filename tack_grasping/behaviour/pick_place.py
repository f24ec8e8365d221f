# SPDX-License-Identifier: Apache-2.0
"""The stages of a pick-and-place: what each does, and what is known between them.

Which stage follows which is in `tree`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.account import Account
from tack_grasping.behaviour.presence import presence
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask, Planner
from tack_grasping.behaviour.sight import Eyes, Sight, SightError, Thing
from tack_grasping.behaviour.views import search_views, views_of
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.extent import Extent, extent_around
from tack_grasping.fingers import cloud_around
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import Motion, MotionError
from tack_grasping.robot import RobotProfile
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_LARGEST = 0.2  # m, radius of the largest thing that is carried
_ELSEWHERE_M, _ELSEWHERE_RAD = 0.02, 0.05
_CODE = MoveItErrorCode


@dataclasses.dataclass(frozen=True)
class Robot:
    """The robot that works.

    Attributes:
        profile: what is known of it.
        motion: its arm and gripper.
        eyes: its camera.
        planner: makes goals of what the camera sees.
    """

    profile: RobotProfile
    motion: Motion
    eyes: Eyes
    planner: Planner


class PickPlace:
    """The stages, and what they know. Each raises StageError where it cannot be done.

    Args:
        task: what is to be done.
        robot: that does it.
        config: patience.
        account: told what was rejected.

    Attributes:
        stopped: set once a person wants no more motion; every stage then refuses.
        goals: candidates that are left.
        goal: the one that is tried.
        holding: the fingers have closed on something.
        placed: the thing was let go at its place.
    """

    def __init__(
        self, task: PickPlaceTask, robot: Robot, config: BehaviourConfig, account: Account
    ) -> None:
        self._task, self._robot, self._config, self._account = task, robot, config, account
        self._motion, self._eyes = robot.motion, robot.eyes
        self.stopped = threading.Event()
        self.goals: deque[PickPlaceGoal] = deque()
        self.goal: PickPlaceGoal | None = None
        self.holding = self.placed = self._down = False
        self._sight: Sight | None = None
        self._thing: Thing | None = None
        self._extent: Extent | None = None
        self._been_home = False
        self._around: Iterator[tuple[FloatArray, ...]] | None = None
        self._things: tuple[Thing, ...] = ()
        self._width = float("nan")
        self._near = None if task.near is None else np.asarray(task.near, dtype=np.float64)

    def stop(self) -> None:
        """No motion from now on. From any thread."""
        self.stopped.set()
        self._motion.stop()

    def check_stopped(self) -> None:
        """Refuse to go on after `stop`."""
        if self.stopped.is_set():
            raise MotionError(_CODE.PREEMPTED, "stopped by a person")

    # Seeing

    def view(self) -> None:
        """Go where else the thing can be seen from: home first, then around where it may be."""
        if not self._been_home:
            self._been_home = True
            self._motion.move_home()
            if self._sight is None or self._sees_anew(self._sight):
                return
        for poses in self._views():
            for pose in poses:
                try:
                    self._motion.move_to(pose)
                except MotionError as error:
                    if error.code is _CODE.PREEMPTED:
                        raise
                else:
                    return
        self._been_home = False  # all was tried: once around again
        self._motion.move_home()

    def look(self) -> None:
        """Find the thing."""
        label = self._task.label
        self._sight = sight = self._eyes.look()
        self._account.pictures = self._account.witness.seen(sight)
        things = sight.having(label)
        if not things:
            why = sight.things[0].missing(label) if sight.things else f"'{label}' is not seen"
            raise SightError(_CODE.INVALID_OBJECT_NAME, why)
        if self._near is not None:
            near = self._near
            things = tuple(
                sorted(things, key=lambda t: np.linalg.norm(t.points[label].position - near))
            )[:1]
        self._things = things

    def plan(self) -> None:
        """Find grasps, of the thing that is grasped best."""
        assert self._sight is not None
        label, best, refusal = self._task.label, -1.0, ""
        self.goals.clear()
        for thing in self._things:
            plan = self._robot.planner.plan(self._sight, thing, self._task)
            self._account.rejected += [one.reason for one in plan.rejected]
            if plan.refusal:
                refusal = plan.refusal
                self._account.rejected.append(refusal)
            if plan.goals and plan.goals[0].score > best:
                best, self._thing = plan.goals[0].score, thing
                self.goals = deque(plan.goals[: self._config.candidates])
        if not self.goals or self._thing is None:
            raise StageError(_CODE.NO_IK_SOLUTION, refusal or f"there is no grasp of '{label}'")
        if self._near is None:
            self._around = None  # from now on views are of the thing
        self._near = self._thing.points[label].position
        keypoint = self._thing.keypoints.get(label)
        self._extent = None
        if keypoint is not None and keypoint.xyz is not None:
            view = self._sight
            cloud = cloud_around(view.frame, keypoint.xyz, view.base_from_camera, _LARGEST)
            self._extent = extent_around(cloud, self._near, self._robot.profile.table_height)

    def check(self) -> None:
        """The thing is still where it was seen."""
        share = self._share_there(None)
        if share is not None and share < self._config.moved:
            raise SightError(
                _CODE.SENSOR_INFO_STALE,
                f"it was moved meanwhile: {share:.0%} of what was seen is still there,"
                f" {self._config.moved:.0%} is needed",
            )

    # Grasping

    def choose(self) -> None:
        """Take the next candidate."""
        if not self.goals:
            raise StageError(_CODE.NO_IK_SOLUTION, "no candidate is left")
        self.goal = self.goals.popleft()
        self._account.witness.planned(self.goal)

    def open(self) -> None:
        """Open the gripper as wide as the grasp wants."""
        self._motion.move_gripper(self._opening, self._robot.profile.gripper.force)

    def pregrasp(self) -> None:
        """Go in front of the grasp."""
        self._motion.move_to(self._wanted.pregrasp)

    def approach(self) -> None:
        """Go straight to the grasp."""
        self._down = True
        self._motion.move_straight(self._wanted.grasp, touching=True)

    def close(self) -> None:
        """Close the fingers on it."""
        gripper = self._robot.profile.gripper
        state = self._motion.move_gripper(0.0, gripper.force)
        self.holding = True  # until it is known better: nothing is dropped by mistake
        self._width = state.opening
        if state.opening < self._config.empty:
            self.holding = False
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"the fingers met nothing (opening {state.opening * 1e3:.1f} mm)",
            )

    def lift(self) -> None:
        """Lift it straight."""
        self._motion.move_straight(self._wanted.lift, touching=True)

    def verify_lift(self) -> None:
        """It is between the fingers, and no longer where it was."""
        self._verify_held()
        share = self._share_there(None)
        if share is not None and share > self._config.left:
            self.holding = False
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it still lies where it was: {share:.0%} of what was seen is there",
            )

    # Placing

    def carry(self) -> None:
        """Go above the place, with what is held kept clear of all else."""
        goal, self._down = self._wanted, False
        assert goal.preplace is not None
        if self._extent is not None:
            self._motion.hold(*self._extent.box(goal.grasp))
        try:
            self._motion.move_to(goal.preplace)
        finally:
            with contextlib.suppress(MotionError):
                self._motion.let_go()
        self._verify_held()

    def put_down(self) -> None:
        """Go down to the place; an arm that cannot get on has met the support a little early."""
        goal = self._wanted
        assert goal.place is not None
        try:
            self._straight_or_planned(goal.place)
        except MotionError as error:
            if error.code is not _CODE.CONTROL_FAILED:
                raise

    def release(self) -> None:
        """Let it go."""
        self._motion.move_gripper(self._opening, self._robot.profile.gripper.force)
        self.holding, self.placed = False, True

    def retreat(self) -> None:
        """Go away from it."""
        goal = self._wanted
        assert goal.retreat is not None
        self._straight_or_planned(goal.retreat)

    def verify_place(self) -> None:
        """It no longer lies where it was taken from, as far as that can be seen."""
        share = self._share_there(None)
        if share is not None and share > self._config.left:
            self.placed = False
            raise MotionError(
                _CODE.CONTROL_FAILED, f"it lies where it was taken from ({share:.0%} is there)"
            )

    def home(self) -> None:
        """Go home."""
        self._motion.move_home()

    def come_back(self) -> None:
        """Get into a state from which all can begin again: nothing held, the arm clear."""
        goal, gripper = self.goal, self._robot.profile.gripper
        if goal is None:
            return
        self.goal = None
        if self.holding:
            # What is held is put back rather than dropped.
            with contextlib.suppress(MotionError):
                self._motion.move_to(goal.lift)
                self._down = True
                self._motion.move_straight(goal.grasp, touching=True)
        self._motion.move_gripper(min(goal.width, gripper.stroke), gripper.force)
        self.holding = False
        if self._down:
            with contextlib.suppress(MotionError):
                self._motion.move_straight(goal.pregrasp, touching=True)
        self._down = False

    def _views(self) -> Iterator[tuple[FloatArray, ...]]:
        """Places of the camera that were not looked from yet, around where the thing may be."""
        profile = self._robot.profile
        if self._around is None:
            known = self._near
            self._around = search_views(profile) if known is None else views_of(profile, known)
        return self._around

    def _sees_anew(self, last: Sight) -> bool:
        """Whether the camera is elsewhere than it was."""
        change = geometry.inverse(last.base_from_camera) @ self._eyes.glance().base_from_camera
        moved = float(np.linalg.norm(change[:3, 3]))
        return moved > _ELSEWHERE_M or geometry.rotation_angle(change) > _ELSEWHERE_RAD

    @property
    def _wanted(self) -> PickPlaceGoal:
        assert self.goal is not None
        return self.goal

    @property
    def _opening(self) -> float:
        return min(self._wanted.width, self._robot.profile.gripper.stroke)

    def _verify_held(self) -> None:
        """The fingers are as far apart as they were when they had closed."""
        state = self._motion.move_gripper(0.0, self._robot.profile.gripper.force)
        lost = state.opening < self._config.empty
        if lost or state.opening < self._width - self._config.slip:
            self.holding = False
            raise MotionError(
                _CODE.CONTROL_FAILED,
                f"it was lost: the fingers went from {self._width * 1e3:.1f}"
                f" to {state.opening * 1e3:.1f} mm",
            )

    def _share_there(self, moved: FloatArray | None) -> float | None:
        """Share of what was seen that is measured there again; None where it cannot be told."""
        if not self._config.verify or self._extent is None:
            return None
        points = self._extent.points
        if moved is not None:
            points = geometry.apply(moved, points)
        view = self._eyes.glance()
        floor = self._robot.profile.table_height
        return presence(points, view.frame, view.base_from_camera, floor).share

    def _straight_or_planned(self, pose: FloatArray) -> None:
        """Go straight; where a joint's limit forbids that, any free way will do.

        So it is where the arm has sprung back meanwhile, having let go of what it pressed on.
        """
        try:
            self._motion.move_straight(pose, touching=True)
        except MotionError as error:
            if error.code not in (_CODE.PLANNING_FAILED, _CODE.INVALID_MOTION_PLAN):
                raise
            self._motion.move_to(pose)
