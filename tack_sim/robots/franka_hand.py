# SPDX-License-Identifier: Apache-2.0
"""The Franka hand. Lengths and masses: the manufacturer's URDF."""

from __future__ import annotations

import math

from tack_sim.robots.link import (
    Color,
    FloatArray,
    Hand,
    Joint,
    Link,
    Solid,
    pose,
)

WHITE: Color = (0.93, 0.94, 0.95)
DARK: Color = (0.22, 0.22, 0.23)

_SLIDE = 0.04  # m, of each finger
_FINGER = 0.0584  # m from the hand's frame to the fingers'
_LENGTH = 0.0538  # m from there to the finger tips
_PAD = (0.0185, 0.0175, 0.008)  # height, width, thickness


def _finger(name: str, joint: str, side: str, turn: FloatArray) -> Link:
    height, width, thickness = _PAD
    pads = tuple(
        Solid(
            "box",
            (width / 2, thickness / 2, height / 4),
            pose((0, thickness / 2, _LENGTH - height * (0.25 + 0.5 * index))),
            DARK,
            name=f"{side}_pad{index + 1}",
            pad=True,
        )
        for index in range(2)
    )
    bars = (
        Solid("box", (0.00875, 0.0036, 0.00925), pose((0, 0.0116, 0.0446)), DARK),
        Solid(
            "box", (0.00875, 0.0035, 0.012), pose((0, 0.0159, 0.0283), (math.pi / 6, 0, 0)), DARK
        ),
        Solid("box", (0.011, 0.0075, 0.010), pose((0, 0.0185, 0.011)), DARK),
    )
    return Link(
        name,
        "panda_hand",
        turn @ pose((0, _SLIDE, _FINGER)),
        Joint(joint, (0.0, 1.0, 0.0), "slide", 0.0, _SLIDE, 0.3, 5.0),
        mass=0.015,
        center=(0, 0.015, 0.025),
        inertia=(2.4e-6, 2.4e-6, 7.5e-7, 0, 0, 0),
        solids=(*pads, *bars),
    )


FRANKA_HAND = Hand(
    links=(
        Link(
            "panda_hand",
            "",
            pose(),
            mass=0.73,
            center=(-0.01, 0, 0.03),
            inertia=(0.001, 0.0025, 0.0017, 0, 0, 0),
            solids=(
                Solid("box", (0.023, 0.102, 0.033), pose((0, 0, 0.033)), WHITE),
                Solid("box", (0.012, 0.034, 0.014), pose((0, -0.069, -0.012)), DARK),
                Solid("cylinder", (0.032, 0.006), pose((0, 0, 0.002)), DARK),
                Solid("box", (0.014, 0.085, 0.0005), pose((0, 0, 0.066)), DARK, collides=False),
            ),
        ),
        _finger("panda_leftfinger", "panda_finger_joint1", "left", pose()),
        _finger("panda_rightfinger", "panda_finger_joint2", "right", pose(rpy=(0, 0, math.pi))),
    ),
    gripper_from_hand=pose((0, 0, -(_FINGER + _LENGTH))),
    slides=("panda_finger_joint1", "panda_finger_joint2"),
)
