# SPDX-License-Identifier: Apache-2.0
"""Pick-and-place goals as poses."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseArray, PoseStamped
from moveit_msgs.msg import Grasp
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from tack_grasping.goal import PickPlaceGoal
from tack_grasping.robot import Gripper
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_pose, to_pose_stamped


def to_grasps(goals: Sequence[PickPlaceGoal], stamp_ns: int, frame_id: str) -> PoseArray:
    """The grasp pose of each goal, in their order (best first); all are in `frame_id`."""
    return PoseArray(
        header=to_header(stamp_ns, frame_id), poses=[to_pose(goal.grasp) for goal in goals]
    )


def to_poses(goal: PickPlaceGoal) -> dict[str, PoseStamped]:
    """Name → pose, for each pose that the goal has."""
    header = to_header(goal.stamp_ns, goal.frame_id)
    return {name: to_pose_stamped(pose, header) for name, pose in goal.poses.items()}


def to_grasp(goal: PickPlaceGoal, gripper: Gripper) -> Grasp:
    """A goal as MoveIt's message: the grasp pose, and the finger joints before and at closing.

    Its pose is that of the gripper frame of `PickPlaceGoal`; what the goal has beyond that is on
    the other topics.
    """
    return Grasp(
        id=goal.label,
        grasp_pose=to_pose_stamped(goal.grasp, to_header(goal.stamp_ns, goal.frame_id)),
        grasp_quality=goal.score,
        pre_grasp_posture=_posture(gripper, gripper.position(goal.width)),
        grasp_posture=_posture(gripper, gripper.closed),
        max_contact_force=gripper.force,
    )


def _posture(gripper: Gripper, position: float) -> JointTrajectory:
    return JointTrajectory(
        joint_names=[gripper.joints[0]], points=[JointTrajectoryPoint(positions=[position])]
    )
