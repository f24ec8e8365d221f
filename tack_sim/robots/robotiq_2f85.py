# SPDX-License-Identifier: Apache-2.0
"""The Robotiq 2F-85 gripper, with its fingers on slides.

The real fingers hang on a parallelogram: they stay parallel and rise by 14 mm while they close.
Here they slide at the mean height, so that the gripper frame stays in place and the opening is
linear in the knuckle joint, as the driver reports it; the parallelogram is shown and collides, but
carries no load. Lengths: the manufacturer's data sheet and URDF.
"""

from __future__ import annotations

import math

from tack_sim.robots.link import Color, FloatArray, Follower, Hand, Joint, Link, Solid, pose

STROKE = 0.085
BLACK: Color = (0.13, 0.13, 0.14)
GREY: Color = (0.46, 0.46, 0.47)
RUBBER: Color = (0.22, 0.22, 0.22)

_SLIDE = STROKE / 2
_TURN = 0.8  # rad of the knuckle from open to closed
_TIP = 0.1562  # m from the base to the finger tips, at mean height
_CRANK_ANGLE = math.radians(49.5)  # above level, when open
_PIVOT = (0.0306, 0.0549)  # x, z of the outer knuckle's joint
_INNER_PIVOT = (0.0132, 0.0609)
_PAD = (0.0375, 0.022, 0.008)  # height, width, thickness


def _finger(side: str, turn: FloatArray) -> tuple[tuple[Link, ...], list[Follower]]:
    """Links of one finger; `turn` is the identity for the left and half a turn for the right."""
    prefix = f"robotiq_85_{side}"
    lean = math.pi / 2 - _CRANK_ANGLE
    base, axis = "robotiq_85_base_link", (0.0, -1.0, 0.0)
    height, width, thickness = _PAD
    pads = tuple(
        Solid(
            "box",
            (thickness / 2, width / 2, height / 4),
            pose((thickness / 2, 0, -height * (0.25 + 0.5 * index))),
            RUBBER,
            name=f"{side}_pad{index + 1}",
            pad=True,
        )
        for index in range(2)
    )
    backs = (
        Solid("box", (0.006, 0.0080, 0.022), pose((0.0140, 0, -0.027)), BLACK),
        Solid("box", (0.010, 0.0080, 0.010), pose((0.0210, 0, -0.048)), BLACK),
    )
    tip = Link(
        f"{prefix}_finger_tip_link",
        base,
        turn @ pose((_SLIDE, 0, _TIP)),
        Joint(f"{prefix}_finger_slide", (1.0, 0.0, 0.0), "slide", 0.0, _SLIDE, 0.3, 5.0),
        mass=0.04,
        center=(0.01, 0, -0.025),
        inertia=(1.2e-5, 1.2e-5, 2e-6, 0, 0, 0),
        solids=(*pads, *backs),
    )
    knuckle = Link(
        f"{prefix}_knuckle_link",
        base,
        turn @ pose((_PIVOT[0], 0, _PIVOT[1])),
        Joint(f"{prefix}_knuckle_joint", axis, "hinge", 0.0, _TURN, 1e-3, 0.01),
        mass=0.02,
        center=(0.02, 0, 0.02),
        inertia=(1e-5, 1e-5, 1e-5, 0, 0, 0),
        solids=(
            Solid("box", (0.022, 0.012, 0.010), pose((0.016, 0, 0.001)), GREY),
            Solid("box", (0.0085, 0.0135, 0.029), pose((0.0355, 0, 0.020)), BLACK),
        ),
    )
    inner = Link(
        f"{prefix}_inner_knuckle_link",
        base,
        turn @ pose((_INNER_PIVOT[0], 0, _INNER_PIVOT[1])),
        Joint(f"{prefix}_inner_knuckle_joint", axis, "hinge", 0.0, _TURN, 1e-3, 0.01),
        mass=0.02,
        center=(0.02, 0, 0.02),
        inertia=(1e-5, 1e-5, 1e-5, 0, 0, 0),
        solids=(
            Solid("box", (0.006, 0.0195, 0.035), pose((0.0185, 0, 0.022), (0, lean, 0)), BLACK),
        ),
    )
    slide = tip.joint.name if tip.joint else ""
    polynomial = (0.0, -_TURN / _SLIDE, 0.0, 0.0, 0.0)
    followers = [
        Follower(link.joint.name, slide, polynomial) for link in (knuckle, inner) if link.joint
    ]
    return (tip, knuckle, inner), followers


def _hand() -> Hand:
    left, left_followers = _finger("left", pose())
    right, right_followers = _finger("right", pose(rpy=(0, 0, math.pi)))
    base = Link(
        "robotiq_85_base_link",
        "",
        pose(),
        mass=0.777,
        center=(0, 0, 0.0355),
        inertia=(0.00026, 0.000225, 0.000153, 0, 0, 0),
        solids=(
            Solid("cylinder", (0.0375, 0.029), pose((0, 0, 0.018)), BLACK),
            Solid("box", (0.040, 0.016, 0.024), pose((0, 0, 0.066)), BLACK),
        ),
    )
    return Hand(
        links=(base, *left, *right),
        gripper_from_hand=pose((0, 0, -_TIP), (0, 0, math.pi / 2)),
        slides=("robotiq_85_left_finger_slide", "robotiq_85_right_finger_slide"),
        followers=(*left_followers, *right_followers),
    )


ROBOTIQ_2F85 = _hand()
