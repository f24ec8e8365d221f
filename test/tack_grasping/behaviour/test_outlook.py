# SPDX-License-Identifier: Apache-2.0
"""Of several things of a kind: the surest that can be grasped."""

from __future__ import annotations

import dataclasses

import numpy as np
from scripted import BLOCK, PLACE, PROFILE, SOURCE, Scripted

from tack_grasping.behaviour.outlook import outlook
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.candidates import GraspPlan, Rejected

TASK = PickPlaceTask("top", "bin")
OTHER = SOURCE + np.array([0.0, 0.1])
OUTSIDE = np.array([0.75, 0.0])  # of the workspace


class Some(Scripted):
    """Plans for those things that stand at some of its places."""

    def __init__(self, *graspable: np.ndarray) -> None:
        super().__init__(blocks=[SOURCE, OTHER])
        self._graspable = graspable

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        at = thing.points["top"].position[:2]
        if any(np.linalg.norm(at - place) < 0.02 for place in self._graspable):
            return super().plan(sight, thing, task)
        return GraspPlan(
            rejected=(Rejected(f"too wide at {at[1]:.1f}", np.eye(4)),),
            refusal=f"nothing fits at {at[1]:.1f}",
        )


def seen(robot: Scripted, *confidences: float) -> Sight:
    sight = robot.look()
    things = [
        Thing({"top": dataclasses.replace(thing.points["top"], confidence=confidence)})
        for thing, confidence in zip(sight.things, confidences, strict=True)
    ]
    return dataclasses.replace(sight, things=tuple(things))


def test_the_surest_is_taken_however_it_is_grasped() -> None:
    robot = Some(SOURCE, OTHER)
    for confidences, place in (((0.9, 0.6), SOURCE), ((0.6, 0.9), OTHER)):
        sight = seen(robot, *confidences)
        found = outlook(sight, sight.found("top"), TASK, robot, PROFILE)
        assert found.thing is not None
        np.testing.assert_allclose(found.thing.points["top"].position[:2], place, atol=1e-9)
        assert (found.rejected, found.refusal) == ((), "")


def test_where_it_cannot_be_grasped_the_next_one_is() -> None:
    robot = Some(OTHER)
    sight = seen(robot, 0.9, 0.6)
    found = outlook(sight, sight.things, TASK, robot, PROFILE)
    assert found.thing is sight.things[1]
    assert found.rejected == ("too wide at 0.0", "nothing fits at 0.0")
    assert found.refusal == ""


def test_where_none_can_be_grasped_it_says_why_of_all() -> None:
    robot = Some()
    sight = seen(robot, 0.9, 0.6)
    found = outlook(sight, sight.things, TASK, robot, PROFILE)
    assert (found.thing, found.goals) == (None, ())
    assert found.refusal == "nothing fits at 0.1"
    assert len(found.rejected) == 4
    assert outlook(sight, (), TASK, robot, PROFILE).refusal == "there is no grasp of 'top'"


def test_outside_of_the_workspace_there_is_none() -> None:
    robot = Some(OUTSIDE)
    robot.blocks = [OUTSIDE]
    at = dataclasses.replace(
        seen(Some(SOURCE), 0.9, 0.9).things[0].points["top"],
        position=np.array([*OUTSIDE, BLOCK[2]]),
    )
    sight = dataclasses.replace(robot.look(), things=(Thing({"top": at}),))
    found = outlook(sight, sight.things, TASK, robot, PROFILE)
    assert "outside of the workspace of panda_2f85: x = 0.750 m is above 0.700 m" in found.refusal
    assert len(found.rejected) == robot.goals


def test_the_planner_is_told_which_one_is_no_obstacle() -> None:
    targets = []

    class Around:
        def update(self, view: object, target: np.ndarray) -> tuple[()]:
            targets.append(target[0, :2])
            return ()

    robot = Some(OTHER)
    parts = Robot(PROFILE, robot, robot, robot, Around())
    record = BehaviourTree(TASK, parts, robot.clock).run()
    assert record.success
    np.testing.assert_allclose(targets, [SOURCE, OTHER], atol=1e-9)
    np.testing.assert_allclose(robot.blocks, [SOURCE, PLACE], atol=1e-9)
