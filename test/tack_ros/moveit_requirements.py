# SPDX-License-Identifier: Apache-2.0
"""What a real move_group requires of each request, and where that is written.

Sources: `msg`, `srv`, `action` are MoveIt's message definitions (moveit_msgs, branch ros2); other
paths are those of moveit2's source (main, August 2026). Two rows name what is no demand of the
code but what its makers warn of.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from control_msgs.action import GripperCommand, ParallelGripperCommand
from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.msg import CollisionObject
from moveit_msgs.srv import ApplyPlanningScene, GetCartesianPath, GetPositionIK

from tack_grasping.robot import RobotProfile

Check = Callable[[Any, RobotProfile], bool]


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One row.

    Attributes:
        kind: of the action or service.
        path: of the field; `[]` stands for each element of a list.
        says: what is required.
        source: where that is written.
        holds: whether a value of the field meets it.
    """

    kind: Any
    path: str
    says: str
    source: str
    holds: Check

    def __str__(self) -> str:
        return f"{self.kind.__name__}.{self.path}: {self.says} ({self.source})"


def values(message: Any, path: str) -> Iterator[Any]:
    """The values of a field, `[]` in the path being each element of a list."""
    if not path:
        yield message
        return
    name, _, rest = path.partition(".")
    value = getattr(message, name.removesuffix("[]"))
    for one in value if name.endswith("[]") else (value,):
        yield from values(one, rest)


def _is(wanted: Callable[[RobotProfile], Any]) -> Check:
    return lambda value, profile: value == wanted(profile)


def _known_frame(value: str, profile: RobotProfile) -> bool:
    return value in (profile.base_frame, profile.tip_frame)


def _unit(q: Any, profile: RobotProfile) -> bool:
    return abs(math.hypot(q.x, q.y, q.z, q.w) - 1.0) < 1e-3


def _finite(p: Any, profile: RobotProfile) -> bool:
    return all(map(math.isfinite, (p.x, p.y, p.z)))


def _positive(value: float, profile: RobotProfile) -> bool:
    return math.isfinite(value) and value > 0


def _share(value: float, profile: RobotProfile) -> bool:
    return 0 < value <= 1


def _true(value: Any, profile: RobotProfile) -> bool:
    return bool(value)


def _false(value: Any, profile: RobotProfile) -> bool:
    return not value


def _one_goal(constraints: Any, profile: RobotProfile) -> bool:
    joints = [one.joint_name for one in constraints.joint_constraints]
    pose = len(constraints.position_constraints), len(constraints.orientation_constraints)
    return (tuple(joints) == tuple(profile.joints) and pose == (0, 0)) or (
        not joints and pose == (1, 1)
    )


def _solids(region: Any, profile: RobotProfile) -> bool:
    return len(region.primitives) == len(region.primitive_poses) > 0


def _box(workspace: Any, profile: RobotProfile) -> bool:
    low, high = workspace.min_corner, workspace.max_corner
    return all(
        getattr(low, axis) < min(0, below) and getattr(high, axis) > above
        for axis, below, above in zip("xyz", *profile.workspace, strict=True)
    )


def _shapes(item: CollisionObject, profile: RobotProfile) -> bool:
    counts = [
        (len(item.primitives), len(item.primitive_poses)), (len(item.meshes), len(item.mesh_poses)),
        (len(item.planes), len(item.plane_poses)),
    ]  # fmt: skip
    return all(shapes == poses for shapes, poses in counts)


def _has_a_shape_to_add(item: CollisionObject, profile: RobotProfile) -> bool:
    return item.operation != CollisionObject.ADD or bool(item.primitives or item.meshes)


def _framed(item: CollisionObject, profile: RobotProfile) -> bool:
    added = item.operation == CollisionObject.ADD and (item.primitives or item.meshes)
    return _known_frame(item.header.frame_id, profile) if added else not item.header.frame_id


def _operation(value: bytes, profile: RobotProfile) -> bool:
    return value in (CollisionObject.ADD, CollisionObject.REMOVE)


def _timed(points: Any, profile: RobotProfile) -> bool:
    times = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in points]
    return len(times) > 1 and all(a < b for a, b in itertools.pairwise(times))


def _touching(links: list[str], profile: RobotProfile) -> bool:
    return set(profile.gripper.touch_links) <= set(links)


_PLAN, _CART, _EXEC = MoveGroup, GetCartesianPath, ExecuteTrajectory
_IK, _APPLY = GetPositionIK, ApplyPlanningScene
_REQUEST = "msg/MotionPlanRequest.msg"
_CONSTRAINT = "moveit_core/kinematic_constraints/src/kinematic_constraint.cpp"
_WORKSPACE = (
    "moveit_ros/planning/planning_request_adapter_plugins/src/validate_workspace_bounds.cpp"
)
_STATE = "moveit_core/robot_state/src/conversions.cpp"
_SCENE = "moveit_core/planning_scene/src/planning_scene.cpp"
_CAPABILITY = "moveit_ros/move_group/src/default_capabilities"
_GOAL = "request.goal_constraints[]"
_POSITION, _ORIENTATION = f"{_GOAL}.position_constraints[]", f"{_GOAL}.orientation_constraints[]"
_JOINT = f"{_GOAL}.joint_constraints[]"
_WORLD = "scene.world.collision_objects[]"
_HELD = "scene.robot_state.attached_collision_objects[]"
_group = _is(lambda profile: profile.group)
_tip = _is(lambda profile: profile.tip_frame)
_base = _is(lambda profile: profile.base_frame)

REQUIREMENTS = tuple(
    Requirement(*row)
    for row in (
        # A plan and its execution
        (_PLAN, "request.group_name", "the planning group; none is no plan",
         "moveit_planners/ompl/ompl_interface/src/planning_context_manager.cpp", _group),
        (_PLAN, "request.workspace_parameters.header.frame_id", "frame of the box",
         "msg/WorkspaceParameters.msg", _base),
        (_PLAN, "request.workspace_parameters", "a box around all that the arm does; all zeros are"
         " replaced by a default, with a warning", _WORKSPACE, _box),
        (_PLAN, "request.start_state.is_diff", "a state without joints has to be a diff",
         _STATE, _true),
        (_PLAN, "request.start_state.joint_state.name", "none: the current state is the start",
         _REQUEST, _false),
        (_PLAN, "request.goal_constraints", "at least one region",
         "moveit_planners/ompl/ompl_interface/src/model_based_planning_context.cpp", _true),
        (_PLAN, _GOAL, "joints of the group, or position and orientation of one link",
         "moveit_planners/ompl/ompl_interface/src/detail/constrained_goal_sampler.cpp", _one_goal),
        (_PLAN, "request.num_planning_attempts", "at least 1", _REQUEST, _positive),
        (_PLAN, "request.allowed_planning_time", "above 0 s; else 1 s is taken",
         "moveit_core/planning_interface/src/planning_interface.cpp", _positive),
        (_PLAN, "request.max_velocity_scaling_factor", "in (0, 1]; else full speed is taken",
         _REQUEST, _share),
        (_PLAN, "request.max_acceleration_scaling_factor", "in (0, 1]; else all of it is taken",
         _REQUEST, _share),
        (_PLAN, f"{_POSITION}.header.frame_id", "a frame; without one the constraint is void",
         _CONSTRAINT, _base),
        (_PLAN, f"{_POSITION}.link_name", "a link of the model", _CONSTRAINT, _tip),
        (_PLAN, f"{_POSITION}.constraint_region", "a pose for each solid, and a solid",
         _CONSTRAINT, _solids),
        (_PLAN, f"{_POSITION}.constraint_region.primitives[].dimensions[]", "above 0",
         "msg/BoundingVolume.msg", _positive),
        (_PLAN, f"{_POSITION}.constraint_region.primitive_poses[].position", "finite",
         "msg/BoundingVolume.msg", _finite),
        (_PLAN, f"{_POSITION}.constraint_region.primitive_poses[].orientation", "of length 1",
         "moveit_core/utils and geometric_shapes: isometries are checked", _unit),
        (_PLAN, f"{_POSITION}.weight", "above 0; else 1 is taken", _CONSTRAINT, _positive),
        (_PLAN, f"{_ORIENTATION}.header.frame_id", "a frame", _CONSTRAINT, _base),
        (_PLAN, f"{_ORIENTATION}.link_name", "a link of the model", _CONSTRAINT, _tip),
        (_PLAN, f"{_ORIENTATION}.orientation", "of length 1 within 1e-3; else no turn is taken",
         _CONSTRAINT, _unit),
        *((_PLAN, f"{_ORIENTATION}.absolute_{axis}_axis_tolerance",
           "above 0: nothing can be sampled on a point", _CONSTRAINT, _positive) for axis in "xyz"),
        (_PLAN, f"{_ORIENTATION}.parameterization", "a known one: 0 or 1",
         "msg/OrientationConstraint.msg", lambda value, profile: value in (0, 1)),
        (_PLAN, f"{_ORIENTATION}.weight", "above 0; else 1 is taken", _CONSTRAINT, _positive),
        (_PLAN, f"{_JOINT}.joint_name", "a joint of the model", _CONSTRAINT,
         lambda value, profile: value in profile.joints),
        (_PLAN, f"{_JOINT}.tolerance_above", "not below 0", _CONSTRAINT, _positive),
        (_PLAN, f"{_JOINT}.tolerance_below", "not below 0", _CONSTRAINT, _positive),
        (_PLAN, f"{_JOINT}.weight", "above 0; else 1 is taken", _CONSTRAINT, _positive),
        (_PLAN, "planning_options.plan_only", "false: it is to move",
         f"{_CAPABILITY}/move_action_capability.cpp", _false),
        (_PLAN, "planning_options.planning_scene_diff.is_diff", "true: a whole scene would replace"
         " what move_group knows", "msg/PlanningScene.msg", _true),
        (_PLAN, "planning_options.planning_scene_diff.robot_state.is_diff",
         "true: attached objects would be cleared else", "msg/RobotState.msg", _true),
        # A straight way
        (_CART, "group_name", "mandatory", "srv/GetCartesianPath.srv", _group),
        (_CART, "link_name", "the link that goes straight", "srv/GetCartesianPath.srv", _tip),
        (_CART, "header.frame_id", "of the way-points; empty is the model's frame, which may be"
         " another", f"{_CAPABILITY}/cartesian_path_service_capability.cpp", _base),
        (_CART, "start_state.is_diff", "a state without joints has to be a diff", _STATE, _true),
        (_CART, "waypoints", "at least one; without, success with an empty path",
         f"{_CAPABILITY}/cartesian_path_service_capability.cpp", _true),
        (_CART, "waypoints[].position", "finite", "srv/GetCartesianPath.srv", _finite),
        (_CART, "waypoints[].orientation", "of length 1", "srv/GetCartesianPath.srv", _unit),
        (_CART, "max_step", "must be above 0", "srv/GetCartesianPath.srv", _positive),
        (_CART, "jump_threshold", "above 0, or a flip of the inverse is not noticed",
         "moveit2 issues 2355 and 2404", _positive),
        (_CART, "revolute_jump_threshold", "above 0, for servers that read this one",
         "srv/GetCartesianPath.srv", _positive),
        (_CART, "max_velocity_scaling_factor", "in (0, 1]; else full speed is taken",
         "moveit_core/trajectory_processing: time_optimal_trajectory_generation.hpp", _share),
        (_CART, "max_acceleration_scaling_factor", "in (0, 1]; else all of it is taken",
         "moveit_core/trajectory_processing: time_optimal_trajectory_generation.hpp", _share),
        (_EXEC, "trajectory.joint_trajectory.joint_names", "joints that a controller has",
         "moveit_ros/planning/trajectory_execution_manager", _is(lambda p: list(p.joints))),
        (_EXEC, "trajectory.joint_trajectory.points", "times that rise",
         "ros2_controllers/joint_trajectory_controller: validate_trajectory_msg", _timed),
        # Inverse kinematics
        (_IK, "ik_request.group_name", "a group; else INVALID_GROUP_NAME",
         f"{_CAPABILITY}/kinematics_service_capability.cpp", _group),
        (_IK, "ik_request.ik_link_name", "the link; else the group's tip",
         "msg/PositionIKRequest.msg", _tip),
        (_IK, "ik_request.pose_stamped.header.frame_id", "a frame that TF or the model knows",
         f"{_CAPABILITY}/kinematics_service_capability.cpp", _base),
        (_IK, "ik_request.pose_stamped.pose.position", "finite", "msg/PositionIKRequest.msg",
         _finite),
        (_IK, "ik_request.pose_stamped.pose.orientation", "of length 1",
         "msg/PositionIKRequest.msg", _unit),
        (_IK, "ik_request.robot_state.is_diff", "a state without joints has to be a diff",
         "moveit_core/utils/src/message_checks.cpp: isEmpty", _true),
        (_IK, "ik_request.timeout.sec", "0 or more; MoveIt 2 reads whole seconds, and takes that of"
         " kinematics.yaml for 0", f"{_CAPABILITY}/kinematics_service_capability.cpp",
         lambda value, profile: value >= 0),
        # The planning scene
        (_APPLY, "scene.is_diff", "true: else all that is not in it is forgotten",
         "msg/PlanningScene.msg", _true),
        (_APPLY, "scene.robot_state.is_diff", "true: else attached objects are cleared",
         "msg/RobotState.msg", _true),
        (_APPLY, f"{_WORLD}.id", "a name; REMOVE without one removes all", _SCENE, _true),
        (_APPLY, f"{_WORLD}.id", "not that of the octomap", _SCENE,
         lambda value, profile: value != "<octomap>"),
        (_APPLY, f"{_WORLD}.operation", "one of the known ones", "msg/CollisionObject.msg",
         _operation),
        (_APPLY, _WORLD, "with a known frame where something is added", _SCENE, _framed),
        (_APPLY, _WORLD, "with something where something is added", _SCENE, _has_a_shape_to_add),
        (_APPLY, _WORLD, "with as many poses as shapes", _SCENE, _shapes),
        (_APPLY, f"{_WORLD}.pose.orientation", "of length 1", "msg/CollisionObject.msg", _unit),
        (_APPLY, f"{_WORLD}.primitives[].dimensions[]", "above 0", "msg/CollisionObject.msg",
         _positive),
        (_APPLY, f"{_WORLD}.meshes[].triangles", "a mesh has faces", "msg/CollisionObject.msg",
         _true),
        (_APPLY, f"{_HELD}.link_name", "a link of the model", _SCENE, _tip),
        (_APPLY, f"{_HELD}.object.id", "a name; REMOVE without one detaches all", _SCENE, _true),
        (_APPLY, f"{_HELD}.object", "with a known frame where a shape comes along", _SCENE,
         _framed),
        (_APPLY, f"{_HELD}.object", "with as many poses as shapes", _SCENE, _shapes),
        (_APPLY, f"{_HELD}.object.pose.orientation", "of length 1", "msg/CollisionObject.msg",
         _unit),
        (_APPLY, f"{_HELD}.touch_links", "the fingers: they touch what they hold",
         "msg/AttachedCollisionObject.msg", _touching),
        # The gripper, which move_group has no part in
        (GripperCommand, "command.position", "of the joint that the gripper's driver moves",
         "control_msgs/msg/GripperCommand.msg", lambda value, profile: min(
             profile.gripper.closed, profile.gripper.opened
         ) - 1e-9 <= value <= max(profile.gripper.closed, profile.gripper.opened) + 1e-9),
        (GripperCommand, "command.max_effort", "above 0: 0 is no effort in some drivers",
         "control_msgs/msg/GripperCommand.msg", _positive),
        (ParallelGripperCommand, "command.name", "one joint, of the controller",
         "ros2_controllers/parallel_gripper_controller", _is(lambda p: [p.gripper.joints[0]])),
        (ParallelGripperCommand, "command", "as many positions and efforts as names",
         "ros2_controllers/parallel_gripper_controller",
         lambda value, profile: len(value.position) == len(value.effort) == len(value.name)),
    )
)  # fmt: skip
