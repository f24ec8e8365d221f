# SPDX-License-Identifier: Apache-2.0
"""The cameras of a robot as things that are seen and can be hit."""

from __future__ import annotations

import numpy as np

from tack_grasping.robot import CameraMount, RobotProfile
from tack_perception.geometry import frame_from_axes
from tack_sim.robots.link import Color, FloatArray, Link, Solid, pose

ALUMINIUM: Color = (0.70, 0.71, 0.73)
GLASS: Color = (0.05, 0.05, 0.06)

# Width, height and depth, m, from the data sheets.
_SIZES = {"d435": (0.090, 0.025, 0.025), "d405": (0.042, 0.042, 0.023)}
_GAP = 0.002  # m between the housing and the optical centre, so that the housing hides nothing


def camera_links(profile: RobotProfile) -> tuple[Link, ...]:
    """A link `<name>_camera` for each camera, whose frame is that of its colour image.

    A camera on the base frame stands on a pole, the others are held by a bracket.
    """
    return tuple(_camera(camera, profile) for camera in profile.cameras.values())


def _camera(camera: CameraMount, profile: RobotProfile) -> Link:
    width, height, depth = _SIZES[camera.model]
    optical_from_parent = np.linalg.inv(camera.parent_from_optical)
    back = np.array([0.0, 0.0, -_GAP - depth / 2])
    if camera.parent == profile.base_frame:
        foot = camera.parent_from_optical @ [0, 0, -_GAP - depth - 0.012, 1]
        foot[2] = profile.table_height
        held = Solid("cylinder", *_rod(back, (optical_from_parent @ foot)[:3], 0.012), ALUMINIUM)
    else:
        # From the housing straight to the axis of the wrist.
        along = camera.parent_from_optical @ [*back, 1]
        root = optical_from_parent @ [0, 0, along[2], 1]
        held = Solid("cylinder", *_rod(back, root[:3], 0.008), ALUMINIUM, collides=False)
    return Link(
        f"{camera.name}_camera",
        camera.parent,
        camera.parent_from_optical,
        solids=(
            Solid("box", (width / 2, height / 2, depth / 2), pose(back), ALUMINIUM),
            Solid(
                "box",
                (width * 0.47, height * 0.4, 0.0003),
                pose((0, 0, -_GAP)),
                GLASS,
                collides=False,
            ),
            held,
        ),
    )


def _rod(
    start: FloatArray, end: FloatArray, radius: float
) -> tuple[tuple[float, float], FloatArray]:
    """Size and pose of a cylinder between two points."""
    along = end - start
    half = float(np.linalg.norm(along)) / 2
    return (radius, half), frame_from_axes(along, (1, 0, 0), (start + end) / 2)
