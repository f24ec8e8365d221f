# SPDX-License-Identifier: Apache-2.0
"""Boxes, hulls and the robot's solids against what geometry says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_grasping.profiles import load_profile
from tack_grasping.robot import KeepOut
from tack_grasping.scene import (
    Obstacle,
    RobotBox,
    RobotCapsule,
    SceneConfig,
    Table,
    chain_shapes,
    check_workspace,
    gripper_shapes,
)
from tack_grasping.scene.fitting import fit_obstacle
from tack_grasping.scene.obstacle import hull_of
from tack_grasping.scene.plan_map import Region
from tack_grasping.scene.robot_shapes import on_robot
from tack_grasping.scene.splitting import split
from tack_grasping.scene.target import take_target
from tack_perception import geometry
from tack_perception.errors import InvalidInputError

POSE = geometry.exp((0.4, -0.2, 0.3, 0.3, -0.5, 0.9))
SIDES = np.array([0.2, 0.1, 0.06])
CUBE = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * SIDES / 2


@given(st.integers(0, 2**31))
def test_a_box_and_the_hull_of_its_corners_are_the_same(seed):
    rng = np.random.default_rng(seed)
    box = Obstacle("box", POSE, SIDES)
    hull = hull_of("hull", [*CUBE, *rng.uniform(-0.4, 0.4, (20, 3)) * SIDES], POSE)
    assert hull.volume == pytest.approx(box.volume)
    assert len(hull.vertices) == 8
    points = geometry.apply(POSE, rng.uniform(-0.7, 0.7, (200, 3)) * SIDES)
    np.testing.assert_array_equal(box.contains(points), hull.contains(points))
    assert hull.contains(points, 0.3).all()
    assert box.contains(box.corners, 1e-9).all()
    assert hull.contains(hull.corners, 1e-9).all()


def test_triangles_of_a_hull_look_outwards():
    hull = hull_of("hull", CUBE, np.eye(4))
    a, b, c = np.moveaxis(hull.vertices[hull.triangles], 1, 0)
    assert (np.einsum("nc,nc->n", np.cross(b - a, c - a), a) > 0).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "needs a name"),
        ({"size": (0.1, 0.1, 0.0)}, "three lengths above 0"),
        ({"size": (0.1, math.nan, 0.1)}, "three lengths above 0"),
        ({"size": None}, "either a size, or vertices"),
        ({"size": SIDES, "vertices": CUBE, "triangles": [[0, 1, 2]] * 4}, "either a size"),
        ({"size": None, "vertices": CUBE, "triangles": [[0, 1, 8]] * 4}, "each of three of the 8"),
        ({"size": None, "vertices": CUBE * np.inf, "triangles": [[0, 1, 2]] * 4}, "finite"),
        ({"base_from_shape": np.zeros((4, 4))}, "obstacle 'box': base_from_shape"),
    ],
)
def test_what_is_no_solid_is_refused(fields, message):
    given_fields = {"name": "box", "base_from_shape": POSE, "size": SIDES} | fields
    with np.errstate(invalid="ignore"), pytest.raises(InvalidInputError, match=message):
        Obstacle(**given_fields)


def test_capsules_and_boxes_of_the_robot():
    capsule = RobotCapsule((0, 0, 0), (0, 0, 1), 0.1)
    points = np.array([(0.09, 0, 0.5), (0.11, 0, 0.5), (0, 0, 1.09), (0, 0, 1.11), (0, 0, -0.09)])
    np.testing.assert_array_equal(on_robot(points, [capsule]), [True, False, True, False, True])
    assert on_robot(points, [capsule], 0.02).all()
    ball = RobotCapsule((0, 0, 0), (0, 0, 0), 0.1)
    np.testing.assert_array_equal(on_robot(points, [ball]), [False, False, False, False, True])
    box = RobotBox(geometry.from_axis_angle((0, 0, 1), math.pi / 4), np.array([0.2, 0.0, 0.2]))
    assert on_robot(np.array([[0.07, 0.07, 0.0]]), [box], 1e-6)[0]
    assert not on_robot(np.array([[0.07, -0.07, 0.0]]), [box], 1e-6)[0]
    assert not on_robot(points, []).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RobotCapsule((0, 0, math.nan), (0, 0, 1), 0.1),
        lambda: RobotCapsule((0, 0, 0), (0, 0, 1), 0.0),
        lambda: RobotBox(np.eye(4), np.array([0.1, -0.1, 0.1])),
        lambda: RobotBox(np.zeros((4, 4)), np.array([0.1, 0.1, 0.1])),
        lambda: chain_shapes([[0, 0, 0], [0, 0, math.inf]]),
        lambda: chain_shapes([0, 0, 0]),
    ],
)
def test_shapes_of_a_robot_that_cannot_be_are_refused(make):
    with pytest.raises(InvalidInputError):
        make()


def test_the_grippers_shapes_are_where_its_fingers_and_hand_are():
    profile = load_profile("panda_2f85")
    gripper = profile.gripper
    pose = geometry.make_transform(np.diag([1.0, -1, -1]), (0.5, 0.1, 0.05))

    def mine(y, z, **options):
        return on_robot(geometry.apply(pose, [[0, y, z]]), gripper_shapes(profile, pose, **options))

    half = gripper.stroke / 2
    assert mine(half + 0.005, -0.01)[0]
    assert mine(0.0, -0.01)[0]  # fingers may be anywhere
    assert not mine(0.0, -0.01, opening=gripper.stroke)[0]
    assert mine(half + 0.005, -0.01, opening=gripper.stroke)[0]
    assert mine(0.0, -gripper.finger_depth - 0.08)[0]  # the hand
    assert not mine(0.0, 0.005)[0]  # below the tips


def test_a_chain_follows_the_links():
    shapes = chain_shapes([[0, 0, 0], [0, 0, 0.3], [0.3, 0, 0.3]], radius=0.05)
    assert len(shapes) == 2
    assert on_robot(np.array([[0.2, 0.04, 0.3], [0.01, 0, 0.2]]), shapes).all()


def test_poses_outside_of_the_workspace_are_refused_with_a_sentence():
    profile = load_profile("panda_2f85")
    inside = geometry.make_transform(np.diag([1.0, -1, -1]), (0.5, 0.0, 0.1))
    assert check_workspace(profile, inside) == ""
    outside = inside.copy()
    outside[:3, 3] = (0.75, 0.0, -0.02)
    sentence = check_workspace(profile, outside)
    assert "x = 0.750 m is above 0.700 m and z = -0.020 m is below 0.000 m" in sentence
    stand = KeepOut("stand", geometry.make_transform(np.eye(3), (0.5, 0.0, 0.1)), np.full(3, 0.1))
    kept = dataclasses.replace(profile, keep_out=(stand,))
    assert "'stand'" in check_workspace(kept, inside)
    with pytest.raises(InvalidInputError, match="base_from_gripper"):
        check_workspace(profile, np.full((4, 4), np.nan))


@given(st.integers(0, 2**31), st.integers(1, 12))
def test_parts_share_all_columns_and_are_no_more_than_allowed(seed, most):
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, 40, (rng.integers(4, 200), 2)), axis=0) * 0.006
    columns = np.column_stack([cells, rng.uniform(0.01, 0.2, len(cells))])
    parts = split(columns, 0.006, most)
    assert len(parts) <= most
    together = np.concatenate(parts)
    assert len(together) == len(columns)
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(columns, axis=0))


@given(st.integers(0, 2**31), st.sampled_from([0.0, 1.0]))
def test_a_solid_holds_all_columns_with_most_of_the_padding(seed, hull_below):
    rng = np.random.default_rng(seed)
    cell, count = 0.006, int(rng.integers(1, 300))
    cells = np.unique(rng.integers(0, rng.integers(2, 60, 2), (count, 2)), axis=0) * cell
    columns = np.column_stack([cells, rng.uniform(0.01, 0.3, len(cells))])
    table = Table(POSE, 0.0, 0.0, 0.0, 0.001, measured=True)
    config = SceneConfig(hull_below=hull_below)
    solid = fit_obstacle("thing", columns, cell, table, config)
    assert solid.is_box or hull_below == 1
    corners = [
        np.add(columns, (x, y, 0)) for x in (-cell / 2, cell / 2) for y in (-cell / 2, cell / 2)
    ]
    tops = geometry.apply(POSE, np.concatenate(corners))
    assert solid.contains(tops, -0.99 * config.padding).all()
    feet = np.concatenate(corners) * (1, 1, 0)
    assert solid.contains(geometry.apply(POSE, feet), 1e-6).all()
    lowest = geometry.apply(geometry.inverse(POSE), solid.corners)[:, 2].min()
    assert lowest == pytest.approx(0.0, abs=1e-6)


def columns_of(region, blocks):
    """A map with blocks (x, y, length, width, height), m, and the cells of each."""
    tops = np.zeros(region.shape)
    x, y = np.moveaxis(region.middles(np.arange(tops.size)), 1, 0)
    found = []
    for middle_x, middle_y, length, width, height in blocks:
        inside = (np.abs(x - middle_x) < length / 2) & (np.abs(y - middle_y) < width / 2)
        tops.ravel()[inside] = height
        found.append(np.flatnonzero(inside))
    return tops.ravel(), found


@pytest.mark.parametrize(
    ("piece", "noise", "part"),
    [
        ((0.30, 0.30, 0.03, 0.03, 0.02), 0.001, True),  # in the ring's middle
        ((0.30, 0.40, 0.03, 0.03, 0.05), 0.001, True),  # small and right beside it
        ((0.30, 0.44, 0.03, 0.03, 0.05), 0.001, False),  # small, but apart
        ((0.30, 0.46, 0.12, 0.12, 0.05), 0.001, False),  # a neighbour
        ((0.30, 0.43, 0.03, 0.03, 0.02), 0.008, True),  # so low that noise could hide the rest
    ],
)
def test_which_pieces_belong_to_the_target(piece, noise, part):
    region = Region(np.zeros(3), np.array([0.6, 0.6, 0.4]), 0.006)
    ring = [
        (0.30, 0.24, 0.14, 0.02, 0.06), (0.30, 0.36, 0.14, 0.02, 0.06),
        (0.24, 0.30, 0.02, 0.14, 0.06), (0.36, 0.30, 0.02, 0.14, 0.06),
    ]  # fmt: skip
    tops, found = columns_of(region, [*ring, piece])
    things = [np.unique(np.concatenate(found[:4])), found[4]]
    point = np.array([[0.30, 0.24, 0.06]])
    target, others, gap = take_target(things, tops, region, point, noise)
    assert gap == pytest.approx(0, abs=1e-12)
    assert (len(others) == 0) == part
    assert len(target) == len(things[0]) + part * len(things[1])
    nothing, left, gap = take_target(things, tops, region, np.add(point, (0.2, 0, 0)), noise)
    assert nothing is None
    assert len(left) == 2
    assert gap > 0.05
