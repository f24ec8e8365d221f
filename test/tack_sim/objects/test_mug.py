# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_sim.objects import mug
from tack_sim.objects.model import ObjectModel, SurfacePoint
from tack_sim.objects.shading import face_normals

SEEDS = (*range(12), 110_000, 110_001)
OUTWARDS = {
    "handle": (1, 0, 0),
    "handle_top": (0, 0, 1),
    "handle_bottom": (0, 0, -1),
    "rim_front": (0, 0, 1),
    "rim_back": (0, 0, 1),
    "rim_left": (0, 0, 1),
    "rim_right": (0, 0, 1),
    "wall_front": (0, -1, 0),
    "wall_back": (0, 1, 0),
    "wall_left": (-1, 0, 0),
    "inside_center": (0, 0, 1),
    "bottom_center": (0, 0, -1),
}


@pytest.fixture(scope="module")
def mugs() -> list[ObjectModel]:
    return [mug.make(seed) for seed in SEEDS]


def geometry_of(seed: int) -> tuple[mug.Shape, np.ndarray, dict[str, np.ndarray]]:
    """Shape, normals of the faces and places of the named points, without painting."""
    shape = mug.sample(np.random.default_rng([0, seed]))
    mesh, _, _ = mug.surface(shape)

    def place(point: SurfacePoint) -> np.ndarray:
        return np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]]

    return shape, face_normals(mesh), {name: place(p) for name, p in mug.points().items()}


def test_named_points_look_where_they_should_on_fifty_mugs() -> None:
    assert set(OUTWARDS) == set(mug.points())
    for seed in range(50):
        _, normals, _ = geometry_of(seed)
        for name, direction in OUTWARDS.items():
            assert normals[mug.points()[name].face] @ direction > 0.6, (seed, name)


def test_named_points_lie_where_their_names_say_on_fifty_mugs() -> None:
    for seed in range(50):
        shape, _, places = geometry_of(seed)
        for name in ("rim_front", "rim_back", "rim_left", "rim_right"):
            assert places[name][2] == pytest.approx(shape.height, abs=3e-4)
            assert np.hypot(*places[name][:2]) == pytest.approx(
                shape.radii[0] - shape.wall / 2, abs=1e-3
            )
        assert np.allclose(places["rim_front"] * (1, -1, 1), places["rim_back"], atol=1e-9)
        reach = places["handle"][0] - max(shape.radii)
        assert 0.012 < reach < 0.06
        assert abs(places["handle"][1]) < 1e-3
        assert places["handle_bottom"][2] < places["handle"][2] < places["handle_top"][2]
        assert places["handle_top"][0] > max(shape.radii)  # on the free arm, not in the wall
        assert places["inside_center"][2] == pytest.approx(shape.floor)
        assert np.allclose(places["inside_center"][:2], 0)


def test_a_hand_fits_the_mug_and_the_mug_fits_a_table() -> None:
    for seed in range(200):
        shape = mug.sample(np.random.default_rng([0, seed]))
        assert 0.07 < shape.height < 0.125
        assert min(shape.radii) > 0.025
        assert max(shape.radii) < 0.055
        lowest, highest = shape.handle_span[1] * shape.height, shape.handle_span[0] * shape.height
        assert lowest > shape.foot + shape.rounding
        assert highest < shape.height - shape.handle_half[1]


def test_handles_end_inside_the_wall() -> None:
    for seed in range(50):
        shape = mug.sample(np.random.default_rng([0, seed]))
        path, _, _ = mug.handle_line(shape)
        for x, _, z in path[[0, -1]]:
            outer = float(shape.radius(np.array([z]))[0])
            assert outer - shape.wall < x < outer


def test_masses_are_those_of_pottery(mugs: list[ObjectModel]) -> None:
    masses = [model.mass for model in mugs]
    assert 0.12 < min(masses) < max(masses) < 0.6


def test_mugs_look_different(mugs: list[ObjectModel]) -> None:
    small = np.stack([model.texture[::32, ::32].astype(float) for model in mugs])
    apart = np.abs(small[:, None] - small[None]).mean(axis=(2, 3, 4))
    assert apart[~np.eye(len(mugs), dtype=bool)].min() > 4
    heights = {round(float(model.mesh.vertices[:, 2].max()), 5) for model in mugs}
    assert len(heights) == len(mugs)


def test_the_rim_is_pinched_away_from_the_handle(mugs: list[ObjectModel]) -> None:
    for model in mugs:
        standing = {grasp.point for grasp in model.grasps if grasp.rest == "standing"}
        assert standing == {"rim_front", "rim_back", "rim_left", "handle_top"}
