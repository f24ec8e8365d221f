# SPDX-License-Identifier: Apache-2.0
"""What looks only a little like the thing is not taken before all of the table was looked over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scripted import PLACE, SOURCE, Scripted

from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.behaviour.sight import Sight
from tack_grasping.behaviour.tree import COMPARE

FAR = np.array([0.62, -0.28])  # out of view from home


class Unsure(Scripted):
    """Sees one thing in an image, that which it is surest of.

    Args:
        sureness: (x, y) of a block, and the confidence with which it is taken for the thing.
    """

    def __init__(self, sureness: Sequence[tuple[np.ndarray, float]]) -> None:
        super().__init__(blocks=[block for block, _ in sureness])
        self._sureness = sureness

    def look(self) -> Sight:
        sight = super().look()
        things = []
        for thing in sight.things:
            point = thing.points["top"]
            for block, confidence in self._sureness:
                if np.linalg.norm(point.position[:2] - block) < 0.02:
                    changed = dataclasses.replace(point, confidence=confidence)
                    things.append(dataclasses.replace(thing, points={"top": changed}))
        things.sort(key=lambda thing: -thing.points["top"].confidence)
        return dataclasses.replace(sight, things=tuple(things[:1]))


def looks(robot: Unsure) -> int:
    return robot.calls.count("look")


def test_what_is_sure_is_taken_at_once() -> None:
    robot = Unsure([(SOURCE, 0.35), (FAR, 0.9)])
    assert robot.run().success
    assert looks(robot) == 1


def test_a_look_from_another_side_may_make_it_sure() -> None:
    robot = Unsure([(SOURCE, 0.25), (FAR, 0.9)])
    record = robot.run()
    assert record.success
    assert looks(robot) == 2
    first = next(stage for stage in record.stages if stage.name == COMPARE)
    assert "'top' is seen with confidence 0.25; where it is below 0.35" in first.reason
    np.testing.assert_allclose(robot.blocks, [FAR, PLACE], atol=1e-9)


def test_what_is_surer_elsewhere_on_the_table_is_taken_instead() -> None:
    robot = Unsure([(SOURCE, 0.15), (FAR, 0.8)])
    assert robot.run().success
    assert 2 < looks(robot) < 8
    np.testing.assert_allclose(robot.blocks, [SOURCE, PLACE], atol=1e-9)


def test_of_nothing_sure_the_surest_is_taken_in_the_end() -> None:
    robot = Unsure([(SOURCE, 0.1), (FAR, 0.2)])
    record = robot.run()
    assert record.success
    assert looks(robot) > 4  # all of the table
    np.testing.assert_allclose(robot.blocks, [SOURCE, PLACE], atol=1e-9)


def test_how_sure_it_has_to_be_is_a_setting() -> None:
    robot = Unsure([(SOURCE, 0.15), (FAR, 0.8)])
    assert robot.run(config=BehaviourConfig(sure=0.1)).success
    assert looks(robot) == 1


def test_where_a_person_has_pointed_nothing_else_is_looked_for() -> None:
    robot = Unsure([(SOURCE, 0.15), (FAR, 0.8)])
    x, y = SOURCE.tolist()
    assert robot.tree(near=(x, y, 0.0)).run().success
    assert looks(robot) == 1
    np.testing.assert_allclose(robot.blocks, [FAR, PLACE], atol=1e-9)
