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


def _housing(
    radius: float, low: float, high: float, turn: tuple[float, float, float], *, cap: int
) -> tuple[Solid, ...]:
    """A joint's housing along an axis from low to high, with a blue cap at one end (±1)."""
    at = pose(rpy=turn) @ pose((0, 0, (low + high) / 2))
    end = pose(rpy=turn) @ pose((0, 0, (high + 0.004) if cap > 0 else (low - 0.004)))
    return (
        Solid("cylinder", (radius, (high - low) / 2), at, SILVER),
        Solid("cylinder", (radius * 0.94, 0.004), end, BLUE, collides=False),
    )


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
            Solid("cylinder", (0.075, 0.012), pose((0, 0, 0.012)), DARK),
            Solid("cylinder", (0.062, 0.046), pose((0, 0, 0.050)), SILVER),
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
            Solid("cylinder", (0.060, 0.046), pose((0, 0, -0.020)), SILVER),
            *_housing(0.060, -0.060, 0.065, ALONG_Y, cap=1),
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
            *_housing(0.060, 0.066, 0.200, (0, 0, 0), cap=1),
            Solid(
                "cylinder", (0.050, _UPPER / 2), pose((-_UPPER / 2, 0, _SHOULDER), ALONG_X), SILVER
            ),
            Solid("cylinder", (0.055, 0.062), pose((-_UPPER, 0, 0.132)), SILVER),
            Solid("cylinder", (0.052, 0.004), pose((-_UPPER, 0, 0.197)), BLUE, collides=False),
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
            *_housing(0.055, -0.048, 0.069, (0, 0, 0), cap=-1),
            Solid("cylinder", (0.040, _FORE / 2), pose((-_FORE / 2, 0, _ELBOW), ALONG_X), SILVER),
            Solid("cylinder", (0.042, 0.048), pose((-_FORE, 0, 0.006)), SILVER),
            Solid("cylinder", (0.039, 0.004), pose((-_FORE, 0, -0.045)), BLUE, collides=False),
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
            Solid("cylinder", (0.042, 0.062), pose((0, 0, -0.015)), SILVER),
            Solid("cylinder", (0.039, 0.004), pose((0, 0, 0.049)), BLUE, collides=False),
            Solid("cylinder", (0.042, 0.024), pose((0, -0.026, 0), ALONG_Y), SILVER),
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
            Solid("cylinder", (0.042, 0.045), pose((0, 0, -0.004)), SILVER),
            Solid("cylinder", (0.039, 0.004), pose((0, 0, 0.044)), BLUE, collides=False),
            Solid("cylinder", (0.042, 0.024), pose((0, 0.026, 0), ALONG_Y), SILVER),
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
        solids=(Solid("cylinder", (0.0375, 0.023), pose((0, 0, -0.024)), DARK),),
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
