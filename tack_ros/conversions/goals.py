# SPDX-License-Identifier: Apache-2.0
"""Pick-and-place goals as poses."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseArray, PoseStamped

from tack_grasping.goal import PickPlaceGoal
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
