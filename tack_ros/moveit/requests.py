# SPDX-License-Identifier: Apache-2.0
"""MoveIt's request messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from control_msgs.action import GripperCommand, ParallelGripperCommand
from geometry_msgs.msg import Pose
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import (
    AllowedCollisionEntry,
    AllowedCollisionMatrix,
    AttachedCollisionObject,
    CollisionObject,
    Constraints,
    JointConstraint,
    MotionPlanRequest,
    OrientationConstraint,
    PlanningScene,
    PlanningSceneComponents,
    PositionConstraint,
    RobotState,
)
from moveit_msgs.srv import GetCartesianPath, GetPositionIK
from numpy.typing import NDArray
from sensor_msgs.msg import JointState
from shape_msgs.msg import SolidPrimitive
from trajectory_msgs.msg import JointTrajectory

from tack_grasping.motion import MotionConfig
from tack_grasping.reach import Joints
from tack_grasping.robot import Gripper, RobotProfile
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_pose, to_pose_stamped, to_quaternion

FloatArray = NDArray[np.float64]

OCTOMAP = "<octomap>"
"""Name by which MoveIt calls what a depth camera's octomap shows."""
WHO_MAY_TOUCH = PlanningSceneComponents(
    components=PlanningSceneComponents.ALLOWED_COLLISION_MATRIX
    | PlanningSceneComponents.WORLD_OBJECT_NAMES
    | PlanningSceneComponents.ROBOT_STATE_ATTACHED_OBJECTS
)
"""What has to be known of move_group's scene to change what may touch what in it."""
_IK_NS = 100_000_000  # allowed for one inverse; MoveIt 2 reads whole seconds: 0 is its own default
_WORKSPACE = 5.0  # m, to each side; half of what MoveIt takes (and warns of) where it is not said
# Without thresholds an inverse that flips to another branch makes the arm swing on a "straight" way
# (moveit2 issue 2355). Releases read one of the two, or none: `swing` looks at what comes back.
_JUMP = 10.0  # times the mean step
_BRANCH_STEP = 0.6  # rad


def pose_goal(
    profile: RobotProfile, base_from_tip: FloatArray, config: MotionConfig
) -> MoveGroup.Goal:
    """Plan to a pose of the tip frame, and go."""
    header = to_header(0, profile.base_frame)
    position = PositionConstraint(header=header, link_name=profile.tip_frame, weight=1.0)
    ball = SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[config.position_tolerance])
    position.constraint_region.primitives = [ball]
    center = Pose(position=to_pose(base_from_tip).position)
    center.orientation.w = 1.0
    position.constraint_region.primitive_poses = [center]
    orientation = OrientationConstraint(
        header=header,
        link_name=profile.tip_frame,
        orientation=to_quaternion(base_from_tip),
        absolute_x_axis_tolerance=config.angle_tolerance,
        absolute_y_axis_tolerance=config.angle_tolerance,
        absolute_z_axis_tolerance=config.angle_tolerance,
        weight=1.0,
    )
    goal = Constraints(position_constraints=[position], orientation_constraints=[orientation])
    return _move_group_goal(profile, goal, config)


def joint_goal(
    profile: RobotProfile, positions: Mapping[str, float], config: MotionConfig
) -> MoveGroup.Goal:
    """Plan to joint positions (rad), and go."""
    tolerance = config.joint_tolerance
    constraints = [
        JointConstraint(
            joint_name=name,
            position=float(value),
            tolerance_above=tolerance,
            tolerance_below=tolerance,
            weight=1.0,
        )
        for name, value in positions.items()
    ]
    return _move_group_goal(profile, Constraints(joint_constraints=constraints), config)


def _move_group_goal(
    profile: RobotProfile, constraints: Constraints, config: MotionConfig
) -> MoveGroup.Goal:
    request = MotionPlanRequest(
        goal_constraints=[constraints],
        group_name=profile.group,
        num_planning_attempts=config.attempts,
        allowed_planning_time=config.planning_time,
        max_velocity_scaling_factor=config.speed,
        max_acceleration_scaling_factor=config.acceleration,
    )
    request.start_state.is_diff = True  # from where the robot is
    workspace = request.workspace_parameters
    workspace.header = to_header(0, profile.base_frame)
    corner = workspace.max_corner
    corner.x = corner.y = corner.z = _WORKSPACE
    corner = workspace.min_corner
    corner.x = corner.y = corner.z = -_WORKSPACE
    goal = MoveGroup.Goal(request=request)
    goal.planning_options.planning_scene_diff.is_diff = True
    goal.planning_options.planning_scene_diff.robot_state.is_diff = True
    return goal


def straight_request(
    profile: RobotProfile,
    base_from_tips: Sequence[FloatArray],
    config: MotionConfig,
    start: Joints | None = None,
) -> GetCartesianPath.Request:
    """A straight way of the tip frame through poses, from where the robot is, or from `start`."""
    request = GetCartesianPath.Request(
        header=to_header(0, profile.base_frame),
        group_name=profile.group,
        link_name=profile.tip_frame,
        waypoints=[to_pose(pose) for pose in base_from_tips],
        max_step=config.straight_step,
        jump_threshold=_JUMP,
        revolute_jump_threshold=_BRANCH_STEP,
        avoid_collisions=True,
        max_velocity_scaling_factor=config.straight_speed,
        max_acceleration_scaling_factor=config.straight_speed,
    )
    request.start_state = state(start)
    return request


def state(joints: Joints | None) -> RobotState:
    """Where the robot is, but for some joints."""
    message = RobotState(is_diff=True)
    if joints:
        message.joint_state = JointState(name=list(joints), position=list(joints.values()))
    return message


def joints_of(message: RobotState) -> dict[str, float]:
    """The joint positions of a robot state."""
    joints = message.joint_state
    return dict(zip(joints.name, joints.position, strict=True))


def swing(trajectory: JointTrajectory) -> float:
    """How far the joint that turns most turns on a way, rad."""
    positions = np.array([point.positions for point in trajectory.points], dtype=np.float64)
    return float(np.abs(np.diff(positions, axis=0)).sum(axis=0).max(initial=0.0))


def gripper_goal(gripper: Gripper, opening: float, force: float) -> GripperCommand.Goal:
    """A goal of control_msgs/GripperCommand: opening in m, force in N."""
    goal = GripperCommand.Goal()
    goal.command.position = gripper.position(opening)
    goal.command.max_effort = float(force)
    return goal


def parallel_gripper_goal(
    gripper: Gripper, opening: float, force: float
) -> ParallelGripperCommand.Goal:
    """A goal of control_msgs/ParallelGripperCommand: opening in m, force in N."""
    goal = ParallelGripperCommand.Goal()
    goal.command.name = [gripper.joints[0]]
    goal.command.position = [gripper.position(opening)]
    goal.command.effort = [float(force)]
    return goal


def box(
    name: str, frame: str, frame_from_box: FloatArray, size: Iterable[float]
) -> CollisionObject:
    """A box for the planning scene: full side lengths, m."""
    shape = SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[float(side) for side in size])
    still = Pose()
    still.orientation.w = 1.0
    return CollisionObject(
        header=to_header(0, frame),
        id=name,
        pose=to_pose(frame_from_box),
        primitives=[shape],
        primitive_poses=[still],
        operation=CollisionObject.ADD,
    )


def ik_request(
    profile: RobotProfile,
    base_from_tip: FloatArray,
    *,
    avoid_collisions: bool,
    start: Joints | None = None,
) -> GetPositionIK.Request:
    """Joint positions that bring the tip to a pose; free of collisions, or wherever they are.

    They are looked for from `start` on, or from where the robot is.
    """
    request = GetPositionIK.Request()
    wanted = request.ik_request
    wanted.group_name, wanted.ik_link_name = profile.group, profile.tip_frame
    wanted.pose_stamped = to_pose_stamped(base_from_tip, to_header(0, profile.base_frame))
    wanted.robot_state = state(start)
    wanted.avoid_collisions = avoid_collisions
    wanted.timeout = Duration(nanosec=_IK_NS)
    return request


def attached_box(
    name: str, profile: RobotProfile, tip_from_box: FloatArray, size: Iterable[float]
) -> AttachedCollisionObject:
    """A box that moves with the gripper: pose in the tip frame and full side lengths, m."""
    return AttachedCollisionObject(
        link_name=profile.tip_frame,
        object=box(name, profile.tip_frame, tip_from_box, size),
        touch_links=[profile.tip_frame, *profile.gripper.held_by],
    )


def scene_change(
    objects: Iterable[CollisionObject] = (), attached: Iterable[AttachedCollisionObject] = ()
) -> PlanningScene:
    """A change of the planning scene that leaves all else as it is."""
    scene = PlanningScene(is_diff=True)
    scene.robot_state.is_diff = True
    scene.world.collision_objects = list(objects)
    scene.robot_state.attached_collision_objects = list(attached)
    return scene


def allowing(matrix: AllowedCollisionMatrix) -> PlanningScene:
    """A change of the planning scene that replaces what may touch what."""
    scene = scene_change()
    scene.allowed_collision_matrix = matrix
    return scene


def opened(
    matrix: AllowedCollisionMatrix, links: Iterable[str], names: Iterable[str]
) -> AllowedCollisionMatrix:
    """The matrix with which some links may touch some objects, and what an octomap shows.

    An entry counts more than a default (MoveIt's `AllowedCollisionMatrix::getAllowedCollision`), so
    that new rows say for all others what the defaults said.
    """
    mine, free = set(links), {*names, OCTOMAP}
    old = list(matrix.entry_names)
    known = [*old, *sorted((mine | free) - set(old))]
    defaults = dict(zip(matrix.default_entry_names, matrix.default_entry_values, strict=True))
    before = {
        (first, second): bool(value)
        for first, row in zip(old, matrix.entry_values, strict=True)
        for second, value in zip(old, row.enabled, strict=True)
    }

    def allowed(first: str, second: str) -> bool:
        if (first in mine and second in free) or (second in mine and first in free):
            return True
        given = [defaults[name] for name in (first, second) if name in defaults]
        return before.get((first, second), bool(given) and all(given))

    return AllowedCollisionMatrix(
        entry_names=known,
        entry_values=[
            AllowedCollisionEntry(enabled=[allowed(first, second) for second in known])
            for first in known
        ],
        default_entry_names=list(defaults),
        default_entry_values=list(defaults.values()),
    )


def seconds(duration: Duration) -> float:
    """A duration in s."""
    return float(duration.sec) + float(duration.nanosec) * 1e-9
