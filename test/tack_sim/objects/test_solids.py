# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.objects import solids
from tack_sim.objects.model import Piece

POSE = geometry.from_axis_angle((1, 2, 3), 0.8, (0.1, -0.2, 0.3))
CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-2, 2) for z in (-3, 3)]) * 0.1
PIECES = {
    "box": Piece("box", POSE, (0.1, 0.2, 0.3)),
    "cylinder": Piece("cylinder", POSE, (0.1, 0.3)),
    "capsule": Piece("capsule", POSE, (0.1, 0.3)),
    "sphere": Piece("sphere", POSE, (0.2,)),
    "hull": Piece("hull", POSE, vertices=CORNERS),
}


@pytest.mark.parametrize("name", PIECES)
def test_volume_and_distance_agree(name: str) -> None:
    piece = PIECES[name]
    cloud = np.random.default_rng(0).uniform(-0.6, 0.6, (200_000, 3)) + POSE[:3, 3]
    inside = solids.distance(piece, cloud) < 0
    assert inside.mean() * 1.2**3 == pytest.approx(solids.volume(piece), rel=0.05)
    assert np.allclose(cloud[inside].mean(axis=0), POSE[:3, 3], atol=0.01)


@pytest.mark.parametrize("name", ["box", "cylinder", "capsule", "sphere"])
def test_distance_is_a_distance(name: str) -> None:
    """It changes by at most the way between two points, and by all of it straight away."""
    piece = PIECES[name]
    cloud = np.random.default_rng(1).uniform(-0.6, 0.6, (4000, 3)) + POSE[:3, 3]
    step = np.random.default_rng(2).normal(size=cloud.shape) * 0.01
    change = solids.distance(piece, cloud + step) - solids.distance(piece, cloud)
    assert (np.abs(change) <= np.linalg.norm(step, axis=1) + 1e-12).all()
    along = geometry.apply(POSE, [(0, 0, 0.9), (0, 0, 1.0)])
    near, far = solids.distance(piece, along)
    assert far - near == pytest.approx(0.1)


def test_centre_of_mass_weighs_by_density() -> None:
    light = solids.block((0.1, 0.1, 0.1), (0, 0, 0))
    heavy = solids.block((0.1, 0.1, 0.1), (1, 0, 0), density=3.0)
    assert np.allclose(solids.centre_of_mass([light, heavy]), (0.75, 0, 0))
    corner = solids.hull([(0, 0, 0), (4, 0, 0), (0, 4, 0), (0, 0, 4), (0.1, 0.1, 0.1)])
    assert corner.vertices is not None
    assert len(corner.vertices) == 4
    assert np.allclose(solids.centre_of_mass([corner]), (1, 1, 1))


def test_capsules_and_cylinders_run_between_their_ends() -> None:
    start, end = np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, -0.4])
    for make in (solids.capsule, solids.cylinder):
        piece = make(start, end, 0.05)
        ends = geometry.apply(piece.object_from_piece, [(0, 0, -0.35), (0, 0, 0.35)])
        assert np.allclose(ends, [start, end])
        with pytest.raises(InvalidInputError, match="two points"):
            make(start, start, 0.05)


def test_an_object_rolls_onto_its_nearest_stable_side() -> None:
    brick = solids.block((0.05, 0.03, 0.10), (0, 0, 0))
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    vertices = corners * (0.05, 0.03, 0.10)
    standing, lying = solids.all_settled(
        {
            "standing": geometry.from_axis_angle((1, 0, 0), 0.2)[:3, :3],
            "lying": geometry.from_axis_angle((1, 0, 0), 0.5)[:3, :3],
        },
        vertices,
        [brick],
    )
    assert standing.table_from_object[2, 3] == pytest.approx(0.10)
    assert lying.table_from_object[2, 3] == pytest.approx(0.03)
    for rest in (standing, lying):
        placed = geometry.apply(rest.table_from_object, vertices)
        assert placed[:, 2].min() == pytest.approx(0)
        assert (placed[:, 2] < 1e-9).sum() == 4


def test_a_heavy_end_decides_where_it_rests() -> None:
    vertices = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.1
    tilted = geometry.from_axis_angle((1, 0, 0), np.radians(40))[:3, :3]
    even = solids.settled("rest", tilted, vertices, [solids.block((0.1,) * 3, (0, 0, 0))])
    weight = solids.block((0.01,) * 3, (0, -0.08, 0.0))
    heavy = solids.settled("rest", tilted, vertices, [weight])
    assert even.table_from_object[2, 2] == pytest.approx(1)
    assert heavy.table_from_object[2, 1] == pytest.approx(1)  # its -y side is down
