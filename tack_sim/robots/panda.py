# SPDX-License-Identifier: Apache-2.0
"""The Franka Emika Panda arm.

Frames and link lengths: Franka Control Interface documentation (modified Denavit-Hartenberg
parameters). Masses, centres of mass and inertias: C. Gaz et al., "Dynamic Identification of the
Franka Emika Panda Robot With Retrieval of Feasible Parameters Using Penalty-Based Optimization",
RA-L 2019. The solids are ours.
"""

from __future__ import annotations

import math

from tack_sim.robots.link import ALONG_X, ALONG_Y, Arm, Color, Drive, Joint, Link, Solid, pose

WHITE: Color = (0.93, 0.94, 0.95)
DARK: Color = (0.20, 0.20, 0.22)
_QUARTER = math.pi / 2


def _capsule(
    radius: float,
    half: float,
    xyz: tuple[float, float, float],
    rpy: tuple[float, float, float] = (0, 0, 0),
    color: Color = WHITE,
) -> Solid:
    return Solid("capsule", (radius, half), pose(xyz, rpy), color)


def _joint(number: int) -> Joint:
    return Joint(f"panda_joint{number}")


_LINKS = (
    Link(
        "panda_link0",
        "",
        pose(),
        mass=0.629769,
        center=(-0.041018, -0.00014, 0.049974),
        inertia=(0.00315, 0.00388, 0.004285, 8.2904e-7, 0.00015, 8.2299e-6),
        solids=(
            _capsule(0.06, 0.06, (-0.05, 0, 0.06), ALONG_X),
            Solid("cylinder", (0.06, 0.07), pose((0, 0, 0.07)), WHITE),
        ),
    ),
    Link(
        "panda_link1",
        "panda_link0",
        pose((0, 0, 0.333)),
        _joint(1),
        mass=4.970684,
        center=(0.003875, 0.002081, -0.04762),
        inertia=(0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169),
        solids=(
            _capsule(0.06, 0.065, (0, 0, -0.12)),
            _capsule(0.06, 0.05, (0, -0.02, 0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link2",
        "panda_link1",
        pose(rpy=(-_QUARTER, 0, 0)),
        _joint(2),
        mass=0.646926,
        center=(-0.003141, -0.02872, 0.003495),
        inertia=(0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704),
        solids=(
            _capsule(0.06, 0.05, (0, 0, 0.02)),
            _capsule(0.06, 0.065, (0, -0.12, 0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link3",
        "panda_link2",
        pose((0, -0.316, 0), (_QUARTER, 0, 0)),
        _joint(3),
        mass=3.228604,
        center=(0.027518, 0.039252, -0.066502),
        inertia=(0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805),
        solids=(
            _capsule(0.06, 0.05, (0, 0, -0.10)),
            _capsule(0.055, 0.05, (0.08, 0.03, 0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link4",
        "panda_link3",
        pose((0.0825, 0, 0), (_QUARTER, 0, 0)),
        _joint(4),
        mass=3.587895,
        center=(-0.05317, 0.104419, 0.027454),
        inertia=(0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641),
        solids=(
            _capsule(0.055, 0.05, (0, 0, 0.03)),
            _capsule(0.055, 0.05, (-0.08, 0.09, 0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link5",
        "panda_link4",
        pose((-0.0825, 0.384, 0), (-_QUARTER, 0, 0)),
        _joint(5),
        mass=1.225946,
        center=(-0.011953, 0.041065, -0.038437),
        inertia=(0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229),
        solids=(
            _capsule(0.06, 0.03, (0, 0, -0.23)),
            _capsule(0.05, 0.08, (0, 0.07, -0.11), (0.35, 0, 0)),
            _capsule(0.05, 0.05, (0, 0.02, 0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link6",
        "panda_link5",
        pose(rpy=(_QUARTER, 0, 0)),
        _joint(6),
        mass=1.666555,
        center=(0.060149, -0.014117, -0.010517),
        inertia=(0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341),
        solids=(
            _capsule(0.05, 0.05, (0, 0, -0.02)),
            _capsule(0.05, 0.03, (0.088, 0.0, 0.0), ALONG_Y),
        ),
    ),
    Link(
        "panda_link7",
        "panda_link6",
        pose((0.088, 0, 0), (_QUARTER, 0, 0)),
        _joint(7),
        mass=0.735522,
        center=(0.010517, -0.004252, 0.061597),
        inertia=(0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741),
        solids=(
            Solid("cylinder", (0.045, 0.045), pose((0, 0, 0.06)), WHITE),
            _capsule(0.03, 0.025, (0.04, 0.04, 0.08), (0, _QUARTER, math.pi / 4)),
        ),
    ),
    Link("panda_link8", "panda_link7", pose((0, 0, 0.107))),
)

PANDA = Arm(
    links=_LINKS,
    drives=(
        Drive(4500, 87),
        Drive(4500, 87),
        Drive(3500, 87),
        Drive(3500, 87),
        Drive(2000, 12),
        Drive(2000, 12),
        Drive(2000, 12),
    ),
    touching=(
        ("panda_link0", "panda_link1"),
        ("panda_link0", "panda_link2"),
        ("panda_link1", "panda_link3"),
        ("panda_link2", "panda_link4"),
        ("panda_link3", "panda_link5"),
        ("panda_link4", "panda_link6"),
        ("panda_link5", "panda_link7"),
    ),
)
