# SPDX-License-Identifier: Apache-2.0
"""Where the camera goes when it has to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.decisions import Decision, decide
from tack_grasping.behaviour.sight import Eyes, SightError, View
from tack_grasping.behaviour.views import search_views, views_of
from tack_grasping.motion import Motion, MotionError
from tack_grasping.robot import RobotProfile
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_ELSEWHERE_M, _ELSEWHERE_RAD = 0.02, 0.05
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


class Search:
    """Goes to one view after another: home first, then around the thing, or over the workspace.

    Args:
        profile: the robot.
        motion: its arm.
        eyes: its camera.
        rejected: told why a view could not be had, a sentence.
    """

    def __init__(
        self, profile: RobotProfile, motion: Motion, eyes: Eyes, rejected: Callable[[str], None]
    ) -> None:
        self._profile, self._motion, self._eyes, self._rejected = profile, motion, eyes, rejected
        self._been_home = False
        self._around: Iterator[tuple[FloatArray, ...]] | None = None
        self._target: FloatArray | None = None

    def about(self, target: FloatArray) -> None:
        """It is known where to look: (3,) in the base frame, m."""
        if self._target is None or np.linalg.norm(target - self._target) > _MOVED:
            self._around = None
        self._target = target

    def go(self, last: View | None) -> None:
        """Go where the thing has not been looked at from.

        Args:
            last: what was seen last; None for nothing.

        Raises:
            MotionError: the arm does not move; a view that it does not reach is passed over.
        """
        if not self._been_home:
            self._motion.move_home()
            self._been_home = True
            if last is None or self._sees_anew(last):
                return
        for poses in self._views():
            if _reached(self._motion, poses, self._rejected):
                return
        self._around = None  # all was tried: once around again
        self._motion.move_home()

    def _views(self) -> Iterator[tuple[FloatArray, ...]]:
        """Those that were not looked from yet."""
        if self._around is None:
            target = self._target
            self._around = (
                search_views(self._profile) if target is None else views_of(self._profile, target)
            )
        return self._around

    def _sees_anew(self, last: View) -> bool:
        """Whether the camera is elsewhere than it was, or may be."""
        try:
            here = self._eyes.glance().base_from_camera
        except SightError:
            return True  # the look that follows will say what is wrong
        change = geometry.inverse(last.base_from_camera) @ here
        moved = float(np.linalg.norm(change[:3, 3]))
        return moved > _ELSEWHERE_M or geometry.rotation_angle(change) > _ELSEWHERE_RAD
