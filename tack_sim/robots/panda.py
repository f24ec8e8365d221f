# SPDX-License-Identifier: Apache-2.0
"""The Franka Emika Panda arm.

Frames and link lengths: Franka Control Interface documentation (modified Denavit-Hartenberg
parameters). Masses, centres of mass and inertias: C. Gaz et al., "Dynamic Identification of the
Franka Emika Panda Robot With Retrieval of Feasible Parameters Using Penalty-Based Optimization",
RA-L 2019. The solids are ours.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from tack_perception.geometry import frame_from_axes
from tack_sim.robots.link import Arm, Color, Drive, Joint, Link, Solid, pose

Point = tuple[float, float, float]

WHITE: Color = (0.93, 0.94, 0.95)
DARK: Color = (0.20, 0.20, 0.22)
_QUARTER = math.pi / 2
_DIAGONAL = (0.0, 0.0, math.pi / 4)
_TUBE = 0.055  # m, radius of links 1 to 4


def _bar(radius: float, start: Point, end: Point, *, round_ends: bool = True) -> Solid:
    """A capsule between the centres of its caps, or a cylinder between its flat ends."""
    kind: Literal["capsule", "cylinder"] = "capsule" if round_ends else "cylinder"
    along = np.subtract(end, start)
    half = float(np.linalg.norm(along)) / 2
    return Solid(
        kind, (radius, half), frame_from_axes(along, (1, 0, 0), np.add(start, end) / 2), WHITE
    )


def _tube(start: Point, end: Point) -> Solid:
    """A piece of the tube that links 1 to 4 are made of."""
    return _bar(_TUBE, start, end, round_ends=False)


def _cap(end: Point, inner: Point) -> Solid:
    """The dark lid on the end of a joint."""
    lid = _bar(0.048, inner, end, round_ends=False)
    return dataclasses.replace(lid, color=DARK, collides=False)


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
            Solid("cylinder", (0.072, 0.07), pose((0, 0, 0.07)), WHITE),
            Solid("box", (0.100, 0.093, 0.012), pose((-0.050, 0, 0.012)), WHITE),
            _bar(0.048, (-0.090, 0, 0.050), (-0.030, 0, 0.080)),
            Solid("box", (0.060, 0.074, 0.025), pose((-0.045, 0, 0.045)), WHITE),
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
            _tube((0, 0, -0.070), (0, 0, -0.192)),
            _tube((0, 0, 0), (0, -0.129, 0)),
            _bar(_TUBE, (0, 0, -0.080), (0, -0.070, 0)),
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
            _tube((0, -0.070, 0), (0, -0.194, 0)),
            _tube((0, 0, 0), (0, 0, 0.129)),
            _bar(_TUBE, (0, -0.080, 0), (0, 0, 0.070)),
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
            _tube((0, 0, -0.030), (0, 0, -0.121)),
            _tube((0.0825, 0, 0), (0.0825, 0.111, 0)),
            _cap((0.0825, 0.113, 0), (0.0825, 0.110, 0)),
            _bar(0.048, (0.025, 0.005, -0.045), (0.060, 0.045, -0.010)),
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
            _tube((0, 0, 0), (0, 0, 0.111)),
            _cap((0, 0, 0.113), (0, 0, 0.110)),
            _tube((-0.0825, 0, 0), (-0.0825, 0.124, 0)),
            _bar(0.048, (-0.025, 0.005, 0.045), (-0.060, 0.045, 0.010)),
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
            _bar(_TUBE, (0, 0, -0.259), (0, 0, -0.150), round_ends=False),
            _bar(0.046, (0, 0.015, -0.205), (0, 0.055, -0.180)),
            Solid("box", (0.040, 0.023, 0.075), pose((0, 0.082, -0.115)), WHITE),
            _bar(0.051, (0, 0.010, 0), (0, 0.128, 0), round_ends=False),
            _cap((0, 0.130, 0), (0, 0.127, 0)),
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
            _bar(0.050, (0, 0, -0.018), (0, 0, 0.054), round_ends=False),
            _cap((0, 0, 0.056), (0, 0, 0.053)),
            _bar(0.046, (0.088, -0.051, 0), (0.088, 0.080, 0), round_ends=False),
            _bar(0.037, (0.020, 0.018, 0.016), (0.065, 0.036, 0.012)),
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
            _bar(0.045, (0, 0, 0.052), (0, 0, 0.107), round_ends=False),
            Solid("box", (0.034, 0.036, 0.019), pose((0.051, 0.051, 0.081), _DIAGONAL), WHITE),
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
