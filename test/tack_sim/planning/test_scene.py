# SPDX-License-Identifier: Apache-2.0
"""The planning scene changes as MoveIt's does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planning_scenes import at, box, planner, scene

from tack_perception.errors import InvalidInputError
from tack_sim.planning.allowed import AllowedCollisions
from tack_sim.planning.change import (
    ChangedScene,
    Operation,
    RobotStateChange,
    SceneChange,
    apply_change,
)
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.scene import AttachedObject, CollisionObject, PlanningScene
from tack_sim.planning.shapes import Primitive, TriangleMesh

HAND = "robotiq_85_base_link"


def world(before: PlanningScene, *objects: tuple[CollisionObject, Operation]) -> ChangedScene:
    return apply_change(before, SceneChange(objects=objects))


def attach(
    before: PlanningScene,
    item: CollisionObject,
    operation: Operation = Operation.ADD,
    link: str = HAND,
    touch_links: tuple[str, ...] = (),
) -> ChangedScene:
    held = AttachedObject(link, item, touch_links)
    return apply_change(
        before, SceneChange(robot_state=RobotStateChange(attached=((held, operation),)))
    )


def test_an_added_object_is_brought_into_the_base_frame() -> None:
    before = scene()
    after = world(before, (box("a", (0.1, 0.1, 0.1), (0, 0, 0.2), "panda_link8"), Operation.ADD))
    expected = before.base_from_frame("panda_link8") @ at(0, 0, 0.2)
    assert np.allclose(after.scene.world["a"].pose, expected)
    assert after.scene.world["a"].frame == ""
    assert after.success
    assert dict(before.world) == {}


def test_a_moved_robot_does_not_move_the_world() -> None:
    placed = world(
        scene(), (box("a", (0.1, 0.1, 0.1), (0, 0, 0.2), "panda_link8"), Operation.ADD)
    ).scene
    moved = placed.with_positions({"panda_joint1": 1.0})
    assert np.array_equal(moved.world["a"].pose, placed.world["a"].pose)
    assert not np.allclose(
        moved.base_from_frame("panda_link8"), placed.base_from_frame("panda_link8")
    )


def test_a_single_shape_gives_the_object_its_pose_so_that_a_move_moves_it() -> None:
    shape = Primitive("sphere", (0.05,))
    item = CollisionObject("a", shapes=((shape, at(0.5, 0, 0.1)),))
    placed = scene(item)
    assert np.allclose(placed.world["a"].pose, at(0.5, 0, 0.1))
    moved = world(placed, (CollisionObject("a", pose=at(0.6, 0, 0.1)), Operation.MOVE)).scene
    assert np.allclose(moved.base_from_frame("a"), at(0.6, 0, 0.1))
    assert np.allclose(moved.world["a"].shapes[0][1], np.eye(4))


def test_append_keeps_the_pose_and_puts_new_shapes_where_they_were_asked_for() -> None:
    first = box("a", (0.1, 0.1, 0.1), (0.5, 0, 0))
    after = world(scene(first), (box("a", (0.2, 0.2, 0.2), (0.5, 0.3, 0)), Operation.APPEND)).scene
    assert len(after.world["a"].shapes) == 2
    assert np.allclose(after.world["a"].pose @ after.world["a"].shapes[1][1], at(0.5, 0.3, 0))


def test_remove_one_all_and_one_that_does_not_exist() -> None:
    before = scene(box("a", (0.1,) * 3, (1, 0, 0)), box("b", (0.1,) * 3, (1, 1, 0)))
    assert set(world(before, (CollisionObject("a"), Operation.REMOVE)).scene.world) == {"b"}
    assert not world(before, (CollisionObject(""), Operation.REMOVE)).scene.world
    failed = world(before, (CollisionObject("c"), Operation.REMOVE))
    assert not failed.success
    assert "'c' is unknown; there are a, b" in failed.problems[0]


def test_what_can_be_applied_is_applied_and_the_rest_reported() -> None:
    good = box("good", (0.1,) * 3, (1, 0, 0))
    bad = dataclasses.replace(box("bad", (0.1,) * 3, (1, 0, 0)), frame="nowhere")
    nan = box("nan", (0.1,) * 3, (np.nan, 0, 0))
    changed = world(
        scene(),
        (bad, Operation.ADD),
        (nan, Operation.ADD),
        (CollisionObject("empty"), Operation.ADD),
        (good, Operation.ADD),
    )
    assert set(changed.scene.world) == {"good"}
    assert ["nowhere" in changed.problems[0], "NaN" in changed.problems[1]] == [True, True]
    assert "no shapes" in changed.problems[2]


def test_a_full_scene_replaces_what_was_there() -> None:
    before = attach(scene(box("a", (0.1,) * 3, (1, 0, 0))), box("h", (0.02,) * 3, (1, 0, 0))).scene
    new = SceneChange(objects=((box("b", (0.1,) * 3, (1, 0, 0)), Operation.ADD),), is_diff=False)
    after = apply_change(before, new).scene
    assert set(after.world) == {"b"}
    assert not after.attached
    assert after.positions == before.positions


def test_attaching_takes_the_object_from_the_world_and_it_moves_with_the_link() -> None:
    placed = scene(box("a", (0.04,) * 3, (0.5, 0.1, 0.2)))
    held = attach(placed, CollisionObject("a"), touch_links=("x",)).scene
    assert not held.world
    assert held.attached["a"].touch_links == ("x",)
    assert np.allclose(held.base_from_frame("a"), at(0.5, 0.1, 0.2))
    turned = held.with_positions({"panda_joint1": np.pi / 2})
    assert np.allclose(turned.base_from_frame("a")[:3, 3], (-0.1, 0.5, 0.2))
    released = attach(turned, CollisionObject("a"), Operation.REMOVE).scene
    assert not released.attached
    assert np.allclose(released.world["a"].pose[:3, 3], (-0.1, 0.5, 0.2))


def test_a_robot_state_that_is_not_a_diff_lets_everything_go() -> None:
    held = attach(scene(), box("h", (0.02,) * 3, (1, 0, 0))).scene
    after = apply_change(held, SceneChange(robot_state=RobotStateChange(is_diff=False))).scene
    assert not after.attached
    assert not after.world


@pytest.mark.parametrize(
    ("item", "operation", "link", "words"),
    [
        (CollisionObject("h"), Operation.REMOVE, "panda_link8", "is attached to"),
        (CollisionObject("z"), Operation.REMOVE, "", "unknown"),
        (CollisionObject("z"), Operation.ADD, HAND, "unknown"),
        (CollisionObject("h"), Operation.ADD, "no_link", "'no_link' to attach to is unknown"),
        (CollisionObject("h"), Operation.MOVE, HAND, "cannot be moved"),
    ],
)
def test_attachments_that_cannot_be(
    item: CollisionObject, operation: Operation, link: str, words: str
) -> None:
    held = attach(scene(), box("h", (0.02,) * 3, (1, 0, 0))).scene
    changed = attach(held, item, operation, link)
    assert words in changed.problems[0]
    assert set(changed.scene.attached) == {"h"}


def test_an_empty_id_detaches_all_of_a_link() -> None:
    held = attach(scene(), box("h", (0.02,) * 3, (1, 0, 0))).scene
    held = attach(held, box("i", (0.02,) * 3, (1, 0, 0)), link="panda_link5").scene
    some = attach(held, CollisionObject(""), Operation.REMOVE, "panda_link5").scene
    assert set(some.attached) == {"h"}
    assert set(attach(held, CollisionObject(""), Operation.REMOVE, "").scene.world) == {"h", "i"}


def test_subframes_are_frames() -> None:
    item = dataclasses.replace(
        box("a", (0.04,) * 3, (0.5, 0, 0.2)), subframes={"top": at(0, 0, 0.02)}
    )
    assert np.allclose(scene(item).base_from_frame("a/top"), at(0.5, 0, 0.22))
    with pytest.raises(MoveItError, match="a/bottom") as caught:
        scene(item).base_from_frame("a/bottom")
    assert caught.value.code is MoveItErrorCode.FRAME_TRANSFORM_FAILURE


def test_positions_that_are_not_finite_are_refused_and_foreign_joints_ignored() -> None:
    with pytest.raises(MoveItError, match="panda_joint1 = nan"):
        scene().with_positions({"panda_joint1": float("nan")})
    assert scene().with_positions({"wheel": 1.0}).positions == scene().positions


def test_the_matrix_goes_out_and_comes_back() -> None:
    first = AllowedCollisions.of_robot(planner().robot).with_pairs([("table", "panda_link0")], True)
    names, matrix = first.to_matrix()
    again = AllowedCollisions.from_matrix(names, matrix)
    assert again.allows("panda_link0", "table")
    assert not again.allows("panda_link1", "table")
    assert all(again.allows(*pair) for pair in planner().robot.touching_links)
    matrix[0][1] = not matrix[0][1]
    with pytest.raises(InvalidInputError, match="differ"):
        AllowedCollisions.from_matrix(names, matrix)
    with pytest.raises(InvalidInputError, match="square"):
        AllowedCollisions.from_matrix(names, matrix[:-1])


def test_defaults_count_where_there_is_no_entry() -> None:
    allowed = AllowedCollisions({frozenset(("a", "b")): False}, {"a": True, "c": False})
    assert [allowed.allows("a", other) for other in "bcd"] == [False, False, True]


@pytest.mark.parametrize(
    ("kind", "dimensions"),
    [("torus", (1.0,)), ("box", (1.0, 1.0)), ("sphere", (0.0,)), ("cone", (1.0, float("nan")))],
)
def test_primitives_that_cannot_be(kind: str, dimensions: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInputError, match=kind):
        Primitive(kind, dimensions)


def test_meshes_that_cannot_be() -> None:
    with pytest.raises(InvalidInputError, match="only 3 vertices"):
        TriangleMesh(np.zeros((3, 3)), np.array([[0, 1, 3]]))
    with pytest.raises(InvalidInputError, match="NaN"):
        TriangleMesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]]))
