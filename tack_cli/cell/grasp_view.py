# SPDX-License-Identifier: Apache-2.0
"""The planned grasp in space over what the camera saw, as a view that can be turned."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.outcome import CellOutcome
from tack_cli.report.orbit import Line, Solid, orbit
from tack_grasping.profiles import load_profile
from tack_grasping.robot import Gripper
from tack_perception import geometry, overlay

FloatArray = NDArray[np.float64]

_AROUND = 0.22  # m, of the point: what is shown of the cloud
_AXIS = 0.03  # m
_PIN = 0.05  # m, from the point up to its name
_PALM = 0.02  # m, thickness
_BELOW = 0.02  # m, under the point: what the view turns about
_GRAIN = 2.6  # px of the image that a point stands for: surfaces stay closed when seen aslant
_DISTANCE, _ELEVATION = 0.42, 38.0  # of the eye, m and degrees
_GRIP, _PATH = overlay.PALETTE[0], (120, 160, 235)


def grasp_view(outcome: CellOutcome) -> str:
    """The cloud of the image in which the point was found, with the gripper at the grasp, as HTML.

    Args:
        outcome: of the job; its goal is in the base frame.
    """
    goal, frame, keypoint = outcome.goal, outcome.seen_frame, outcome.keypoint
    assert keypoint.xyz is not None
    position = geometry.apply(outcome.base_from_camera, keypoint.xyz)
    known = np.isfinite(frame.depth)
    in_camera = (frame.intrinsics.image_rays() * frame.depth[..., None])[known]
    cloud = geometry.apply(outcome.base_from_camera, in_camera)
    near = np.linalg.norm(cloud - position, axis=1) < _AROUND
    gripper = load_profile(outcome.setup.robot).gripper
    side = goal.grasp[:3, 0]  # across the closing direction both fingers are seen
    azimuth = math.degrees(math.atan2(side[1], side[0]))
    return orbit(
        "grasp",
        cloud[near],
        np.asarray(frame.color)[known][near],
        lines=[
            Line(_way(goal.pregrasp, goal.grasp), _PATH),
            Line(_way(goal.grasp, goal.lift), _PATH),
            *_axes(goal.grasp),
            _pin(position, f"{outcome.label} {keypoint.confidence:.2f}"),
        ],
        solids=gripper_solids(gripper, goal.grasp, goal.width),
        grain=_GRAIN * float(np.median(frame.depth[known])) / frame.intrinsics.fx,
        middle=np.add(position, (0, 0, -_BELOW)),
        view=(azimuth + 25.0, _ELEVATION, _DISTANCE),
    )


def gripper_solids(gripper: Gripper, base_from_gripper: FloatArray, opening: float) -> list[Solid]:
    """Two fingers and the palm of an open gripper.

    Args:
        gripper: whose sizes are drawn.
        base_from_gripper: (4, 4), between the finger tips; z approaches, y closes, m.
        opening: between the fingers, m.
    """
    width, thickness, depth = gripper.finger_width, gripper.finger_thickness, gripper.finger_depth
    half = opening / 2 + thickness / 2
    boxes = [((0.0, sign * half, -depth / 2), (width, thickness, depth)) for sign in (-1.0, 1.0)]
    boxes.append(((0.0, 0.0, -depth - _PALM / 2), (width, 2 * half + thickness, _PALM)))
    return [
        Solid(base_from_gripper @ geometry.make_transform(np.eye(3), place), np.array(size), _GRIP)
        for place, size in boxes
    ]


def _way(first: FloatArray, second: FloatArray) -> FloatArray:
    return np.stack([first[:3, 3], second[:3, 3]])


def _axes(pose: FloatArray) -> list[Line]:
    return [
        Line(np.stack([pose[:3, 3], pose[:3, 3] + _AXIS * pose[:3, axis]]), color, 3.0)
        for axis, color in enumerate(overlay.AXIS_COLORS)
    ]


def _pin(position: FloatArray, text: str) -> Line:
    return Line(np.stack([position, np.add(position, (0, 0, _PIN))]), overlay.PALETTE[1], 2.0, text)
