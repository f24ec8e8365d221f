# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.candidates import SurfacePlannerConfig, plan_surface_grasps
from tack_grasping.fingers import Surroundings, cloud_around, finger_fit
from tack_grasping.robot import Gripper
from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

GRIPPER = Gripper(
    "test_hand", ("finger",), 0.08, 0.0, 0.04, 0.05, 0.02, 0.01, 40.0, 0.1, np.eye(4), "grip",
    "gripper_command", ("hand",), ("hand",),
)  # fmt: skip
DOWN = np.diag([1.0, -1.0, -1.0])
# A camera 0.6 m above the base, looking straight down.
BASE_FROM_CAMERA = geometry.make_transform(DOWN, (0.4, 0.0, 0.6))
CONFIG = SurfacePlannerConfig(approach="down", turns=12, insertion=0.02)


def bar(length: float, width: float, height: float, yaw: float) -> np.ndarray:
    """The top of a bar at the middle of the scene, seen from above, and the table around it."""
    x, y = np.meshgrid(np.arange(-0.1, 0.1, 0.002), np.arange(-0.1, 0.1, 0.002))
    turned = np.cos(yaw) * x + np.sin(yaw) * y, -np.sin(yaw) * x + np.cos(yaw) * y
    on = (np.abs(turned[0]) <= length / 2) & (np.abs(turned[1]) <= width / 2)
    z = np.where(on, height, 0.0)
    return np.column_stack([x.ravel() + 0.4, y.ravel(), z.ravel()])


def keypoint(height: float) -> Keypoint:
    return Keypoint(
        "bar", 320, 240, 0.9, xyz=(0, 0, 0.6 - height), xyz_covariance=np.eye(3) * 1e-6,
        normal=(0, 0, -1),
    )  # fmt: skip


def plan(cloud: np.ndarray, height: float, floor: float | None = None):
    return plan_surface_grasps(
        keypoint(height), BASE_FROM_CAMERA, "base", 0, up=(0, 0, 1),
        surroundings=Surroundings(cloud, GRIPPER, floor), config=CONFIG,
    )  # fmt: skip


@pytest.mark.parametrize("yaw", [0.0, 0.4, 1.2, 2.5])
def test_fingers_close_across_the_narrow_side(yaw):
    best = plan(bar(0.16, 0.03, 0.05, yaw), 0.05).goals[0]
    closing = best.grasp[:3, 1]
    across = np.array([-math.sin(yaw), math.cos(yaw), 0])
    assert abs(closing @ across) > math.cos(math.radians(180 / CONFIG.turns / 2 + 2))
    assert "closes from" in best.why
    assert best.terms["clearance"] > 0.9


def test_the_gripper_is_centred_on_what_it_closes_on():
    cloud = np.add(bar(0.16, 0.03, 0.05, 0.0), (0, 0.008, 0))
    best = plan(cloud, 0.05).goals[0]
    assert best.grasp[1, 3] == pytest.approx(0.008, abs=0.002)
    assert best.grasp[0, 3] == pytest.approx(0.4, abs=0.002)


def test_the_tips_stay_above_the_table():
    goals = plan(bar(0.16, 0.03, 0.015, 0.0), 0.015, floor=0.004).goals
    assert_allclose([goal.grasp[2, 3] for goal in goals], 0.004, atol=1e-9)
    assert_allclose([goal.pregrasp[2, 3] for goal in goals], 0.015 + CONFIG.standoff, atol=1e-9)


def test_nothing_that_fits_is_a_refusal():
    plate = bar(0.2, 0.2, 0.05, 0.0)
    assert not any(goal.terms["clearance"] > 0.1 for goal in plan(plate, 0.05).goals)
    assert "nothing to close on" in plan(bar(0.0, 0.0, 0.0, 0.0) - (0, 0, 0.1), 0.05).refusal


def test_material_and_obstacles_are_told_apart():
    thing = np.column_stack([np.zeros(40), np.linspace(-0.01, 0.012, 40), np.full(40, -0.01)])
    wall = np.column_stack([np.zeros(30), np.full(30, 0.045), np.full(30, -0.02)])
    beyond = np.column_stack([np.zeros(30), np.zeros(30), np.full(30, 0.02)])
    fit = finger_fit(np.vstack([thing, wall, beyond]), np.eye(4), 0.08, GRIPPER)
    assert (fit.between, fit.blocked) == (40, 30)
    assert fit.width == pytest.approx(0.021, abs=0.001)
    assert fit.offset == pytest.approx(0.001, abs=0.0005)
    palm = np.tile((0.0, 0.0, -0.06), (9, 1))
    assert finger_fit(palm, np.eye(4), 0.08, GRIPPER).blocked == 9
    assert not finger_fit(np.zeros((0, 3)), np.eye(4), 0.08, GRIPPER).holds


def test_the_cloud_of_an_image_around_a_pixel():
    camera = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
    depth = np.full((48, 64), 0.5, np.float32)
    depth[:10] = np.nan
    depth[30:, 40:] = 2.0
    frame = RGBDFrame(np.zeros((48, 64, 3), np.uint8), depth, camera, 0, "camera")
    point = camera.deproject((31, 24), 0.5)
    cloud = cloud_around(frame, point, BASE_FROM_CAMERA, radius=0.1)
    center = geometry.apply(BASE_FROM_CAMERA, point)
    assert (np.linalg.norm(cloud - center, axis=1) <= 0.1 + 1e-9).all()
    assert_allclose(cloud[:, 2], 0.1, atol=1e-6)
    assert len(cloud) == pytest.approx(math.pi * (0.1 * 60 / 0.5) ** 2, rel=0.12)
    corner = cloud_around(frame, camera.deproject((0, 47), 0.5), BASE_FROM_CAMERA, radius=0.05)
    assert len(corner)


def test_clouds_that_are_not_finite_are_refused():
    with pytest.raises(InvalidInputError, match="finite"):
        Surroundings(np.array([[0, 0, np.nan]]), GRIPPER)
    fit = finger_fit(bar(0.1, 0.03, 0.05, 0.0), BASE_FROM_CAMERA, 0.08, GRIPPER)
    assert dataclasses.replace(fit, between=3).holds is False
