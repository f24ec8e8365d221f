# SPDX-License-Identifier: Apache-2.0
"""Joint trajectories and durations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from builtin_interfaces.msg import Duration
from moveit_msgs.msg import RobotTrajectory
from numpy.typing import NDArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from tack_perception.errors import InvalidInputError
from tack_sim.planning.requests import Trajectory


def to_robot_trajectory(trajectory: Trajectory | None) -> RobotTrajectory:
    """A trajectory as a message; an empty one for None."""
    message = RobotTrajectory()
    if trajectory is None:
        return message
    message.joint_trajectory = JointTrajectory(
        joint_names=list(trajectory.joints),
        points=[
            JointTrajectoryPoint(
                positions=trajectory.positions[i].tolist(),
                velocities=trajectory.velocities[i].tolist(),
                accelerations=trajectory.accelerations[i].tolist(),
                time_from_start=to_duration(float(time)),
            )
            for i, time in enumerate(trajectory.times)
        ],
    )
    return message


def from_joint_trajectory(message: JointTrajectory) -> Trajectory:
    """A trajectory_msgs/JointTrajectory; velocities and accelerations may be missing (then 0).

    Raises:
        InvalidInputError: points that do not fit the joint names, are not finite, or go back in
            time; the message says which.
    """
    joints = tuple(message.joint_names)
    points = message.points
    if not joints or len(set(joints)) != len(joints):
        raise InvalidInputError(f"trajectory of the joints [{', '.join(joints)}]")
    if not points:
        raise InvalidInputError("trajectory without points")
    times = np.array([p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in points])
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise InvalidInputError("trajectory whose times do not rise")
    positions = _rows((p.positions for p in points), joints, "positions")
    if not positions.size:
        raise InvalidInputError("trajectory without positions")
    velocities = _rows((p.velocities for p in points), joints, "velocities")
    accelerations = _rows((p.accelerations for p in points), joints, "accelerations")
    return Trajectory(
        joints,
        times,
        positions,
        velocities if velocities.size else np.zeros_like(positions),
        accelerations if accelerations.size else np.zeros_like(positions),
    )


def _rows(
    values: Iterable[Iterable[float]], joints: tuple[str, ...], what: str
) -> NDArray[np.float64]:
    """(N, n) of one field of all points; (0, 0) where no point has it."""
    rows = [list(row) for row in values]
    if not any(rows):
        return np.zeros((0, 0))
    if any(len(row) != len(joints) for row in rows):
        raise InvalidInputError(f"trajectory: {what} of some points are not {len(joints)} numbers")
    array = np.array(rows, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InvalidInputError(f"trajectory: {what} hold NaN or infinity")
    return array


def to_duration(seconds: float) -> Duration:
    """A duration message of s, to the nearest ns."""
    total = round(seconds * 1e9)
    return Duration(sec=total // 1_000_000_000, nanosec=total % 1_000_000_000)
