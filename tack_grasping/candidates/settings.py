# SPDX-License-Identifier: Apache-2.0
"""Settings of the planner of grasps."""

from __future__ import annotations

import dataclasses

from tack_perception.configuration import Configuration, setting


@dataclasses.dataclass(frozen=True)
class GraspConfig(Configuration):
    """What holds for every kind of grasp."""

    turns: int = setting(8, "candidates about the axis that is free", low=1, high=36)
    insertion: float = setting(
        0.010, "how far the finger tips go below the surface", unit="m", low=-0.05, high=0.10
    )
    standoff: float = setting(
        0.10, "distance of pregrasp and preplace from the surface", unit="m", low=0.01, high=0.5
    )
    lift: float = setting(0.10, "height of the lift", unit="m", low=0.01, high=0.5)
    width: float = setting(0.08, "opening before closing", unit="m", low=0.001, high=0.5)
    max_tilt: float = setting(
        100.0, "largest angle between approach and straight down", unit="deg", low=0.0, high=180.0
    )
    lean: float = setting(
        25.0, "of the palm to the side, where the arm would touch something with all upright grasps"
        " at a point; 0: never", unit="deg", low=0.0, high=60.0,
    )  # fmt: skip
    friction: float = setting(
        40.0,
        "half the friction cone: the largest angle between a surface's normal and the closing"
        " direction at which the fingers do not slip",
        unit="deg",
        low=1.0,
        high=89.0,
    )
    min_confidence: float = setting(0.3, "refuse detections below this", low=0.0, high=1.0)
    max_sigma: float = setting(
        0.02, "refuse points whose position is less certain than this", unit="m", low=1e-4, high=1.0
    )
    normal_sigma: float = setting(
        5.0, "standard deviation of a surface normal", unit="deg", low=0.0, high=45.0
    )
    max_turn_sigma: float = setting(
        15.0, "reject grasps whose direction is less certain than this", unit="deg",
        low=0.1, high=90.0,
    )  # fmt: skip
    min_certainty: float = setting(
        0.3, "reject grasps that close on the thing with a smaller chance", low=0.0, high=1.0
    )
    max_misfit: float = setting(
        0.02,
        "refuse a taught frame that the points miss by more than this (RMS)",
        unit="m",
        low=1e-3,
        high=0.5,
    )
