# SPDX-License-Identifier: Apache-2.0
"""The services of move_group; each refusal has its code."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from moveit_msgs.msg import (
    AllowedCollisionEntry,
    AllowedCollisionMatrix,
    AttachedCollisionObject,
    CollisionObject,
    PlanningScene,
    PlanningSceneComponents,
)
from moveit_msgs.srv import (
    ApplyPlanningScene,
    GetCartesianPath,
    GetMotionPlan,
    GetPlanningScene,
    GetPositionIK,
)

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionConfig
from tack_perception import geometry
from tack_ros import qos
from tack_ros.conversions.transforms import from_pose, to_pose
from tack_ros.moveit import requests
from tack_sim.robots.kinematics import Kinematics

pytestmark = pytest.mark.ros
CONFIG = MotionConfig(planning_time=60.0, attempts=1)
BOX = (0.1, 0.2, 0.3)
WAIT_S = 120.0
ALL = (
    PlanningSceneComponents.ROBOT_STATE_ATTACHED_OBJECTS
    | PlanningSceneComponents.WORLD_OBJECT_GEOMETRY
    | PlanningSceneComponents.ALLOWED_COLLISION_MATRIX
)


@pytest.fixture(scope="module")
def cell(start_cell):
    graph = start_cell(move_group=True)
    graph.home()
    return graph


@pytest.fixture(autouse=True)
def _empty_scene(cell):
    yield
    let_go = AttachedCollisionObject(object=CollisionObject(operation=CollisionObject.REMOVE))
    assert apply(cell, requests.scene_change(attached=[let_go]))
    gone = CollisionObject(operation=CollisionObject.REMOVE)
    assert apply(cell, requests.scene_change([gone]))
    assert not [r for r in cell.move_group.drops.counts() if "internal error" in r]


def apply(cell, scene):
    request = ApplyPlanningScene.Request(scene=scene)
    return cell.calls.call(ApplyPlanningScene, "/apply_planning_scene", request).success


def scene_of(cell, components=ALL):
    request = GetPlanningScene.Request(components=PlanningSceneComponents(components=components))
    return cell.calls.call(GetPlanningScene, "/get_planning_scene", request).scene


def tip(cell, shift=(0.0, 0.0, 0.0)):
    pose = geometry.nearest_transform(cell.world.base_from_link(cell.profile.tip_frame))
    pose[:3, 3] += shift
    return pose


def plan(cell, goal):
    request = GetMotionPlan.Request(motion_plan_request=goal.request)
    answer = cell.calls.call(GetMotionPlan, "/plan_kinematic_path", request, timeout_s=WAIT_S)
    return answer.motion_plan_response


def to_pose_of(cell, shift):
    return requests.pose_goal(cell.profile, tip(cell, shift), CONFIG)


def box_at(cell, position, name="box"):
    pose = np.eye(4)
    pose[:3, 3] = position
    return requests.box(name, cell.profile.base_frame, pose, BOX)


def test_a_plan(cell):
    answer = plan(cell, to_pose_of(cell, (0.0, 0.1, 0.0)))
    assert answer.error_code.val == Code.SUCCESS
    assert answer.group_name == cell.profile.group
    trajectory = answer.trajectory.joint_trajectory
    assert trajectory.joint_names == list(cell.profile.joints)
    start = dict(
        zip(answer.trajectory_start.joint_state.name,
            answer.trajectory_start.joint_state.position, strict=True)
    )  # fmt: skip
    np.testing.assert_allclose(
        trajectory.points[0].positions, [start[n] for n in trajectory.joint_names], atol=1e-6
    )


def spoilt(cell, how):
    goal = to_pose_of(cell, (0.0, 0.1, 0.0))
    request, [constraints] = goal.request, goal.request.goal_constraints
    [position], [turn] = constraints.position_constraints, constraints.orientation_constraints
    if how == "group":
        request.group_name = "left_arm"
    elif how == "link":
        position.link_name = turn.link_name = "elbow"
    elif how == "frame":
        position.header.frame_id = turn.header.frame_id = "moon"
    elif how == "NaN":
        position.constraint_region.primitive_poses[0].position.x = float("nan")
    elif how == "quaternion":
        turn.orientation.w = turn.orientation.x = turn.orientation.y = turn.orientation.z = 0.0
    elif how == "no goal":
        request.goal_constraints = []
    elif how == "reach":
        position.constraint_region.primitive_poses[0].position.x = 3.0
    elif how == "start names":
        request.start_state.joint_state.name = ["panda_joint1"]
    elif how == "start NaN":
        request.start_state.joint_state.name = ["panda_joint1"]
        request.start_state.joint_state.position = [float("nan")]
    elif how == "joint":
        goal = requests.joint_goal(cell.profile, {"elbow": 0.1}, CONFIG)
    elif how == "limits":
        goal = requests.joint_goal(cell.profile, {"panda_joint4": 1.0}, CONFIG)
    return goal


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ("group", {Code.INVALID_GROUP_NAME}),
        ("link", {Code.INVALID_LINK_NAME}),
        ("frame", {Code.FRAME_TRANSFORM_FAILURE}),
        ("NaN", {Code.INVALID_GOAL_CONSTRAINTS}),
        ("quaternion", {Code.INVALID_GOAL_CONSTRAINTS}),
        ("no goal", {Code.INVALID_GOAL_CONSTRAINTS}),
        ("joint", {Code.INVALID_GOAL_CONSTRAINTS}),
        ("limits", {Code.INVALID_GOAL_CONSTRAINTS, Code.GOAL_STATE_INVALID}),
        ("reach", {Code.NO_IK_SOLUTION, Code.PLANNING_FAILED, Code.GOAL_STATE_INVALID}),
        ("start names", {Code.INVALID_ROBOT_STATE}),
        ("start NaN", {Code.INVALID_ROBOT_STATE}),
    ],
)
def test_a_plan_that_cannot_be_has_its_code_and_a_sentence(cell, how, codes):
    answer = plan(cell, spoilt(cell, how))
    assert Code.of(answer.error_code.val) in codes, answer.error_code
    assert answer.error_code.message
    assert not answer.trajectory.joint_trajectory.points


def test_a_goal_in_a_box_of_the_scene(cell):
    goal = to_pose_of(cell, (0.0, 0.2, -0.1))
    assert plan(cell, goal).error_code.val == Code.SUCCESS
    gripper = cell.world.base_from_gripper()[:3, 3] + (0.0, 0.2, -0.1)
    assert apply(cell, requests.scene_change([box_at(cell, gripper)]))
    refused = plan(cell, goal).error_code
    assert refused.val == Code.GOAL_IN_COLLISION
    assert "box" in refused.message
    gone = CollisionObject(id="box", operation=CollisionObject.REMOVE)
    assert apply(cell, requests.scene_change([gone]))
    assert plan(cell, goal).error_code.val == Code.SUCCESS


def test_the_topic_changes_the_scene_as_well(cell):
    scenes = cell.publisher(PlanningScene, "/planning_scene", qos.RESULT)
    scenes.publish(requests.scene_change([box_at(cell, (0.5, 0.5, 0.2))]))
    cell.wait(lambda: scene_of(cell).world.collision_objects, "the box in the scene")


def test_what_was_applied_is_given_back(cell):
    assert apply(cell, requests.scene_change([box_at(cell, (0.5, 0.4, 0.3))]))
    scene = scene_of(cell)
    [found] = scene.world.collision_objects
    assert found.id == "box"
    assert found.header.frame_id == cell.profile.base_frame
    assert list(found.primitives[0].dimensions) == list(BOX)
    np.testing.assert_allclose(from_pose(found.pose)[:3, 3], (0.5, 0.4, 0.3), atol=1e-9)
    [names] = scene_of(cell, PlanningSceneComponents.WORLD_OBJECT_NAMES).world.collision_objects
    assert names.id == "box"
    assert not names.primitives
    # What was given back can be applied as it is.
    assert apply(cell, requests.scene_change([CollisionObject(operation=CollisionObject.REMOVE)]))
    assert apply(cell, requests.scene_change([found]))
    assert scene_of(cell).world.collision_objects == [found]


def test_an_object_is_attached_moves_along_and_is_let_go(cell):
    gripper = cell.world.base_from_gripper()[:3, 3]
    assert apply(cell, requests.scene_change([box_at(cell, gripper)]))
    assert plan(cell, to_pose_of(cell, (0, 0.1, 0))).error_code.val == Code.START_STATE_IN_COLLISION
    held = AttachedCollisionObject(
        link_name=cell.profile.tip_frame,
        object=CollisionObject(id="box", operation=CollisionObject.ADD),
        touch_links=[*cell.profile.gripper.touch_links, cell.profile.tip_frame, "panda_link7"],
    )
    assert apply(cell, requests.scene_change(attached=[held]))
    scene = scene_of(cell)
    assert not scene.world.collision_objects
    [attached] = scene.robot_state.attached_collision_objects
    assert (attached.link_name, attached.object.id) == (cell.profile.tip_frame, "box")
    there = cell.world.base_from_link(attached.link_name) @ from_pose(attached.object.pose)
    np.testing.assert_allclose(there[:3, 3], gripper, atol=5e-3)
    answer = plan(cell, to_pose_of(cell, (0, 0.1, 0)))
    assert answer.error_code.val == Code.SUCCESS, answer.error_code
    let_go = AttachedCollisionObject(
        link_name=cell.profile.tip_frame,
        object=CollisionObject(id="box", operation=CollisionObject.REMOVE),
    )
    assert apply(cell, requests.scene_change(attached=[let_go]))
    scene = scene_of(cell)
    assert not scene.robot_state.attached_collision_objects
    assert [item.id for item in scene.world.collision_objects] == ["box"]


def test_the_matrix_of_allowed_collisions_goes_round(cell):
    before = scene_of(cell).allowed_collision_matrix
    names = sorted({*before.entry_names, "box"})
    allowed = {
        (a, b): row.enabled[j]
        for a, row in zip(before.entry_names, before.entry_values, strict=True)
        for j, b in enumerate(before.entry_names)
    }
    rows = [
        AllowedCollisionEntry(
            enabled=[allowed.get((a, b), "box" in (a, b) and a != b) for b in names]
        )
        for a in names
    ]
    wider = AllowedCollisionMatrix(entry_names=names, entry_values=rows)
    scene = requests.scene_change([box_at(cell, cell.world.base_from_gripper()[:3, 3])])
    scene.allowed_collision_matrix = wider
    assert apply(cell, scene)
    try:
        assert plan(cell, to_pose_of(cell, (0, 0.1, 0))).error_code.val == Code.SUCCESS
        assert scene_of(cell).allowed_collision_matrix.entry_names == names
        ragged = requests.scene_change()
        ragged.allowed_collision_matrix = AllowedCollisionMatrix(
            entry_names=names, entry_values=rows[:-1]
        )
        assert not apply(cell, ragged)
    finally:
        back = requests.scene_change()
        back.allowed_collision_matrix = before
        assert apply(cell, back)


def bad_scene(cell, how):
    box = box_at(cell, (0.5, 0.4, 0.3))
    if how == "frame":
        box.header.frame_id = "moon"
    elif how == "size":
        box.primitives[0].dimensions = [0.1, -0.1, 0.1]
    elif how == "poses":
        box.primitive_poses = []
    elif how == "NaN":
        box.pose.position.x = float("nan")
    elif how == "operation":
        box.operation = bytes([9])
    elif how == "type":
        box.primitives[0].type = 77
    elif how == "unknown":
        box = CollisionObject(id="nobody", operation=CollisionObject.REMOVE)
    elif how == "attach":
        held = AttachedCollisionObject(
            link_name="elbow", object=CollisionObject(id="nobody", operation=CollisionObject.ADD)
        )
        return requests.scene_change(attached=[held])
    return requests.scene_change([box])


@pytest.mark.parametrize(
    "how", ["frame", "size", "poses", "NaN", "operation", "type", "unknown", "attach"]
)
def test_a_bad_change_of_the_scene_is_refused_and_the_node_lives(cell, how):
    assert not apply(cell, bad_scene(cell, how))
    assert not scene_of(cell).world.collision_objects


def ik(cell, pose, **fields):
    request = GetPositionIK.Request()
    wanted = request.ik_request
    wanted.group_name, wanted.ik_link_name = cell.profile.group, cell.profile.tip_frame
    wanted.pose_stamped.header.frame_id = cell.profile.base_frame
    wanted.pose_stamped.pose = to_pose(pose)
    wanted.timeout.sec = 1
    for name, value in fields.items():
        setattr(wanted, name, value)
    return cell.calls.call(GetPositionIK, "/compute_ik", request, timeout_s=WAIT_S)


def test_inverse_kinematics(cell):
    answer = ik(cell, tip(cell))
    assert answer.error_code.val == Code.SUCCESS
    found = dict(
        zip(answer.solution.joint_state.name, answer.solution.joint_state.position, strict=True)
    )
    q = np.array([found[name] for name in cell.profile.joints])
    np.testing.assert_allclose(Kinematics(cell.profile).forward(q), tip(cell), atol=2e-3)
    far = tip(cell, (2.0, 0.0, 0.0))
    assert ik(cell, far).error_code.val == Code.NO_IK_SOLUTION
    assert ik(cell, tip(cell), group_name="leg").error_code.val == Code.INVALID_GROUP_NAME
    assert ik(cell, tip(cell), ik_link_name="toe").error_code.val == Code.INVALID_LINK_NAME
    broken = tip(cell)
    broken[0, 3] = np.nan
    assert ik(cell, broken).error_code.val == Code.INVALID_GOAL_CONSTRAINTS


def test_a_straight_way_into_a_box_is_possible_in_part(cell):
    wall = cell.world.base_from_gripper()[:3, 3] + (0.0, 0.3, 0.0)
    assert apply(cell, requests.scene_change([box_at(cell, wall)]))
    request = requests.straight_request(cell.profile, [tip(cell, (0.0, 0.25, 0.0))], CONFIG)
    answer = cell.calls.call(GetCartesianPath, "/compute_cartesian_path", request, timeout_s=WAIT_S)
    assert answer.error_code.val == Code.SUCCESS
    assert 0.1 < answer.fraction < 0.9
    request.avoid_collisions = False
    answer = cell.calls.call(GetCartesianPath, "/compute_cartesian_path", request, timeout_s=WAIT_S)
    assert answer.fraction == pytest.approx(1.0)
    request.header.frame_id = "moon"
    answer = cell.calls.call(GetCartesianPath, "/compute_cartesian_path", request, timeout_s=WAIT_S)
    assert answer.error_code.val == Code.FRAME_TRANSFORM_FAILURE
