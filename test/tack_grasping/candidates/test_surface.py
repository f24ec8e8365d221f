# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_grasping.candidates import SurfacePlannerConfig, plan_surface_grasps
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.keypoint import Keypoint

UP = (0.0, 0.0, 1.0)
# A camera 0.6 m above the base, looking straight down: its z is the base's -z.
BASE_FROM_CAMERA = geometry.from_axis_angle((1, 0, 0), math.pi, (0.4, 0.1, 0.6))


def lifted(**change):
    values = {
        "label": "handle",
        "u": 320,
        "v": 240,
        "confidence": 0.9,
        "xyz": (0.05, -0.02, 0.5),
        "xyz_covariance": np.eye(3) * 1e-6,
        "normal": (0, 0, -1),
    }
    return Keypoint(**{**values, **change})


def plan(keypoint=None, **options):
    return plan_surface_grasps(
        keypoint or lifted(),
        options.pop("base_from_camera", BASE_FROM_CAMERA),
        "base_link",
        7,
        **{"up": UP, **options},
    )


def test_the_gripper_comes_down_onto_a_flat_surface():
    config = SurfacePlannerConfig(insertion=0.01, standoff=0.10, lift=0.15)
    best = plan(config=config).goals[0]
    assert_allclose(best.grasp[:3, 2], (0, 0, -1), atol=1e-9)
    assert_allclose(best.grasp[:3, 3], (0.45, 0.12, 0.09), atol=1e-9)
    assert_allclose(best.pregrasp[:3, 3], (0.45, 0.12, 0.20), atol=1e-9)
    assert_allclose(best.lift[:3, 3], (0.45, 0.12, 0.24), atol=1e-9)
    assert (best.frame_id, best.stamp_ns, best.place) == ("base_link", 7, None)
    assert "0° from straight down" in best.why


@given(
    st.floats(0, 2 * math.pi),
    st.floats(0, math.pi),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.integers(1, 8),
)
def test_goals_turn_with_the_world(azimuth, polar, twist, turns):
    """Moving the base moves every goal by the same transform, whatever the surface."""
    normal = np.array(
        [
            math.sin(polar) * math.cos(azimuth),
            math.sin(polar) * math.sin(azimuth),
            math.cos(polar),
        ]
    )
    moved = geometry.exp([*twist, 0.3, -0.2, 0.9])
    config = SurfacePlannerConfig(turns=turns, max_tilt=180.0)
    keypoint = lifted(normal=normal)
    goals = plan(keypoint, config=config).goals
    assert len(goals) == turns
    for goal in goals:
        assert_allclose(goal.grasp[:3, 2], -geometry.rotate(BASE_FROM_CAMERA, normal), atol=1e-6)
        for pose in goal.poses.values():
            geometry.check_transform(pose)
    again = plan(
        keypoint,
        base_from_camera=geometry.nearest_transform(moved @ BASE_FROM_CAMERA),
        up=geometry.rotate(moved, UP),
        config=config,
    ).goals
    for goal in again:
        assert_allclose(goal.grasp[:3, 3], geometry.apply(moved, goals[0].grasp[:3, 3]), atol=1e-6)
        assert_allclose(goal.lift[:3, 3], geometry.apply(moved, goals[0].lift[:3, 3]), atol=1e-6)


def test_turns_are_spread_over_half_a_turn_and_the_best_comes_first():
    goals = plan(config=SurfacePlannerConfig(turns=4)).goals
    angles = sorted(
        math.degrees(math.atan2(goal.grasp[1, 0], goal.grasp[0, 0])) % 180 for goal in goals
    )
    assert_allclose(np.diff(angles), 45, atol=1e-6)
    assert [goal.score for goal in goals] == sorted((goal.score for goal in goals), reverse=True)
    assert goals[0].score == pytest.approx(math.prod(goals[0].terms.values()))


def test_the_grasped_point_comes_to_rest_at_the_target():
    goal = plan(place_at=(0.3, -0.3, 0.2)).goals[0]
    grasp_from_point = geometry.inverse(goal.grasp) @ [0.45, 0.12, 0.10, 1]
    assert_allclose((goal.place @ grasp_from_point)[:3], (0.3, -0.3, 0.2), atol=1e-9)
    assert_allclose(goal.preplace[:3, 3] - goal.place[:3, 3], (0, 0, 0.10), atol=1e-9)
    assert goal.retreat[2, 3] > goal.place[2, 3]
    assert list(goal.poses) == ["pregrasp", "grasp", "lift", "preplace", "place", "retreat"]


def test_straight_down_ignores_the_normal():
    tilted = lifted(normal=geometry.unit((0, -1, -1)))
    config = SurfacePlannerConfig(approach="down")
    assert_allclose(plan(tilted, config=config).goals[0].grasp[:3, 2], (0, 0, -1), atol=1e-9)
    assert plan(lifted(normal=None), config=config).goals
    with pytest.raises(InvalidInputError, match="up is known"):
        plan(up=None, config=config)


def test_without_up_the_lift_goes_back_along_the_approach():
    goal = plan(lifted(normal=geometry.unit((0, -1, -1))), up=None).goals[0]
    direction = geometry.unit(goal.lift[:3, 3] - goal.grasp[:3, 3])
    assert_allclose(direction, -goal.grasp[:3, 2], atol=1e-9)


def test_less_certainty_means_a_lower_score():
    def score(**change):
        return plan(lifted(**change)).goals[0].score

    assert score() > score(confidence=0.5)
    assert score() > score(xyz_covariance=np.eye(3) * 1e-4)
    assert score() > score(normal=geometry.unit((0, -1, -1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visible": False}, "hidden or absent"),
        ({"confidence": 0.2}, "confidence 0.20 is below 0.3"),
        ({"normal": None}, "no surface normal"),
        ({"xyz_covariance": np.eye(3) * 1e-2}, "100.0 mm"),
        ({"normal": (0, 0, 1)}, "180° from straight down; 100° is allowed"),
        (
            {"xyz": None, "xyz_covariance": None, "refusal": "handle: no valid depth in reach"},
            "no valid depth in reach",
        ),
    ],
)
def test_refusals_say_why(change, message):
    outcome = plan(lifted(**change))
    assert not outcome.goals
    assert message in outcome.refusal


def test_bad_arguments_are_refused():
    with pytest.raises(InvalidInputError, match="place target"):
        plan(place_at=(0, np.nan, 0))
    with pytest.raises(InvalidInputError, match="up direction"):
        plan(up=(0, 0, 0))
    with pytest.raises(InvalidInputError, match="camera"):
        plan(base_from_camera=np.zeros((4, 4)))
    with pytest.raises(ConfigurationError, match="turns"):
        SurfacePlannerConfig(turns=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grasp": np.zeros((4, 4))}, "grasp"),
        ({"place": np.eye(4)}, "come together"),
        ({"score": 1.5}, "score"),
        ({"terms": {"tilt": float("nan")}}, "tilt"),
        ({"width": 0.0}, "width"),
        ({"frame_id": ""}, "frame"),
        ({"position_covariance": -np.eye(3)}, "negative eigenvalue"),
    ],
)
def test_a_goal_checks_itself(change, message):
    good = plan().goals[0]
    fields = {field.name: getattr(good, field.name) for field in dataclasses.fields(PickPlaceGoal)}
    with pytest.raises(InvalidInputError, match=message):
        PickPlaceGoal(**{**fields, **change})
