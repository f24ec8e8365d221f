# SPDX-License-Identifier: Apache-2.0
"""A grasp that was shown once, on the thing wherever it is now."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.candidates import GraspConfig, InFrame, plan_grasps, teach_frame
from tack_grasping.fingers import Surroundings
from tack_grasping.points import NamedPoint
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

PLACES = {
    "rim": (0.40, 0.00, 0.10), "handle": (0.44, 0.02, 0.06), "base": (0.42, 0.05, 0.00),
    "logo": (0.37, 0.03, 0.05),
}  # fmt: skip
MOTION = geometry.exp([0.1, -0.2, 0.05, 0.0, 0.1, 1.3])
SHOWN = geometry.exp([0.4, 0.3, 0.1, 0.1, 3.1, 0.2])


def points(move: np.ndarray | None = None, **change: tuple[float, ...]) -> dict[str, NamedPoint]:
    made = {
        label: NamedPoint(label, np.array(place), np.eye(3) * 1e-6, 0.8)
        for label, place in {**PLACES, **change}.items()
    }
    return made if move is None else {k: point.moved(move) for k, point in made.items()}


def test_a_shown_grasp_goes_where_the_thing_goes() -> None:
    spec = teach_frame(points(), SHOWN, 0.06)
    plan = plan_grasps(points(MOTION), spec, "base", 7)
    (goal,) = plan.goals
    assert_allclose(goal.grasp, MOTION @ SHOWN, atol=1e-9)
    assert goal.width == 0.06
    assert goal.terms["fit"] == pytest.approx(1)
    assert goal.terms["confidence"] == 0.8
    assert goal.pose_covariance is not None
    assert goal.label == "rim and 3 more"


def test_any_three_of_the_points_will_do() -> None:
    spec = teach_frame(points(), SHOWN, 0.06)
    seen = points(MOTION)
    del seen["handle"]
    seen["rim"] = dataclasses.replace(seen["rim"], confidence=0.1)
    refused = plan_grasps(seen, spec, "base", 7)
    assert "rim: confidence 0.10 is below 0.3" in refused.refusal
    assert "'handle' is not known (known: base, logo, rim)" in refused.refusal
    seen["rim"] = points(MOTION)["rim"]
    (goal,) = plan_grasps(seen, spec, "base", 7).goals
    assert_allclose(goal.grasp, MOTION @ SHOWN, atol=1e-9)
    assert "1 not known" in goal.why
    every = plan_grasps(points(MOTION), spec, "base", 7).goals[0]
    assert np.trace(every.pose_covariance) < np.trace(goal.pose_covariance)


def test_points_on_one_line_are_refused_by_name() -> None:
    line = {"tip": (0, 0, 0), "neck": (0.1, 0, 0), "end": (0.2, 0.0003, 0)}
    with pytest.raises(InvalidInputError, match=r"points tip, neck, end lie within 0\.1 mm"):
        InFrame(line, np.eye(4), 0.06)
    spec = teach_frame(points(), SHOWN, 0.06)
    flat = {"rim": (0.4, 0, 0), "handle": (0.5, 0, 0), "base": (0.6, 0, 0), "logo": (0.7, 0, 0)}
    assert "of one line" in plan_grasps(points(**flat), spec, "base", 7).refusal
    with pytest.raises(InvalidInputError, match="2 points \\(tip, neck\\): three or more"):
        InFrame({"tip": (0, 0, 0), "neck": (1, 0, 0)}, np.eye(4), 0.06)


def test_points_of_another_thing_are_refused_with_the_worst_one() -> None:
    spec = teach_frame(points(), SHOWN, 0.06)
    moved = points(handle=(0.54, 0.02, 0.06))
    refusal = plan_grasps(moved, spec, "base", 7).refusal
    assert "most handle with" in refusal
    assert "20 mm is allowed" in refusal
    little = plan_grasps(points(handle=(0.45, 0.02, 0.06)), spec, "base", 7).goals[0]
    assert 0 < little.terms["fit"] < 1


def test_a_frame_too_uncertain_is_rejected_with_its_angle() -> None:
    spec = teach_frame(points(), SHOWN, 0.06)
    config = GraspConfig(max_turn_sigma=0.5)
    assert "0.5° is allowed" in plan_grasps(points(), spec, "base", 7, config=config).refusal


def test_an_opening_beyond_the_stroke_is_rejected(gripper) -> None:
    spec = teach_frame(points(), SHOWN, 0.2)
    nothing = Surroundings(np.zeros((0, 3)), gripper)
    refusal = plan_grasps(points(), spec, "base", 7, surroundings=nothing).refusal
    assert "opening 200 mm needed, the gripper has 85" in refusal


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": {**PLACES, "rim": (0, np.nan, 0)}}, "rim: position"),
        ({"points": {**PLACES, "": (0, 0, 0)}}, "label"),
        ({"taught_from_gripper": np.zeros((4, 4))}, "taught"),
        ({"opening": 0.0}, "opening 0.0 m"),
        ({"opening": float("nan")}, "opening nan m"),
    ],
)
def test_what_is_not_valid_is_refused(change: dict, words: str) -> None:
    valid = {"points": PLACES, "taught_from_gripper": np.eye(4), "opening": 0.06}
    with pytest.raises(InvalidInputError, match=words):
        InFrame(**{**valid, **change})
