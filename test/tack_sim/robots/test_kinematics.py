# SPDX-License-Identifier: Apache-2.0
"""Kinematics against published numbers, against themselves, and against MuJoCo."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tack_grasping.profiles import load_profile, profile_names
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.renderer import import_mujoco
from tack_sim.robots.kinematics import Kinematics
from tack_sim.robots.spec import robot_spec, set_joints

QUARTER = math.pi / 2


def modified_dh(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    """Craig's convention, as in Franka's documentation."""
    ct, st, ca, sa = math.cos(theta), math.sin(theta), math.cos(alpha), math.sin(alpha)
    return np.array(
        [
            [ct, -st, 0, a],
            [st * ca, ct * ca, -sa, -d * sa],
            [st * sa, ct * sa, ca, d * ca],
            [0, 0, 0, 1],
        ]
    )


def standard_dh(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    """Denavit and Hartenberg's own convention, as in the documentation of the UR5e."""
    ct, st, ca, sa = math.cos(theta), math.sin(theta), math.cos(alpha), math.sin(alpha)
    return np.array(
        [
            [ct, -st * ca, st * sa, a * ct],
            [st, ct * ca, -ct * sa, a * st],
            [0, sa, ca, d],
            [0, 0, 0, 1],
        ]
    )


def random_q(kinematics: Kinematics, rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(kinematics.lower, kinematics.upper)


def test_the_panda_agrees_with_its_published_parameters() -> None:
    kinematics = Kinematics(load_profile("panda_hand"))
    rows = [
        (0, 0.333, 0),
        (0, 0, -QUARTER),
        (0, 0.316, QUARTER),
        (0.0825, 0, QUARTER),
        (-0.0825, 0.384, -QUARTER),
        (0, 0, QUARTER),
        (0.088, 0, QUARTER),
    ]
    rng = np.random.default_rng(1)
    for _ in range(20):
        q = random_q(kinematics, rng)
        expected = np.eye(4)
        for (a, d, alpha), theta in zip(rows, q, strict=True):
            expected = expected @ modified_dh(a, d, alpha, theta)
        expected = expected @ modified_dh(0, 0.107, 0, 0)
        assert np.allclose(kinematics.forward(q), expected, atol=1e-12)


def test_the_panda_stands_ready_where_it_is_known_to() -> None:
    kinematics = Kinematics(load_profile("panda_hand"))
    ready = [0, -math.pi / 4, 0, -3 * math.pi / 4, 0, QUARTER, math.pi / 4]
    assert kinematics.forward(ready)[:3, 3] == pytest.approx([0.30689, 0, 0.59028], abs=1e-4)
    # Franka's tool centre is 103.4 mm from the hand's frame, 8.8 mm before the finger tips.
    tool = kinematics.gripper_pose(ready) @ [0, 0, -0.0088, 1]
    assert tool[:3] == pytest.approx([0.30689, 0, 0.48688], abs=1e-4)


def test_the_ur5e_agrees_with_its_published_parameters() -> None:
    kinematics = Kinematics(load_profile("ur5e_2f85"))
    rows = [
        (0, 0.1625, QUARTER),
        (-0.425, 0, 0),
        (-0.3922, 0, 0),
        (0, 0.1333, QUARTER),
        (0, 0.0997, -QUARTER),
        (0, 0.0996, 0),
    ]
    # The URDF's base_link is turned by half a turn against the base of the controller.
    base_from_controller = geometry.from_axis_angle((0, 0, 1), math.pi)
    rng = np.random.default_rng(2)
    for _ in range(20):
        q = random_q(kinematics, rng)
        expected = base_from_controller
        for (a, d, alpha), theta in zip(rows, q, strict=True):
            expected = expected @ standard_dh(a, d, alpha, theta)
        assert np.allclose(kinematics.forward(q), expected, atol=1e-9)


@pytest.mark.parametrize("name", profile_names())
def test_mujoco_has_the_same_frames(name: str) -> None:
    mujoco = import_mujoco()
    profile = load_profile(name)
    kinematics = Kinematics(profile)
    model = robot_spec(profile, meshes=False).compile()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(3)
    for _ in range(5):
        q = random_q(kinematics, rng)
        set_joints(model, data, profile, q)
        mujoco.mj_kinematics(model, data)
        tip, gripper = data.body(profile.tip_frame), data.site("gripper")
        for pose, place in ((kinematics.forward(q), tip), (kinematics.gripper_pose(q), gripper)):
            assert np.allclose(pose[:3, 3], place.xpos, atol=1e-9)
            assert np.allclose(pose[:3, :3], place.xmat.reshape(3, 3), atol=1e-9)


@pytest.mark.parametrize("name", profile_names())
def test_the_jacobian_is_the_slope_of_the_forward_kinematics(name: str) -> None:
    kinematics = Kinematics(load_profile(name))
    q = random_q(kinematics, np.random.default_rng(4))
    jacobian, step = kinematics.jacobian(q), 1e-6
    for joint in range(len(q)):
        moved = [q + sign * step / 2 * np.eye(len(q))[joint] for sign in (-1, 1)]
        before, after = (kinematics.forward(place) for place in moved)
        assert jacobian[:3, joint] == pytest.approx((after[:3, 3] - before[:3, 3]) / step, abs=1e-6)
        turn = geometry.make_transform(after[:3, :3] @ before[:3, :3].T, np.zeros(3))
        assert jacobian[3:, joint] == pytest.approx(geometry.log(turn)[3:] / step, abs=1e-6)


@pytest.mark.parametrize("name", profile_names())
def test_the_inverse_finds_what_can_be_reached(name: str) -> None:
    profile = load_profile(name)
    kinematics = Kinematics(profile)
    rng = np.random.default_rng(5)
    solved = 0
    for _ in range(200):
        target = kinematics.forward(random_q(kinematics, rng))
        found = kinematics.inverse(target, profile.home, rng=rng)
        if found is None:
            continue
        solved += 1
        assert (found >= kinematics.lower).all()
        assert (found <= kinematics.upper).all()
        assert np.allclose(kinematics.forward(found), target, atol=5e-6)
    assert solved >= 198


@pytest.mark.parametrize("name", profile_names())
def test_a_small_move_stays_near_the_seed(name: str) -> None:
    profile = load_profile(name)
    kinematics = Kinematics(profile)
    pose = kinematics.gripper_pose(profile.home)
    pose[2, 3] -= 0.02
    found = kinematics.inverse(kinematics.tip_pose(pose), profile.home)
    assert found is not None
    assert np.abs(found - profile.home).max() < 0.2
    assert np.allclose(kinematics.gripper_pose(found), pose, atol=5e-6)


def test_half_a_turn_of_the_wrist_is_found() -> None:
    profile = load_profile("ur5e_2f85")
    kinematics = Kinematics(profile)
    for axis in np.eye(3):
        target = kinematics.forward(profile.home) @ geometry.from_axis_angle(axis, math.pi)
        found = kinematics.inverse(target, profile.home, rng=np.random.default_rng(6))
        assert found is not None
        assert np.allclose(kinematics.forward(found), target, atol=5e-6)


def test_what_is_out_of_reach_is_not_found_and_the_answer_repeats() -> None:
    profile = load_profile("panda_2f85")
    kinematics = Kinematics(profile)
    far = kinematics.forward(profile.home)
    far[0, 3] = 1.5
    assert kinematics.inverse(far, profile.home, attempts=3) is None
    behind = kinematics.forward([2.5, 0.9, 1.0, -1.2, 2.0, 2.0, -2.0])
    first, second = (kinematics.inverse(behind, profile.home) for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)


def test_wrong_input_is_refused() -> None:
    profile = load_profile("panda_2f85")
    kinematics = Kinematics(profile)
    with pytest.raises(InvalidInputError, match="7 finite numbers"):
        kinematics.forward([0.0] * 6)
    with pytest.raises(InvalidInputError, match="base_from_tip"):
        kinematics.inverse(np.ones((4, 4)), profile.home)
    with pytest.raises(InvalidInputError, match="arm 'kuka' cannot be simulated"):
        Kinematics(dataclasses.replace(profile, arm="kuka"))
    with pytest.raises(InvalidInputError, match="from base_link to tool0"):
        Kinematics(dataclasses.replace(profile, arm="ur5e"))
    joints = dict(reversed(profile.joints.items()))
    with pytest.raises(InvalidInputError, match="in this order"):
        Kinematics(dataclasses.replace(profile, joints=joints))
