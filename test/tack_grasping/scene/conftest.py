# SPDX-License-Identifier: Apache-2.0
"""Exact depth images of boxes on a table, by rays."""

from __future__ import annotations

import numpy as np
import pytest

from tack_grasping.profiles import load_profile
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_sim import shapes
from tack_sim.cameras.ids import RayScene, Surface

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
TABLE = (1.6, 1.8, 0.1)


def above(x=0.5, y=0.0, z=0.75, towards=(0.0, 0.0)):
    """base_from_camera, looking down, or tilted towards a place off its axis."""
    return geometry.frame_from_axes((*towards, -1.0), (0, -1, 0), (x, y, z))


def upright(x, y, yaw=0.0, z=0.0):
    return geometry.from_axis_angle((0, 0, 1), yaw, (x, y, z))


def look(boxes, base_from_camera, *, table=0.0, tilt=0.0, noise=0.0, seed=0, stamp_ns=0):
    """An image of boxes ((base_from_foot, size), …) on a table.

    Args:
        table: its height, m.
        tilt: about the x axis, rad.
        noise: of depth at 1 m, m; it grows with the square.
    """
    surfaces = []
    tilted = geometry.from_axis_angle((1, 0, 0), tilt, (0.0, 0.0, table))
    top = tilted @ geometry.make_transform(np.eye(3), (0.4, 0.0, -TABLE[2]))
    for pose, size in ((top, TABLE), *boxes):
        mesh = shapes.box(*size)
        surfaces.append(Surface(mesh.vertices, mesh.faces, pose))
    depth = RayScene(surfaces).view(CAMERA, base_from_camera).depth.astype(np.float32)
    rng = np.random.default_rng(seed)
    depth = depth + (noise * depth**2 * rng.normal(size=depth.shape)).astype(np.float32)
    color = np.zeros((*depth.shape, 3), np.uint8)
    return RGBDFrame(color, depth.astype(np.float32), CAMERA, stamp_ns, "camera")


@pytest.fixture(scope="package")
def profile():
    return load_profile("panda_2f85")
