# SPDX-License-Identifier: Apache-2.0
"""Where a gripper may be asked to go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry

FloatArray = NDArray[np.float64]


def check_workspace(profile: RobotProfile, base_from_gripper: FloatArray) -> str:
    """Why a pose may not be asked for.

    Args:
        profile: the robot, with its `workspace` and its boxes to `keep_out` of.
        base_from_gripper: (4, 4), m; its origin is what counts: between the finger tips.

    Returns:
        A sentence; "" for a pose that may be asked for.

    Raises:
        InvalidInputError: not a rigid transform.
    """
    place = geometry.check_transform(base_from_gripper, "base_from_gripper")[:3, 3]
    low, high = profile.workspace
    outside = [
        f"{axis} = {value:.3f} m is {'below' if value < lower else 'above'}"
        f" {lower if value < lower else upper:.3f} m"
        for axis, value, lower, upper in zip("xyz", place, low, high, strict=True)
        if not lower <= value <= upper
    ]
    if outside:
        return (
            f"the gripper would be outside of the workspace of {profile.name}:"
            f" {' and '.join(outside)}"
        )
    for box in profile.keep_out:
        local = geometry.apply(geometry.inverse(box.base_from_box), place)
        if bool((np.abs(local) <= box.size / 2).all()):
            return f"the gripper would be in {box.name!r}, which {profile.name} has to keep out of"
    return ""
