# SPDX-License-Identifier: Apache-2.0
"""Placements against analytic solutions, and what is said where there is none."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from tack_grasping.placing.scene import Container
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import (
    Axis,
    Box,
    ClearOf,
    Cost,
    Direction,
    In,
    KeepTurn,
    Near,
    On,
    PlaceSpec,
    PointAt,
    Where,
)
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from test.tack_grasping.placing import scenes

UP = (0, 0, 1)
ALONG_X = Direction("vector", (1, 0, 0))
UPRIGHT = Axis("bottom", "rim", tolerance=math.radians(5))
LYING = scenes.pose((0, 1, 0), 90, (0.5, 0.1, 0.04))
TILTED = scenes.pose((0.3, 1, -0.5), 70, (0.4, -0.2, 0.15))


def solve(*constraints, motion=LYING, costs=(), **scene) -> Placement:
    points, cloud = scenes.mug(motion)
    scene = {"cloud": cloud, "supports": {"table": scenes.table()}, **scene}
    return solve_placement(PlaceSpec("test", constraints, costs), points, up=UP, **scene)


def moved(placement: Placement, label: str, motion=LYING) -> np.ndarray:
    assert placement.motion is not None, placement.refusal
    return geometry.apply(placement.motion, scenes.mug(motion)[0][label].position)


def test_a_point_to_a_point_is_a_translation() -> None:
    found = solve(PointAt("handle", Where((0.3, 0.2, 0.5)), 0.005))
    np.testing.assert_allclose(found.motion[:3, :3], np.eye(3), atol=1e-7)
    np.testing.assert_allclose(moved(found, "handle"), (0.3, 0.2, 0.5), atol=1e-7)
    assert [line.met for line in found.report] == [True]


@pytest.mark.parametrize("motion", [LYING, TILTED, scenes.pose((1, 2, 0), 172, (0.4, 0, 0.3))])
def test_upright_is_the_least_turn(motion: np.ndarray) -> None:
    """About the axis across both directions, by the angle between them, about the middle."""
    found = solve(UPRIGHT, motion=motion)
    axis = motion[:3, 2]
    angle = math.acos(axis[2])
    least = geometry.from_axis_angle(np.cross(axis, UP), angle)
    np.testing.assert_allclose(found.motion[:3, :3], least[:3, :3], atol=1e-6)
    middle = scenes.mug(motion)[1].mean(axis=0)
    np.testing.assert_allclose(geometry.apply(found.motion, middle), middle, atol=1e-6)
    assert found.turn == pytest.approx(angle, abs=1e-6)


def test_exactly_upside_down_has_a_solution() -> None:
    found = solve(UPRIGHT, motion=scenes.pose((1, 0, 0), 180, (0.4, 0, 0.1)))
    assert found.turn == pytest.approx(math.pi, abs=1e-6)
    assert found.report[0].value == pytest.approx(0, abs=1e-6)


def test_a_lying_axis_turns_by_what_is_missing() -> None:
    motion = scenes.pose((0, 1, 0), 30, (0.4, 0, 0.1))  # 30° from up; 90° are wanted
    level = Axis("bottom", "rim", angle=math.pi / 2, tolerance=math.radians(3))
    found = solve(level, motion=motion)
    np.testing.assert_allclose(found.motion[:3, :3], scenes.pose((0, 1, 0), 60)[:3, :3], atol=1e-6)


@pytest.mark.parametrize("motion", [LYING, TILTED])
def test_upright_with_the_handle_along_x_is_one_orientation(motion: np.ndarray) -> None:
    heading = Axis("bottom", "handle", along=ALONG_X, level=True, tolerance=math.radians(10))
    found = solve(UPRIGHT, heading, motion=motion)
    # The mug as it is made stands upright with its handle along x.
    turned_back = found.motion[:3, :3] @ motion[:3, :3]
    np.testing.assert_allclose(turned_back, np.eye(3), atol=1e-7)


def test_an_axis_looks_at_a_place() -> None:
    spot = Where((0.5, 0.1, 0.3))
    face = Where((0.9, 0.6, 0.8))
    found = solve(PointAt("bottom", spot, 0.005), Axis("bottom", "rim", towards=face))
    rim, bottom = moved(found, "rim"), moved(found, "bottom")
    np.testing.assert_allclose(bottom, spot.position, atol=1e-7)
    looks = np.subtract(face.position, bottom)
    np.testing.assert_allclose((rim - bottom) / 0.1, looks / np.linalg.norm(looks), atol=1e-6)


def test_two_points_on_another_object() -> None:
    """A mug hung on a peg: one point there, and an axis along the peg."""
    peg = {"root": scenes.point("root", (0.7, 0, 0.3)), "tip": scenes.point("tip", (0.6, 0, 0.36))}
    hang = PointAt("middle", Where(object="peg", point="tip", above=0.01), 0.005)
    along = Axis(
        "middle", "handle", along=Direction("object", object="peg", start="root", end="tip")
    )
    found = solve(hang, along, motion=TILTED, others={"peg": peg})
    middle, handle = moved(found, "middle", TILTED), moved(found, "handle", TILTED)
    np.testing.assert_allclose(middle, (0.6, 0, 0.37), atol=1e-7)
    wanted = np.array([-0.1, 0, 0.06]) / math.hypot(0.1, 0.06)
    axis = (handle - middle) / np.linalg.norm(handle - middle)
    np.testing.assert_allclose(axis, wanted, atol=1e-7)
    # Of all turns about the peg, the least: no turn about the axis between now and then is left.
    for degrees in (-1, 1):
        other = scenes.pose(wanted, degrees) @ found.motion
        assert geometry.rotation_angle(other) > found.turn


def test_two_pairs_of_points_meet() -> None:
    target = {"a": scenes.point("a", (0.6, 0, 0.3)), "b": scenes.point("b", (0.6, 0.06, 0.38))}
    found = solve(
        PointAt("bottom", Where(object="hook", point="a"), 0.005),
        PointAt("rim", Where(object="hook", point="b"), 0.005),
        others={"hook": target},
    )
    for label, where in (("bottom", "a"), ("rim", "b")):
        np.testing.assert_allclose(moved(found, label), target[where].position, atol=1e-7)


@pytest.mark.parametrize("gap", [0.0, 0.003])
def test_the_lowest_point_of_the_cloud_touches_the_table(gap: float) -> None:
    found = solve(
        On("table", 0.005, gap=gap), supports={"table": scenes.table(0.07)}, motion=TILTED
    )
    cloud = geometry.apply(found.motion, scenes.mug(TILTED)[1])
    assert cloud[:, 2].min() == pytest.approx(0.07 + gap, abs=1e-9)
    lowest = scenes.mug(TILTED)[1][:, 2].min()
    np.testing.assert_allclose(found.motion, scenes.pose(at=(0, 0, 0.07 + gap - lowest)), atol=1e-7)


def test_a_named_point_may_be_what_touches() -> None:
    found = solve(UPRIGHT, On("table", 0.005, point="bottom"), motion=TILTED)
    assert moved(found, "bottom", TILTED)[2] == pytest.approx(0, abs=1e-9)
    assert found.report[1].sigma == pytest.approx(0.001, rel=0.1)


def test_it_stands_within_the_rectangle_and_goes_no_farther_than_it_must() -> None:
    found = solve(
        UPRIGHT,
        On("table", 0.005, centre=(0.2, 0.1), size=(0.2, 0.3), margin=0.01),
        motion=scenes.pose(at=(0.6, 0.1, 0.2)),
    )
    cloud = geometry.apply(found.motion, scenes.mug(scenes.pose(at=(0.6, 0.1, 0.2)))[1])
    assert cloud[:, 0].max() == pytest.approx(0.29, abs=1e-6)
    np.testing.assert_allclose(found.motion[:3, :3], np.eye(3), atol=1e-6)
    assert found.motion[1, 3] == pytest.approx(0, abs=1e-6)


def test_in_the_middle_of_a_bin() -> None:
    floor = scenes.pose((0, 0, 1), 20, (0.3, -0.4, 0.02))
    found = solve(In("bin", drop=0.04), bins={"bin": Container(floor, (0.3, 0.2, 0.1))})
    np.testing.assert_allclose(found.motion[:3, :3], np.eye(3), atol=1e-6)
    cloud = geometry.apply(geometry.inverse(floor) @ found.motion, scenes.mug(LYING)[1])
    room = (cloud.max(axis=0) + cloud.min(axis=0))[:2]
    np.testing.assert_allclose(room, 0, atol=1e-5)
    assert cloud[:, 2].min() == pytest.approx(0.02, abs=1e-5)
    walls, drop = found.report
    assert walls.value < -0.04
    assert drop.value == pytest.approx(-0.02, abs=1e-5)


def test_a_bin_that_is_too_narrow_this_way_makes_it_turn() -> None:
    """10 cm long and 8 cm thick, in a bin of 9 cm by 20 cm, lying across."""
    bins = {"bin": Container(scenes.pose(at=(0.3, 0, 0)), (0.09, 0.2, 0.1))}
    found = solve(In("bin", tolerance=0.001), bins=bins)
    cloud = geometry.apply(found.motion, scenes.mug(LYING)[1]) - (0.3, 0, 0)
    assert np.abs(cloud[:, 0]).max() < 0.0461
    assert found.turn > math.radians(20)


def test_clear_of_a_box_and_of_an_object() -> None:
    standing = scenes.pose(at=(0.4, 0, 0))
    box = Box((0.4, 0.07, 0.05), (0.1, 0.1, 0.1))
    near = Near("bottom", Where((0.4, 0.0, 0.0)), 0.2)
    found = solve(near, ClearOf(0.03, box=box), motion=standing)
    cloud = geometry.apply(found.motion, scenes.mug(standing)[1])
    outside = np.maximum(np.abs(cloud - box.position) - 0.05, 0)
    assert np.linalg.norm(outside, axis=1).min() >= 0.03 - 1e-6
    post = {"top": scenes.point("top", (0.47, 0, 0.05))}
    found = solve(near, ClearOf(0.05, object="post"), motion=standing, others={"post": post})
    cloud = geometry.apply(found.motion, scenes.mug(standing)[1])
    distances = np.linalg.norm(cloud - post["top"].position, axis=1)
    assert distances.min() == pytest.approx(0.05, abs=1e-4)
    assert found.motion[0, 3] < 0


def test_a_wish_gives_way_to_constraints() -> None:
    wish = Cost(Near("bottom", Where((1.0, 0.3, 0.0)), 0.05, level=True))
    motion = scenes.pose(at=(0.3, 0.1, 0))
    found = solve(Near("bottom", Where((0.3, 0.1, 0)), 0.1), On("table", 0.005), costs=(wish,),
                  motion=motion)  # fmt: skip
    direction = np.array([0.7, 0.2, 0]) / math.hypot(0.7, 0.2)
    np.testing.assert_allclose(moved(found, "bottom", motion), (0.3, 0.1, 0) + 0.1 * direction,
                               atol=2e-4)  # fmt: skip
    assert [found.costs[0].met, found.report[0].met] == [False, True]


def test_turning_little_may_be_a_constraint() -> None:
    assert solve(UPRIGHT, KeepTurn(math.radians(91))).refusal == ""
    found = solve(UPRIGHT, KeepTurn(math.radians(60)))
    assert "'bottom→rim up' and 'turned little' contradict each other" in found.refusal


def test_from_another_start() -> None:
    """Held by the gripper in another way: turning is counted from there."""
    start = scenes.pose((0, 0, 1), 90, (0.1, 0, 0))
    found = solve(UPRIGHT, start=start)
    plain = solve(UPRIGHT)
    assert abs(geometry.rotation_angle(found.motion) - plain.turn) > 0.1
    assert geometry.rotation_angle(found.motion @ geometry.inverse(start)) == pytest.approx(
        math.pi / 2, abs=1e-6
    )


@pytest.mark.parametrize(("apart", "met"), [(0.1 + 0.01999, True), (0.1 + 0.02001, False)])
def test_the_edge_of_the_tolerances(apart: float, met: bool) -> None:
    """Two places 20 mm farther apart than the points: each may be off by 10 mm."""
    found = solve(
        PointAt("bottom", Where((0, 0, 0)), 0.01), PointAt("rim", Where((0, 0, apart)), 0.01)
    )
    assert (found.motion is not None) is met
    assert [line.met for line in found.report] == [met, met]


@pytest.mark.parametrize(("degrees", "met"), [(19.99, True), (20.01, False)])
def test_the_edge_of_an_angle(degrees: float, met: bool) -> None:
    """An axis that shall be along two directions: half-way between them."""
    other = Direction(
        "vector", (math.sin(math.radians(degrees)), 0, math.cos(math.radians(degrees)))
    )
    tolerance = math.radians(10)
    found = solve(
        Axis("bottom", "rim", tolerance=tolerance),
        Axis("bottom", "rim", along=other, tolerance=tolerance),
    )
    assert (found.motion is not None) is met
    assert found.report[0].value == pytest.approx(math.radians(degrees / 2), abs=1e-3)


def test_tolerances_weigh_against_each_other() -> None:
    """Two places for one point: it comes nearer to that with the smaller tolerance."""
    found = solve(PointAt("rim", Where((0, 0, 0)), 0.01), PointAt("rim", Where((0.02, 0, 0)), 0.03))
    assert [line.met for line in found.report] == [True, True]
    assert moved(found, "rim")[0] == pytest.approx(0.02 * 0.01**2 / (0.01**2 + 0.03**2), abs=1e-6)


def test_a_contradiction_names_both_sides_and_what_would_help() -> None:
    found = solve(
        UPRIGHT,
        Axis("bottom", "rim", along=ALONG_X, tolerance=math.radians(5)),
        PointAt("bottom", Where((0.5, 0, 0)), 0.01),
    )
    assert found.motion is None
    assert math.isnan(found.turn)
    assert "'bottom→rim up' and 'bottom→rim along (1, 0, 0)' contradict each other" in found.refusal
    assert "off by 45°, 5° is allowed" in found.refusal
    assert [line.met for line in found.report] == [False, False, True]
    nearly = solve(
        PointAt("bottom", Where((0, 0, 0)), 0.01), PointAt("rim", Where((0, 0, 0.13)), 0.01)
    )
    assert "with tolerances 1.5 times as wide" in nearly.refusal


def test_what_cannot_be_met_alone_is_named_alone() -> None:
    bins = {"bin": Container(np.eye(4), (0.05, 0.05, 0.1))}
    found = solve(In("bin"), UPRIGHT, bins=bins)
    assert "'within the walls of bin' cannot be met even alone" in found.refusal


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (PointAt("spout", Where(), 0.01), r"point 'spout' was not found; known are bottom, handle"),
        (Axis("rim"), r"normal at 'rim' is not known; name two points"),
        (On("shelf", 0.01), r"support 'shelf' was not found; known are table"),
        (In("bin"), r"bin 'bin' was not found; known are none"),
        (PointAt("rim", Where(frame="map"), 0.01), r"frame 'map' was not found"),
        (PointAt("rim", Where(object="peg", point="tip"), 0.01), r"object 'peg' was not found"),
        (ClearOf(0.1, object="peg"), r"object 'peg' was not found"),
        (ClearOf(0.1, object="post"), r"no point of post is known"),
        (ClearOf(0.1, object="cup", points=("lid",)), r"point of cup 'lid' was not found"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_is_known(constraint, words: str) -> None:
    found = solve(UPRIGHT, constraint, others={"post": {}, "cup": scenes.mug()[0]})
    assert found.motion is None
    assert found.report == ()
    assert re.search(words, found.refusal), found.refusal


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"up": (0, 0, 0)}, "up direction"),
        ({"cloud": np.full((5, 3), np.nan)}, r"cloud of shape \(5, 3\): finite"),
        ({"cloud": np.zeros((5, 2))}, r"cloud of shape \(5, 2\)"),
        ({"points": {}}, "no named point"),
        ({"frames": {"base": np.zeros((4, 4))}}, "frame base"),
        ({"start": np.zeros((3, 3))}, "start"),
    ],
)
def test_values_that_are_not_valid_are_refused(change: dict, words: str) -> None:
    valid = {"points": scenes.mug()[0], "up": UP}
    with pytest.raises(InvalidInputError, match=words):
        solve_placement(PlaceSpec("test", (UPRIGHT,)), **{**valid, **change})
