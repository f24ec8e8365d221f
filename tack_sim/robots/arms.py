# SPDX-License-Identifier: Apache-2.0
"""The arms and grippers that tack knows, by the names that profiles use."""

from __future__ import annotations

from tack_grasping.robot import RobotProfile
from tack_perception.errors import InvalidInputError
from tack_sim.robots.franka_hand import FRANKA_HAND
from tack_sim.robots.link import Arm, Hand
from tack_sim.robots.panda import PANDA
from tack_sim.robots.robotiq_2f85 import ROBOTIQ_2F85
from tack_sim.robots.ur5e import UR5E

ARMS: dict[str, Arm] = {"panda": PANDA, "ur5e": UR5E}
HANDS: dict[str, Hand] = {"franka_hand": FRANKA_HAND, "robotiq_2f85": ROBOTIQ_2F85}


def arm_of(profile: RobotProfile) -> Arm:
    """The arm of a robot.

    Raises:
        InvalidInputError: there is no such arm, or its frames and joints are not the profile's.
    """
    if profile.arm not in ARMS:
        raise InvalidInputError(
            f"{profile.name}: arm {profile.arm!r} cannot be simulated; known are {', '.join(ARMS)}"
        )
    arm = ARMS[profile.arm]
    ends = (arm.links[0].name, arm.links[-1].name)
    if (profile.base_frame, profile.tip_frame) != ends:
        raise InvalidInputError(
            f"{profile.name}: the chain of {profile.arm} goes from {ends[0]} to {ends[1]},"
            f" not from {profile.base_frame} to {profile.tip_frame}"
        )
    if tuple(profile.joints) != arm.joints:
        raise InvalidInputError(
            f"{profile.name}: joints {', '.join(profile.joints)}; those of {profile.arm} are"
            f" {', '.join(arm.joints)}, in this order"
        )
    return arm


def hand_of(profile: RobotProfile) -> Hand:
    """The gripper of a robot.

    Raises:
        InvalidInputError: there is no such gripper, or its joints are not the profile's.
    """
    gripper = profile.gripper
    if gripper.name not in HANDS:
        raise InvalidInputError(
            f"{profile.name}: gripper {gripper.name!r} cannot be simulated;"
            f" known are {', '.join(HANDS)}"
        )
    hand = HANDS[gripper.name]
    known = {link.joint.name for link in hand.links if link.joint}
    unknown = [name for name in gripper.joints if name not in known]
    if unknown:
        raise InvalidInputError(
            f"{profile.name}: {gripper.name} has no joint {', '.join(unknown)};"
            f" it has {', '.join(sorted(known))}"
        )
    return hand
