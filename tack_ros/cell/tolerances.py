# SPDX-License-Identifier: Apache-2.0
"""The tolerances that a control_msgs/FollowJointTrajectory goal brings along."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from control_msgs.action import FollowJointTrajectory
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError
from tack_ros.moveit.requests import seconds
from tack_sim.cell.executor import Tolerances

FloatArray = NDArray[np.float64]
_NONE = -1.0  # as ros2_control: 0 keeps the controller's own, -1 switches a tolerance off


def goal_tolerances(
    goal: FollowJointTrajectory.Goal, joints: Sequence[str], default: Tolerances
) -> Tolerances:
    """The controller's tolerances with those of a goal in their place, as ros2_control reads them.

    Tolerances of accelerations are not looked at: they are not measured.

    Args:
        goal: the message.
        joints: of the arm, in the order of `default`.
        default: of the controller.

    Raises:
        InvalidInputError: a joint that the arm does not have, or a tolerance that is neither
            positive, 0 nor -1.
    """
    if goal.component_path_tolerance or goal.component_goal_tolerance:
        raise InvalidInputError("component tolerances: the arm has joints only")
    path, path_velocity = _replaced(
        "path", goal.path_tolerance, joints, default.path, default.path_velocity
    )
    end, end_velocity = _replaced(
        "goal", goal.goal_tolerance, joints, default.goal, default.goal_velocity
    )
    time = seconds(goal.goal_time_tolerance)
    if time < 0 and time != _NONE:
        raise InvalidInputError(f"goal_time_tolerance {time:g} s: 0 or more is allowed, or -1")
    given = np.inf if time < 0 else time
    return dataclasses.replace(
        default,
        path=path,
        path_velocity=path_velocity,
        goal=end,
        goal_velocity=end_velocity,
        goal_time=given if time else default.goal_time,
    )


def _replaced(
    what: str,
    tolerances: Iterable[Any],
    joints: Sequence[str],
    position: FloatArray,
    velocity: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    position, velocity = position.copy(), velocity.copy()
    for tolerance in tolerances:
        if tolerance.name not in joints:
            raise InvalidInputError(
                f"{what} tolerance of {tolerance.name!r}: the arm has {', '.join(joints)}"
            )
        index = joints.index(tolerance.name)
        for values, given in ((position, tolerance.position), (velocity, tolerance.velocity)):
            if given == _NONE:
                values[index] = np.inf
            elif given > 0:
                values[index] = given
            elif given != 0:  # negative, or NaN
                raise InvalidInputError(
                    f"{what} tolerance of {tolerance.name}: {given:g}; positive values, 0 for the"
                    " controller's own, and -1 for none are allowed"
                )
    return position, velocity
