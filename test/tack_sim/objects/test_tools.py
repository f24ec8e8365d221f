# SPDX-License-Identifier: Apache-2.0
"""What holds for hammers, screwdrivers and wrenches alike: they lie as they say they do."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tack_perception import geometry
from tack_sim.objects import solids
from tack_sim.objects.body import add_object
from tack_sim.objects.families import make_object
from tack_sim.objects.model import ObjectModel, RestPose

SEEDS = (3, 100_004, 110_005)

tools = pytest.mark.parametrize("family", ["hammer", "screwdriver", "wrench"])
seeds = pytest.mark.parametrize("seed", SEEDS)


@functools.cache
def instance(family: str, seed: int) -> ObjectModel:
    return make_object(family, seed)


def settled(model: ObjectModel, rest: RestPose, seconds: float = 1.0) -> tuple[np.ndarray, float]:
    """Pose after physics had its way from 1 mm above the rest pose, and the body's mass."""
    mujoco = pytest.importorskip("mujoco")
    spec = mujoco.MjSpec()
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1])
    start = geometry.make_transform(np.eye(3), (0, 0, 0.001)) @ rest.table_from_object
    add_object(spec, model, "tool", start, free=True, visual=False)
    compiled = spec.compile()
    data = mujoco.MjData(compiled)
    for _ in range(round(seconds / compiled.opt.timestep)):
        mujoco.mj_step(compiled, data)
    body = data.body("tool")
    return geometry.make_transform(body.xmat.reshape(3, 3), body.xpos), float(
        compiled.body("tool").mass[0]
    )


@tools
@seeds
def test_rest_poses_are_where_physics_leaves_the_tool(family: str, seed: int) -> None:
    model = instance(family, seed)
    for rest in model.rests:
        pose, mass = settled(model, rest)
        assert mass == pytest.approx(model.mass, rel=1e-6)
        turn = pose[:3, :3].T @ rest.table_from_object[:3, :3]
        assert np.degrees(np.arccos(min(1.0, (np.trace(turn) - 1) / 2))) < 5
        moved = geometry.apply(pose, model.mesh.vertices) - geometry.apply(
            rest.table_from_object, model.mesh.vertices
        )
        assert np.linalg.norm(moved, axis=1).max() < 0.003


@tools
@seeds
def test_its_weight_hardly_turns_a_tool_in_the_fingers(family: str, seed: int) -> None:
    model = instance(family, seed)
    centre = solids.centre_of_mass(model.pieces)
    nearest = min(abs(model.position(grasp.point)[0] - centre[0]) for grasp in model.grasps)
    assert nearest * model.mass * 9.81 < 0.25  # Nm; two pads of 40 N hold more


@tools
@seeds
def test_fingers_close_on_the_tool_and_not_on_the_table(family: str, seed: int) -> None:
    model = instance(family, seed)
    for grasp in model.grasps:
        pose = model.rest(grasp.rest).table_from_object
        places = geometry.apply(pose, model.mesh.vertices)
        at = geometry.apply(pose, model.position(grasp.point))
        tips = at[2] - grasp.depth
        assert tips >= 0.002
        along = geometry.rotate(pose, np.cross((0, 0, 1), grasp.closing))[:2]
        across = geometry.rotate(pose, grasp.closing)[:2]
        beside = places[:, :2] - at[:2]
        held = np.abs(beside @ along) < 0.011  # half of a finger's width
        assert np.ptp(beside[held] @ across) < grasp.width + 0.008
        assert (places[held & (places[:, 2] > tips), 2] - tips).max() > 0.004
