# SPDX-License-Identifier: Apache-2.0
"""A scene that was read from depth in move_group, and kept up to date there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from moveit_msgs.msg import PlanningSceneComponents
from moveit_msgs.srv import GetPlanningScene

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionError
from tack_grasping.scene import Obstacle, read_scene
from tack_grasping.scene.obstacle import hull_of
from tack_perception import geometry
from tack_ros.conversions.transforms import from_pose
from tack_ros.moveit.client import HELD, MoveItMotion
from tack_ros.moveit.requests import MotionConfig
from tack_ros.moveit.scene_messages import MoveItScene, to_object
from tack_sim.cameras.cell_camera import CellCamera

pytestmark = pytest.mark.ros
CONFIG = MotionConfig(planning_time=60.0, attempts=1, patience=120.0, server_patience=60.0)


@pytest.fixture(scope="module")
def shared(start_cell):
    return start_cell(move_group=True)


@pytest.fixture
def cell(shared):
    shared.home()
    return shared


@pytest.fixture
def motion(cell):
    return MoveItMotion(cell.profile, cell.calls, CONFIG)


@pytest.fixture
def scene(cell, motion):
    return MoveItScene(motion)


@pytest.fixture(scope="module")
def model(shared):
    """The wrist camera's view of the cell from home."""
    world = shared.world
    with CellCamera(world.model, world.profile.cameras["wrist"], shadow_size=0) as camera:
        shot = camera.shoot(world.snapshot())
    target = world.object_pose(world.layout.target.name)[:3, 3]
    return read_scene(shot.frame("wrist"), shot.world_from_color, world.profile, target=target)


def there(cell, y=0.2):
    pose = cell.world.base_from_gripper()
    pose[:3, 3] += (0.0, y, -0.1)
    return pose


def in_the_way(cell, name="in_the_way", y=0.2):
    """A hull where the gripper is to go."""
    points = np.random.default_rng(0).uniform(-0.06, 0.06, (60, 3))
    return hull_of(name, points, there(cell, y))


def with_obstacles(model, *more):
    return dataclasses.replace(model, obstacles=(*model.obstacles, *more))


def known(cell):
    """Objects of move_group's planning scene by name, and what is attached."""
    wanted = PlanningSceneComponents.WORLD_OBJECT_GEOMETRY
    wanted |= PlanningSceneComponents.ROBOT_STATE_ATTACHED_OBJECTS
    request = GetPlanningScene.Request(components=PlanningSceneComponents(components=wanted))
    answer = cell.calls.call(GetPlanningScene, "/get_planning_scene", request, timeout_s=60.0).scene
    attached = answer.robot_state.attached_collision_objects
    return (
        {item.id: item for item in answer.world.collision_objects},
        {item.object.id: item for item in attached},
    )


def test_move_group_knows_what_was_seen_and_forgets_what_is_gone(cell, scene, motion, model):
    assert model.obstacles or model.target  # the cell is not empty
    full = with_obstacles(model, in_the_way(cell))
    change = scene.show(full)
    assert {one.name for one in change.added} == {one.name for one in full.solids}
    world, _ = known(cell)
    assert set(world) == {one.name for one in full.solids}
    for one in full.solids:
        np.testing.assert_allclose(from_pose(world[one.name].pose), one.base_from_shape, atol=1e-9)
        assert len(world[one.name].primitives) == int(one.is_box)
        assert len(world[one.name].meshes) == int(not one.is_box)
    with pytest.raises(MotionError) as raised:
        motion.move_to(there(cell))
    assert raised.value.code is Code.GOAL_IN_COLLISION
    assert "in_the_way" in str(raised.value)
    elsewhere = with_obstacles(model, in_the_way(cell, y=-0.25))
    assert [one.name for one in scene.show(elsewhere).changed] == ["in_the_way"]
    motion.move_to(there(cell))
    cell.home()
    assert scene.show(model).removed == ("in_the_way",)
    assert set(known(cell)[0]) == {one.name for one in model.solids}
    assert not scene.show(model)
    scene.show(dataclasses.replace(model, fixed=(), obstacles=()))
    assert known(cell)[0] == {}


def test_other_objects_of_the_planning_scene_are_left_alone(cell, scene, motion, model):
    motion.add_box("shelf", there(cell, 0.6), np.full(3, 0.05))
    scene.show(model)
    scene.show(dataclasses.replace(model, fixed=(), obstacles=()))
    assert set(known(cell)[0]) == {"shelf"}
    motion.remove("shelf")


def test_what_is_held_moves_along_and_is_let_go(cell, scene, model):
    pose = cell.world.base_from_gripper()
    assert model.extent is not None
    scene.hold(model.extent, pose)
    world, attached = known(cell)
    assert HELD not in world
    [box] = attached[HELD].object.primitives
    gripper_from_box, size = model.extent.box(pose)
    np.testing.assert_allclose(box.dimensions, size, atol=1e-9)
    tip_from_box = cell.profile.gripper.tip_from_gripper @ gripper_from_box
    np.testing.assert_allclose(from_pose(attached[HELD].object.pose), tip_from_box, atol=1e-6)
    scene.release()
    world, attached = known(cell)
    assert HELD not in world
    assert HELD not in attached


def test_after_a_failure_all_of_it_is_sent_again(cell, motion, model):
    scene = MoveItScene(motion)
    scene.show(with_obstacles(model, in_the_way(cell)))
    motion.remove("in_the_way")  # behind its back
    with pytest.raises(MotionError, match="refused"):
        scene.show(model)
    assert {one.name for one in scene.show(model).added} == {one.name for one in model.solids}
    assert set(known(cell)[0]) == {one.name for one in model.solids}
    scene.show(dataclasses.replace(model, fixed=(), obstacles=()))


def test_a_box_and_a_hull_as_messages():
    pose = geometry.exp((0.4, -0.2, 0.3, 0.3, -0.5, 0.9))
    box = to_object(Obstacle("box", pose, np.array([0.1, 0.2, 0.3])), "base")
    assert (box.id, box.header.frame_id, list(box.primitives[0].dimensions)) == (
        "box", "base", [0.1, 0.2, 0.3],
    )  # fmt: skip
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    hull = to_object(hull_of("hull", corners, pose), "base")
    assert len(hull.meshes[0].vertices) == 8
    assert len(hull.meshes[0].triangles) == 12
    assert max(max(t.vertex_indices) for t in hull.meshes[0].triangles) == 7
    np.testing.assert_allclose(from_pose(hull.pose), pose)
