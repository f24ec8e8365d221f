# SPDX-License-Identifier: Apache-2.0
"""The Universal Robots UR5e arm.

Frames, masses and centres of mass: the manufacturer's page "DH parameters for calculations of
kinematics and dynamics", in the frames of its URDF. Inertias are those of uniform rods, as in that
URDF. The solids are ours.
"""

from __future__ import annotations

import math

from tack_sim.robots.link import ALONG_X, ALONG_Y, Arm, Color, Drive, Joint, Link, Solid, pose

SILVER: Color = (0.78, 0.79, 0.80)
DARK: Color = (0.24, 0.25, 0.27)
BLUE: Color = (0.36, 0.60, 0.76)

Place = tuple[float, float, float]

_HALF = math.pi / 2
_UPPER, _FORE = 0.425, 0.3922  # m, lengths of upper arm and forearm
_SHOULDER, _ELBOW = 0.138, 0.007  # m along the joint's axis to the middle of the tube


def _rod(
    mass: float, radius: float, length: float, axis: int
) -> tuple[float, float, float, float, float, float]:
    """Inertia of a uniform rod along an axis of its frame (0: x, 1: y, 2: z)."""
    across = mass * (3 * radius**2 + length**2) / 12
    moments = [across] * 3
    moments[axis] = mass * radius**2 / 2
    return (*moments, 0.0, 0.0, 0.0)  # type: ignore[return-value]


def _tube(radius: float, low: float, high: float, at: Place, turn: Place = (0, 0, 0)) -> Solid:
    """A cylinder from low to high along an axis through a place: z, or another that z turns to.

    The tubes along x are the bare ones of the arm, the others house joints.
    """
    middle = pose(at, turn) @ pose((0, 0, (low + high) / 2))
    color = SILVER if turn == ALONG_X else DARK
    return Solid("cylinder", (radius, (high - low) / 2), middle, color)


def _cap(radius: float, at: Place, turn: Place = (0, 0, 0)) -> Solid:
    """The blue lid on the end of a joint."""
    return Solid("cylinder", (radius, 0.003), pose(at, turn), BLUE, collides=False)


_LINKS = (
    Link(
        "base_link",
        "",
        pose(),
    ),
    Link(
        "base_link_inertia",
        "base_link",
        pose(rpy=(0, 0, math.pi)),
        mass=4.0,
        center=(0, 0, 0.02),
        inertia=_rod(4.0, 0.075, 0.1, 2),
        solids=(
            Solid("cylinder", (0.075, 0.013), pose((0, 0, 0.013)), DARK),
            Solid("cylinder", (0.068, 0.018), pose((0, 0, 0.044)), DARK),
            _tube(0.060, 0.060, 0.098, (0, 0, 0)),
        ),
    ),
    Link(
        "shoulder_link",
        "base_link_inertia",
        pose((0, 0, 0.1625)),
        Joint("shoulder_pan_joint"),
        mass=3.761,
        center=(0, -0.00193, -0.02561),
        inertia=_rod(3.761, 0.06, 0.178, 2),
        solids=(
            _tube(0.060, -0.063, 0.068, (0, 0, 0)),
            _tube(0.060, -0.074, 0.0, (0, 0, 0), ALONG_Y),
            _cap(0.056, (0, 0, 0.071)),
        ),
    ),
    Link(
        "upper_arm_link",
        "shoulder_link",
        pose(rpy=(_HALF, 0, 0)),
        Joint("shoulder_lift_joint"),
        mass=8.058,
        center=(-0.2125, 0, 0.11336),
        inertia=_rod(8.058, 0.054, 0.56, 0),
        solids=(
            _tube(0.060, 0.062, 0.206, (0, 0, 0)),
            _tube(0.050, 0.0, _UPPER, (-_UPPER, 0, _SHOULDER), ALONG_X),
            _tube(0.060, 0.066, 0.206, (-_UPPER, 0, 0)),
            _cap(0.056, (0, 0, 0.209)),
            _cap(0.056, (-_UPPER, 0, 0.209)),
        ),
    ),
    Link(
        "forearm_link",
        "upper_arm_link",
        pose((-_UPPER, 0, 0)),
        Joint("elbow_joint"),
        mass=2.846,
        center=(-0.2422, 0, 0.0265),
        inertia=_rod(2.846, 0.045, 0.49, 0),
        solids=(
            _tube(0.057, -0.040, 0.060, (0, 0, 0)),
            _tube(0.050, 0.0, 0.110, (-0.110, 0, _ELBOW), ALONG_X),
            _tube(0.040, 0.0, _FORE, (-_FORE, 0, _ELBOW), ALONG_X),
            _tube(0.039, -0.049, 0.058, (-_FORE, 0, 0)),
            _cap(0.050, (0, 0, -0.042)),
        ),
    ),
    Link(
        "wrist_1_link",
        "forearm_link",
        pose((-_FORE, 0, 0.1333)),
        Joint("wrist_1_joint"),
        mass=1.37,
        center=(0, -0.01634, -0.0018),
        inertia=_rod(1.37, 0.045, 0.09, 2),
        solids=(
            _tube(0.040, -0.073, 0.0, (0, 0, 0)),
            _tube(0.039, -0.053, 0.052, (0, 0, 0), ALONG_Y),
            _cap(0.036, (0, 0.054, 0), ALONG_Y),
        ),
    ),
    Link(
        "wrist_2_link",
        "wrist_1_link",
        pose((0, -0.0997, 0), (_HALF, 0, 0)),
        Joint("wrist_2_joint"),
        mass=1.3,
        center=(0, 0.01634, -0.0018),
        inertia=_rod(1.3, 0.045, 0.09, 2),
        solids=(
            _tube(0.040, -0.047, 0.0, (0, 0, 0)),
            _tube(0.039, -0.051, 0.054, (0, 0, 0), ALONG_Y),
            _cap(0.036, (0, -0.053, 0), ALONG_Y),
        ),
    ),
    Link(
        "wrist_3_link",
        "wrist_2_link",
        pose((0, 0.0996, 0), (_HALF, math.pi, math.pi)),
        Joint("wrist_3_joint"),
        mass=0.365,
        center=(0, 0, -0.001159),
        inertia=_rod(0.365, 0.0375, 0.05, 2),
        solids=(Solid("cylinder", (0.0375, 0.023), pose((0, 0, -0.024)), SILVER),),
    ),
    Link("flange", "wrist_3_link", pose(rpy=(0, -_HALF, -_HALF))),
    Link("tool0", "flange", pose(rpy=(_HALF, 0, _HALF))),
)

UR5E = Arm(
    links=_LINKS,
    drives=(
        Drive(4000, 150),
        Drive(4000, 150),
        Drive(3000, 150),
        Drive(1000, 28),
        Drive(1000, 28),
        Drive(1000, 28),
    ),
    touching=(
        ("base_link_inertia", "shoulder_link"),
        ("base_link_inertia", "upper_arm_link"),
        ("shoulder_link", "forearm_link"),
    ),
)
