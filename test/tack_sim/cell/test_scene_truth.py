# SPDX-License-Identifier: Apache-2.0
"""The planning scene from noisy depth against what truly stands in the cell."""

from __future__ import annotations

import numpy as np
import pytest

from tack_grasping.scene import SceneConfig, chain_shapes, diff, gripper_shapes, read_scene
from tack_perception import geometry
from tack_sim.cameras.cell_camera import CellCamera
from tack_sim.cell.layout import CellLayout, Placed, sample_layout
from tack_sim.cell.scene_truth import SceneTruth
from tack_sim.cell.world import CellWorld
from tack_sim.robots.arms import arm_of

CONFIG = SceneConfig()


def shoot(world, camera, *, noise):
    with CellCamera(
        world.model, world.profile.cameras[camera], noise=noise, shadow_size=0, seed=1
    ) as eye:
        return eye.shoot(world.snapshot())


def robot_of(world):
    places = [world.base_from_link(link.name)[:3, 3] for link in arm_of(world.profile).links]
    return (*gripper_shapes(world.profile, world.base_from_gripper()), *chain_shapes(places))


def test_the_truth_of_a_block_is_its_own(profile, block):
    pose = geometry.from_axis_angle((0, 0, 1), 0.4, (0.5, 0.1, 0.0))
    world = CellWorld(CellLayout(profile, (Placed("block", block, pose),)), meshes=False)
    truth = SceneTruth(world)
    assert truth.names == ["block"]
    seen = truth.visible(shoot(world, "wrist", noise=False))
    local = np.abs(geometry.apply(geometry.inverse(pose), seen.points) - (0, 0, 0.03))
    half = np.array([0.02, 0.06, 0.03])
    assert len(seen.points) > 500
    assert np.abs((local / half).max(axis=1) - 1).max() < 0.02  # on its surface
    tops = truth.heights(np.array([0.3, -0.1]), np.array([0.7, 0.3]), 0.005, 0.0)
    assert tops.max() == pytest.approx(0.06, abs=1e-4)
    assert (tops > 0).sum() * 0.005**2 == pytest.approx(0.04 * 0.12, rel=0.05)
    padded = truth.heights(np.array([0.3, -0.1]), np.array([0.7, 0.3]), 0.005, 0.01)
    assert padded.max() == pytest.approx(0.07, abs=1e-4)
    assert ((padded > 0) >= (tops > 0)).all()


@pytest.mark.parametrize(("family", "seed"), [("mug", 3), ("hammer", 5), ("box", 8)])
def test_two_looks_cover_what_is_truly_there_and_not_the_target(profile, family, seed):
    layout = sample_layout(profile, family, seed, clutter=5, occluders=1)
    world = CellWorld(layout, meshes=False)
    world.step(0.2)
    truth, robot, model = SceneTruth(world), robot_of(world), None
    seen = [truth.visible(shoot(world, name, noise=False)) for name in ("scene", "wrist")]
    points = np.concatenate([one.points for one in seen])
    owner = np.concatenate([one.owner for one in seen])
    middle = world.object_centre(layout.target.name)
    mine = points[owner == 0]
    click = mine[np.linalg.norm(mine - middle, axis=1).argmin()]
    for name in ("scene", "wrist"):
        shot = shoot(world, name, noise=True)
        before, model = model, read_scene(
            shot.frame(name), shot.world_from_color, profile, target=click, robot=robot,
            previous=model, config=CONFIG,
        )  # fmt: skip
        assert abs(model.table.error) < 0.003
        assert diff(before, model)
    low, high = profile.workspace
    within = (
        (points[:, :2] > low[:2] - CONFIG.beside) & (points[:, :2] < high[:2] + CONFIG.beside)
    ).all(axis=1)
    # What is lower than this is lost in the noise of the camera on the stand (a bin's floor).
    others = points[within & (owner != 0) & (points[:, 2] > 0.008)]
    inside = np.array([one.contains(others) for one in model.obstacles])
    assert inside.any(axis=0).mean() > 0.97
    blocking = np.array([one.contains(mine) for one in model.obstacles])
    assert blocking.any(axis=0).mean() < 0.1
    assert model.target.contains(mine, 0.005).mean() > 0.9
    low = np.array([*low[:2], 0.005])
    samples = np.random.default_rng(0).uniform(low, high, (20_000, 3))
    tops = truth.heights(low[:2], high[:2], 0.005, CONFIG.padding)
    x, y = np.floor((samples[:, :2] - low[:2]) / 0.005).astype(int).T
    free = samples[:, 2] > tops[x, y]
    blocked = np.any([one.contains(samples) for one in model.obstacles], axis=0)
    assert blocked[free].mean() < 0.12
    assert blocked[~free].mean() > 0.4  # the target's own space is among the rest
