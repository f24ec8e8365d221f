# SPDX-License-Identifier: Apache-2.0
"""Where other things stand around, all are looked at from near before one is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from scripted import PLACE, PROFILE, SOURCE, Scripted, error, names

from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import Sight
from tack_grasping.behaviour.surroundings import DepthSurroundings
from tack_grasping.behaviour.tree import COMPARE, BehaviourTree
from tack_grasping.behaviour.views import views_of
from tack_grasping.error_codes import MoveItErrorCode as Code

OTHER = np.array([0.50, 0.17])
THIRD = np.array([0.55, -0.15])

Sureness = Mapping[tuple[float, float], tuple[float, float]]


class Among(Scripted):
    """Sees each thing with one confidence from home, and with another from elsewhere.

    Args:
        sureness: (x, y) of a block → confidence from home, and from elsewhere.
    """

    def __init__(self, sureness: Sureness) -> None:
        super().__init__(blocks=[np.array(block) for block in sureness])
        above = np.array([*SOURCE, 0.0])  # from home nothing is near
        self._home = next(views_of(PROFILE, above, 0.65, ((0.0, 80.0),)))[0]
        self.pose = self._home
        self._sureness = sureness
        self.hidden: list[np.ndarray] = []  # from the next look
        self.surroundings: DepthSurroundings | None = DepthSurroundings(PROFILE, lambda model: None)

    def cycle(self, config: BehaviourConfig | None = None) -> BehaviourTree:
        robot = Robot(PROFILE, self, self, self, self.surroundings)
        return BehaviourTree(PickPlaceTask("top", "bin"), robot, self.clock, config)

    def look(self) -> Sight:
        sight = super().look()
        hidden, self.hidden = self.hidden, []
        things = []
        for thing in sight.things:
            point = thing.points["top"]
            if any(np.allclose(point.position[:2], one) for one in hidden):
                continue
            for block, (afar, near) in self._sureness.items():
                confidence = afar if self.pose is self._home else near
                if np.linalg.norm(point.position[:2] - block) < 0.02 and confidence:
                    changed = dataclasses.replace(point, confidence=confidence)
                    things.append(dataclasses.replace(thing, points={"top": changed}))
        things.sort(key=lambda thing: -thing.points["top"].confidence)
        return dataclasses.replace(sight, things=tuple(things))


def at(block: np.ndarray) -> tuple[float, float]:
    x, y = block.tolist()
    return x, y


def taken(robot: Among, block: np.ndarray) -> bool:
    left = [one.tolist() for one in robot.blocks]
    return block.tolist() not in left and any(np.allclose(PLACE, one) for one in left)


def test_the_likeliest_from_near_is_taken_and_not_the_likeliest_from_afar() -> None:
    robot = Among({at(SOURCE): (0.5, 0.5), at(OTHER): (0.0, 0.75), at(THIRD): (0.2, 0.1)})
    record = robot.cycle().run()
    assert record.success, record.reason
    assert taken(robot, OTHER)
    first = next(stage for stage in record.stages if stage.name == COMPARE)
    assert "places where something stands are looked at from near first" in first.reason


def test_what_is_certain_is_taken_at_once() -> None:
    robot = Among({at(SOURCE): (0.85, 0.5), at(OTHER): (0.0, 0.9)})
    assert robot.cycle().run().success
    assert taken(robot, SOURCE)
    assert robot.calls.count("look") == 1


def test_what_stands_alone_is_taken_at_once() -> None:
    robot = Among({at(SOURCE): (0.4, 0.4)})
    assert robot.cycle().run().success
    assert robot.calls.count("look") == 1


def test_what_is_looked_at_often_is_no_likelier_for_that() -> None:
    """0.6 twice is 0.84 together, and still not what is seen with 0.7."""
    robot = Among({at(SOURCE): (0.6, 0.6), at(OTHER): (0.0, 0.7)})
    assert robot.cycle().run().success
    assert taken(robot, OTHER)


def test_it_goes_back_to_where_the_likeliest_was_seen() -> None:
    robot = Among({at(SOURCE): (0.6, 0.7), at(OTHER): (0.1, 0.4), at(THIRD): (0.1, 0.5)})
    record = robot.cycle().run()
    assert record.success, record.reason
    assert taken(robot, SOURCE)


def test_to_look_around_is_no_try() -> None:
    robot = Among({at(SOURCE): (0.5, 0.5), at(OTHER): (0.0, 0.7), at(THIRD): (0.2, 0.1)})
    assert robot.cycle(BehaviourConfig(tries=1)).run().success
    assert robot.calls.count("look") > 1
    unseen = Among({at(SOURCE): (0.5, 0.0), at(OTHER): (0.0, 0.0), at(THIRD): (0.0, 0.7)})
    record = unseen.cycle(BehaviourConfig(tries=1)).run()  # nor is one that finds nothing
    assert record.success, record.reason
    assert taken(unseen, THIRD)
    impatient = Among({at(SOURCE): (0.5, 0.5), at(OTHER): (0.0, 0.7), at(THIRD): (0.2, 0.1)})
    record = impatient.cycle(BehaviourConfig(tries=1, looks=0)).run()
    assert not record.success
    assert impatient.calls.count("look") == 1


def test_without_surroundings_the_surest_is_taken() -> None:
    robot = Among({at(SOURCE): (0.5, 0.5), at(OTHER): (0.0, 0.75)})
    robot.surroundings = None
    assert robot.cycle().run().success
    assert taken(robot, SOURCE)


def test_nothing_else_is_taken_because_what_is_meant_is_hidden_once() -> None:
    robot = Among({at(SOURCE): (0.85, 0.85), at(OTHER): (0.5, 0.5)})
    robot._script["straight grasp"] = iter([error(Code.CONTROL_FAILED, "it stalls")])
    robot._script["look"] = iter([None, lambda robot: robot.hidden.append(SOURCE)])
    record = robot.cycle().run()
    assert record.success, record.reason
    assert taken(robot, SOURCE)
    assert any("that may be another one" in stage.reason for stage in record.stages)


def test_what_a_person_has_moved_is_taken_from_where_it_is_now() -> None:
    def move(robot: Scripted) -> None:
        robot.blocks[0] = OTHER

    robot = Among({at(SOURCE): (0.85, 0.85), at(OTHER): (0.5, 0.5)})
    robot.blocks = [SOURCE]
    robot._script["glance"] = iter([move])  # before it is grasped
    record = robot.cycle().run()
    assert record.success, record.reason
    assert "check!" in names(record)
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)


def test_what_was_lost_on_the_way_is_looked_for_everywhere() -> None:
    def lose(robot: Scripted) -> None:
        robot.held = False
        robot.blocks.append(OTHER.copy())

    robot = Among({at(SOURCE): (0.85, 0.85), at(OTHER): (0.5, 0.5)})
    robot.blocks = [SOURCE.copy()]
    robot._script["to preplace"] = iter([lose])
    record = robot.cycle().run()
    assert record.success, record.reason
    assert "carry!" in names(record)
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)


def test_a_person_may_point_anywhere_on_a_long_thing() -> None:
    robot = Among({at(SOURCE): (0.5, 0.5)})
    x, y = SOURCE.tolist()
    task = PickPlaceTask("top", "bin", near=(x, y + 0.25, 0.0))
    parts = Robot(PROFILE, robot, robot, robot, robot.surroundings)
    assert BehaviourTree(task, parts, robot.clock).run().success
    assert robot.calls.count("look") == 1


def test_what_was_compared_is_not_shown_to_the_planner_twice() -> None:
    robot = Among({at(SOURCE): (0.4, 0.4)})
    shown: list[object] = []
    robot.surroundings = DepthSurroundings(PROFILE, shown.append)
    assert robot.cycle().run().success
    assert len(shown) == 1


@pytest.mark.parametrize(("likely", "block"), [(0.6, OTHER), (0.35, SOURCE)])
def test_where_none_is_likely_each_is_looked_at_from_one_more_side(
    likely: float, block: np.ndarray
) -> None:
    sureness = {at(SOURCE): (0.3, 0.45), at(OTHER): (0.0, 0.4)}
    robot = Among(sureness)
    better = {at(OTHER): (0.0, 0.7)}  # from its other side
    robot._script["look"] = iter([None, None, lambda robot: sureness.update(better)])
    record = robot.cycle(BehaviourConfig(likely=likely)).run()
    assert record.success, record.reason
    assert taken(robot, block)
