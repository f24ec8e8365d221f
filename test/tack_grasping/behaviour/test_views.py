# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scripted import CAMERA

from tack_grasping.behaviour.sight import View
from tack_grasping.behaviour.views import gripper_of, search_views, views_of, wrist_camera
from tack_grasping.profiles import load_profile, profile_names
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_sim.robots.kinematics import Kinematics

TARGETS = [(0.5, 0.0, 0.05), (0.4, 0.3, 0.0), (0.6, -0.3, 0.1)]


@pytest.fixture(params=profile_names())
def profile(request: pytest.FixtureRequest) -> RobotProfile:
    return load_profile(request.param)


def camera_of(profile: RobotProfile, base_from_gripper: np.ndarray) -> np.ndarray:
    """(4, 4) base_from_camera, the long way round: by the tip, and the mount on it."""
    mount = wrist_camera(profile)
    assert mount is not None
    base_from_tip = base_from_gripper @ geometry.inverse(profile.gripper.tip_from_gripper)
    return base_from_tip @ mount.parent_from_optical


@pytest.mark.parametrize("target", TARGETS)
def test_the_camera_looks_at_the_thing(profile: RobotProfile, target: tuple) -> None:
    places = list(views_of(profile, np.array(target), 0.4))
    assert len(places) >= 4
    for pose in itertools.chain(*places):
        geometry.check_transform(pose)
        camera = camera_of(profile, pose)
        seen = geometry.apply(geometry.inverse(camera), target)
        np.testing.assert_allclose(seen, (0, 0, 0.4), atol=1e-9)
        assert camera[2, 3] > target[2] + 0.25


def test_places_differ_and_turns_share_a_place(profile: RobotProfile) -> None:
    places = [
        [camera_of(profile, pose) for pose in poses]
        for poses in views_of(profile, np.array(TARGETS[0]))
    ]
    for cameras in places:
        for camera in cameras:
            np.testing.assert_allclose(camera[:3, 3], cameras[0][:3, 3], atol=1e-9)
    for one, other in itertools.combinations(places, 2):
        assert np.linalg.norm(one[0][:3, 3] - other[0][:3, 3]) > 0.1


@pytest.mark.parametrize("target", TARGETS)
def test_the_first_place_is_on_the_robots_own_side(profile: RobotProfile, target: tuple) -> None:
    camera = camera_of(profile, next(views_of(profile, np.array(target)))[0])
    assert np.linalg.norm(camera[:2, 3]) < np.linalg.norm(target[:2])


def test_the_arm_reaches_views_and_then_looks_at_the_thing(profile: RobotProfile) -> None:
    """By the arm's own kinematics; whether the way is free is for the planner."""
    arm, mount, target = Kinematics(profile), wrist_camera(profile), np.array(TARGETS[0])
    assert mount is not None
    reached = 0
    for poses in views_of(profile, target, 0.4):
        joints = (arm.inverse(arm.tip_pose(p), profile.home, attempts=5) for p in poses)
        found = next((q for q in joints if q is not None), None)
        if found is None:
            continue
        reached += 1
        camera = arm.forward(found) @ mount.parent_from_optical
        seen = geometry.apply(geometry.inverse(camera), target)
        np.testing.assert_allclose(seen, (0, 0, 0.4), atol=1e-4)
    assert reached >= 4


def test_a_search_covers_the_workspace(profile: RobotProfile) -> None:
    low, high = profile.workspace
    seen = set()
    for poses in search_views(profile):
        camera = camera_of(profile, poses[0])
        on_table = camera[:3, 3] + camera[:3, 2] * (
            (profile.table_height - camera[2, 3]) / camera[2, 2]
        )
        share = (on_table[:2] - low[:2]) / (high[:2] - low[:2])
        assert ((share > 0) & (share < 1)).all()
        seen.add(tuple(share > 0.5))
        assert math.degrees(math.asin(-camera[2, 2])) > 70
    assert len(seen) == 4


@pytest.mark.parametrize("height", [0.0, 0.1, 0.2])
def test_a_search_sees_the_edges_of_the_workspace_however_tall_a_thing_is(
    profile: RobotProfile, height: float
) -> None:
    """With the opening of a D435, and a margin of 10 px; however the camera is turned."""
    d435 = CameraIntrinsics(640, 480, 615.0, 615.0, 319.5, 239.5)
    low, high = profile.workspace
    for x, y in itertools.product(np.linspace(low[0], high[0], 5), np.linspace(low[1], high[1], 9)):
        place = (x, y, profile.table_height + height)
        seen = []
        for poses in search_views(profile):
            at = [geometry.inverse(camera_of(profile, pose)) for pose in poses]
            pixels = [d435.project(geometry.apply(c, place)) for c in at]
            seen.append(all(10 < u < 630 and 10 < v < 470 for u, v in pixels))
        assert any(seen), place


def test_a_robot_without_a_wrist_camera_has_no_views(profile: RobotProfile) -> None:
    blind = dataclasses.replace(
        profile, cameras={n: c for n, c in profile.cameras.items() if n != "wrist"}
    )
    assert wrist_camera(blind) is None
    assert list(views_of(blind, np.array(TARGETS[0]))) == []
    assert list(search_views(blind)) == []


def test_the_wrist_camera_tells_where_the_gripper_is(profile: RobotProfile) -> None:
    pose = next(views_of(profile, np.array(TARGETS[0])))[1]
    color = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    depth = np.full((CAMERA.height, CAMERA.width), np.nan, np.float32)
    for name, known in (("wrist", True), ("scene", False)):
        frame = RGBDFrame(color, depth, CAMERA, 1, f"{name}_color_optical_frame")
        here = gripper_of(profile, View(frame, camera_of(profile, pose)))
        assert (here is not None) == known
        if here is not None:
            np.testing.assert_allclose(here, pose, atol=1e-9)
