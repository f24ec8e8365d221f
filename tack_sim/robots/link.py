# SPDX-License-Identifier: Apache-2.0
"""What an arm or a gripper is made of: links with mass, simple solids and a joint to the parent."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d import euler

from tack_perception import geometry

FloatArray = NDArray[np.float64]
Color = tuple[float, float, float]
Kind = Literal["box", "cylinder", "capsule", "sphere"]

ALONG_X = (0.0, math.pi / 2, 0.0)
ALONG_Y = (-math.pi / 2, 0.0, 0.0)
"""Roll, pitch, yaw that turn the axis z of a cylinder or a capsule to the link's x or y."""


def pose(xyz: ArrayLike = (0, 0, 0), rpy: ArrayLike = (0, 0, 0)) -> FloatArray:
    """(4, 4) parent_from_frame as in a URDF: turns about the parent's x, then y, then z, rad; m."""
    roll, pitch, yaw = np.asarray(rpy, dtype=np.float64)
    return geometry.make_transform(euler.euler2mat(roll, pitch, yaw, "sxyz"), xyz)


@dataclasses.dataclass(frozen=True, eq=False)
class Solid:
    """A simple solid of a link.

    Attributes:
        kind: box (size: half lengths), cylinder and capsule (radius, half length along z without
            the caps), sphere (radius); m.
        size: m, see `kind`.
        link_from_solid: (4, 4), m.
        color: RGB, 0 to 1.
        collides: whether physics and planning see it.
        shows: whether it is drawn where there are no meshes.
        name: of the collision geometry; "" for none.
        pad: whether it is a rubber pad that holds objects.
    """

    kind: Kind
    size: tuple[float, ...]
    link_from_solid: FloatArray
    color: Color
    collides: bool = True
    shows: bool = True
    name: str = ""
    pad: bool = False


@dataclasses.dataclass(frozen=True)
class Joint:
    """How a link moves against its parent.

    Attributes:
        name: as in the joint states.
        axis: in the link's frame.
        kind: hinge (rad) or slide (m).
        lower, upper: rad or m; None for an arm's joints, whose limits are in the profile.
        armature: inertia of motor and gears at the joint, kg·m² or kg.
        damping: N·m·s/rad or N·s/m.
    """

    name: str
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    kind: Literal["hinge", "slide"] = "hinge"
    lower: float | None = None
    upper: float | None = None
    armature: float = 0.1
    damping: float = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Link:
    """One rigid link.

    Attributes:
        name: of its frame, as in the robot's URDF.
        parent: name of the link before it, "" for the first.
        parent_from_link: (4, 4) with its joint at 0, m.
        joint: None where it is fixed to its parent.
        mass: kg; 0 for a frame without a body.
        center: of mass, in its frame, m.
        inertia: (xx, yy, zz, xy, xz, yz) about the centre of mass, along its frame, kg·m².
        solids: what it looks like and what collides.
    """

    name: str
    parent: str
    parent_from_link: FloatArray
    joint: Joint | None = None
    mass: float = 0.0
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    inertia: tuple[float, float, float, float, float, float] = (0.0,) * 6
    solids: tuple[Solid, ...] = ()


@dataclasses.dataclass(frozen=True)
class Drive:
    """The motor of an arm's joint under position control.

    Attributes:
        stiffness: N·m/rad; the damping is 0.03 s of it, N·m·s/rad.
        torque: largest, N·m.
    """

    stiffness: float
    torque: float


@dataclasses.dataclass(frozen=True)
class Arm:
    """A kinematic chain.

    Attributes:
        links: from the base to the tip; parents come first.
        drives: one for each joint, in the chain's order.
        touching: pairs of links that touch in every or nearly every position of the joints.
    """

    links: tuple[Link, ...]
    drives: tuple[Drive, ...]
    touching: tuple[tuple[str, str], ...]

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, from the base to the tip."""
        return tuple(link.joint.name for link in self.links if link.joint)


@dataclasses.dataclass(frozen=True)
class Follower:
    """A joint of a gripper that moves with a finger and carries no load.

    Attributes:
        joint: its name.
        slide: name of the slide joint that it follows.
        polynomial: (c0, c1, c2, c3, c4), its position as a polynomial of the slide's.
    """

    joint: str
    slide: str
    polynomial: tuple[float, float, float, float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Hand:
    """A parallel gripper whose two fingers slide, each by half of the opening.

    Attributes:
        links: the first is fixed to the arm's tip.
        gripper_from_hand: (4, 4), the gripper frame ← the first link, m.
        slides: names of the left and the right finger's slide joints; at 0 the gripper is closed.
        followers: joints that move with a slide.
    """

    links: tuple[Link, ...]
    gripper_from_hand: FloatArray
    slides: tuple[str, str]
    followers: tuple[Follower, ...] = ()
