# SPDX-License-Identifier: Apache-2.0
"""Objects in MuJoCo: bodies as promised, at rest where they should be, held by their grasps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.errors import DependencyError, InvalidInputError
from tack_sim.objects import body, solids
from tack_sim.objects.families import make_object
from tack_sim.objects.model import ObjectModel, TopGrasp
from tack_sim.objects.shading import face_normals
from tack_sim.objects.sheet import contact_sheet
from tack_sim.renderer import import_mujoco

mujoco = import_mujoco()
FAMILIES = ("mug", "bottle", "box")


def table() -> Any:
    spec = mujoco.MjSpec()
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio, spec.option.noslip_iterations = 10, 5
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    plane = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
    plane.friction = [0.8, 0.005, 0.0001]
    return spec


def add_gripper(spec: Any, world_from_gripper: np.ndarray, opening: float) -> None:
    """Two 22 mm wide fingers that fly: z of the frame points down, they close along its y."""
    x, y, z, w = geometry.to_quaternion(world_from_gripper)
    palm = spec.worldbody.add_body(
        name="palm", pos=world_from_gripper[:3, 3].tolist(), quat=[w, x, y, z], gravcomp=1
    )
    palm.add_joint(name="lift", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 0, 1], damping=20)
    palm.mass, palm.inertia, palm.explicitinertial = 1.0, [0.01] * 3, True
    for name, side in (("left", 1.0), ("right", -1.0)):
        finger = palm.add_body(
            name=name, pos=[0, side * (opening / 2 + 0.006), -0.0225], gravcomp=1
        )
        finger.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, -side, 0], damping=5)
        finger.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.011, 0.006, 0.0225],
            mass=0.1,
            friction=[1.2, 0.01, 0.0001],
            condim=4,
            priority=1,
            solref=[0.005, 1],
            solimp=[0.95, 0.99, 0.001, 0.5, 2],
        )
    for name, gain, force in (
        ("lift", 3000.0, 100.0),
        ("left", 4000.0, 40.0),
        ("right", 4000.0, 40.0),
    ):
        actuator = spec.add_actuator(
            name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, forcerange=[-force, force]
        )
        actuator.set_to_position(kp=gain, kv=0.1 * gain)


def lifted(model: ObjectModel, grasp: TopGrasp) -> float:
    """How far (m) the object rises when the gripper takes it and goes up by 12 cm."""
    pose = model.rest(grasp.rest).table_from_object
    point = geometry.apply(pose, model.position(grasp.point))
    closing = geometry.rotate(pose, grasp.closing) * (1, 1, 0)
    closing /= np.linalg.norm(closing)
    down = np.array([0.0, 0.0, -1.0])
    axes = np.stack([np.cross(closing, down), closing, down], axis=1)
    start = point - 0.08 * down
    spec = table()
    body.add_object(spec, model, "object", pose, free=True, visual=False)
    add_gripper(spec, geometry.make_transform(axes, start), grasp.width)
    compiled = spec.compile()
    data = mujoco.MjData(compiled)
    reach = 0.08 + grasp.depth

    def run(seconds: float, targets: dict[str, float]) -> None:
        before = {name: float(data.actuator(name).ctrl[0]) for name in targets}
        steps = round(seconds / compiled.opt.timestep)
        for step in range(steps):
            share = min(1.0, 1.3 * (step + 1) / steps)
            for name, target in targets.items():
                data.actuator(name).ctrl[0] = before[name] + share * (target - before[name])
            mujoco.mj_step(compiled, data)

    run(0.5, {"lift": reach})
    height = float(data.body("object").xpos[2])
    run(0.4, {"left": 0.05, "right": 0.05})
    run(0.8, {"lift": reach - 0.12})
    run(0.4, {"lift": reach - 0.12})
    return float(data.body("object").xpos[2]) - height


@pytest.mark.parametrize("family", FAMILIES)
def test_bodies_are_named_and_weigh_what_the_object_weighs(family: str) -> None:
    model = make_object(family, 7)
    pose = geometry.from_axis_angle((0, 0, 1), 0.7, (0.3, -0.2, 0.1))
    spec = table()
    body.add_object(spec, model, "thing", pose, free=True)
    compiled = spec.compile()
    data = mujoco.MjData(compiled)
    mujoco.mj_forward(compiled, data)
    thing = compiled.body("thing")
    assert thing.mass[0] == pytest.approx(model.mass)
    assert compiled.joint("thing").type[0] == mujoco.mjtJoint.mjJNT_FREE
    centre = geometry.apply(pose, solids.centre_of_mass(model.pieces))
    assert np.allclose(data.body("thing").xipos, centre, atol=2e-4)
    for part in model.part_names:
        geom = compiled.geom(f"thing/{part}")
        assert (geom.group[0], geom.contype[0], geom.conaffinity[0]) == (2, 0, 0)
    for index in range(len(model.pieces)):
        geom = compiled.geom(f"thing/piece_{index}")
        assert (geom.group[0], geom.contype[0], geom.condim[0]) == (3, 1, 4)
        assert geom.friction[0] == model.friction


def test_a_fixed_body_without_collision_is_a_picture_only() -> None:
    model, spec = make_object("mug", 7), table()
    body.add_object(spec, model, "mug", np.eye(4), free=False, collision=False)
    compiled = spec.compile()
    assert compiled.njnt == 0
    assert compiled.ngeom == 1 + len(model.part_names)


def test_a_free_body_without_collision_falls_through_the_table() -> None:
    model, spec = make_object("box", 7), table()
    body.add_object(spec, model, "box", np.eye(4), free=True, visual=False, collision=False)
    compiled = spec.compile()
    data = mujoco.MjData(compiled)
    mujoco.mj_step(compiled, data, 200)
    assert data.body("box").xpos[2] < -0.5
    assert compiled.body("box").mass[0] == pytest.approx(model.mass)


def test_compiled_normals_and_texture_are_those_of_the_mesh() -> None:
    model, spec = make_object("bottle", 7), table()
    body.add_object(spec, model, "bottle", np.eye(4), free=False, collision=False)
    compiled = spec.compile()
    texture = compiled.tex_data.reshape(model.texture.shape)
    assert np.array_equal(texture, model.texture)
    for index, part in enumerate(model.part_names):
        mesh = compiled.mesh(f"bottle/{part}")
        start, count = mesh.faceadr[0], mesh.facenum[0]
        flat = face_normals(model.mesh)[model.part_of_face == index]
        assert count == len(flat)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, compiled.mesh_quat[mesh.id])
        normals = compiled.mesh_normal[compiled.mesh_normaladr[mesh.id] :]
        used = normals[compiled.mesh_facenormal[start : start + count]] @ turn.reshape(3, 3).T
        assert np.einsum("fcd,fd->fc", used, flat).min() > 0.7


def test_a_pose_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="pose of mug"):
        body.add_object(table(), make_object("mug", 7), "mug", 2 * np.eye(4), free=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_objects_stay_where_they_rest(family: str) -> None:
    model = make_object(family, 110_003)
    for rest in model.rests:
        spec = table()
        body.add_object(spec, model, "object", rest.table_from_object, free=True, visual=False)
        compiled = spec.compile()
        data = mujoco.MjData(compiled)
        mujoco.mj_step(compiled, data, 750)
        moved = data.body("object").xmat.reshape(3, 3) @ rest.table_from_object[:3, :3].T
        angle = np.arccos(np.clip((np.trace(moved) - 1) / 2, -1, 1))
        assert angle < np.radians(4), rest.name
        assert np.linalg.norm(data.body("object").xpos - rest.table_from_object[:3, 3]) < 0.006


@pytest.mark.parametrize("family", FAMILIES)
def test_every_grasp_lifts_the_object(family: str) -> None:
    model = make_object(family, 110_004)
    for grasp in model.grasps:
        assert lifted(model, grasp) > 0.10, f"{grasp.point}, {grasp.rest}"


def test_a_grasp_beside_the_object_does_not_lift_it() -> None:
    model = make_object("box", 110_004)
    grasp = model.grasps[0]
    above = dataclasses.replace(grasp, depth=-0.05)
    assert lifted(model, above) < 0.01


def test_a_contact_sheet_shows_different_objects() -> None:
    try:
        sheet = contact_sheet(
            [make_object("mug", seed) for seed in (1, 2, 3)], 64, columns=2, lamps=2
        )
    except DependencyError as error:
        pytest.skip(str(error))
    assert sheet.shape == (128, 128, 3)
    tiles = [sheet[:64, :64], sheet[:64, 64:], sheet[64:, :64]]
    assert all(tile.std() > 10 for tile in tiles)
    assert np.abs(tiles[0].astype(int) - tiles[1]).mean() > 3
    assert (sheet[64:, 64:] == 255).all()
