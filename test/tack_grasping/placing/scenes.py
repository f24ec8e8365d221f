# SPDX-License-Identifier: Apache-2.0
"""A mug, its surface and a table, in metres, z up."""

from __future__ import annotations

import math

import numpy as np

from tack_grasping.placing.scene import Support
from tack_grasping.points import NamedPoint
from tack_perception import geometry

HEIGHT, RADIUS = 0.10, 0.04
MUG = {
    "bottom": (0, 0, 0),
    "rim": (0, 0, HEIGHT),
    "handle": (0.06, 0, 0.06),
    "middle": (0, 0, 0.05),
}


def point(label: str, position, sigma: float = 0.001, normal=None) -> NamedPoint:
    return NamedPoint(label, np.array(position, float), sigma**2 * np.eye(3), normal=normal)


def mug(motion=None, sigma: float = 0.001):
    """Named points, and a cloud (600, 3), of a mug that was moved by a motion (4, 4)."""
    motion = np.eye(4) if motion is None else motion
    rng = np.random.default_rng(5)
    angles = rng.uniform(0, 2 * math.pi, 600)
    heights = np.concatenate([np.zeros(100), rng.uniform(0, HEIGHT, 500)])
    cloud = np.column_stack([RADIUS * np.cos(angles), RADIUS * np.sin(angles), heights])
    points = {label: point(label, where, sigma).moved(motion) for label, where in MUG.items()}
    return points, geometry.apply(motion, cloud)


def pose(axis=(0, 0, 1), degrees: float = 0.0, at=(0, 0, 0)) -> np.ndarray:
    return geometry.from_axis_angle(axis, math.radians(degrees), at)


def table(height: float = 0.0, size=None) -> Support:
    return Support(pose(at=(0, 0, height)), size)


def random_pose(rng: np.random.Generator) -> np.ndarray:
    return geometry.from_axis_angle(
        rng.normal(size=3), rng.uniform(0, math.pi), rng.uniform(-1, 1, 3)
    )
