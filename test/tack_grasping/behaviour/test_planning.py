# SPDX-License-Identifier: Apache-2.0
"""Goals of what is seen: a block on a table, grasped by its top and put somewhere."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from scripted import CAMERA, SOURCE, render, render_boxes

from tack_grasping.behaviour.planning import PointPlanner, placer, placer_at, places_of
from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.candidates import AcrossPoints, SurfacePlannerConfig
from tack_grasping.candidates.beside import beside
from tack_grasping.placing.reading import read_place_spec
from tack_grasping.placing.scene import Container
from tack_grasping.points import NamedPoint
from tack_grasping.profiles import load_profile
from tack_grasping.reach import posture_score
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

PROFILE = load_profile("panda_2f85")
EYE = geometry.frame_from_axes(
    (0.0, 0.05, -1.0), (1.0, 0.0, 0.0), (SOURCE[0], SOURCE[1] - 0.03, 0.5)
)
DOWN = SurfacePlannerConfig(approach="down", insertion=0.015)
TASK = PickPlaceTask("top", "somewhere")
UPRIGHT_AT = """
name: spot
constraints:
  - point_at: {point: top, at: {position: [0.5, -0.2, 0.06], frame: panda_link0}, tolerance: 5 mm}
"""
IN_BIN = """
name: bin
constraints:
  - in: {bin: bin, drop: 60 mm, margin: 10 mm}
"""


@pytest.fixture
def sight() -> Sight:
    depth = render(EYE, (SOURCE,))
    frame = RGBDFrame(np.zeros((*depth.shape, 3), np.uint8), depth, CAMERA, 7, "camera")
    middle = CAMERA.project(geometry.apply(geometry.inverse(EYE), (*SOURCE[:2], 0.05)))
    u, v = np.rint(middle).astype(int)
    top = geometry.apply(EYE, CAMERA.deproject((u, v), float(depth[v, u])))
    point = NamedPoint("top", top, np.eye(3) * 1e-6, 0.9, np.array([0.0, 0.0, 1.0]))
    return Sight(frame, EYE, (Thing({"top": point}),))


def plan(sight: Sight, planner: PointPlanner):
    return planner.plan(sight, sight.things[0], TASK)


def test_a_point_is_grasped_from_above_and_put_where_it_shall_be(sight: Sight) -> None:
    place = placer(read_place_spec(UPRIGHT_AT), places_of(PROFILE))
    found = plan(sight, PointPlanner(PROFILE, place=place, config=DOWN))
    assert found.goals, found.refusal
    top = sight.things[0].points["top"].position
    for goal in found.goals:
        np.testing.assert_allclose(goal.grasp[:3, 2], (0, 0, -1), atol=1e-9)
        motion = goal.place @ geometry.inverse(goal.grasp)
        np.testing.assert_allclose(geometry.apply(motion, top), (0.5, -0.2, 0.06), atol=2e-3)
        assert geometry.rotation_angle(motion) < 1e-6  # nothing asks for a turn
        assert goal.preplace[2, 3] > goal.place[2, 3]


def test_a_pose_is_where_the_point_goes_and_how_far_the_thing_turns(sight: Sight) -> None:
    wanted = geometry.from_axis_angle((0, 0, 1), 0.7, (0.45, 0.1, 0.07))
    found = plan(sight, PointPlanner(PROFILE, place=placer_at("top", wanted), config=DOWN))
    motion = found.goals[0].place @ geometry.inverse(found.goals[0].grasp)
    top = sight.things[0].points["top"].position
    np.testing.assert_allclose(geometry.apply(motion, top), wanted[:3, 3], atol=1e-9)
    assert geometry.rotation_angle(motion) == pytest.approx(0.7)


def test_several_points_may_say_how_it_is_grasped(sight: Sight) -> None:
    top = sight.things[0].points["top"]
    sides = {
        name: NamedPoint(name, top.position + np.array([0.0, y, -0.005]), np.eye(3) * 1e-6)
        for name, y in (("left", 0.02), ("right", -0.02))
    }
    thing = Thing({"top": top, **sides})
    planner = PointPlanner(PROFILE, AcrossPoints("left", "right"), config=DOWN)
    found = planner.plan(sight, thing, TASK)
    assert found.goals, found.refusal
    assert abs(found.goals[0].grasp[1, 1]) == pytest.approx(1, abs=1e-6)  # it closes along y


def test_a_place_that_cannot_be_met_is_refused_in_words(sight: Sight) -> None:
    spec = read_place_spec(UPRIGHT_AT.replace("panda_link0", "moon"))
    found = plan(sight, PointPlanner(PROFILE, place=placer(spec, places_of(PROFILE)), config=DOWN))
    assert not found.goals
    assert "moon" in found.refusal


def reach(allowed: Callable[[np.ndarray], bool]) -> Callable[[np.ndarray], float]:
    return lambda pose: float(allowed(pose))


def test_what_the_arm_does_not_reach_is_rejected_with_where_it_is(sight: Sight) -> None:
    place = placer(read_place_spec(UPRIGHT_AT), places_of(PROFILE))
    near = PointPlanner(PROFILE, None, place, reach(lambda pose: pose[1, 3] > -0.1), DOWN)
    found = plan(sight, near)
    assert not found.goals
    assert "does not reach the place 'spot'" in found.refusal
    assert any("place cannot be reached: (0.50, -0.20" in one.reason for one in found.rejected)


def test_a_thing_that_may_lie_any_way_is_turned_so_that_the_arm_reaches(sight: Sight) -> None:
    bins = {
        "bin": Container(geometry.make_transform(np.eye(3), (0.5, -0.25, 0.01)), (0.3, 0.3, 0.05))
    }
    place = placer(read_place_spec(IN_BIN), places_of(PROFILE, bins))
    as_it_is = plan(sight, PointPlanner(PROFILE, None, place, None, DOWN)).goals
    closing = [goal.place[:3, 1] for goal in as_it_is]

    def other_way(pose: np.ndarray) -> bool:
        at_bin = pose[1, 3] < -0.1
        return not at_bin or all(abs(pose[:3, 1] @ one) < 0.5 for one in closing[:1])

    found = plan(sight, PointPlanner(PROFILE, None, place, reach(other_way), DOWN))
    assert found.goals, found.refusal
    for goal in found.goals:
        assert other_way(goal.place)


def test_an_arm_at_a_limit_is_placed_badly() -> None:
    limits = next(iter(PROFILE.joints.values()))
    at_limit = PROFILE.home.copy()
    at_limit[0] = limits.upper
    assert posture_score(PROFILE, at_limit) == pytest.approx(0.3)
    assert 0.3 < posture_score(PROFILE, PROFILE.home) <= 1.0
    assert not math.isnan(posture_score(PROFILE, PROFILE.home))


def test_a_doubtful_point_will_do_where_the_task_says_so(sight: Sight) -> None:
    [thing] = sight.things
    point = dataclasses.replace(thing.points["top"], confidence=0.15)
    doubtful = Thing({"top": point})
    planner = PointPlanner(PROFILE, config=DOWN)
    assert "confidence 0.15" in planner.plan(sight, doubtful, TASK).refusal
    task = dataclasses.replace(TASK, doubtful=0.1)
    assert planner.plan(sight, doubtful, task).goals
    assert not planner.plan(sight, doubtful, dataclasses.replace(TASK, doubtful=0.2)).goals


KNOB = np.array([0.5, 0.02])  # m, in the middle of a dome that is too wide for the fingers


@pytest.fixture
def dome() -> Sight:
    """A dome of 18 cm with a knob of 18 mm on its top, and a point on it beside the knob."""
    eye = geometry.frame_from_axes((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (*KNOB, 0.6))

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = np.hypot(x - KNOB[0], y - KNOB[1])
        return np.sqrt(np.maximum(0.09**2 - away**2, 0.0)) + 0.012 * (away < 0.009)

    camera = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
    pixels = np.indices((240, 320))[::-1].reshape(2, -1).T
    rays = geometry.rotate(eye, camera.rays(pixels))
    depth = np.full(len(rays), 0.5)
    for _ in range(50):  # a height field is met where looking down agrees with it
        place = eye[:3, 3] + rays * depth[:, None]
        depth += 0.5 * (eye[2, 3] - depth - height(place[:, 0], place[:, 1]))
    image = depth.reshape(240, 320).astype(np.float32)
    frame = RGBDFrame(np.zeros((240, 320, 3), np.uint8), image, camera, 7, "camera")
    x, y = KNOB + np.array([0.018, 0.012])
    at = np.array([x, y, float(height(x, y))])
    normal = geometry.unit(at - (*KNOB, 0.0), "normal")
    point = NamedPoint("top", at, np.eye(3) * 1e-6, 0.6, normal)
    return Sight(frame, eye, (Thing({"top": point}),))


@pytest.mark.parametrize("approach", ["down", "normal"])
def test_where_no_grasp_closes_at_the_point_one_beside_it_will_do(
    dome: Sight, approach: str
) -> None:
    config = dataclasses.replace(DOWN, approach=approach, insertion=0.03, beside=0.025)
    there = dataclasses.replace(config, beside=0.0)
    refused = plan(dome, PointPlanner(PROFILE, config=there))
    assert not refused.goals
    found = plan(dome, PointPlanner(PROFILE, config=config))
    best = found.goals[0]
    assert np.linalg.norm(best.grasp[:2, 3] - KNOB) < 0.006
    assert re.search(r"\d+ mm beside the point, where none closes", best.why)
    assert best.terms["confidence"] < 0.6
    assert [one.reason for one in found.rejected] == [one.reason for one in refused.rejected]
    unsure = dataclasses.replace(dome.things[0].points["top"], confidence=0.05)
    doubtful = dataclasses.replace(dome, things=(Thing({"top": unsure}),))
    assert "confidence 0.05" in plan(doubtful, PointPlanner(PROFILE, config=config)).refusal


def test_places_beside_a_point_hang_on_the_scene_alone() -> None:
    rng = np.random.default_rng(4)
    surface = np.column_stack([rng.uniform(-0.05, 0.05, (4000, 2)), np.zeros(4000)])
    point = NamedPoint("top", np.zeros(3), np.eye(3) * 1e-6, 0.8, np.array([0.0, 0.0, 1.0]))
    places = beside(point, surface, 0.02)
    away = [float(np.linalg.norm(one.position)) for one in places]
    assert away == sorted(away)
    assert away[-1] <= 0.02
    assert len(places) == 16
    np.testing.assert_allclose([one.normal for one in places], [(0, 0, 1)] * 16, atol=1e-9)
    moved = geometry.from_axis_angle((1, 2, 3), 0.7)
    moved[:3, 3] = (0.3, -0.2, 0.5)
    again = beside(point.moved(moved), geometry.apply(moved, surface), 0.02)
    np.testing.assert_allclose(
        [one.position for one in again], [geometry.apply(moved, one.position) for one in places],
        atol=1e-12,
    )  # fmt: skip
    assert beside(point, surface + np.array([1.0, 0.0, 0.0]), 0.02) == []


def test_what_the_arm_does_not_reach_is_not_looked_for_beside_it(sight: Sight) -> None:
    """To be asked about a pose takes an arm a tenth of a second."""
    asked = []
    for reach in (0.0, 0.02):
        poses: list[np.ndarray] = []

        def nowhere(pose: np.ndarray, poses: list[np.ndarray] = poses) -> float:
            poses.append(pose)
            return 0.0

        config = dataclasses.replace(DOWN, beside=reach)
        assert not plan(sight, PointPlanner(PROFILE, reachable=nowhere, config=config)).goals
        asked.append(len(poses))
    assert 0 < asked[0] == asked[1]


@pytest.mark.parametrize("gets_there", [False, True])
def test_beside_a_point_the_arm_is_asked_about_the_best_places_alone(
    dome: Sight, gets_there: bool
) -> None:
    poses: list[np.ndarray] = []

    def reach(pose: np.ndarray) -> float:
        poses.append(pose)
        return float(gets_there)

    config = dataclasses.replace(DOWN, insertion=0.03, beside=0.025)
    found = plan(dome, PointPlanner(PROFILE, reachable=reach, config=config))
    assert bool(found.goals) is gets_there
    assert len(poses) <= 2 * 2 * (DOWN.turns + 2)  # places, half turns, turns


BAR, BOARD = np.array([0.20, 0.03, 0.05]), np.array([0.10, 0.03, 0.20])  # m


def beside_a_board(near: float) -> Sight:
    """A bar along x and a board beside its one half, and a point on that half."""
    boxes = [((0.5, 0.0), BAR), ((0.45, near), BOARD)]
    eye = geometry.frame_from_axes((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.5, 0.0, 0.6))
    depth = render_boxes(eye, boxes)
    frame = RGBDFrame(np.zeros((*depth.shape, 3), np.uint8), depth, CAMERA, 7, "camera")
    top = np.array([0.45, 0.0, BAR[2]])
    point = NamedPoint("top", top, np.eye(3) * 1e-6, 0.9, np.array([0.0, 0.0, 1.0]))
    return Sight(frame, eye, (Thing({"top": point}),))


def clear_of_the_board(pose: np.ndarray) -> float:
    """An arm whose hand touches the board where it stands."""
    return 0.8 if pose[0, 3] > 0.48 else 0.1


def test_where_the_arm_touches_a_tall_neighbour_it_grasps_where_there_is_room() -> None:
    sight = beside_a_board(0.06)
    planner = PointPlanner(PROFILE, reachable=clear_of_the_board, config=DOWN)
    best = plan(sight, planner).goals[0]
    assert best.grasp[0, 3] > 0.48
    assert np.linalg.norm(best.grasp[:2, 3] - (0.45, 0.0)) <= DOWN.aside + 0.005
    assert re.search(r"\d+ mm beside the point, where the arm touches something", best.why)
    # What was found at the point is tried after all of them.
    assert any(goal.grasp[0, 3] < 0.46 for goal in plan(sight, planner).goals)
    there = dataclasses.replace(DOWN, aside=0.0)
    planner = PointPlanner(PROFILE, reachable=clear_of_the_board, config=there)
    assert all(goal.grasp[0, 3] < 0.46 for goal in plan(sight, planner).goals)


def test_nothing_is_grasped_aside_where_one_grasp_at_the_point_is_free() -> None:
    asked: list[np.ndarray] = []

    def reach(pose: np.ndarray) -> float:
        asked.append(pose)
        return 0.8 if len(asked) == 1 else 0.1

    goals = plan(beside_a_board(0.06), PointPlanner(PROFILE, reachable=reach, config=DOWN)).goals
    assert all(goal.grasp[0, 3] < 0.46 for goal in goals)


def test_fingers_do_not_go_into_what_an_image_shows_only_the_top_of() -> None:
    """The board's side is not seen from above, and its top is higher than the fingers."""
    config = dataclasses.replace(DOWN, aside=0.0)
    free = plan(beside_a_board(0.20), PointPlanner(PROFILE, config=config)).goals[0]
    assert free.terms["clearance"] > 0.99
    assert abs(free.grasp[1, 1]) > 0.99  # across the bar
    close = plan(beside_a_board(0.035), PointPlanner(PROFILE, config=config))
    for goal in close.goals:
        reach = goal.width / 2 + PROFILE.gripper.finger_thickness
        assert goal.grasp[1, 3] + reach * abs(goal.grasp[1, 1]) < 0.035
