# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_sim.objects import bottle, bottle_shape
from tack_sim.objects.shading import face_normals

OUTWARDS = {
    "cap": (0, 0, 1),
    "cap_front": (0, -1, 0),
    "neck": (0, -1, 0),
    "shoulder": (0, -0.7, 0.7),
    "label_center": (0, -1, 0),
    "label_back": (0, 1, 0),
    "side_left": (-1, 0, 0),
    "side_right": (1, 0, 0),
    "base": (0, 0, -1),
    "base_front": (0, -1, 0),
}


def shapes(count: int) -> list[bottle_shape.Shape]:
    return [bottle_shape.sample(np.random.default_rng([6, seed])) for seed in range(count)]


def test_named_points_look_where_they_should_on_fifty_bottles() -> None:
    assert set(OUTWARDS) == set(bottle.points())
    for shape in shapes(50):
        mesh, _, _ = bottle.surface(shape)
        normals = face_normals(mesh)
        for name, direction in OUTWARDS.items():
            assert normals[bottle.points()[name].face] @ direction > 0.6, (shape.kind, name)


def test_named_points_follow_each_other_from_cap_to_base_on_fifty_bottles() -> None:
    order = ["cap", "cap_front", "neck", "shoulder", "label_center", "base_front", "base"]
    for shape in shapes(50):
        mesh, _, _ = bottle.surface(shape)
        heights = [
            np.array(point.weights) @ mesh.vertices[mesh.faces[point.face], 2]
            for point in (bottle.points()[name] for name in order)
        ]
        assert (np.diff(heights) < 0).all()
        assert heights[0] == pytest.approx(shape.height, abs=2e-4)
        assert heights[-1] == pytest.approx(0, abs=1e-9)


def test_every_bottle_fits_a_gripper() -> None:
    for shape in shapes(300):
        assert 2 * shape.half * max(1.0, shape.taper) < 0.079
        assert 2 * shape.cap_half < 0.070
        assert shape.neck < shape.half * min(1.0, shape.flat)
        for grasp in bottle._grasps(shape):
            assert 0.012 < grasp.depth < 0.04, shape
            assert grasp.width <= 0.080


def test_the_outline_is_continuous_and_falls_towards_the_neck() -> None:
    for shape in shapes(60):
        (low, _), _, (start, end) = shape.levels()
        widths = shape.half_width(np.linspace(low, end, 400))
        assert np.abs(np.diff(widths)).max() < 0.002
        assert (np.diff(shape.half_width(np.linspace(start, end, 50))) <= 1e-9).all()
        assert widths[-1] == pytest.approx(shape.neck)


def test_there_are_round_square_and_flat_bottles_and_their_symmetry_says_so() -> None:
    orders = [bottle._symmetries(shape)[0].order for shape in shapes(60)]
    assert {0, 2, 4} == set(orders)
    for shape, order in zip(shapes(60), orders, strict=True):
        mesh, _, _ = bottle.surface(shape)
        if order:
            turn = 2 * np.pi / order
            x, y, z = mesh.vertices.T
            turned = np.stack(
                [np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y, z], 1
            )
            assert np.allclose(np.ptp(turned, axis=0), np.ptp(mesh.vertices, axis=0), atol=1e-9)


def test_all_kinds_are_made() -> None:
    kinds = {shape.kind for shape in shapes(60)}
    assert kinds == {"drink", "glass", "plastic", "medicine", "metal"}


def test_glass_and_drinks_are_hard_to_see_for_a_depth_camera() -> None:
    made = [bottle.make(seed) for seed in range(5)]
    losses = {model.materials[0].depth_loss for model in made}
    assert max(losses) > 0.1
    assert all(model.materials[2].depth_loss == 0 for model in made)
