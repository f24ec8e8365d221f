# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tack_perception.errors import InvalidInputError
from tack_sim.objects import surfaces
from tack_sim.objects.shading import corner_normals, face_normals
from tack_sim.shapes import Mesh

AREA = (0.1, 0.2, 0.6, 0.9)
CYLINDER = [(0, 2), (1, 2), (1, 0), (0, 0)]
ARC = np.stack([np.cos(np.linspace(0, 3, 30)), np.zeros(30), np.sin(np.linspace(0, 3, 30))], axis=1)
SOLIDS = {
    "cylinder": (surfaces.revolve(CYLINDER, AREA, around=128), 2 * np.pi),
    "ball": (
        surfaces.revolve(
            [(np.sin(a) * (0 < a < np.pi), np.cos(a)) for a in np.linspace(0, np.pi, 90)],
            AREA,
            around=128,
        ),
        4 / 3 * np.pi,
    ),
    "tube": (surfaces.sweep(ARC, np.full(30, 0.1), AREA, around=64), 3 * np.pi * 0.01),
    "pointed tube": (
        surfaces.sweep(ARC, np.r_[0, np.full(28, 0.1), 0], AREA, caps=False, around=64),
        (28 * 3 / 29) * np.pi * 0.01,
    ),
    "bar": (
        surfaces.sweep([(0, 0, z) for z in (0, 1, 2)], np.tile([0.2, 0.1], (3, 1)), AREA,
                       exponent=80, around=256),
        2 * 0.4 * 0.2,
    ),
}  # fmt: skip


def welded(mesh: Mesh) -> trimesh.Trimesh:
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    return solid


def readable(mesh: Mesh) -> np.ndarray:
    """Of each triangle: positive if s runs right and t down as seen from outside."""
    a, b, c = (mesh.texture[mesh.faces[:, i]] for i in range(3))
    (u0, v0), (u1, v1) = (b - a).T, (c - a).T
    return -(u0 * v1 - v0 * u1)


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_turned_outwards(name: str) -> None:
    mesh, volume = SOLIDS[name]
    solid = welded(mesh)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.volume == pytest.approx(volume, rel=0.04)
    assert solid.area_faces.min() > 0


@pytest.mark.parametrize("name", SOLIDS)
def test_texture_stays_in_its_area_and_is_not_mirrored(name: str) -> None:
    mesh, _ = SOLIDS[name]
    assert np.allclose(mesh.texture.min(axis=0), AREA[:2])
    assert np.allclose(mesh.texture.max(axis=0), AREA[2:])
    signs = readable(mesh)
    assert signs.min() > -1e-12
    assert (signs > 1e-9).mean() > 0.6  # caps have no texture of their own


def test_flat_texture_of_lids_and_bottoms_reads_from_outside() -> None:
    lid = surfaces.revolve([(0, 1), (0.5, 1), (1, 1)], AREA, planar=True)
    bottom = surfaces.revolve([(1, 0), (0.5, 0), (0, 0)], AREA, planar=True)
    for mesh, up in ((lid, 1), (bottom, -1)):
        assert (up * face_normals(mesh)[:, 2] > 0.99).all()
        assert (readable(mesh) > 0).all()
    east = lid.texture[np.argmax(lid.vertices[:, 0])]
    assert east[0] == pytest.approx(AREA[2])


def test_around_is_counter_clockwise_from_plus_x() -> None:
    mesh = surfaces.revolve([(1, 1), (1, 0)], (0, 0, 1, 1), around=64)
    quarter = np.isclose(mesh.texture[:, 0], 0.25)
    assert np.allclose(mesh.vertices[quarter][:, :2], (0, 1))


def test_topology_does_not_depend_on_the_shape() -> None:
    first = surfaces.revolve(CYLINDER, AREA)
    second = surfaces.revolve([(0, 9), (3, 8), (2, 1), (0, 0.5)], AREA)
    assert np.array_equal(first.faces, second.faces)


def test_flip_turns_a_sheet_inside_out() -> None:
    points = np.zeros((2, 2, 3))
    points[..., 0], points[..., 1] = [[0, 1], [0, 1]], [[1, 1], [0, 0]]
    assert (face_normals(surfaces.grid(points, AREA))[:, 2] > 0).all()
    assert (face_normals(surfaces.grid(points, AREA, flip=True))[:, 2] < 0).all()


def test_assembled_parts_keep_names_and_faces() -> None:
    ring = surfaces.revolve([(1, 1), (1, 0)], AREA)
    mesh, part_of_face, names = surfaces.assemble([("a", ring), ("b", ring), ("a", ring)])
    assert names == ("a", "b")
    assert np.array_equal(part_of_face, np.repeat([0, 1, 0], len(ring.faces)))
    assert mesh.faces.max() == len(mesh.vertices) - 1 == 3 * len(ring.vertices) - 1


@pytest.mark.parametrize("place", [(2.0, 0.1, 1.1), (0.2, -3.0, 0.4), (0.1, 0.2, 5.0), (1, 1, -1)])
def test_nearest_surface_point_is_the_nearest(place: tuple[float, float, float]) -> None:
    mesh, _ = SOLIDS["cylinder"]
    point = surfaces.surface_point_nearest(mesh, np.arange(len(mesh.faces)), place)
    found = np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]]
    u, v = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    inside = u + v <= 1
    weights = np.stack([1 - u - v, u, v], axis=-1)[inside]
    dense = np.einsum("kc,fcd->fkd", weights, mesh.vertices[mesh.faces])
    distance = np.linalg.norm(dense - place, axis=-1).min()
    assert distance - 0.01 < np.linalg.norm(found - place) <= distance + 1e-6


def test_nearest_surface_point_keeps_to_the_chosen_faces() -> None:
    mesh, _ = SOLIDS["cylinder"]
    bottom = np.flatnonzero(face_normals(mesh)[:, 2] < -0.9)
    assert surfaces.surface_point_nearest(mesh, bottom, (0, 0, 9)).face in bottom


def test_shading_is_smooth_around_and_sharp_at_edges() -> None:
    mesh, _ = SOLIDS["cylinder"]
    normals, corners = corner_normals(mesh), mesh.vertices[mesh.faces]
    side = np.abs(face_normals(mesh)[:, 2]) < 0.5
    radial = corners[side] * (1, 1, 0)
    assert np.allclose(
        normals[side], radial / np.linalg.norm(radial, axis=2, keepdims=True), atol=0.002
    )
    assert np.allclose(np.abs(normals[~side][..., 2]), 1, atol=1e-9)


def test_bad_grids_and_paths_are_named() -> None:
    with pytest.raises(InvalidInputError, match=r"\(1, 4, 3\)"):
        surfaces.grid(np.zeros((1, 4, 3)), AREA)
    with pytest.raises(InvalidInputError, match="texture steps"):
        surfaces.grid(np.zeros((3, 3, 3)), AREA, s=np.zeros((2, 3)))
    with pytest.raises(InvalidInputError, match="across"):
        surfaces.sweep([(0, y, 0) for y in (0, 1, 2)], np.ones(3), AREA)
