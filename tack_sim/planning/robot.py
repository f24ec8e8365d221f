# SPDX-License-Identifier: Apache-2.0
"""The robot as the planning scene sees it: names, limits, and where each link is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.robots.arms import arm_of, hand_of
from tack_sim.robots.housings import camera_links
from tack_sim.robots.kinematics import Kinematics
from tack_sim.robots.link import Joint

FloatArray = NDArray[np.float64]

_LIMIT_SLACK = 1e-3  # rad; joint states of an arm that stands at its limit lie beyond it by noise


class RobotModel:
    """An arm with its gripper; safe to use from any thread.

    Attributes:
        profile: the robot.
        kinematics: of its arm.
        joints: names of the arm's joints, base to tip.
        link_names: all links: the arm's, base to tip, the gripper's, and the cameras.
        default_positions: home, with the gripper open.
        touching_links: pairs of links that touch by construction: never checked.

    Args:
        profile: the robot.

    Raises:
        InvalidInputError: its arm or its gripper cannot be simulated.
    """

    def __init__(self, profile: RobotProfile) -> None:
        arm, hand = arm_of(profile), hand_of(profile)
        self.profile, self.kinematics = profile, Kinematics(profile)
        self.joints = arm.joints
        self._hand = hand
        self._tip_from_hand = profile.gripper.tip_from_gripper @ hand.gripper_from_hand
        links = (*arm.links, *hand.links, *camera_links(profile))
        self._links = {link.name: link for link in links}
        self._hand_root = hand.links[0].name
        self._joints = {link.joint.name: link.joint for link in self._links.values() if link.joint}
        self.link_names = tuple(self._links)
        gripper = dict.fromkeys(profile.gripper.joints, profile.gripper.opened)
        home = dict(zip(self.joints, map(float, profile.home), strict=True))
        self.default_positions: Mapping[str, float] = MappingProxyType({**home, **gripper})
        self.touching_links = self._touching(arm.touching)

    def _touching(self, known: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Neighbours, fixed neighbours of neighbours' joints, and all inside of the gripper."""
        inside = [link.name for link in self._hand.links]
        neighbours = [
            (first, second)
            for first, second in itertools.combinations(self._links, 2)
            if self._anchor(first) == self._anchor(second) or self._parent(second) == first
        ]
        pairs = (*known, *neighbours, *itertools.combinations(inside, 2))
        unique = {frozenset(pair): pair for pair in pairs}
        return tuple(unique.values())

    def _parent(self, link: str) -> str:
        parent = self._links[link].parent
        return self.profile.tip_frame if link == self._hand_root else parent

    def _anchor(self, link: str) -> str:
        """The link that moves it: itself, or the last one before it that has a joint."""
        while self._links[link].joint is None and self._parent(link):
            link = self._parent(link)
        return link

    def merged(
        self, positions: Mapping[str, float], change: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Positions with those of this robot's joints changed that `change` names.

        Raises:
            MoveItError: INVALID_ROBOT_STATE: a position is not finite.
        """
        known = {name: float(value) for name, value in change.items() if name in positions}
        bad = [f"{name} = {value}" for name, value in known.items() if not math.isfinite(value)]
        if bad:
            raise MoveItError(
                MoveItErrorCode.INVALID_ROBOT_STATE, f"joint positions {', '.join(bad)}: not finite"
            )
        return MappingProxyType({**positions, **known})

    def start(
        self, positions: Mapping[str, float], change: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Positions to start a query from, with `change` applied and the arm within its limits.

        Raises:
            MoveItError: INVALID_ROBOT_STATE: a joint is unknown or its position not finite;
                START_STATE_INVALID: outside the limits by more than noise.
        """
        unknown = [name for name in change if name not in self._joints]
        if unknown:
            raise MoveItError(
                MoveItErrorCode.INVALID_ROBOT_STATE,
                f"the start state names {', '.join(map(repr, unknown))}; {self.profile.name} has"
                f" {', '.join(self._joints)}",
            )
        merged = self.merged(positions, change)
        q = self.arm_positions(merged)
        outside = self.outside_limits(q)
        if outside:
            raise MoveItError(MoveItErrorCode.START_STATE_INVALID, f"at the start {outside}")
        return self.with_arm(merged, np.clip(q, self.kinematics.lower, self.kinematics.upper))

    def arm_positions(self, positions: Mapping[str, float]) -> FloatArray:
        """(n,) of the arm's joints, rad."""
        return np.array([positions[name] for name in self.joints])

    def with_arm(self, positions: Mapping[str, float], q: ArrayLike) -> Mapping[str, float]:
        """The positions with the arm's joints at q (n,), rad."""
        arm = dict(zip(self.joints, np.asarray(q, dtype=np.float64).tolist(), strict=True))
        return MappingProxyType({**positions, **arm})

    def outside_limits(self, q: ArrayLike) -> str:
        """Which joint is outside its limits, in words; "" if none is."""
        for name, value in zip(self.joints, np.asarray(q, dtype=np.float64), strict=True):
            limit = self.profile.joints[name]
            if not limit.lower - _LIMIT_SLACK <= value <= limit.upper + _LIMIT_SLACK:
                return (
                    f"{name} = {value:.4f} rad is outside its limits"
                    f" {limit.lower:.4f} to {limit.upper:.4f} rad"
                )
        return ""

    def gripper_positions(self, positions: Mapping[str, float]) -> dict[str, float]:
        """Joint → position of every moving part of the gripper, from its first finger joint."""
        gripper, hand = self.profile.gripper, self._hand
        position = positions[gripper.joints[0]]
        share = (position - gripper.closed) / (gripper.opened - gripper.closed)
        slide = float(np.clip(share, 0, 1)) * gripper.stroke / 2
        moved = dict.fromkeys(hand.slides, slide)
        for follower in hand.followers:
            joint = self._joints[follower.slide]
            moved[follower.joint] = float(
                np.polyval(follower.polynomial[::-1], slide - _position_as_described(joint))
            )
        return moved

    def base_from_link(self, link: str, positions: Mapping[str, float]) -> FloatArray:
        """(4, 4) pose of a link in the base frame, m.

        Raises:
            MoveItError: INVALID_LINK_NAME: there is no such link.
        """
        self.check_link(link)
        moved = self.gripper_positions(positions)
        pose = np.eye(4)
        while link:
            part = self._links[link]
            start = self._tip_from_hand if link == self._hand_root else part.parent_from_link
            if part.joint is not None:
                name = part.joint.name
                start = start @ _motion(part.joint, moved.get(name, positions.get(name, 0.0)))
            pose = start @ pose
            link = self._parent(link)
        return pose

    def check_link(self, link: str) -> None:
        """Refuse a link that the robot does not have.

        Raises:
            MoveItError: INVALID_LINK_NAME.
        """
        if link not in self._links:
            raise MoveItError(
                MoveItErrorCode.INVALID_LINK_NAME,
                f"link {link!r} is unknown; {self.profile.name} has {', '.join(self.link_names)}",
            )

    def tip_from_link(self, link: str) -> FloatArray | None:
        """(4, 4) pose of a link that is fixed to the arm's tip, in the tip's frame, m.

        None for one that is not.

        Raises:
            MoveItError: INVALID_LINK_NAME: there is no such link.
        """
        self.check_link(link)
        if self._anchor(link) != self._anchor(self.profile.tip_frame):
            return None
        positions = self.default_positions
        base_from_tip = self.base_from_link(self.profile.tip_frame, positions)
        return geometry.inverse(base_from_tip) @ self.base_from_link(link, positions)


def _position_as_described(joint: Joint) -> float:
    """The joint's position where its link is at `parent_from_link`: fingers are described open."""
    return (joint.upper or 0.0) if joint.kind == "slide" else 0.0


def _motion(joint: Joint, position: float) -> FloatArray:
    moved = position - _position_as_described(joint)
    if joint.kind == "slide":
        return geometry.make_transform(np.eye(3), moved * np.asarray(joint.axis))
    return geometry.from_axis_angle(joint.axis, moved)
