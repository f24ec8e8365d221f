# SPDX-License-Identifier: Apache-2.0
"""Finds what is to be taken: what is looked at, and which of all that was seen is meant."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.account import Account
from tack_grasping.behaviour.guard import Guarded
from tack_grasping.behaviour.outlook import Outlook, outlook, to_take
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.search import Search
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import Eyes, Sight, SightError, Thing
from tack_grasping.behaviour.sightings import Sightings
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.points import NamedPoint
from tack_grasping.scene import Obstacle

FloatArray = NDArray[np.float64]

_SAME = 0.05  # m, within which two sightings are of one thing
_STRAYED = (
    0.15  # m, that a thing does not get away from where it was, unless it was lifted or moved
)
_LIKE = 0.75  # share of the highest confidence, with which another thing will do as well
_CODE = MoveItErrorCode


class Finder:
    """Looks until it is known which thing is meant, and remembers it.

    Args:
        task: what is to be done.
        robot: that does it.
        motion: its arm, behind a stop.
        eyes: its camera.
        config: patience.
        account: told what was seen and rejected.
        home: takes the arm home.

    Attributes:
        sight: the latest; None before the first.
        looks_around: the look that failed last only wanted to see more, and had more to see.
        near: (3,) of the task's point in the base frame, where it was when it was last planned for
            or where a person has pointed, m; None where nothing is known yet.
    """

    def __init__(
        self,
        task: PickPlaceTask,
        robot: Robot,
        motion: Guarded,
        eyes: Eyes,
        config: BehaviourConfig,
        account: Account,
        home: Callable[[], None],
    ) -> None:
        self._task, self._robot, self._eyes = task, robot, eyes
        self._config, self._account = config, account
        self._search = Search(robot.profile, motion, eyes, account.reject, home)
        self._sightings = Sightings()
        self._things: tuple[Thing, ...] = ()
        self._shown: tuple[Sight | None, Thing | None] = (None, None)
        self._planned = self._lost = False
        self.looks_around = False
        self.sight: Sight | None = None
        self.near = None if task.near is None else np.asarray(task.near, dtype=np.float64)
        if self.near is not None:
            self._search.about(self.near)

    def view(self) -> None:
        """Go where else the thing can be seen from: home first, then around where it may be."""
        self._search.go(self.sight)

    def look(self) -> None:
        """Find the thing."""
        sight = to_take(self._eyes.look(), self._task, self._robot.profile, self._robot.bins)
        self._search.saw(sight)
        sight = self.sight = self._sightings.add(sight)
        self._account.seen(sight)
        self.looks_around = False
        if self.near is None and not sight.having(self._task.label):
            self._nothing_seen()
        self._things = sight.found(self._task.label, self.near)

    def _nothing_seen(self) -> None:
        """Go on to what else stands around; to the likeliest of all once that was looked at."""
        with contextlib.suppress(StageError):  # only what is planned for needs it
            self._search.stand(self._show(None))
        rivals, _ = self._rivals()
        likeliest = self._sightings.likeliest(self._task.label)
        self.looks_around = bool(rivals)
        if not rivals and likeliest is not None and likeliest.point.confidence >= self._config.sure:
            self._search.about(likeliest.point.position, seen_from=likeliest.view)

    def _rivals(self) -> tuple[int, float]:
        """How many other places are looked at first, and the confidence that makes it needless."""
        likeliest = self._sightings.likeliest(self._task.label)
        if likeliest is None:
            return self._search.left(), self._config.certain
        seen, at = likeliest.point.confidence, likeliest.point.position
        if rivals := self._search.left():
            return rivals, self._config.certain
        if seen < self._config.likely and (rivals := self._search.left(2, at)):
            return rivals, self._config.likely
        return 0, self._config.sure

    def compare(self) -> None:
        """Take what surely is meant; what looks only a little like it once all else was seen.

        Where other things stand around, each of them is looked at from near first, unless this is
        certain: half hidden or from afar the right one is often not the likeliest.
        """
        label, things = self._task.label, list(self._things)
        if self.near is not None:
            self._check_strayed(things[0].points[label])
            self._search.about(things[0].points[label].position)
            return
        likeliest = self._sightings.likeliest(label)
        assert likeliest is not None  # it was just seen
        assert self.sight is not None
        at, seen = likeliest.point.position, likeliest.point.confidence
        away = [float(np.linalg.norm(one.points[label].position - at)) for one in things]
        nearest = things.pop(int(np.argmin(away)))
        here = nearest.points[label]
        if seen < self._config.certain:
            self._search.stand(self._show(nearest))
        rivals, enough = self._rivals()
        self.looks_around = True
        found = min(away) < _SAME and max(seen, 0.0 if rivals else here.confidence) >= enough
        # What this look shows less well is taken from where it was seen best.
        if found and (here.confidence >= self._config.sure or likeliest.is_from(self.sight)):
            least = max(self._config.sure, _LIKE * here.confidence)
            also = (one for one in things if one.points[label].confidence >= least)
            self._search.about(here.position)
            self._things, self.looks_around = (nearest, *also), False
            return
        if not rivals and seen >= self._config.sure:
            self._search.about(at, seen_from=likeliest.view)
            raise SightError(
                _CODE.INVALID_OBJECT_NAME,
                f"'{label}' was seen with confidence {seen:.2f} elsewhere, {min(away):.2f} m away",
            )
        self._search.about(at, sure=False)
        if rivals or not self._search.exhaustive:
            why = (
                f"{rivals} other places where something stands are looked at from near first"
                if rivals
                else "the table is looked over for a better one first"
            )
            raise SightError(
                _CODE.INVALID_OBJECT_NAME,
                f"'{label}' is seen with confidence {seen:.2f}; where it is below {enough:g},"
                f" {why}",
            )
        self._things, self.looks_around = (nearest,), False

    def _check_strayed(self, best: NamedPoint) -> None:
        """Nothing else is taken because what was meant is out of sight.

        Raises:
            SightError: this is too far away from it.
        """
        assert self.near is not None
        away = float(np.linalg.norm(best.position - self.near))
        astray = away > _STRAYED and best.confidence < self._config.certain
        if astray and self._planned and not self._lost:
            raise SightError(
                _CODE.INVALID_OBJECT_NAME,
                f"'{self._task.label}' is seen {away:.2f} m away from where it was: that may be"
                " another one",
            )

    def scene(self) -> None:
        """Let the planner know what stands around it."""
        sight, thing = self._shown
        if sight is not self.sight or thing is not self._things[0]:  # else it was to compare
            self._show(self._things[0])

    def _show(self, target: Thing | None) -> tuple[Obstacle, ...]:
        """Let the planner know what stands around a thing, which is no obstacle itself."""
        surroundings = self._robot.surroundings
        if surroundings is None:
            return ()
        assert self.sight is not None
        self._shown = self.sight, target
        if target is None:
            return surroundings.update(self.sight, None)
        label = self._task.label
        points = [point.position for point in target.points.values()]
        points.sort(key=lambda at: np.linalg.norm(at - target.points[label].position))
        return surroundings.update(self.sight, np.array(points))

    def plan(self, doubtful: bool) -> Outlook:
        """Find grasps, of the surest thing that has any; that is meant from now on.

        Args:
            doubtful: a point of little confidence will do.

        Raises:
            StageError: there are none.
        """
        assert self.sight is not None
        label, task = self._task.label, self._task
        if doubtful:
            task = dataclasses.replace(task, doubtful=self._config.doubtful)
        found = outlook(self.sight, self._things, task, self._robot.planner, self._robot.profile)
        self._account.rejected += found.rejected
        if found.thing is None:
            raise StageError(_CODE.NO_IK_SOLUTION, found.refusal)
        if found.thing is not self._things[0]:
            self._show(found.thing)
        self.meant_at(found.thing.points[label].position)
        return found

    def meant_at(self, near: FloatArray) -> None:
        """The thing that is meant is here: (3,) of its point in the base frame, m."""
        self.near, self._planned = near, True
        self._search.about(near)

    def touch(self) -> None:
        """Things may lie a little elsewhere from now on."""
        self._sightings.touch()

    def lose(self) -> None:
        """The thing may be anywhere from now on: it was lifted, or somebody has moved it."""
        self._lost = True
