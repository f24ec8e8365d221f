# SPDX-License-Identifier: Apache-2.0
"""What collides, by how much, and what may touch."""

from __future__ import annotations

import dataclasses
import math

import mujoco
import numpy as np
import pytest
import trimesh
from planning_scenes import at, box, planner, scene, table
from scipy.spatial import ConvexHull

from tack_sim.planning.change import Operation, RobotStateChange, SceneChange, apply_change
from tack_sim.planning.collision import MARGIN, CollisionChecker
from tack_sim.planning.collision_model import build_collision_model
from tack_sim.planning.convex import convex_pieces
from tack_sim.planning.path_check import fine_states
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, Shape, TriangleMesh, contains, sample

HAND = "robotiq_85_base_link"


def home() -> np.ndarray:
    return np.array(planner().robot.profile.home)


def finger_tips() -> np.ndarray:
    return planner().robot.kinematics.gripper_pose(home())[:3, 3]


def below(shape: Shape, height: float, gap: float) -> CollisionObject:
    """A shape of some height, this far below the left finger's pad."""
    x, y, z = finger_tips()
    return CollisionObject("it", "", at(x, y + 0.05, z - height / 2 - gap), ((shape, np.eye(4)),))


def holding(item: CollisionObject, link: str = HAND) -> PlanningScene:
    touch = planner().robot.profile.gripper.touch_links
    attached = ((AttachedObject(link, item, touch), Operation.ADD),)
    changed = apply_change(scene(), SceneChange(robot_state=RobotStateChange(attached=attached)))
    assert changed.success
    return changed.scene


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_robot_is_free_at_home_with_any_opening(share: float) -> None:
    gripper = planner().robot.profile.gripper
    opening = gripper.closed + share * (gripper.opened - gripper.closed)
    now = scene(table()).with_positions(dict.fromkeys(gripper.joints, opening))
    assert CollisionChecker(now).contacts(home()) == []


def test_links_are_where_the_collision_model_has_them() -> None:
    model, names = build_collision_model(scene(), MARGIN)
    data, robot = mujoco.MjData(model), planner().robot
    rng = np.random.default_rng(1)
    for _ in range(5):
        q = rng.uniform(robot.kinematics.lower, robot.kinematics.upper)
        positions = {**robot.with_arm(robot.default_positions, q)}
        positions[robot.profile.gripper.joints[0]] = rng.uniform(0, 0.8)
        moving = {**dict(zip(robot.joints, q, strict=True)), **robot.gripper_positions(positions)}
        for name, value in moving.items():
            data.joint(name).qpos = value
        mujoco.mj_kinematics(model, data)
        for link in robot.link_names:
            pose = robot.base_from_link(link, positions)
            body = names.index(link)
            assert np.allclose(pose[:3, 3], data.xpos[body], atol=1e-9)
            assert np.allclose(pose[:3, :3].ravel(), data.xmat[body], atol=1e-9)


def cube_mesh() -> TriangleMesh:
    cube = trimesh.creation.box((0.1, 0.1, 0.1))
    return TriangleMesh(cube.vertices, cube.faces)


@pytest.mark.parametrize("gap", [0.004, 0.001, -0.002])
@pytest.mark.parametrize(
    "shape", [Primitive("box", (0.1, 0.1, 0.1)), Primitive("cylinder", (0.1, 0.06)), cube_mesh()]
)
def test_distances_are_those_that_were_built(shape: Shape, gap: float) -> None:
    found = CollisionChecker(scene(below(shape, 0.1, gap))).contacts(home(), MARGIN)
    assert found[0].second == "it"
    assert "finger_tip" in found[0].first
    assert found[0].distance == pytest.approx(gap, abs=2e-5)


@pytest.mark.parametrize(
    ("shape", "top"),
    [(Primitive("sphere", (0.1,)), 0.1), (Primitive("cone", (0.2, 0.1)), 0.1)],
)
def test_round_things_touch_with_their_own_surface(shape: Primitive, top: float) -> None:
    gripper = planner().robot.profile.gripper
    closed = scene().with_positions(dict.fromkeys(gripper.joints, gripper.closed))
    for gap in (0.003, -0.003):
        item = CollisionObject(
            "it", "", at(*finger_tips() - (0, 0, top + gap)), ((shape, np.eye(4)),)
        )
        now = apply_change(closed, SceneChange(objects=((item, Operation.ADD),))).scene
        assert bool(CollisionChecker(now).contacts(home())) is (gap < 0)


def test_the_fixed_base_is_checked_against_the_world() -> None:
    found = CollisionChecker(scene(box("it", (0.1, 0.1, 0.1), (0, 0, 0)))).contacts(home())
    assert ("panda_link0", "it") in {(one.first, one.second) for one in found}


def test_allowed_pairs_may_touch_and_only_those() -> None:
    now = scene(box("it", (0.1, 0.1, 0.1), tuple(finger_tips() - (0, 0, 0.02))))
    tips = [name for name in planner().robot.link_names if name.startswith("robotiq")]
    assert {one.first for one in CollisionChecker(now).contacts(home())} <= set(tips)
    left = now.allowed.with_pairs([("it", "robotiq_85_left_finger_tip_link")], True)
    some = CollisionChecker(dataclasses.replace(now, allowed=left)).contacts(home())
    assert some
    assert "robotiq_85_left_finger_tip_link" not in {one.first for one in some}
    every = now.allowed.with_pairs([("it", name) for name in tips], True)
    assert not CollisionChecker(dataclasses.replace(now, allowed=every)).contacts(home())


def test_what_is_held_may_touch_the_fingers_but_not_the_arm_or_the_world() -> None:
    small = box("held", (0.02, 0.02, 0.1), (0, 0, 0.16), HAND)
    assert not CollisionChecker(holding(small)).contacts(home())
    long = box("held", (0.02, 0.02, 0.5), (0, 0, 0.1), HAND)
    names = {one.first for one in CollisionChecker(holding(long)).contacts(home())}
    assert "panda_link6" in names  # a neighbour of the link that carries the gripper
    assert "panda_link7" in names  # fixed to the gripper
    floor = box("floor", (0.4, 1, 0.02), (0.5, 0, finger_tips()[2] - 0.03))
    both = apply_change(holding(small), SceneChange(objects=((floor, Operation.ADD),))).scene
    contacts = CollisionChecker(both).contacts(home())
    assert {one.second for one in contacts} | {one.first for one in contacts} == {"held", "floor"}
    assert "overlap by" in str(contacts[0])


def test_a_margin_is_kept_except_where_the_start_cannot() -> None:
    checker = CollisionChecker(scene(below(Primitive("box", (0.1, 0.1, 0.1)), 0.1, 0.002)))
    checker.keep_margin(MARGIN)
    assert not checker.is_free(home())
    checker.keep_margin(MARGIN, home())
    assert checker.is_free(home())
    checker.keep_margin(0.0)
    assert checker.is_free(home())


def test_self_collisions_are_found() -> None:
    folded = home()
    folded[[1, 3, 5]] = (-0.3, -3.0, 0.0)
    assert CollisionChecker(scene()).contacts(folded)


def test_openings_of_a_mesh_stay_open() -> None:
    pipe = trimesh.creation.annulus(0.10, 0.105, 0.3)
    mesh = TriangleMesh(pipe.vertices, pipe.faces)
    around = CollisionObject("it", "", at(*finger_tips()), ((mesh, np.eye(4)),))
    assert not CollisionChecker(scene(around)).contacts(home())
    beside = CollisionObject("it", "", at(*finger_tips() - (0.1, 0, 0)), ((mesh, np.eye(4)),))
    assert CollisionChecker(scene(beside)).contacts(home())


def test_pieces_cover_the_surface_and_none_is_flat() -> None:
    pipe = trimesh.creation.annulus(0.05, 0.06, 0.1)
    pieces = convex_pieces(TriangleMesh(pipe.vertices, pipe.faces))
    hulls = [ConvexHull(points) for points in pieces]
    assert all(hull.volume > 0 for hull in hulls)
    points, _ = trimesh.sample.sample_surface(pipe, 300, seed=1)
    # Distance of each point to the planes of each hull: below 0 inside.
    outside = np.array(
        [(points @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1) for hull in hulls]
    )
    assert outside.min(axis=0).max() < 1e-6
    assert outside.max() > 0.05  # pieces, not the whole


def test_a_single_triangle_is_solid_enough() -> None:
    corners = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0.0, 0.2, 0]])
    corners += finger_tips()
    corners[:, 2] += 0.01
    flat = CollisionObject(
        "it", shapes=((TriangleMesh(corners, np.array([[0, 1, 2]])), np.eye(4)),)
    )
    assert CollisionChecker(scene(flat)).contacts(home())


def test_fine_states_leave_no_gap() -> None:
    robot, now = planner().robot, scene()
    checker = CollisionChecker(now)
    rng = np.random.default_rng(2)
    path = rng.uniform(-0.5, 0.5, (3, 7)) + home()
    states = np.array(list(fine_states(path, checker.reaches)))
    assert np.array_equal(states[[0, -1]], path[[0, -1]])
    assert np.abs(np.diff(states, axis=0)).max() <= math.radians(0.2) + 1e-12
    tips = np.array([robot.kinematics.gripper_pose(q)[:3, 3] for q in states])
    assert np.linalg.norm(np.diff(tips, axis=0), axis=1).max() < 1e-3


@pytest.mark.parametrize(
    "primitive",
    [
        Primitive("box", (0.1, 0.2, 0.3)),
        Primitive("sphere", (0.1,)),
        Primitive("cylinder", (0.2, 0.1)),
        Primitive("cone", (0.2, 0.1)),
    ],
)
def test_samples_of_a_primitive_fill_it(primitive: Primitive) -> None:
    rng = np.random.default_rng(3)
    points = np.array([sample(primitive, rng) for _ in range(300)])
    assert contains(primitive, points).all()
    assert not contains(primitive, points * 4 + 0.5).any()
    low = {"cone": -0.1, "box": -0.15}.get(primitive.kind, -0.1)
    assert points[:, 2].min() < 0.8 * low
