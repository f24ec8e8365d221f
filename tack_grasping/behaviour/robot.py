# SPDX-License-Identifier: Apache-2.0
"""The robot that a behaviour drives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tack_grasping.behaviour.settings import Planner
from tack_grasping.behaviour.sight import Eyes, Surroundings
from tack_grasping.motion import Motion
from tack_grasping.placing.scene import Container
from tack_grasping.robot import RobotProfile


@dataclasses.dataclass(frozen=True)
class Robot:
    """The robot that works.

    Attributes:
        profile: what is known of it.
        motion: its arm and gripper.
        eyes: its camera.
        planner: makes goals of what the camera sees.
        surroundings: tells MoveIt's planner what stands around; None where that is somebody else's
            business.
        bins: by name, in the base frame: what is in them is not taken unless a person points at it.
    """

    profile: RobotProfile
    motion: Motion
    eyes: Eyes
    planner: Planner
    surroundings: Surroundings | None = None
    bins: Mapping[str, Container] = dataclasses.field(default_factory=dict)
