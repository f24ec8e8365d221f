# SPDX-License-Identifier: Apache-2.0
"""Objects told from the table that they stand on."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("open3d", reason="Open3D is not installed")

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.recording.parts import looked_at, parts_on, scene_part, table_plane
from tack_perception.recording.volume import Surface, fuse
from test.tack_perception.recording import scenes

TILT = geometry.make_transform(
    np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]), (0.3, -0.2, 1.0)
)


def grid(origin, first, second, step=0.005):
    """A flat patch of small triangles."""
    origin, first, second = (np.asarray(a, float) for a in (origin, first, second))
    n, m = (max(2, round(np.linalg.norm(a) / step)) for a in (first, second))
    s, t = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
    vertices = origin + s[..., None] * first + t[..., None] * second
    number = np.arange(n * m).reshape(n, m)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return vertices.reshape(-1, 3), faces


def box(middle, size=0.05):
    x, y = middle
    h = size / 2
    corner = np.array([x - h, y - h, 0.0])
    e = np.eye(3) * size
    return [
        grid(corner + e[2], e[0], e[1]),
        *(grid(corner + o, a, e[2]) for o, a in
          ((0 * e[0], e[0]), (e[1], e[0]), (0 * e[0], e[1]), (e[0], e[1]))),
    ]  # fmt: skip


def joined(patches, pose=TILT):
    vertices, faces, start = [], [], 0
    for own, corners in patches:
        vertices.append(own)
        faces.append(corners + start)
        start += len(own)
    every = geometry.apply(pose, np.concatenate(vertices)).astype(np.float32)
    return Surface(every, np.concatenate(faces).astype(np.int32), np.zeros_like(every))


TABLE = grid((-0.3, -0.3, 0), (0.6, 0, 0), (0, 0.6, 0))
EYES = geometry.apply(TILT, np.array([[0.2, 0, 0.5], [-0.2, 0.1, 0.4]]))


def test_the_table_is_found_and_its_normal_points_to_the_cameras():
    plane = table_plane(joined([TABLE, *box((0, 0))]), EYES)
    np.testing.assert_allclose(plane[:3], TILT[:3, 2], atol=1e-3)
    assert plane[:3] @ TILT[:3, 3] + plane[3] == pytest.approx(0, abs=1e-3)


def test_each_box_is_an_object_in_a_frame_that_stands_on_the_table():
    surface = joined([TABLE, *box((0.1, 0.0), 0.06), *box((-0.12, 0.05), 0.04)])
    found = parts_on(surface, table_plane(surface, EYES), 0.006)
    assert len(found) == 2
    large, small = found
    for part, size in ((large, 0.06), (small, 0.04)):
        low, high = part.surface.vertices.min(axis=0), part.surface.vertices.max(axis=0)
        assert high[2] == pytest.approx(size, abs=2e-3)
        np.testing.assert_allclose(low[:2], -high[:2], atol=1e-3)
        there = geometry.apply(part.world_from_part, part.surface.vertices.astype(float))
        corners = surface.faces[part.faces]
        np.testing.assert_allclose(there[part.surface.faces], surface.vertices[corners], atol=1e-5)
    np.testing.assert_allclose(large.world_from_part[:3, 2], TILT[:3, 2], atol=1e-3)


def test_the_object_that_the_cameras_look_at_is_chosen():
    surface = joined([TABLE, *box((0.15, 0.0), 0.06), *box((-0.12, 0.05), 0.04)])
    found = parts_on(surface, table_plane(surface, EYES), 0.006)
    for target in ((0.15, 0.0), (-0.12, 0.05)):
        poses = [TILT @ scenes.looking((x, y, 0.4), (*target, 0.02))
                 for x, y in ((0.3, 0.1), (-0.3, 0.2), (0.0, -0.3))]  # fmt: skip
        part = found[looked_at(found, poses)]
        where = geometry.apply(geometry.inverse(TILT), part.world_from_part[:3, 3])
        np.testing.assert_allclose(where[:2], target, atol=5e-3)


def test_what_stands_beside_the_table_is_no_object_on_it():
    surface = joined([TABLE, *box((0, 0)), *box((0.5, 0.5))])
    assert len(parts_on(surface, table_plane(surface, EYES), 0.006)) == 1


def test_an_empty_table_has_no_objects():
    surface = joined([TABLE])
    assert parts_on(surface, table_plane(surface, EYES), 0.006) == []


def test_without_a_table_it_says_what_to_do():
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(3000, 3)).astype(np.float32)
    surface = Surface(vertices, np.arange(3000, dtype=np.int32).reshape(-1, 3), vertices)
    with pytest.raises(InvalidInputError, match=r"no table was found.*--things scene"):
        table_plane(surface, EYES)


def test_a_scene_is_one_part_around_its_middle():
    frames, poses = scenes.film(6)
    surface = fuse(frames, poses, 0.006, 2.0)
    part = scene_part(surface)
    assert len(part.faces) == len(surface.faces)
    low, high = part.surface.vertices.min(axis=0), part.surface.vertices.max(axis=0)
    np.testing.assert_allclose(low, -high, atol=1e-4)
