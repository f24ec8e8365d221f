# SPDX-License-Identifier: Apache-2.0
"""Depth fused to a surface, and that surface seen again."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("open3d", reason="Open3D is not installed")

from tack_perception.errors import InvalidInputError
from tack_perception.recording.volume import Renderer, Surface, fuse, save_ply
from test.tack_perception.recording import scenes


@pytest.fixture(scope="module")
def filmed():
    return scenes.film(12)


def slope(z=0.5, tilt=0.3):
    corners = [(x, y, z + tilt * x) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return Surface(
        np.array(corners, np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        np.zeros((4, 3), np.float32),
    )  # fmt: skip


def test_rays_go_through_the_middle_of_pixels():
    camera = scenes.CAMERA
    seen = Renderer(slope()).view(camera, np.eye(4))
    u = np.arange(camera.width)
    expected = 0.5 / (1 - 0.3 * (u - camera.cx) / camera.fx)
    np.testing.assert_allclose(seen.depth[100], expected, atol=1e-5)
    np.testing.assert_allclose(seen.weights[seen.face >= 0].sum(axis=-1), 1, atol=1e-5)


def test_a_ray_that_meets_nothing_has_no_depth_and_no_face():
    away = np.diag([1.0, -1.0, -1.0, 1.0])
    seen = Renderer(slope()).view(scenes.CAMERA, away)
    assert np.isnan(seen.depth).all()
    assert (seen.face == -1).all()


def test_the_fused_surface_is_where_the_depth_said(filmed):
    frames, poses = filmed
    surface = fuse(frames, poses, 0.004, 2.0)
    table = surface.vertices[(np.abs(surface.vertices[:, :2]) > 0.1).all(axis=1)]
    assert abs(np.median(table[:, 2])) < 2e-4
    top = surface.vertices[(np.abs(surface.vertices[:, :2]) < 0.02).all(axis=1)]
    assert abs(np.median(top[:, 2]) - scenes.BOX[2]) < 5e-4


def test_the_same_views_give_the_same_surface_byte_for_byte(filmed):
    frames, poses = filmed
    surfaces = [fuse(frames, poses, 0.004, 2.0) for _ in range(3)]
    for name in ("vertices", "faces", "colors"):
        assert len({getattr(one, name).tobytes() for one in surfaces}) == 1, name
    one = surfaces[0]
    assert one.faces.min() == 0
    assert one.faces.max() == len(one.vertices) - 1
    corners = one.vertices[one.faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert normals[:, 2].sum() > 0.9 * np.linalg.norm(normals[:, 2])  # still wound outwards


def test_seen_again_from_its_own_views_it_agrees_with_their_depth(filmed):
    frames, poses = filmed
    renderer = Renderer(fuse(frames, poses, 0.004, 2.0))
    for frame, pose in zip(frames, poses, strict=True):
        away = np.abs(renderer.view(frame.intrinsics, pose).depth - frame.depth)
        assert np.nanmedian(away) < 5e-4
        assert np.isfinite(away).mean() > 0.5


def test_what_is_ignored_or_beyond_reach_leaves_nothing(filmed):
    frames, poses = filmed
    everything = np.ones(frames[0].depth.shape, bool)
    for options in ({"ignore": everything, "reach_m": 2.0}, {"reach_m": 0.12}):
        with pytest.raises(InvalidInputError, match="no surface in common"):
            fuse(frames, poses, 0.004, **options)


def test_wrong_poses_leave_no_common_surface(filmed):
    frames, poses = filmed
    scattered = []
    for n, pose in enumerate(poses):
        moved = pose.copy()
        moved[2, 3] += 2.0 * n
        scattered.append(moved)
    with pytest.raises(InvalidInputError, match="are their poses"):
        fuse(frames, scattered, 0.004, 2.0)


def test_a_ply_file_holds_the_surface(tmp_path):
    import open3d

    surface = slope()
    save_ply(tmp_path / "a.ply", surface)
    read = open3d.io.read_triangle_mesh(str(tmp_path / "a.ply"))
    np.testing.assert_allclose(np.asarray(read.vertices), surface.vertices, atol=1e-7)
    np.testing.assert_array_equal(np.asarray(read.triangles), surface.faces)
