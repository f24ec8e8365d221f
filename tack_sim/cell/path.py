# SPDX-License-Identifier: Apache-2.0
"""Simple motions from rest to rest, for scripts: in joint space, and straight for the gripper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.planning.requests import Trajectory
from tack_sim.robots.kinematics import Kinematics

FloatArray = NDArray[np.float64]

_SHARE = 0.5  # of the velocity limits that is used
_LINEAR_SPEED = 0.15  # m/s, of the gripper on average
_SHORTEST = 0.4  # s
_JUMP = 0.5  # rad between neighbours on a straight way: another branch of the arm's solutions
_POINTS = 13


def joint_move(profile: RobotProfile, start: FloatArray, goal: FloatArray) -> Trajectory:
    """From rest at `start` to rest at `goal`, (n,) rad each, all joints at once."""
    limits = np.array([limit.velocity for limit in profile.joints.values()])
    # The fastest moment of a cubic from rest to rest has 1.5 times the mean velocity.
    duration = max(_SHORTEST, float((1.5 * np.abs(goal - start) / (_SHARE * limits)).max()))
    still = np.zeros((2, len(start)))
    return Trajectory(
        tuple(profile.joints), np.array([0.0, duration]), np.stack([start, goal]), still, still
    )


def straight_move(
    kinematics: Kinematics,
    profile: RobotProfile,
    start: FloatArray,
    base_from_start: FloatArray,
    base_from_goal: FloatArray,
) -> Trajectory | None:
    """The gripper on a straight line from rest to rest; None where the arm cannot follow it.

    Args:
        kinematics: of the arm.
        profile: the robot.
        start: (n,) joint positions at the start, rad.
        base_from_start, base_from_goal: (4, 4) base_from_gripper, m.
    """
    time = np.linspace(0, 1, _POINTS)
    way = time * time * (3 - 2 * time)
    positions = [start]
    for fraction in way[1:].tolist():
        pose = geometry.interpolate(base_from_start, base_from_goal, fraction)
        found = kinematics.inverse(kinematics.tip_pose(pose), positions[-1], attempts=1)
        if found is None or float(np.abs(found - positions[-1]).max()) > _JUMP:
            return None
        positions.append(found)
    length = float(np.linalg.norm(base_from_goal[:3, 3] - base_from_start[:3, 3]))
    duration = max(_SHORTEST, length / _LINEAR_SPEED)
    times = time * duration
    spline = CubicSpline(times, np.array(positions), bc_type="clamped")
    return Trajectory(
        tuple(profile.joints), times, np.array(positions), spline(times, 1), spline(times, 2)
    )
