# SPDX-License-Identifier: Apache-2.0
"""Where else the wrist camera can look from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import View
from tack_grasping.robot import CameraMount, RobotProfile
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_NEAR, _FAR = 0.40, 0.58  # m, of the camera from a thing, and from what is searched
_TALL = 0.20  # m above the table, that is searched: the top of a bottle has to be in view, too
_FROM_ABOVE = 80.0  # degrees
_PLACES = ((0.0, 75.0), (-50.0, 60.0), (50.0, 60.0), (0.0, 50.0), (-100.0, 60.0), (100.0, 60.0))
"""Azimuth from the robot's own side, and elevation above the table, degrees."""
_CLOSE = 0.50  # m, of a camera that looks at a thing from near
_EDGE = 0.12  # share of the image's height
_BESIDE = 0.03  # m, that the middle of a thing may lie outside of the workspace
_ROLLS = (0.0, 90.0, -90.0, 180.0)


def wrist_camera(profile: RobotProfile) -> CameraMount | None:
    """The camera that moves with the arm's tip; None where there is none."""
    return next((c for c in profile.cameras.values() if c.parent == profile.tip_frame), None)


def gripper_of(profile: RobotProfile, view: View) -> FloatArray | None:
    """Where the gripper was when the wrist camera took an image.

    Returns:
        (4, 4) base_from_gripper, m; None where the image is of another camera.
    """
    mount = wrist_camera(profile)
    if mount is None or not view.frame.frame_id.startswith(mount.name):
        return None
    pose: FloatArray = view.base_from_camera @ _camera_from_gripper(profile, mount)
    return pose


def camera_place(profile: RobotProfile, base_from_gripper: FloatArray) -> FloatArray:
    """(3,) where the wrist camera is at a pose of the gripper, in the base frame, m.

    Raises:
        ValueError: the robot has no wrist camera.
    """
    mount = wrist_camera(profile)
    if mount is None:
        raise ValueError(f"{profile.name} has no wrist camera")
    gripper_from_camera = geometry.inverse(_camera_from_gripper(profile, mount))
    place: FloatArray = (base_from_gripper @ gripper_from_camera)[:3, 3]
    return place


def views_of(
    profile: RobotProfile,
    target: FloatArray,
    distance: float = _NEAR,
    places: Sequence[tuple[float, float]] = _PLACES,
) -> Iterator[tuple[FloatArray, ...]]:
    """Gripper poses from which the wrist camera looks at a point, the most different ones first.

    Args:
        profile: the robot.
        target: (3,) in the base frame, m.
        distance: of the camera from it, m.
        places: azimuth from the robot's own side, and elevation above the table, degrees.

    Yields:
        For each place (4, 4) base_from_gripper, m, which differ in how the camera is turned about
        its axis; nothing for a robot without a wrist camera. Which of them the arm reaches is for
        the planner to say.
    """
    mount = wrist_camera(profile)
    if mount is None:
        return
    camera_from_gripper = _camera_from_gripper(profile, mount)
    own_side = math.atan2(-target[1], -target[0])
    for azimuth_deg, elevation_deg in places:
        azimuth, elevation = own_side + math.radians(azimuth_deg), math.radians(elevation_deg)
        away = np.array([
            math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ])  # fmt: skip
        upright = geometry.frame_from_axes(
            -away, np.cross(-away, (0.0, 0.0, 1.0)), target + distance * away
        )
        turns = (geometry.from_axis_angle((0, 0, 1), math.radians(roll)) for roll in _ROLLS)
        yield tuple(upright @ turn @ camera_from_gripper for turn in turns)


def shows(view: View, place: FloatArray) -> bool:
    """Whether an image shows a place (3,) in the base frame, m, from near and not at its edge."""
    seen = geometry.apply(geometry.inverse(view.base_from_camera), place)
    if not 0 < seen[2] < _CLOSE:
        return False
    u, v = view.frame.intrinsics.project(seen)
    wide, high = view.frame.intrinsics.width, view.frame.intrinsics.height
    edge = _EDGE * min(wide, high)
    return bool(edge <= u < wide - edge and edge <= v < high - edge)


def in_reach(profile: RobotProfile, place: FloatArray) -> bool:
    """Whether what stands at a place (3,), m, could be taken: from above, in the workspace."""
    low, high = profile.workspace
    flat = place[:2]
    return bool((flat >= low[:2] - _BESIDE).all() and (flat <= high[:2] + _BESIDE).all())


def search_views(profile: RobotProfile) -> Iterator[tuple[FloatArray, ...]]:
    """As `views_of`, from above over each quarter of the workspace: where nothing is known yet."""
    low, high = profile.workspace
    for along, across in itertools.product((0.25, 0.75), repeat=2):
        x, y = low[:2] + (high[:2] - low[:2]) * (along, across)
        middle = np.array([x, y, profile.table_height + _TALL])
        yield from views_of(profile, middle, _FAR, ((0.0, _FROM_ABOVE),))


def _camera_from_gripper(profile: RobotProfile, mount: CameraMount) -> FloatArray:
    pose: FloatArray = geometry.inverse(mount.parent_from_optical) @ (
        profile.gripper.tip_from_gripper
    )
    return pose
