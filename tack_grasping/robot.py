# SPDX-License-Identifier: Apache-2.0
"""What is known of a robot: its arm, its gripper and where its cameras sit.

The same profile describes the arm to the planner of grasps, to the MoveIt client and to the
simulated cell. Names of frames, joints, groups and controllers are those of the robot's own MoveIt
configuration. Files: `tack_grasping.profiles`; every field for users: docs/robots.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class JointLimits:
    """Limits of one joint.

    Attributes:
        lower, upper: position, rad.
        velocity: rad/s.
        acceleration: rad/s².
    """

    lower: float
    upper: float
    velocity: float
    acceleration: float


@dataclasses.dataclass(frozen=True, eq=False)
class Gripper:
    """A parallel gripper.

    Attributes:
        name: franka_hand, robotiq_2f85, …
        joints: finger joints, as in the joint states.
        stroke: largest opening between the fingers, m.
        closed, opened: position of the first finger joint at opening 0 and at `stroke`, rad or m;
            between them the opening is taken as linear.
        finger_depth: from the finger tips to the palm, m.
        finger_width, finger_thickness: of one finger's tip across and along the closing
            direction, m.
        force: largest closing force that is asked for, N.
        speed: of the opening, m/s.
        tip_from_gripper: (4, 4), the arm's tip frame ← the gripper frame of `PickPlaceGoal`
            (between the very ends of the fingers, z approach, y closing), m.
        action: name of its action.
        action_type: gripper_command, parallel_gripper_command (both control_msgs).
        touch_links: links that may touch what is grasped: fingers, palm, and what else is fixed to
            them, such as the wrist camera.
        finger_links: those of them that go down beside what is grasped, and so between it and its
            neighbours.
        wrist_links: links of the arm that the gripper is fixed to.
    """

    name: str
    joints: tuple[str, ...]
    stroke: float
    closed: float
    opened: float
    finger_depth: float
    finger_width: float
    finger_thickness: float
    force: float
    speed: float
    tip_from_gripper: FloatArray
    action: str
    action_type: str
    touch_links: tuple[str, ...]
    finger_links: tuple[str, ...]
    wrist_links: tuple[str, ...] = ()

    @property
    def held_by(self) -> tuple[str, ...]:
        """Links against which what is held does not move: the box around it may overlap them."""
        return (*self.wrist_links, *self.touch_links)

    def position(self, opening: float) -> float:
        """Position of the first finger joint at an opening, m."""
        return self.closed + (self.opened - self.closed) * opening / self.stroke

    def opening(self, position: float) -> float:
        """Opening, m, at a position of the first finger joint."""
        return (position - self.closed) / (self.opened - self.closed) * self.stroke


@dataclasses.dataclass(frozen=True, eq=False)
class CameraMount:
    """Where a camera sits.

    Attributes:
        name: prefix of its topics and frames.
        model: d435 or d405.
        parent: link that carries it; the base frame for a camera that watches the scene.
        parent_from_optical: (4, 4), pose of the colour camera's optical frame, m.
    """

    name: str
    model: str
    parent: str
    parent_from_optical: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class KeepOut:
    """A box that nothing of the robot may enter, whatever the cameras see there.

    Attributes:
        name: of it in the planning scene.
        base_from_box: (4, 4), pose of its middle, m.
        size: (3,) full side lengths, m.
    """

    name: str
    base_from_box: FloatArray
    size: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class RobotProfile:
    """One robot arm with its gripper and cameras.

    Attributes:
        name: panda_2f85, panda_hand, ur5e_2f85, …
        arm: panda or ur5e, the kinematic chain.
        group: MoveIt's planning group of the arm.
        base_frame: where the chain starts; z up, the table's top at z = `table_height`.
        tip_frame: the link that MoveIt plans for (end of the chain).
        joints: name → limits, in the order of the chain.
        home: (n,) rad, joint positions from which the wrist camera looks at the table.
        arm_controller: name of the FollowJointTrajectory action.
        gripper: what is at the tip.
        cameras: by name.
        workspace: ((3,), (3,)) lowest and highest corner of where grasps may be, in the base
            frame, m.
        table_height: z of the table's top in the base frame, m.
        keep_out: boxes that nothing of the robot may enter.
    """

    name: str
    arm: str
    group: str
    base_frame: str
    tip_frame: str
    joints: Mapping[str, JointLimits]
    home: FloatArray
    arm_controller: str
    gripper: Gripper
    cameras: Mapping[str, CameraMount]
    workspace: tuple[FloatArray, FloatArray]
    table_height: float
    keep_out: tuple[KeepOut, ...] = ()
