# SPDX-License-Identifier: Apache-2.0
"""Synthetic data sets, small: what is stated is true, and the same seed gives the same bytes."""

import dataclasses
import functools

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.consistency import reprojection_errors, transfer_errors
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_sim.cameras.scene_renderer import SceneRenderer
from tack_sim.dataset import job
from tack_sim.dataset.job import render
from tack_sim.dataset.label import SceneCamera
from tack_sim.dataset.plan import RenderConfig, make_plan
from tack_sim.dataset.scene import make_scene
from tack_sim.objects.families import make_object
from tack_sim.objects.model import SPLITS
from tack_sim.renderer import import_mujoco

MAKE = functools.lru_cache(make_object)
CONFIG = RenderConfig(
    classes=("mug", "hammer"), instances=2, views=2, width=160, height=120, clutter=2, occluders=1,
    distance_m=(0.25, 0.4),
)  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    return make_plan(CONFIG, make=MAKE)


@pytest.fixture(scope="module")
def scenes(plan):
    return [make_scene(scene, CONFIG, MAKE) for scene in plan.scenes]


@pytest.fixture(scope="module")
def data(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "set"
    assert render(plan, folder, make=MAKE).made == 8
    return CorrespondenceSet.open(folder)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_plan_takes_instances_of_its_split(plan):
    held_out = make_plan(dataclasses.replace(CONFIG, split="held_out"), make=MAKE)
    for planned, split in ((plan, "train"), (held_out, "held_out")):
        assert planned.manifest.views == 8
        assert {info.seed in SPLITS[split] for info in planned.manifest.instances.values()} == {
            True
        }
        views = [view for scene in planned.scenes for view in scene.views]
        assert views == list(range(8))
    assert not set(plan.manifest.instances) & set(held_out.manifest.instances)
    assert {name for scene in plan.scenes for name, _ in scene.objects[:1]} == {"mug", "hammer"}


def test_later_instances_of_a_split_are_others(plan):
    count = CONFIG.instances
    later = make_plan(dataclasses.replace(CONFIG, first=count), make=MAKE)
    longer = make_plan(dataclasses.replace(CONFIG, instances=2 * count), make=MAKE)
    first, second = set(plan.manifest.instances), set(later.manifest.instances)
    assert not first & second
    assert first | second == set(longer.manifest.instances)


def test_a_plan_that_cannot_be():
    with pytest.raises(InvalidInputError, match="no class"):
        make_plan(RenderConfig())
    with pytest.raises(ConfigurationError, match=r"teapot.*mug"):
        RenderConfig(classes=("teapot",))
    with pytest.raises(InvalidInputError, match="10000 of each class"):
        make_plan(dataclasses.replace(CONFIG, split="held_out", instances=10_001), make=MAKE)
    with pytest.raises(InvalidInputError, match="from 9999 on: split held_out has 1 of"):
        make_plan(dataclasses.replace(CONFIG, split="held_out", first=9999, instances=2), make=MAKE)


def test_canonical_maps_agree_with_poses_and_intrinsics(data, scenes):
    views = list(data)
    own = np.concatenate([reprojection_errors(data, view) for view in views])
    assert own.size > 3000
    assert own.max() < 0.05
    same, across = [], []
    for i, first in enumerate(views):
        for second in views[i + 1 :]:
            visible = functools.partial(
                scenes[second.scene].rays.sees, world_from_camera=second.world_from_camera
            )
            found = same if first.scene == second.scene else across
            found.append(transfer_errors(data, first, second, visible))
    for errors in (np.concatenate(same), np.concatenate(across)):
        assert errors.size > 500
        assert np.percentile(errors, 99) < 0.5


def test_truth_against_the_other_renderer(plan, scenes):
    mujoco = import_mujoco()
    scene, camera_plan = scenes[0], plan.scenes[0]
    with SceneCamera(scene, camera_plan, CONFIG, plan.look) as camera:
        view = camera.shoot(1)
    model_data = mujoco.MjData(scene.model)
    mujoco.mj_kinematics(scene.model, model_data)
    with SceneRenderer(scene.model, 160, 120, samples=0, shadow_size=0) as renderer:
        depth = renderer.depth(model_data, view.intrinsics, view.world_from_camera)
    error = np.abs(depth - view.true_depth)
    assert np.nanmedian(error) < 1e-5
    assert (error > 1e-4).mean() < 0.05  # silhouettes
    assert np.nanmedian(np.abs(view.depth - view.true_depth)) < 0.004
    assert not np.array_equal(view.depth, view.true_depth, equal_nan=True)


def test_named_points_are_where_they_are_stated(data):
    seen = 0
    for view in data:
        for point in view.points:
            thing = view.objects[point.object]
            family, _, seed = thing.instance.rpartition("_")
            world = geometry.apply(
                thing.world_from_object, MAKE(family, int(seed)).position(point.name)
            )
            local = geometry.apply(geometry.inverse(view.world_from_camera), world)
            assert np.allclose(local, point.xyz, atol=1e-6)
            assert np.allclose(view.intrinsics.project(local), point.pixel, atol=1e-3)
            if point.visible:
                u, v = np.rint(point.pixel).astype(int)
                near = view.instance[max(0, v - 2) : v + 3, max(0, u - 2) : u + 3]
                assert (near == point.object + 1).any()
                seen += 1
    assert seen > 10


def test_hidden_points_are_said_to_be_hidden(data):
    for view in data:
        for point in view.points:
            u, v = np.rint(point.pixel).astype(int)
            if not view.intrinsics.contains(*point.pixel) or not 0 < u < 159 or not 0 < v < 119:
                continue
            around = view.true_depth[v - 1 : v + 2, u - 1 : u + 2]
            if np.nanmax(around) < point.xyz[2] - 0.01:
                assert not point.visible


def test_pairs_join_the_same_surface(data):
    for i, j in ((0, 1), (0, 4)):
        pairs = data.pairs(i, j, 200, np.random.default_rng(0))
        first, second = data.view(i), data.view(j)
        for index in range(len(pairs)):
            u, v = pairs.first[index].astype(int)
            s, t = np.rint(pairs.second[index]).astype(int)
            mine = first.objects[pairs.first_object[index]].instance
            theirs = second.objects[pairs.second_object[index]].instance
            assert (
                data.manifest.instances[mine].category == data.manifest.instances[theirs].category
            )
            assert first.instance[v, u] == pairs.first_object[index] + 1
            assert second.instance[t, s] == pairs.second_object[index] + 1
    assert len(data.pairs(0, 1, 50, np.random.default_rng(0))) == 50


def test_a_stopped_run_ends_with_the_same_bytes(plan, data, tmp_path, monkeypatch):
    made = 0

    def stop_after_three(camera, number, shoot=SceneCamera.shoot):
        nonlocal made
        made += 1
        if made > 3:
            raise KeyboardInterrupt
        return shoot(camera, number)

    monkeypatch.setattr(job.SceneCamera, "shoot", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        render(plan, tmp_path / "set", make=MAKE)
    monkeypatch.undo()
    assert len(CorrespondenceSet.open(tmp_path / "set")) == 3
    summary = render(plan, tmp_path / "set", make=MAKE)
    assert (summary.made, summary.kept) == (5, 3)
    assert content(tmp_path / "set") == content(data.folder)
    assert render(plan, tmp_path / "set", make=MAKE).made == 0


def test_another_seed_gives_other_pictures(plan, data, tmp_path):
    config = dataclasses.replace(CONFIG, classes=("mug",), instances=1, views=1, seed=1)
    render(make_plan(config, make=MAKE), tmp_path / "set", make=MAKE)
    view = CorrespondenceSet.open(tmp_path / "set").view(0)
    assert np.abs(view.color.astype(int) - data.view(0).color).mean() > 5


def test_a_d405_sees_colour_and_depth_through_one_lens(tmp_path):
    config = dataclasses.replace(
        CONFIG, classes=("mug",), instances=1, views=1, camera="d405", shadow_share=0.0
    )
    plan = make_plan(config, make=MAKE)
    render(plan, tmp_path / "set", make=MAKE)
    view = CorrespondenceSet.open(tmp_path / "set").view(0)
    assert plan.manifest.depth_unit == 0.0001
    counts = view.depth[np.isfinite(view.depth)] / 0.0001
    assert np.abs(counts - np.rint(counts)).max() < 0.01
