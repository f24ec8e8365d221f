# SPDX-License-Identifier: Apache-2.0
"""One click becomes several, in the cell: a real arm goes around, a real camera sees the point."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from tack_grasping.behaviour.teaching import teach
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.error_codes import StageError
from tack_grasping.motion import MotionError
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.annotations import carried
from tack_perception.errors import InvalidInputError
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.log import CellSetup
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.world import CellWorld
from tack_sim.planning.planner import MotionPlanner

LABEL = "top_center"


class Lesson:
    """A box in the cell, and who carries the click on it."""

    def __init__(self, planner: MotionPlanner) -> None:
        self.world = CellWorld(CellSetup(object_class="box", seed=6).layout())
        self.world.step(0.3)
        self.motion = CellMotion(self.world, planner=planner)
        self.shots: list[Annotation] = []
        self.refuse = ""

    @property
    def point(self) -> np.ndarray:
        target = self.world.layout.target
        pose = self.world.object_pose(target.name)
        return geometry.apply(pose, target.model.position(LABEL))

    def run(self, label: str = LABEL) -> str:
        with CellEyes(self.world, TruePoints(self.world), wait=self.motion.wait) as eyes:

            def carry() -> str:
                if self.refuse:
                    raise InvalidInputError(self.refuse)
                view = eyes.glance()
                self.shots.append(carried(label, self.point, view.frame, view.base_from_camera))
                return "carried"

            return teach(label, self.world.profile, self.motion, eyes, carry)


@pytest.fixture
def lesson(planner: MotionPlanner) -> Lesson:
    return Lesson(planner)


def test_the_point_is_a_shot_in_every_view(lesson: Lesson) -> None:
    said = lesson.run()
    known = re.match(r"'top_center' is known from (\d) more sides now", said)
    assert known is not None, said
    assert int(known[1]) == len(lesson.shots) >= 4
    places = np.array([lesson.world.arm_motion()[0]])
    np.testing.assert_allclose(places[0], lesson.world.profile.home, atol=0.006)
    for shot in lesson.shots:
        depth = shot.frame.depth[round(shot.v), round(shot.u)]
        assert 0.3 < depth < 0.5
    pictures = [shot.frame.color.astype(int) for shot in lesson.shots]
    assert all(np.abs(a - b).mean() > 3 for a, b in itertools.pairwise(pictures))


def test_what_is_in_no_view_is_told_with_the_reasons(lesson: Lesson) -> None:
    lesson.refuse = "the disk is full"
    with pytest.raises(StageError, match=r"seen in none of \d other views: the disk is full \("):
        lesson.run()
    np.testing.assert_allclose(lesson.world.arm_motion()[0], lesson.world.profile.home, atol=0.006)


def test_a_point_that_is_not_seen_is_not_gone_around(lesson: Lesson) -> None:
    with pytest.raises(StageError) as raised:
        lesson.run("lid")
    assert raised.value.code is Code.INVALID_OBJECT_NAME
    assert "nobody has clicked on 'lid'" in raised.value.sentence
    assert lesson.world.time < 1.0


def test_a_stop_ends_it_where_the_arm_is(lesson: Lesson) -> None:
    step, began = lesson.world.step, lesson.world.time

    def stops(seconds: float) -> None:
        step(seconds)
        if lesson.world.time > began + 1.0:
            lesson.motion.stop()

    lesson.world.step = stops  # type: ignore[method-assign]
    with pytest.raises(MotionError) as raised:
        lesson.run()
    assert raised.value.code is Code.PREEMPTED
    here = lesson.world.arm_motion()[0]
    step(1.0)
    assert np.abs(lesson.world.arm_motion()[0] - here).max() < 0.05
    assert np.abs(here - lesson.world.profile.home).max() > 0.01
