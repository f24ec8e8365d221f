# SPDX-License-Identifier: Apache-2.0
"""Robots in MuJoCo: what they are made of, what they see, what they hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tack_grasping.profiles import load_profile, profile_names
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import DependencyError, FileFormatError, InvalidInputError
from tack_sim.renderer import import_mujoco
from tack_sim.robots.assets import LinkMesh, load_meshes, mesh_archive, save_meshes
from tack_sim.robots.kinematics import Kinematics
from tack_sim.robots.spec import COLLISION_GROUP, VISUAL_GROUP, robot_spec, set_joints

ALL = pytest.mark.parametrize("name", profile_names())
# f in px and size of the colour images that a camera must cover the table with.
FOCAL, WIDTH, HEIGHT = {"d435": 615.0, "d405": 435.0}, 640, 480


@pytest.fixture(autouse=True)
def no_installed_meshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def at_home(profile: RobotProfile, **solids: Any) -> tuple[Any, Any]:
    mujoco = import_mujoco()
    model = robot_spec(profile, **solids).compile()
    data = mujoco.MjData(model)
    set_joints(model, data, profile)
    mujoco.mj_forward(model, data)
    return model, data


def gap(model: Any, data: Any) -> float:
    """The distance between the faces of the pads, m."""
    closing = data.site("gripper").xmat.reshape(3, 3)[:, 1]
    left, right = data.geom("left_pad1"), data.geom("right_pad1")
    faces = model.geom("left_pad1").size.min() + model.geom("right_pad1").size.min()
    return float((left.xpos - right.xpos) @ closing - faces)


@ALL
def test_joints_and_motors_are_those_of_the_profile(name: str) -> None:
    profile = load_profile(name)
    model, data = at_home(profile)
    joints = [model.joint(index).name for index in range(model.njnt)]
    assert tuple(joints[: len(profile.joints)]) == tuple(profile.joints)
    assert set(profile.gripper.joints) <= set(joints)
    assert {model.actuator(i).name for i in range(model.nu)} == {*profile.joints, "gripper"}
    for joint, limits in profile.joints.items():
        assert model.joint(joint).range == pytest.approx([limits.lower, limits.upper])
        assert model.actuator(joint).ctrlrange == pytest.approx([limits.lower, limits.upper])
    bodies = {model.body(index).name for index in range(model.nbody)}
    # The cell's finger is one body where the real 2F-85 has a finger and its tip.
    real = {link for link in profile.gripper.touch_links if link.endswith("_finger_link")}
    assert set(profile.gripper.touch_links) - real <= bodies
    assert {profile.base_frame, profile.tip_frame, "wrist_camera", "scene_camera"} <= bodies
    assert data.body(profile.base_frame).xpos == pytest.approx([0, 0, 0])


@ALL
def test_home_is_free_and_stays_where_it_is(name: str) -> None:
    mujoco = import_mujoco()
    profile = load_profile(name)
    model, data = at_home(profile)
    assert data.ncon == 0
    mujoco.mj_step(model, data, 200)
    held = np.array([data.joint(joint).qpos[0] for joint in profile.joints])
    assert np.abs(held - profile.home).max() < 1e-3
    assert gap(model, data) == pytest.approx(profile.gripper.stroke, abs=1e-3)


@ALL
def test_the_wrist_camera_sees_the_table_and_nothing_of_the_robot(name: str) -> None:
    mujoco = import_mujoco()
    profile = load_profile(name)
    spec = robot_spec(profile)
    table = spec.worldbody.add_geom(name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(2, 2, 1))
    assert table.name == "table"
    model = spec.compile()
    data = mujoco.MjData(model)
    set_joints(model, data, profile)
    mujoco.mj_forward(model, data)
    mount, table_id = profile.cameras["wrist"], model.geom("table").id
    base_from_optical = Kinematics(profile).forward(profile.home) @ mount.parent_from_optical
    focal = FOCAL[mount.model]
    seen = np.zeros(1, dtype=np.int32)
    for u in np.linspace(-WIDTH / 2, WIDTH / 2, 25):
        for v in np.linspace(-HEIGHT / 2, HEIGHT / 2, 19):
            ray = geometry.rotate(base_from_optical, geometry.unit((u / focal, v / focal, 1)))
            start = base_from_optical[:3, 3]
            mujoco.mj_ray(model, data, start, ray, None, 1, -1, seen)
            assert seen[0] == table_id, (u, v, model.geom(seen[0]).name)
    for x, y in ((0.35, -0.22), (0.35, 0.22), (0.65, -0.22), (0.65, 0.22)):
        ray = geometry.apply(geometry.inverse(base_from_optical), (x, y, 0))
        assert abs(ray[0] / ray[2]) < WIDTH / 2 / focal
        assert abs(ray[1] / ray[2]) < HEIGHT / 2 / focal
    assert 0.42 < base_from_optical[2, 3] < 0.6


@ALL
def test_the_opening_is_linear_in_the_first_finger_joint(name: str) -> None:
    mujoco = import_mujoco()
    profile = load_profile(name)
    model, data = at_home(profile)
    gripper = profile.gripper
    for opening in np.linspace(0, gripper.stroke, 6):
        set_joints(model, data, profile, opening=float(opening))
        mujoco.mj_forward(model, data)
        position = data.joint(gripper.joints[0]).qpos[0]
        share = (position - gripper.closed) / (gripper.opened - gripper.closed)
        assert gap(model, data) == pytest.approx(opening, abs=1e-4)
        assert share * gripper.stroke == pytest.approx(opening, abs=1e-4)
    for opening in (0.01, gripper.stroke * 0.7):  # and when the motor drives it there
        data.actuator("gripper").ctrl = opening
        mujoco.mj_step(model, data, 400)
        position = data.joint(gripper.joints[0]).qpos[0]
        share = (position - gripper.closed) / (gripper.opened - gripper.closed)
        assert gap(model, data) == pytest.approx(opening, abs=1e-3)
        assert share * gripper.stroke == pytest.approx(opening, abs=1e-3)


@ALL
def test_the_gripper_frame_is_between_the_ends_of_the_fingers(name: str) -> None:
    profile = load_profile(name)
    model, data = at_home(profile)
    place = data.site("gripper")
    base_from_gripper = geometry.make_transform(place.xmat.reshape(3, 3), place.xpos)
    ends = []
    for pad in ("left_pad1", "right_pad1"):
        centre = geometry.apply(geometry.inverse(base_from_gripper), data.geom(pad).xpos)
        rotation = base_from_gripper[:3, :3].T @ data.geom(pad).xmat.reshape(3, 3)
        ends.append(centre + np.abs(rotation @ model.geom(pad).size) * (0, 0, 1))
    assert ends[0][1] > 0 > ends[1][1]
    assert (ends[0] + ends[1]) / 2 == pytest.approx([0, 0, 0], abs=2e-4)


@ALL
def test_a_held_box_does_not_slip(name: str) -> None:
    mujoco = import_mujoco()
    profile = load_profile(name)
    spec = robot_spec(profile)
    spec.option.timestep, spec.option.impratio, spec.option.noslip_iterations = 0.002, 10, 5
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    body = spec.worldbody.add_body(name="box")
    body.add_freejoint(name="box")
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=(0.02, 0.025, 0.03), mass=0.5)
    model = spec.compile()
    data = mujoco.MjData(model)
    set_joints(model, data, profile)
    place = Kinematics(profile).gripper_pose(profile.home)
    x, y, z, w = geometry.to_quaternion(place)
    data.joint("box").qpos = [*(place[:3, 3] + (0, 0, 0.01)), w, x, y, z]
    model.opt.gravity[:] = 0
    data.actuator("gripper").ctrl = 0.03
    mujoco.mj_step(model, data, 150)
    model.opt.gravity[2] = -9.81

    def in_gripper() -> np.ndarray:
        site = data.site("gripper")
        return site.xmat.reshape(3, 3).T @ (data.body("box").xpos - site.xpos)

    mujoco.mj_step(model, data, 50)
    before = in_gripper()
    mujoco.mj_step(model, data, 500)
    assert gap(model, data) == pytest.approx(0.05, abs=1e-3)
    assert np.abs(in_gripper() - before).max() < 5e-4


def solids(model: Any, group: int) -> list[tuple[object, ...]]:
    chosen = [index for index in range(model.ngeom) if model.geom_group[index] == group]
    return [
        (
            model.body(model.geom_bodyid[index]).name,
            int(model.geom_type[index]),
            *np.round([*model.geom_pos[index], *model.geom_size[index]], 9).tolist(),
        )
        for index in chosen
    ]


def test_meshes_change_the_looks_and_nothing_else() -> None:
    profile = load_profile("panda_2f85")
    plain = robot_spec(profile).compile()
    corners = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]], dtype=np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], dtype=np.int32)
    save_meshes("panda", {"panda_link1": (LinkMesh((1, 0, 0), corners, faces),)})
    drawn = robot_spec(profile).compile()
    assert (plain.nmesh, drawn.nmesh) == (0, 1)
    assert solids(plain, COLLISION_GROUP) == solids(drawn, COLLISION_GROUP)
    assert np.array_equal(plain.body_mass, drawn.body_mass)
    assert np.array_equal(plain.body_inertia, drawn.body_inertia)
    assert robot_spec(profile, meshes=False).compile().nmesh == 0
    for model in (plain, drawn):
        visual = model.geom_group == VISUAL_GROUP
        assert not model.geom_contype[visual].any()
        assert not model.geom_conaffinity[visual].any()


def test_archives_of_meshes_are_read_back_or_refused() -> None:
    profile = load_profile("panda_2f85")
    assert load_meshes("panda") == {}
    with pytest.raises(DependencyError, match=r"robot_meshes\.py"):
        robot_spec(profile, meshes=True)
    corners = np.eye(3, dtype=np.float32)
    mesh = LinkMesh((0.1, 0.2, 0.3), corners, np.array([[0, 1, 2]], dtype=np.int32))
    save_meshes("panda", {"a": (mesh, mesh), "b": (mesh,)})
    links = load_meshes("panda")
    assert [len(links[name]) for name in ("a", "b")] == [2, 1]
    assert np.array_equal(links["a"][1].vertices, corners)
    assert links["a"][0].color == (0.1, 0.2, 0.3)
    mesh_archive("panda").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(FileFormatError, match="delete the file"):
        robot_spec(profile)


def test_the_gripper_goes_where_the_profile_says() -> None:
    profile = load_profile("ur5e_2f85")
    longer = profile.gripper.tip_from_gripper.copy()
    longer[2, 3] += 0.02  # an adapter plate
    other = dataclasses.replace(
        profile, gripper=dataclasses.replace(profile.gripper, tip_from_gripper=longer)
    )
    (_, near), (_, far) = at_home(profile), at_home(other)
    moved = far.body("robotiq_85_base_link").xpos - near.body("robotiq_85_base_link").xpos
    assert np.linalg.norm(moved) == pytest.approx(0.02)


def test_an_unknown_gripper_is_refused() -> None:
    profile = load_profile("panda_2f85")
    for change, message in (
        ({"name": "schunk"}, "gripper 'schunk' cannot be simulated; known are franka_hand"),
        ({"joints": ("thumb",)}, "robotiq_2f85 has no joint thumb"),
    ):
        gripper = dataclasses.replace(profile.gripper, **change)
        with pytest.raises(InvalidInputError, match=message):
            robot_spec(dataclasses.replace(profile, gripper=gripper))
