# SPDX-License-Identifier: Apache-2.0
"""What could be done with the things that are seen: the grasps of the surest, or why none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tack_grasping.behaviour.bins import left_to_do
from tack_grasping.behaviour.presence import standing
from tack_grasping.behaviour.settings import PickPlaceTask, Planner
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.placing.scene import Container
from tack_grasping.robot import RobotProfile
from tack_grasping.scene import check_workspace


@dataclasses.dataclass(frozen=True, eq=False)
class Outlook:
    """What could be done.

    Attributes:
        thing: which would be taken; None for none.
        goals: candidates for it, the best first.
        rejected: why others are none, a sentence each; of all things that were asked.
        refusal: why there is no goal, a sentence; "" where there is one.
    """

    thing: Thing | None
    goals: tuple[PickPlaceGoal, ...]
    rejected: tuple[str, ...]
    refusal: str


def to_take(
    sight: Sight, task: PickPlaceTask, profile: RobotProfile, bins: Mapping[str, Container]
) -> Sight:
    """A sight without points of the task's label that are no things to be taken.

    None is on the bare table, and what is in a bin stays there, unless a person points at it.

    Args:
        sight: what was seen.
        task: what is to be done.
        profile: the robot.
        bins: by name, in the base frame.
    """
    there = standing(sight, task.label, profile.table_height)
    return there if task.near is not None else left_to_do(there, task.label, bins)


def outlook(
    sight: Sight,
    things: Sequence[Thing],
    task: PickPlaceTask,
    planner: Planner,
    profile: RobotProfile,
) -> Outlook:
    """Plan for the first of several things; where it cannot be grasped, for the next.

    Args:
        sight: what was seen.
        things: those of it to choose from, in order.
        task: what is to be done.
        planner: makes goals.
        profile: the robot.
    """
    rejected, refusal = list[str](), ""
    for thing in things:
        plan = planner.plan(sight, thing, task)
        rejected += [one.reason for one in plan.rejected]
        unfit = [(goal, why_unfit(goal, task, profile)) for goal in plan.goals]
        rejected += [f"{why}; {goal.why}" for goal, why in unfit if why]
        if plan.refusal:
            rejected.append(plan.refusal)
        refusal = plan.refusal or next((why for _, why in unfit if why), refusal)
        goals = tuple(goal for goal, why in unfit if not why)
        if goals:
            return Outlook(thing, goals, tuple(rejected), "")
    return Outlook(None, (), tuple(rejected), refusal or f"there is no grasp of '{task.label}'")


def why_unfit(goal: PickPlaceGoal, task: PickPlaceTask, profile: RobotProfile) -> str:
    """Why a goal is not tried, whatever the arm reaches, a sentence; "" where it is."""
    base = profile.base_frame
    if goal.frame_id != base:
        return f"the goal is in the frame {goal.frame_id!r}, the robot moves in {base!r}"
    if task.place and goal.place is None:
        return f"the goal says nothing of where to put it ('{task.place}')"
    return check_workspace(profile, goal.grasp)
