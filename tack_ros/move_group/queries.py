# SPDX-License-Identifier: Apache-2.0
"""moveit_msgs requests into the planner's, and its trajectories back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from moveit_msgs.msg import Constraints as ConstraintsMessage
from moveit_msgs.msg import (
    MotionPlanRequest,
    MoveItErrorCodes,
    PositionIKRequest,
    RobotState,
)
from moveit_msgs.msg import OrientationConstraint as OrientationMessage
from moveit_msgs.msg import PositionConstraint as PositionMessage
from moveit_msgs.srv import GetCartesianPath
from shape_msgs.msg import SolidPrimitive

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_ros.conversions.transforms import from_pose
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.requests import (
    CartesianRequest,
    Constraints,
    IKRequest,
    JointConstraint,
    OrientationConstraint,
    PlanRequest,
    PositionConstraint,
)
from tack_sim.planning.shapes import Primitive

_KINDS = {
    SolidPrimitive.BOX: "box",
    SolidPrimitive.SPHERE: "sphere",
    SolidPrimitive.CYLINDER: "cylinder",
    SolidPrimitive.CONE: "cone",
}


def from_primitive(message: SolidPrimitive) -> Primitive:
    """A shape_msgs/SolidPrimitive.

    Raises:
        InvalidInputError: a type that is not supported, or sizes that are not positive.
    """
    kind = _KINDS.get(message.type)
    if kind is None:
        raise InvalidInputError(
            f"solid primitive of type {message.type}: box, sphere, cylinder and cone are supported"
        )
    return Primitive(kind, tuple(message.dimensions))


def from_robot_state(message: RobotState) -> dict[str, float]:
    """Joint → position of a robot state; empty means where the robot is.

    Raises:
        MoveItError: INVALID_ROBOT_STATE names and positions do not go together.
    """
    joints = message.joint_state
    if len(joints.name) != len(joints.position):
        raise MoveItError(
            MoveItErrorCode.INVALID_ROBOT_STATE,
            f"{len(joints.name)} joint names with {len(joints.position)} positions",
        )
    return dict(zip(joints.name, map(float, joints.position), strict=True))


def to_robot_state(positions: Mapping[str, float]) -> RobotState:
    """A robot state of joint → position."""
    state = RobotState()
    state.joint_state.name = list(positions)
    state.joint_state.position = [float(value) for value in positions.values()]
    return state


def from_constraints(message: ConstraintsMessage) -> Constraints:
    """A moveit_msgs/Constraints.

    Raises:
        MoveItError: INVALID_GOAL_CONSTRAINTS something in it is not supported or not valid.
    """
    if message.visibility_constraints:
        raise MoveItError(
            MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, "visibility constraints are not supported"
        )
    try:
        return Constraints(
            joints=tuple(
                JointConstraint(c.joint_name, c.position, c.tolerance_above, c.tolerance_below)
                for c in message.joint_constraints
            ),
            positions=tuple(map(_position, message.position_constraints)),
            orientations=tuple(map(_orientation, message.orientation_constraints)),
            name=message.name,
        )
    except MoveItError:
        raise
    except InvalidInputError as error:
        raise MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, str(error)) from error


def _position(message: PositionMessage) -> PositionConstraint:
    region = message.constraint_region
    if region.meshes:
        raise InvalidInputError("position constraint: regions of meshes are not supported")
    if not region.primitives or len(region.primitives) != len(region.primitive_poses):
        raise InvalidInputError(
            f"position constraint of {message.link_name}: {len(region.primitives)} regions with"
            f" {len(region.primitive_poses)} poses"
        )
    regions = tuple(
        (from_primitive(shape), from_pose(pose))
        for shape, pose in zip(region.primitives, region.primitive_poses, strict=True)
    )
    offset = message.target_point_offset
    return PositionConstraint(
        message.link_name,
        message.header.frame_id,
        regions,
        np.array([offset.x, offset.y, offset.z]),
    )


def _orientation(message: OrientationMessage) -> OrientationConstraint:
    q = message.orientation
    return OrientationConstraint(
        message.link_name,
        message.header.frame_id,
        geometry.from_quaternion((q.x, q.y, q.z, q.w)),
        np.array(
            [
                message.absolute_x_axis_tolerance,
                message.absolute_y_axis_tolerance,
                message.absolute_z_axis_tolerance,
            ]
        ),
        message.parameterization == OrientationMessage.ROTATION_VECTOR,
    )


def from_plan_request(message: MotionPlanRequest) -> PlanRequest:
    """A moveit_msgs/MotionPlanRequest.

    Raises:
        MoveItError: with the code that move_group would answer.
    """
    if message.trajectory_constraints.constraints or message.reference_trajectories:
        raise MoveItError(
            MoveItErrorCode.UNRECOGNIZED_GOAL_TYPE,
            "trajectory constraints and reference trajectories are not supported",
        )
    return PlanRequest(
        group=message.group_name,
        goals=tuple(map(from_constraints, message.goal_constraints)),
        start=from_robot_state(message.start_state),
        path_constraints=from_constraints(message.path_constraints),
        velocity_scaling=message.max_velocity_scaling_factor,
        acceleration_scaling=message.max_acceleration_scaling_factor,
        allowed_time=message.allowed_planning_time,
        attempts=max(message.num_planning_attempts, 1),
    )


def from_cartesian_request(message: GetCartesianPath.Request) -> CartesianRequest:
    """A request of moveit_msgs/GetCartesianPath.

    Raises:
        MoveItError: with the code that move_group would answer.
    """
    try:
        waypoints = tuple(map(from_pose, message.waypoints))
    except InvalidInputError as error:
        raise MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, f"way-point: {error}") from None
    return CartesianRequest(
        group=message.group_name,
        waypoints=waypoints,
        link=message.link_name,
        frame=message.header.frame_id,
        start=from_robot_state(message.start_state),
        max_step=message.max_step,
        jump_threshold=message.jump_threshold,
        revolute_jump_threshold=message.revolute_jump_threshold,
        avoid_collisions=message.avoid_collisions,
        path_constraints=from_constraints(message.path_constraints),
        velocity_scaling=message.max_velocity_scaling_factor,
        acceleration_scaling=message.max_acceleration_scaling_factor,
    )


def from_ik_request(message: PositionIKRequest) -> IKRequest:
    """A moveit_msgs/PositionIKRequest for one link.

    Raises:
        MoveItError: with the code that move_group would answer.
    """
    if message.pose_stamped_vector:
        raise MoveItError(
            MoveItErrorCode.UNRECOGNIZED_GOAL_TYPE, "IK of several links at once is not supported"
        )
    try:
        pose = from_pose(message.pose_stamped.pose)
    except InvalidInputError as error:
        raise MoveItError(MoveItErrorCode.INVALID_GOAL_CONSTRAINTS, f"IK pose: {error}") from None
    timeout = message.timeout
    return IKRequest(
        group=message.group_name,
        frame_from_link=pose,
        link=message.ik_link_name,
        frame=message.pose_stamped.header.frame_id,
        seed_state=from_robot_state(message.robot_state),
        avoid_collisions=message.avoid_collisions,
        constraints=from_constraints(message.constraints),
        timeout=timeout.sec + timeout.nanosec * 1e-9,
    )


def to_error_code(code: MoveItErrorCode, message: str = "") -> MoveItErrorCodes:
    """A code as a message, with its sentence where this MoveIt has room for one."""
    answer = MoveItErrorCodes(val=int(code))
    if hasattr(answer, "message"):  # since MoveIt 2.13
        answer.message = message
        answer.source = "tack"
    return answer
