# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.errors import DependencyError
from tack_perception.sources.rosbag2 import BagSource
from tack_sim import prints, shapes
from tack_sim.recording import (
    RecordingConfig,
    Truth,
    load_truth,
    record_tabletop,
)
from tack_sim.renderer import RGBDRenderer
from tack_sim.tabletop import BASE_FRAME, INTRINSICS, Tabletop, base_from_camera

CONFIG = RecordingConfig(seconds=0.5, rate=8.0)


@pytest.fixture(scope="module")
def scene() -> Tabletop:
    return Tabletop(seed=0)


@pytest.fixture(scope="module")
def camera(scene: Tabletop) -> RGBDRenderer:
    try:
        return scene.camera()
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("recording")
    try:
        steps = list(record_tabletop(folder / "bag", CONFIG))
    except DependencyError as error:
        pytest.skip(str(error))
    assert steps == [4, 0, 1, 2, 3]
    return folder / "bag", load_truth(folder / "truth.json")


@pytest.mark.parametrize("progress", [0.0, 0.4, 1.0])
def test_rendered_depth_is_exact_at_pixel_centres(camera: RGBDRenderer, progress: float) -> None:
    # Half a pixel of error in the camera would lift the table's plane by 0.3 mm.
    roll = geometry.from_axis_angle((0, 0, 1), progress - 0.5)
    pose = base_from_camera(progress) @ roll
    _, depth = camera.render(pose)
    cloud = geometry.apply(pose, INTRINSICS.deproject_image(depth))
    table = cloud[np.abs(cloud[..., 2]) < 2e-3]
    assert len(table) > 0.4 * depth.size
    assert np.median(np.abs(table[:, 2])) < 2e-6


def test_named_points_lie_on_the_rendered_surface(scene: Tabletop, camera: RGBDRenderer) -> None:
    pose = base_from_camera(0.3)
    _, depth = camera.render(pose)
    for name, point in scene.points.items():
        in_camera = geometry.apply(geometry.inverse(pose), point)
        u, v = np.rint(INTRINSICS.project(in_camera)).astype(int)
        assert depth[v, u] == pytest.approx(in_camera[2], abs=1.5e-3), name


def test_a_printed_mark_is_seen_where_the_truth_says(scene: Tabletop, camera: RGBDRenderer) -> None:
    # The barcode is the only thing with black bars on white; wrong texture coordinates move it.
    pose = base_from_camera(0.6)
    color, _ = camera.render(pose)
    point = geometry.apply(geometry.inverse(pose), scene.points["book_barcode"])
    u, v = np.rint(INTRINSICS.project(point)).astype(int)
    patch = color[v - 5 : v + 6, u - 5 : u + 6].astype(float)
    assert np.ptp(patch.mean(axis=2)) > 90
    assert np.ptp(patch, axis=2).mean() < 40  # no colour


def test_one_seed_gives_one_scene_and_another_seed_another(camera: RGBDRenderer) -> None:
    pose = base_from_camera(0.5)
    first, depth = camera.render(pose)
    with Tabletop(seed=0).camera() as again:
        second, second_depth = again.render(pose)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(depth, second_depth)
    with Tabletop(seed=5).camera() as other:
        assert not np.array_equal(first, other.render(pose)[0])


def test_the_bag_holds_frames_and_the_poses_they_were_taken_from(
    recording: tuple[Path, Truth],
) -> None:
    bag, truth = recording
    with BagSource(bag) as source:
        frames = list(source)
        assert len(frames) == 4
        assert not source.drops
        for i, frame in enumerate(frames):
            pose = source.transforms.lookup(BASE_FRAME, frame.frame_id, frame.stamp_ns)
            np.testing.assert_allclose(pose, base_from_camera(i / 3), atol=3e-3)
            for name, point in truth.points.items():
                pixel = INTRINSICS.project(geometry.apply(geometry.inverse(pose), point))
                if truth.visible[name][i]:
                    np.testing.assert_allclose(pixel, truth.pixels[name][i], atol=3)
    assert sum(seen.sum() for seen in truth.visible.values()) >= 12


def test_the_recorded_depth_has_noise_and_holes_of_a_real_camera(
    recording: tuple[Path, Truth],
) -> None:
    with BagSource(recording[0]) as source:
        frame = next(iter(source))
        pose = source.transforms.lookup(BASE_FRAME, frame.frame_id, frame.stamp_ns)
    holes = np.isnan(frame.depth)
    assert 0.01 < holes.mean() < 0.2
    height = geometry.apply(pose, frame.intrinsics.deproject_image(frame.depth))[..., 2]
    table = height[np.abs(height) < 0.01]
    assert 3e-4 < 1.4826 * np.median(np.abs(table)) < 3e-3


def test_recording_refuses_to_overwrite(recording: tuple[Path, Truth]) -> None:
    with pytest.raises(ValueError, match="exists"):
        list(record_tabletop(recording[0], CONFIG))


@pytest.mark.parametrize(
    "mesh",
    [
        shapes.box(0.1, 0.2, 0.3),
        shapes.can(0.03, 0.1),
        shapes.revolved([(1, 1), (1, 0)], [0, 1], 9),
    ],
    ids=["box", "can", "wall"],
)
def test_faces_look_outwards(mesh: shapes.Mesh) -> None:
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    outwards = np.einsum("ij,ij->i", normal, corners.mean(axis=1) - middle)
    area = np.linalg.norm(normal, axis=1)
    assert area[outwards > 0].sum() > 0.9 * area.sum()  # a rim looks inwards


def test_a_closed_mesh_has_its_volume() -> None:
    mesh = shapes.box(0.1, 0.2, 0.3)
    corners = mesh.vertices[mesh.faces]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume == pytest.approx(0.1 * 0.2 * 0.3)


def test_a_texture_coordinate_is_found_on_its_face() -> None:
    mesh = shapes.box(0.1, 0.2, 0.3)
    np.testing.assert_allclose(mesh.point_at(0.5 / 6, 0.5), (0, -0.1, 0.15), atol=1e-12)
    np.testing.assert_allclose(mesh.point_at(4.5 / 6, 0.5), (0, 0, 0.3), atol=1e-12)
    np.testing.assert_allclose(mesh.point_at(0.0, 0.0), (-0.05, -0.1, 0.3), atol=1e-12)
    with pytest.raises(ValueError, match="not on the mesh"):
        mesh.point_at(1.5, 0.5)


def test_prints_are_rich_in_detail() -> None:
    content = prints.Print("TITLE", "words", ((20, 90, 80), (140, 190, 150)), ((240, 210, 110),))
    image = prints.panel(300, 200, np.random.default_rng(0), content)
    assert image.shape == (300, 200, 3)
    edges = np.abs(np.diff(image.astype(float), axis=1)).max(axis=2) > 20
    assert edges.mean() > 0.03
    again = prints.panel(300, 200, np.random.default_rng(0), content)
    np.testing.assert_array_equal(image, again)
