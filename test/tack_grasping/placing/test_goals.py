# SPDX-License-Identifier: Apache-2.0
"""A grasp and a placement become one goal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_grasping.goal import PickPlaceGoal
from tack_grasping.placing.goals import with_placement
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import Axis, On, PlaceSpec
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from test.tack_grasping.placing import scenes

LYING = scenes.pose((0, 1, 0), 90, (0.5, 0.1, 0.04))
GRASP = geometry.frame_from_axes((0, 0, -1), (1, 0, 0), (0.55, 0.1, 0.03))
GOAL = PickPlaceGoal(
    "middle",
    "base",
    7,
    GRASP,
    GRASP,
    GRASP,
    1e-6 * np.eye(3),
    0.08,
    0.5,
    {"all": 0.5},
    "from above",
)


def placement() -> Placement:
    points, cloud = scenes.mug(LYING)
    spec = PlaceSpec("stand", (Axis("bottom", "rim"), On("table", 0.005)))
    return solve_placement(
        spec, points, up=(0, 0, 1), cloud=cloud, supports={"table": scenes.table(0.1)}
    )


def test_the_gripper_moves_as_the_thing_does() -> None:
    found = placement()
    goal = with_placement(GOAL, found, (0, 0, 1), standoff=0.12)
    # Where the thing was in the gripper, it still is.
    held = geometry.inverse(GRASP) @ LYING
    np.testing.assert_allclose(goal.place @ held, found.motion @ LYING, atol=1e-9)
    np.testing.assert_allclose((found.motion @ LYING)[:3, 2], (0, 0, 1), atol=1e-6)
    np.testing.assert_allclose(goal.preplace[:3, 3] - goal.place[:3, 3], (0, 0, 0.12))
    back = goal.place[:3, 3] - 0.12 * goal.place[:3, 2]
    np.testing.assert_allclose(goal.retreat[:3, 3], back)
    for pose in (goal.preplace, goal.retreat):
        np.testing.assert_array_equal(pose[:3, :3], goal.place[:3, :3])
    assert (goal.why, goal.score) == ("from above; placed as stand (100% sure)", 0.5)
    np.testing.assert_array_equal(goal.grasp, GOAL.grasp)


def test_a_place_that_was_refused_makes_no_goal() -> None:
    refused = dataclasses.replace(placement(), motion=None, refusal="stand: no room")
    with pytest.raises(InvalidInputError, match="middle: there is no place: stand: no room"):
        with_placement(GOAL, refused, (0, 0, 1))
    with pytest.raises(InvalidInputError, match="standoff"):
        with_placement(GOAL, placement(), (0, 0, 1), standoff=float("nan"))
