# SPDX-License-Identifier: Apache-2.0
"""Straight paths, and how far they go."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planning_scenes import GROUP, at, box, down, planner, scene, table, wall

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception import geometry
from tack_sim.planning.requests import (
    CartesianRequest,
    CartesianResult,
    Constraints,
    IKRequest,
    JointConstraint,
)
from tack_sim.planning.scene import PlanningScene

LEFT = down(0.5, 0.25, 0.1)


def standing(now: PlanningScene) -> PlanningScene:
    found = planner().inverse_kinematics(
        IKRequest(GROUP, LEFT, avoid_collisions=True, timeout=30), now
    )
    return now.with_positions(found.positions)


def follow(now: PlanningScene, *waypoints: np.ndarray, **rest: object) -> CartesianResult:
    request = CartesianRequest(GROUP, waypoints, **rest)  # type: ignore[arg-type]
    return planner().cartesian_path(request, now)


def poses(result: CartesianResult) -> list[np.ndarray]:
    assert result.trajectory is not None
    return [planner().robot.kinematics.forward(q) for q in result.trajectory.positions]


def test_the_tip_goes_straight_and_keeps_its_orientation() -> None:
    result = follow(standing(scene(table())), down(0.5, 0.25, 0.3), max_step=0.005)
    assert (result.code, result.fraction, result.message) == (Code.SUCCESS, 1.0, "")
    for pose in poses(result):
        assert np.allclose(pose[:2, 3], LEFT[:2, 3], atol=1e-4)
        assert geometry.rotation_angle(geometry.inverse(LEFT) @ pose) < 1e-3
    assert np.allclose(poses(result)[-1], down(0.5, 0.25, 0.3), atol=1e-5)
    assert np.allclose(poses(result)[0], LEFT, atol=1e-5)


def test_way_points_are_passed_in_order() -> None:
    targets = [down(0.5, 0.25, 0.2), down(0.4, 0.25, 0.2), down(0.4, 0.35, 0.2)]
    result = follow(standing(scene(table())), *targets)
    assert result.fraction == 1
    passed = [
        int(np.argmin([np.abs(pose - target).max() for pose in poses(result)]))
        for target in targets
    ]
    assert passed == sorted(passed)
    for index, target in zip(passed, targets, strict=True):
        assert np.allclose(poses(result)[index], target, atol=5e-3)


def test_an_obstacle_ends_the_path_and_is_named() -> None:
    now = standing(scene(table(), wall()))
    result = follow(now, down(0.5, -0.25, 0.1))
    assert result.code is Code.SUCCESS
    assert 0.02 < result.fraction < 0.6
    assert "wall" in result.message
    end = poses(result)[-1]
    assert end[1, 3] == pytest.approx(0.25 - 0.5 * result.fraction, abs=1e-3)
    assert follow(now, down(0.5, -0.25, 0.1), avoid_collisions=False).fraction == 1


def test_each_way_point_counts_the_same() -> None:
    now = standing(scene(table(), wall()))
    near, beyond = down(0.5, 0.27, 0.1), down(0.5, -0.25, 0.1)
    assert 0.5 < follow(now, near, beyond).fraction < 0.8


def test_the_end_of_reach_ends_the_path() -> None:
    result = follow(standing(scene(table())), down(1.5, 0.25, 0.1))
    assert 0.05 < result.fraction < 0.6
    assert "cannot be reached" in result.message or "jump" in result.message


def test_a_link_beside_the_tip_goes_straight_while_it_turns() -> None:
    now = standing(scene())
    link = "robotiq_85_base_link"
    start = now.base_from_frame(link)
    turned = start @ geometry.from_axis_angle((0, 1, 0), 0.5)
    result = follow(now, turned, link=link)
    assert result.fraction == 1
    robot = planner().robot
    for q in result.trajectory.positions:
        pose = robot.base_from_link(link, robot.with_arm(now.positions, q))
        assert np.allclose(pose[:3, 3], start[:3, 3], atol=5e-4)


def test_a_jump_ends_the_path() -> None:
    now = standing(scene())
    assert follow(now, down(0.5, 0.25, 0.3), revolute_jump_threshold=1e-3).fraction == 0
    some = follow(now, down(0.5, 0.25, 0.3), jump_threshold=1.01)
    assert some.fraction < 1
    assert "jump" in some.message
    assert follow(now, down(0.5, 0.25, 0.3), jump_threshold=5.0).fraction == 1


def test_path_constraints_end_the_path() -> None:
    first = planner().robot.joints[0]
    now = standing(scene())
    limit = Constraints(joints=(JointConstraint(first, now.positions[first], 0.05, 0.05),))
    result = follow(now, down(0.5, 0.0, 0.1), path_constraints=limit)
    assert 0 < result.fraction < 0.5
    assert first in result.message


def test_a_way_point_in_the_frame_of_an_object() -> None:
    now = standing(scene(box("tray", (0.1, 0.1, 0.02), (0.3, 0.3, 0.01))))
    waypoint = np.linalg.inv(at(0.3, 0.3, 0.01)) @ down(0.5, 0.25, 0.2)
    result = follow(now, waypoint, frame="tray")
    assert np.allclose(poses(result)[-1], down(0.5, 0.25, 0.2), atol=1e-4)


NAN = LEFT.copy()
NAN[0, 0] = math.nan


@pytest.mark.parametrize(
    ("waypoints", "rest", "code", "words"),
    [
        ((), {}, Code.INVALID_GOAL_CONSTRAINTS, "at least one"),
        ((LEFT,), {"max_step": 0.0}, Code.INVALID_GOAL_CONSTRAINTS, "max_step"),
        ((LEFT,), {"max_step": 1e-9}, Code.INVALID_GOAL_CONSTRAINTS, "larger max_step"),
        ((LEFT,), {"jump_threshold": -1.0}, Code.INVALID_GOAL_CONSTRAINTS, "jump"),
        ((NAN,), {}, Code.INVALID_GOAL_CONSTRAINTS, "way-point 0"),
        ((LEFT,), {"link": "elbow"}, Code.INVALID_LINK_NAME, "elbow"),
        ((LEFT,), {"frame": "map"}, Code.FRAME_TRANSFORM_FAILURE, "map"),
        ((LEFT,), {"start": {"panda_joint2": 1.7}}, Code.START_STATE_IN_COLLISION, "table"),
    ],
)
def test_queries_that_cannot_be(
    waypoints: tuple[np.ndarray, ...], rest: dict[str, object], code: Code, words: str
) -> None:
    result = follow(scene(table()), *waypoints, **rest)
    assert (result.code, result.fraction, result.trajectory) == (code, 0.0, None)
    assert words in result.message


def test_no_way_at_all_is_a_motion_of_no_length() -> None:
    now = standing(scene(table()))
    result = follow(now, LEFT)
    assert result.fraction == 1
    assert result.trajectory.duration < 0.1
