# SPDX-License-Identifier: Apache-2.0
"""Where the camera goes when it has to look again."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.decisions import Decision, decide
from tack_grasping.behaviour.sight import Eyes, SightError, View
from tack_grasping.behaviour.views import (
    camera_place,
    gripper_of,
    in_reach,
    search_views,
    shows,
    views_of,
    wrist_camera,
)
from tack_grasping.motion import Motion, MotionError
from tack_grasping.robot import RobotProfile
from tack_grasping.scene import Obstacle
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_ELSEWHERE_M, _ELSEWHERE_RAD = 0.02, 0.05
_NEARBY_M = 0.1  # from the camera's place: shows nothing new
_APART = 0.08  # m, between things that are looked at by themselves
_LONG = 0.16  # m, from a point on a thing to its middle, at most
_SPECK = 0.08  # m across, with the padding around it, below which it is noise of depth
_OTHER_SIDE = 0.15  # m, between cameras that look at a thing from different sides
_SIDES = 2  # from which a thing that only stands around is tried to be looked at
_MOVED = 0.1  # m, by which a thing has to move for views of it to begin anew


def look_around(
    profile: RobotProfile,
    motion: Motion,
    eyes: Eyes,
    target: FloatArray,
    rejected: Callable[[str], None],
) -> Iterator[View]:
    """Images of a point from all sides that the wrist camera gets to.

    Args:
        profile, motion, eyes: the robot, its arm and its camera.
        target: (3,) in the base frame, m.
        rejected: told why a view could not be had, a sentence.

    Raises:
        MotionError: it was stopped, or is not set up; a view that is not reached is passed over.
        SightError: no image comes.
    """
    for poses in views_of(profile, target):
        try:
            reached = _reached(motion, poses, rejected)
        except MotionError as error:
            if decide(error.code, again=False, candidates=True) is Decision.GIVE_UP:
                raise
            rejected(f"view: {error.sentence}")  # it has met something on the way
            continue
        if reached:
            yield eyes.glance()


def _reached(motion: Motion, poses: Sequence[FloatArray], rejected: Callable[[str], None]) -> bool:
    """Whether the arm has gone to the first of several poses that can be planned."""
    for pose in poses:
        try:
            motion.move_to(pose)
        except MotionError as error:
            # What no other view would change is for others to answer.
            if decide(error.code, again=True, candidates=True) is not Decision.NEXT:
                raise
            rejected(f"view: {error.sentence}")
        else:
            return True
    return False


@dataclasses.dataclass(eq=False)
class _Place:
    """Where something stands.

    Attributes:
        at: (3,) its middle, m.
        tried: from how many sides it was tried to be looked at.
    """

    at: FloatArray
    tried: int = 0


class Search:
    """Goes to one view after another: home first, then around the thing, or over the workspace.

    Where it is not sure that this is the thing, one view around it may make it so; if not, all that
    stands around is looked at from near, and the whole workspace is looked over, before it is gone
    around further.

    Args:
        profile: the robot.
        motion: its arm.
        eyes: its camera.
        rejected: told why a view could not be had, a sentence.
        home: takes the arm home.

    Attributes:
        exhaustive: the whole workspace was looked over, as far as the arm gets.
    """

    def __init__(
        self,
        profile: RobotProfile,
        motion: Motion,
        eyes: Eyes,
        rejected: Callable[[str], None],
        home: Callable[[], None],
    ) -> None:
        self._profile, self._motion, self._eyes, self._rejected = profile, motion, eyes, rejected
        self._home = home
        self._been_home = False
        self._over = search_views(profile)
        self._around: Iterator[tuple[FloatArray, ...]] = iter(())
        self._target: FloatArray | None = None
        self._sure = False
        self._confirmed = False
        self._back: FloatArray | None = None
        self._views: list[View] = []
        self._standing: list[_Place] = []
        self._sides = 1
        self.exhaustive = wrist_camera(profile) is None

    def saw(self, view: View) -> None:
        """An image was looked at."""
        self._views.append(View(view.frame, view.base_from_camera))

    def stand(self, things: Sequence[Obstacle]) -> None:
        """These stand around."""
        for thing in things:
            low, high = thing.corners.min(axis=0), thing.corners.max(axis=0)
            at = (low + high) / 2
            if np.hypot(*(high - low)[:2]) < _SPECK:
                continue
            known = any(np.linalg.norm((one.at - at)[:2]) < _APART for one in self._standing)
            if not known and in_reach(self._profile, at):
                self._standing.append(_Place(at))

    def left(self, sides: int = 1, point: FloatArray | None = None) -> int:
        """How many of them were not looked at from near from so many sides, as far as the arm gets.

        They are gone to next, unless it is sure where the thing is.

        Args:
            sides: from how many.
            point: (3,) on one of them, m: without any other there is nothing to compare it with.
        """
        self._sides = sides
        if point is not None and all(
            np.linalg.norm((one.at - point)[:2]) < _LONG for one in self._standing
        ):
            self._sides = 1
        return len(self._left())

    def _left(self) -> list[_Place]:
        if wrist_camera(self._profile) is None:
            return []
        wanted = self._sides
        return [
            one
            for one in self._standing
            if one.tried < wanted and len(self._seen_from(one.at)) < wanted
        ]

    def _seen_from(self, place: FloatArray) -> list[FloatArray]:
        """(3,) of cameras that have shown a place from near, from different sides, m."""
        cameras: list[FloatArray] = []
        for view in self._views:
            camera = view.base_from_camera[:3, 3]
            other = all(np.linalg.norm(camera - one) > _OTHER_SIDE for one in cameras)
            if other and shows(view, place):
                cameras.append(camera)
        return cameras

    def about(
        self, target: FloatArray, *, sure: bool = True, seen_from: View | None = None
    ) -> None:
        """Where to look.

        Args:
            target: (3,) in the base frame, m.
            sure: the thing is surely there.
            seen_from: look from here once more first.
        """
        self._back = None if seen_from is None else gripper_of(self._profile, seen_from)
        if self._target is None or np.linalg.norm(target - self._target) > _MOVED:
            self._around = views_of(self._profile, target)
        self._target, self._sure = target, sure

    def go(self, last: View | None) -> None:
        """Go where the thing has not been looked at from.

        Args:
            last: what was seen last; None for nothing.

        Raises:
            MotionError: the arm does not move; a view that it does not reach is passed over.
        """
        if not self._been_home:
            self._home()
            self._been_home = True
            if last is None or self._sees_anew(last):
                return
        back, self._back = self._back, None
        if back is not None and _reached(self._motion, (back,), self._rejected):
            return
        if self._target is not None and not self._sure and not self._confirmed:
            self._confirmed = True
            if self._next_of(self._elsewhere(last)):
                return
        if not self._sure and self._next_of(self._rest()):
            return
        if not self._sure and not self.exhaustive:
            if self._next_of(self._over):
                return
            self.exhaustive = True
        if self._next_of(self._elsewhere(last)):
            return
        # All was tried: once around again.
        if self._target is None:
            self._over = search_views(self._profile)
            self.exhaustive = wrist_camera(self._profile) is None
        else:
            self._around = views_of(self._profile, self._target)
        self._home()

    def _elsewhere(self, last: View | None) -> Iterator[tuple[FloatArray, ...]]:
        """Views around the target that are left, but for what was just seen from nearby."""
        for poses in self._around:
            if last is not None:
                place = camera_place(self._profile, poses[0])
                if np.linalg.norm(place - last.base_from_camera[:3, 3]) < _NEARBY_M:
                    continue
            yield poses

    def _rest(self) -> Iterator[tuple[FloatArray, ...]]:
        """Views of what stands around and was not looked at from near; each is tried once."""
        for place in self._left():
            place.tried += 1
            known = self._seen_from(place.at)
            sides = (
                poses
                for poses in views_of(self._profile, place.at)
                if all(
                    np.linalg.norm(camera_place(self._profile, poses[0]) - camera) > _OTHER_SIDE
                    for camera in known
                )
            )
            yield from itertools.islice(sides, _SIDES)

    def _next_of(self, views: Iterator[tuple[FloatArray, ...]]) -> bool:
        """Whether the arm has gone to another of them."""
        return any(_reached(self._motion, poses, self._rejected) for poses in views)

    def _sees_anew(self, last: View) -> bool:
        """Whether the camera is elsewhere than it was, or may be."""
        try:
            here = self._eyes.glance().base_from_camera
        except SightError:
            return True  # the look that follows will say what is wrong
        change = geometry.inverse(last.base_from_camera) @ here
        moved = float(np.linalg.norm(change[:3, 3]))
        return moved > _ELSEWHERE_M or geometry.rotation_angle(change) > _ELSEWHERE_RAD
