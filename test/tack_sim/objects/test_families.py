# SPDX-License-Identifier: Apache-2.0
"""What holds for every object family."""

from __future__ import annotations

import functools
import importlib.util
import zlib

import numpy as np
import pytest
import scipy.spatial
import trimesh

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.objects import solids
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS, ObjectModel, Piece, split_of

SEEDS = (1, 100_000, 119_999)
MADE = [name for name in FAMILIES if importlib.util.find_spec(f"tack_sim.objects.{name}")]

AGREEMENT = {"cap": 0.006, "shoe": 0.008}
"""How far surface and pieces may lie apart, m: a shoe's front is solid, a cap's shell thick. 2 mm
for others."""

families = pytest.mark.parametrize("family", MADE)


@functools.cache
def instance(family: str, seed: int) -> ObjectModel:
    return make_object(family, seed)


def surface_samples(model: ObjectModel, count: int) -> np.ndarray:
    """Places spread evenly over the surface."""
    solid = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False)
    places, _ = trimesh.sample.sample_surface(solid, count, seed=model.seed)
    return np.asarray(places)


def piece_samples(piece: Piece, count: int) -> np.ndarray:
    """Places on a piece's surface, in the object's frame."""
    made = {
        "box": lambda: trimesh.creation.box(2 * np.array(piece.size)),
        "cylinder": lambda: trimesh.creation.cylinder(piece.size[0], 2 * piece.size[1]),
        "capsule": lambda: trimesh.creation.capsule(2 * piece.size[1], piece.size[0]),
        "sphere": lambda: trimesh.creation.icosphere(radius=piece.size[0]),
        "hull": lambda: trimesh.convex.convex_hull(piece.vertices),
    }[piece.kind]()
    if piece.kind == "capsule":
        made.apply_translation(-made.bounds.mean(axis=0))
    places, _ = trimesh.sample.sample_surface(made, count, seed=0)
    return geometry.apply(piece.object_from_piece, places)


def digest(model: ObjectModel) -> int:
    content = (model.mesh.vertices, model.mesh.texture, model.mesh.faces, model.texture)
    return zlib.crc32(b"".join(np.ascontiguousarray(array).tobytes() for array in content))


@families
def test_topology_is_the_same_for_every_seed(family: str) -> None:
    first = instance(family, SEEDS[0])
    for seed in SEEDS[1:]:
        other = instance(family, seed)
        assert np.array_equal(other.mesh.faces, first.mesh.faces)
        assert np.array_equal(other.part_of_face, first.part_of_face)
        assert other.part_names == first.part_names
        assert other.texture.shape == first.texture.shape
        assert other.points == first.points


@families
def test_the_same_seed_gives_the_same_instance_and_another_a_different_one(family: str) -> None:
    made = [digest(instance(family, seed)) for seed in SEEDS]
    assert len(set(made)) == len(SEEDS)
    again = make_object(family, SEEDS[1])
    assert digest(again) == made[1]
    assert again.mass == instance(family, SEEDS[1]).mass


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_surfaces_are_closed_and_turned_outwards(family: str, seed: int) -> None:
    model = instance(family, seed)
    solid = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False)
    assert solid.area_faces.min() > 1e-12  # m²
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    for part in solid.split(only_watertight=False):
        assert part.volume > 0


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_texture_coordinates_lie_in_the_texture_and_are_not_mirrored(
    family: str, seed: int
) -> None:
    mesh = instance(family, seed).mesh
    assert mesh.texture.min() >= 0
    assert mesh.texture.max() <= 1
    a, b, c = (mesh.texture[mesh.faces[:, i]] for i in range(3))
    (u0, v0), (u1, v1) = (b - a).T, (c - a).T
    mirrored = (u0 * v1 - v0 * u1) > 1e-9
    assert mirrored.mean() < 0.02


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_the_surface_lies_in_the_pieces(family: str, seed: int) -> None:
    model = instance(family, seed)
    places = surface_samples(model, 1500)
    outside = np.min([solids.distance(piece, places) for piece in model.pieces], axis=0)
    assert np.percentile(outside, 95) < AGREEMENT.get(family, 0.002)
    assert outside.max() < 2 * AGREEMENT.get(family, 0.002)


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_the_pieces_do_not_stand_out_of_the_surface(family: str, seed: int) -> None:
    model = instance(family, seed)
    solid = trimesh.Trimesh(model.mesh.vertices, model.mesh.faces, process=False)
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    places = np.concatenate([piece_samples(piece, 60) for piece in model.pieces])
    parts = solid.split(only_watertight=False)
    outside = places[~np.any([part.contains(places) for part in parts], axis=0)]
    near, _ = scipy.spatial.cKDTree(surface_samples(model, 20_000)).query(outside)
    assert len(outside) > 10
    assert np.percentile(near, 95) < AGREEMENT.get(family, 0.002)


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_rest_poses_touch_the_table_and_are_stable(family: str, seed: int) -> None:
    model = instance(family, seed)
    centre = solids.centre_of_mass(model.pieces)
    for rest in model.rests:
        cloud = geometry.apply(rest.table_from_object, model.mesh.vertices)
        assert cloud[:, 2].min() == pytest.approx(0, abs=0.002)
        ground = cloud[cloud[:, 2] < 0.004][:, :2]
        middle = geometry.apply(rest.table_from_object, centre)[:2]
        hull = trimesh.convex.hull_points(ground) if len(ground) > 3 else ground
        low, high = hull.min(axis=0) - 0.002, hull.max(axis=0) + 0.002
        assert ((low < middle) & (middle < high)).all(), rest.name


@families
@pytest.mark.parametrize("seed", SEEDS)
def test_grasps_can_be_done_from_straight_above(family: str, seed: int) -> None:
    model = instance(family, seed)
    assert model.grasps
    assert any(grasp.rest == model.rests[0].name for grasp in model.grasps)
    for grasp in model.grasps:
        pose = model.rest(grasp.rest).table_from_object
        closing = geometry.rotate(pose, grasp.closing)
        assert np.linalg.norm(closing) == pytest.approx(1)
        assert abs(closing[2]) < 0.3  # level: the fingers close sideways
        assert 0.005 < grasp.width <= 0.080
        tips = geometry.apply(pose, model.position(grasp.point))[2] - grasp.depth
        assert tips > 0.002, f"{grasp.point}: the finger tips would be {tips} m above the table"


@families
def test_masses_and_friction_are_of_this_world(family: str) -> None:
    for seed in SEEDS:
        model = instance(family, seed)
        assert 0.02 < model.mass < 1.2
        assert 0.2 < model.friction < 1.2
        size = np.ptp(model.mesh.vertices, axis=0)
        assert 0.03 < size.max() < 0.40


@families
def test_symmetries_name_points_that_exist(family: str) -> None:
    model = instance(family, SEEDS[0])
    for symmetry in model.symmetries:
        assert np.linalg.norm(symmetry.axis) == pytest.approx(1)
        assert symmetry.order >= 0
        assert set(symmetry.breaks) <= set(model.points)


def test_splits_are_disjoint() -> None:
    ranges = list(SPLITS.values())
    assert sum(len(seeds) for seeds in ranges) == len(set().union(*map(set, ranges)))
    assert [split_of(seed) for seed in (0, 99_999, 100_000, 110_000)] == [
        "train",
        "train",
        "validation",
        "held_out",
    ]


def test_unknown_families_and_seeds_are_named() -> None:
    with pytest.raises(InvalidInputError, match="mug, cap"):
        make_object("teapot", 0)
    with pytest.raises(InvalidInputError, match="held_out 110000"):
        make_object("mug", -1)
