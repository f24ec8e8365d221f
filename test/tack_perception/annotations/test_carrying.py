# SPDX-License-Identifier: Apache-2.0
"""A block on a floor, seen by cameras whose places are known: exact truth for every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.annotations import NotSeenError, carried, place_of
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
LOW, HIGH = np.array([-0.06, -0.04, 0.0]), np.array([0.06, 0.04, 0.05])
POINT = np.array([0.02, 0.01, 0.05])  # on its top


def looking(away: tuple[float, float, float], at: np.ndarray) -> np.ndarray:
    """(4, 4) fixed_from_camera of a camera that looks at a point from `away` of it."""
    z = -np.asarray(away, float) / np.linalg.norm(away)
    x = np.cross(z, (0.0, 1.0, 0.1))
    return geometry.frame_from_axes(z, x, at + np.asarray(away))


def picture(fixed_from_camera: np.ndarray, *, block: bool = True, wall: bool = False) -> RGBDFrame:
    """What the camera sees of a floor at z = 0 and the block on it."""
    rays = CAMERA.image_rays().reshape(-1, 3).astype(np.float64)
    way = geometry.rotate(fixed_from_camera, rays)
    eye = fixed_from_camera[:3, 3]
    depth = np.where(way[:, 2] < 0, -eye[2] / np.minimum(way[:, 2], -1e-9), np.inf)
    if block:
        with np.errstate(divide="ignore"):
            one, two = (LOW - eye) / way, (HIGH - eye) / way
        enter = np.minimum(one, two).max(axis=1)
        leave = np.maximum(one, two).min(axis=1)
        depth = np.where((enter < leave) & (enter > 0), np.minimum(enter, depth), depth)
    if wall:
        depth = np.minimum(depth, 0.2)
    image = depth.reshape(240, 320).astype(np.float32)
    color = np.zeros((240, 320, 3), np.uint8)
    return RGBDFrame(color, np.where(np.isinf(image), np.nan, image), CAMERA, 1, "camera")


def test_a_click_is_the_same_point_from_all_sides() -> None:
    first = looking((0.0, -0.1, 0.4), POINT)
    frame = picture(first)
    u, v = CAMERA.project(geometry.apply(geometry.inverse(first), POINT))
    place = place_of(Annotation("top", u, v, frame), first)
    np.testing.assert_allclose(place, POINT, atol=1e-3)
    for away in ((0.3, 0.1, 0.3), (-0.2, 0.3, 0.25), (0.0, 0.0, 0.5)):
        pose = looking(away, POINT + np.array([0.02, 0.0, 0.0]))
        other = picture(pose)
        shot = carried("top", place, other, pose)
        assert shot.frame is other
        seen = other.intrinsics.deproject(shot.pixel, other.depth[round(shot.v), round(shot.u)])
        np.testing.assert_allclose(geometry.apply(pose, seen), POINT, atol=2e-3)


@pytest.mark.parametrize(
    ("away", "at", "scene", "why"),
    [
        ((0.0, -0.1, 0.4), (0.3, 0.0, 0.0), {}, "out of view"),
        ((0.0, -0.1, 0.4), POINT, {"wall": True}, "hidden by something"),
        ((0.0, -0.1, 0.4), POINT, {"block": False}, "behind it"),
        ((0.0, 0.1, -0.4), (0.0, 0.0, 0.9), {}, "out of view"),  # behind the camera
    ],
)
def test_what_is_not_seen_is_no_shot(away: tuple, at: object, scene: dict, why: str) -> None:
    pose = looking(away, np.array(at))
    with pytest.raises(NotSeenError, match=why):
        carried("top", POINT, picture(pose, **scene), pose)


def test_a_point_without_depth_has_no_place_and_is_no_shot() -> None:
    pose = looking((0.0, -0.1, 0.4), POINT)
    blind = RGBDFrame(
        np.zeros((240, 320, 3), np.uint8), np.full((240, 320), np.nan, np.float32), CAMERA, 1, "c"
    )
    with pytest.raises(NotSeenError, match="no depth is measured there"):
        carried("top", POINT, blind, pose)
    with pytest.raises(NotSeenError, match=r"^top: "):
        place_of(Annotation("top", 100.0, 100.0, blind), pose)


def test_the_far_side_of_a_thing_is_hidden_by_the_thing() -> None:
    behind = np.array([0.0, 0.04, 0.01])  # low on the side that faces away
    pose = looking((0.0, -0.35, 0.2), behind)
    with pytest.raises(NotSeenError, match="hidden by something"):
        carried("side", behind, picture(pose), pose)
