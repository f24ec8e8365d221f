# SPDX-License-Identifier: Apache-2.0
"""Candidates on things of known shape."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.candidates import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    GraspConfig,
    GraspPlan,
    plan_grasps,
    teach_frame,
)
from tack_grasping.fingers import Surroundings
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

UP = (0.0, 0.0, 1.0)
DEEP = GraspConfig(insertion=0.02)


def grasp(points, spec, cloud=None, gripper=None, floor=0.002, **options) -> GraspPlan:
    surroundings = None if cloud is None else Surroundings(cloud, gripper, floor)
    return plan_grasps(
        points, spec, "base", 7, **{"up": UP, "surroundings": surroundings, **options}
    )


def closing(plan: GraspPlan) -> np.ndarray:
    return plan.goals[0].grasp[:3, 1]


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.2, 2.5])
def test_fingers_close_across_a_lying_rod(rod, gripper, named, yaw) -> None:
    plan = grasp(
        named(rod=(0, 0, 0.05)), AtPoint("rod", "down"), rod(yaw=yaw), gripper, config=DEEP
    )
    along = (math.cos(yaw), math.sin(yaw), 0)
    assert abs(closing(plan) @ along) < math.sin(math.radians(3))
    best = plan.goals[0]
    assert "across the strongest bend" in best.why
    assert "both sides seen" in best.why
    assert best.terms["antipodality"] > 0.8
    assert best.grasp[2, 3] == pytest.approx(0.03)
    assert best.score == pytest.approx(math.prod(best.terms.values()))
    assert abs(best.grasp[:2, 3] @ (-along[1], along[0])) < 0.001


def test_all_that_was_proposed_is_a_goal_or_has_a_reason(rod, gripper, named) -> None:
    plan = grasp(named(rod=(0, 0, 0.05)), AtPoint("rod", "down"), rod(), gripper, config=DEEP)
    assert len(plan.goals) + len(plan.rejected) >= DEEP.turns
    assert len(plan.rejected) > 1
    for rejected in plan.rejected:
        geometry.check_transform(rejected.frame_from_gripper)
        assert rejected.reason.startswith("turn ")
        assert any(digit.isdigit() for digit in rejected.reason.partition(":")[2])


def test_a_block_too_wide_is_refused_with_both_widths(block, gripper, named) -> None:
    plan = grasp(named(box=(0, 0, 0.05)), AtPoint("box", "down"), block(0.1, 0.1, 0.05), gripper)
    assert not plan.goals
    straight = next(one for one in plan.rejected if abs(one.frame_from_gripper[0, 1]) > 0.99)
    needed = int(straight.reason.partition("opening ")[2].split()[0])
    assert needed == pytest.approx(104, abs=4)
    assert straight.reason.endswith("needed, the gripper has 80")
    assert "mm needed" in plan.refusal
    assert plan.refusal.startswith(f"box: none of {len(plan.rejected)} candidates")


def test_a_side_that_is_seen_to_face_the_finger_is_better_than_a_hidden_one(
    block, gripper, named
) -> None:
    def term(sides: str) -> tuple[float, str]:
        plan = grasp(
            named(bar=(0, 0, 0.05)), AtPoint("bar", "down"), block(0.16, 0.03, 0.05, sides),
            gripper, config=DEEP,
        )  # fmt: skip
        return plan.goals[0].terms["antipodality"], plan.goals[0].why

    (hidden, nothing), (one, single), (both, pair) = term(""), term("-y"), term("-y +y")
    assert 0 < hidden < one < both
    assert both > 0.95
    assert "neither side is seen" in nothing
    assert "one side seen" in single
    assert "both sides seen" in pair


def test_a_roof_is_out_of_the_friction_cone(gripper, named) -> None:
    """Sides that slope by 50° from the vertical would push a gripper from above away."""
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-0.06, 0.06, 9000), rng.uniform(-0.028, 0.028, 9000)
    cloud = np.column_stack([x, y, 0.06 - np.abs(y) / math.tan(math.radians(50))])
    points, spec = named(ridge=(0, 0, 0.06)), AtPoint("ridge", "down")
    config = GraspConfig(insertion=0.02, turns=4, friction=30.5)
    plan = grasp(points, spec, cloud, gripper, config=config)
    across = next(one for one in plan.rejected if abs(one.frame_from_gripper[1, 1]) > 0.99)
    assert "20° out of the friction cone of 30.5°" in across.reason
    rough = dataclasses.replace(config, friction=60)
    assert abs(closing(grasp(points, spec, cloud, gripper, config=rough))[1]) > 0.99


def test_fingers_that_would_hit_something_are_counted(block, gripper, named) -> None:
    rng = np.random.default_rng(2)
    wall = rng.uniform((-0.06, 0.03, 0.0), (0.06, 0.031, 0.06), (4000, 3))
    cloud = np.concatenate([block(0.12, 0.03, 0.05), wall])
    plan = grasp(
        named(bar=(0, 0, 0.05)), AtPoint("bar", "down", opening=0.08), cloud, gripper, config=DEEP
    )
    reasons = [one.reason for one in plan.rejected]
    assert any(
        "fingers would hit" in reason and "cells of the cloud" in reason for reason in reasons
    )


def test_the_palm_needs_room_too(block, gripper, named) -> None:
    tall = block(0.03, 0.03, 0.05, "-y +y")
    post = np.random.default_rng(3).uniform((0.01, -0.01, 0.05), (0.015, 0.01, 0.12), (3000, 3))
    config = GraspConfig(insertion=0.04, turns=1)
    points, spec = named(stub=(0, 0, 0.05)), AtPoint("stub", "down")
    assert grasp(points, spec, tall, gripper, config=config).goals
    plan = grasp(
        points, spec, np.concatenate([tall, np.add(post, (0.004, 0, 0))]), gripper, config=config
    )
    assert any("palm would hit" in one.reason for one in plan.rejected)


def test_two_points_give_the_closing_direction(named) -> None:
    points = named(left=(0.40, 0.10, 0.05), right=(0.43, 0.14, 0.05))
    plan = grasp(points, AcrossPoints("left", "right"))
    (goal,) = plan.goals
    assert_allclose(goal.grasp[:3, 1], (0.6, 0.8, 0), atol=1e-9)
    assert_allclose(goal.grasp[:3, 2], (0, 0, -1), atol=1e-9)
    assert_allclose(goal.grasp[:3, 3], (0.415, 0.12, 0.04), atol=1e-9)
    assert goal.width == pytest.approx(0.05 + 0.02)
    assert goal.label == "left and right"


def test_the_approach_across_two_points_leans_with_their_line(named) -> None:
    points = named(low=(0, 0, 0.10), high=(0.04, 0, 0.13))
    goal = grasp(points, AcrossPoints("low", "high")).goals[0]
    assert_allclose(goal.grasp[:3, 1], (0.8, 0, 0.6), atol=1e-9)
    assert_allclose(goal.grasp[:3, 2], (0.6, 0, -0.8), atol=1e-9)
    upright = named(low=(0, 0, 0.10), high=(0, 0, 0.15))
    assert "lies along the approach" in grasp(upright, AcrossPoints("low", "high")).refusal
    around = grasp(upright, AcrossPoints("low", "high", "around"))
    assert_allclose([abs(goal.grasp[2, 1]) for goal in around.goals], 1, atol=1e-9)
    assert len(around.goals) == 8


def test_points_too_far_apart_are_rejected(named, gripper) -> None:
    points = named(left=(0, -0.0445, 0.05), right=(0, 0.0445, 0.05))
    plan = grasp(points, AcrossPoints("left", "right"), np.zeros((0, 3)), gripper)
    assert [one.reason for one in plan.rejected] == ["opening 93 mm needed, the gripper has 85"]
    narrow = AcrossPoints("left", "right", opening=0.05)
    assert "93 mm needed, 50 is asked for" in grasp(points, narrow).refusal
    wide = AcrossPoints("left", "right", opening=0.2)
    assert "opening 200 mm needed" in grasp(points, wide, np.zeros((0, 3)), gripper).refusal


def test_the_gripper_comes_along_two_points(named) -> None:
    points = named(cap=(0.4, 0, 0.2), heel=(0.4, 0.1, 0.1))
    for at, where in (("start", points["cap"].position), ("end", points["heel"].position)):
        goal = grasp(points, AlongPoints("cap", "heel", at)).goals[0]
        assert_allclose(goal.grasp[:3, 2], geometry.unit((0, 1, -1)), atol=1e-9)
        assert_allclose(goal.grasp[:3, 3], where + 0.01 * goal.grasp[:3, 2], atol=1e-9)
    near = named(cap=(0.4, 0, 0.2), heel=(0.4, 0, 0.2005))
    assert "0.5 mm apart" in grasp(near, AlongPoints("cap", "heel")).refusal


def test_the_arm_chooses_between_half_turns(named) -> None:
    points = named(left=(0, -0.02, 0.05), right=(0, 0.02, 0.05))
    spec = AcrossPoints("left", "right")
    plain = grasp(points, spec).goals[0]
    turned = grasp(points, spec, reachable=lambda pose: 0.4 if pose[1, 1] > 0 else 0.7).goals[0]
    assert_allclose(turned.grasp[:3, 1], -plain.grasp[:3, 1], atol=1e-9)
    assert_allclose(turned.grasp[:3, 2:], plain.grasp[:3, 2:], atol=1e-9)
    assert turned.terms["reachability"] == 0.7
    nowhere = grasp(points, spec, reachable=lambda pose: 0.0)
    assert "cannot be reached" in nowhere.rejected[0].reason
    for wrong in (math.nan, 1.5, -0.1):
        with pytest.raises(InvalidInputError, match="0 \\(cannot be reached\\) to 1"):
            grasp(points, spec, reachable=lambda pose, wrong=wrong: wrong)


def upright(pose: np.ndarray) -> bool:
    return -pose[2, 2] > math.cos(math.radians(5))


def test_where_the_arm_touches_something_upright_the_palm_leans(rod, gripper, named) -> None:
    def reach(pose: np.ndarray) -> float:
        return 0.15 if upright(pose) else 0.8

    def plan(**settings: float) -> GraspPlan:
        return grasp(
            named(rod=(0, 0, 0.05)), AtPoint("rod", "down"), rod(yaw=0.3), gripper,
            reachable=reach, config=dataclasses.replace(DEEP, **settings),
        )  # fmt: skip

    best = plan().goals[0]
    tilt = math.degrees(math.acos(-best.grasp[2, 2]))
    assert tilt == pytest.approx(25.0)
    assert "leaning by 25°, upright the arm touches something" in best.why
    assert abs(best.grasp[2, 1]) < 1e-9  # both fingers are as high
    assert abs(best.grasp[:3, 1] @ (math.cos(0.3), math.sin(0.3), 0)) < math.sin(math.radians(3))
    sides = {np.sign(g.grasp[:3, 2] @ (math.cos(0.3), math.sin(0.3), 0)) for g in plan().goals[:2]}
    assert sides == {-1, 1}
    assert all(upright(goal.grasp) for goal in plan(lean=0.0).goals)
    assert math.degrees(math.acos(-plan(lean=15.0).goals[0].grasp[2, 2])) == pytest.approx(15.0)


def test_no_palm_leans_where_one_grasp_is_free_or_nobody_knows(rod, gripper, named) -> None:
    free_one: list[np.ndarray] = []

    def reach(pose: np.ndarray) -> float:
        if not free_one:
            free_one.append(pose)
        return 0.8 if np.allclose(pose, free_one[0]) else 0.15

    for reachable in (None, reach):
        plan = grasp(
            named(rod=(0, 0, 0.05)), AtPoint("rod", "down"), rod(yaw=0.3), gripper,
            reachable=reachable, config=DEEP,
        )  # fmt: skip
        assert all(upright(goal.grasp) for goal in plan.goals)


def test_missing_points_are_named_with_those_that_are_known(named) -> None:
    points = named(rim=(0, 0, 0), handle=(0.05, 0, 0))
    plan = grasp(points, AcrossPoints("rim", "base"))
    assert "'base' is not known (known: handle, rim)" in plan.refusal
    doubtful = {"rim": dataclasses.replace(points["rim"], confidence=0.1), "base": points["handle"]}
    assert "rim: confidence 0.10" in grasp(doubtful, AcrossPoints("rim", "base")).refusal


def test_down_needs_up(named) -> None:
    points = named(rim=(0, 0, 0), base=(0.05, 0, 0))
    for spec in (AtPoint("rim", "down"), AcrossPoints("rim", "base")):
        with pytest.raises(InvalidInputError, match="up is known"):
            grasp(points, spec, up=None)
    goal = grasp(points, AcrossPoints("rim", "base", "normal"), up=None).goals[0]
    assert_allclose(goal.lift[:3, 3] - goal.grasp[:3, 3], (0, 0, 0.1), atol=1e-9)
    assert "tilt" not in goal.terms


def test_uncertain_points_are_rejected_with_numbers(named) -> None:
    spec = AcrossPoints("left", "right")
    places = {"left": (0, -0.035, 0.05), "right": (0, 0.035, 0.05)}
    scores = [grasp(named(sigma, **places), spec).goals[0] for sigma in (1e-4, 2e-3, 4e-3)]
    certainties = [goal.terms["certainty"] for goal in scores]
    assert certainties == sorted(certainties, reverse=True)
    assert certainties[0] > 0.99
    plan = grasp(named(0.012, **places), spec, config=GraspConfig(min_certainty=0.9))
    assert "closes on the thing with a chance of 38%, 90% is wanted" in plan.refusal
    assert "8.8 mm along the closing direction" in plan.refusal
    short = {"left": (0, -0.005, 0.05), "right": (0, 0.005, 0.05)}
    assert "direction known to" in grasp(named(0.004, **short), spec).refusal


def test_a_hidden_side_does_not_stop_a_grasp_across_points(named, gripper) -> None:
    points = named(left=(0, -0.02, 0.05), right=(0, 0.02, 0.05))
    plan = grasp(points, AcrossPoints("left", "right"), np.zeros((0, 3)), gripper)
    assert "nothing is seen between the fingers" in plan.goals[0].why
    at = grasp(points, AtPoint("left", "down"), np.zeros((0, 3)), gripper)
    assert "nothing to close on" in at.refusal


def test_fingers_stay_above_the_floor_however_they_lean(named, gripper) -> None:
    points = named(low=(0, 0, 0.015), high=(0.03, 0, 0.035))
    nothing = np.zeros((0, 3))
    plan = grasp(points, AcrossPoints("low", "high"), nothing, gripper, floor=0.0)
    (goal,) = plan.goals
    corner = goal.grasp[:3, 3] - goal.grasp[:3, 1] * (goal.width / 2 + gripper.finger_thickness)
    assert corner[2] == pytest.approx(0.0, abs=1e-9)
    level = named(left=(0, -0.02, 0.008), right=(0, 0.02, 0.008))
    around = grasp(level, AcrossPoints("left", "right", "around"), nothing, gripper, floor=0.0)
    reasons = [one.reason for one in around.rejected]
    assert any("2 mm below the floor" in reason for reason in reasons)
    assert around.goals


def test_a_taught_grasp_below_the_floor_is_rejected(named, gripper) -> None:
    points = named(a=(0, 0, 0.05), b=(0.05, 0, 0.05), c=(0, 0.05, 0.05))
    down = np.diag([1.0, -1.0, -1.0, 1.0])
    spec = teach_frame(points, down, 0.06)
    plan = grasp(points, spec, np.zeros((0, 3)), gripper, floor=0.005)
    assert "fingers would be 5 mm below the floor" in plan.refusal
    assert grasp(points, spec, np.zeros((0, 3)), gripper, floor=-0.005).goals
