# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_sim.objects import box
from tack_sim.objects.shading import face_normals
from tack_sim.objects.textures.print_box import BARCODE

SIDES = {
    "top_center": (0, 0, 1),
    "bottom_center": (0, 0, -1),
    "front_center": (0, -1, 0),
    "back_center": (0, 1, 0),
    "left_center": (-1, 0, 0),
    "right_center": (1, 0, 0),
    "barcode": (0, 1, 0),
}


def test_named_points_lie_where_their_names_say_on_fifty_boxes() -> None:
    for seed in range(50):
        shape = box.sample(np.random.default_rng([7, seed]))
        mesh, _, _ = box.surface(shape)
        normals = face_normals(mesh)
        middle = np.array([0, 0, shape.height / 2])
        for name, point in box.points().items():
            place = np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]] - middle
            if name in SIDES:
                assert normals[point.face] @ SIDES[name] > 0.99
            if name.endswith("_center"):
                assert np.allclose(place, np.array(SIDES[name]) * shape.sides / 2, atol=1e-6)
            if name.startswith("corner"):
                _, level, face, end = name.split("_")
                signs = [
                    {"left": -1, "right": 1}[end],
                    {"front": -1, "back": 1}[face],
                    {"bottom": -1, "top": 1}[level],
                ]
                assert np.allclose(place, signs * shape.sides / 2, atol=1.5 * shape.edge)


def test_the_barcode_is_where_it_is_printed() -> None:
    for seed in (1, 2, 5):
        model = box.make(seed)
        point = model.points["barcode"]
        s, t = np.array(point.weights) @ model.mesh.texture[model.mesh.faces[point.face]]
        height, width = model.texture.shape[:2]
        u, v = round(s * width), round(t * height)
        s0, _, s1, _ = box._ATLAS.area("back")
        assert (s - s0) / (s1 - s0) == pytest.approx((BARCODE[0] + BARCODE[2]) / 2, abs=0.01)
        row = model.texture[v - 3, u - 40 : u + 40].astype(float).mean(axis=1)
        assert (row > 170).any()
        assert (row < 110).any()
        assert np.abs(np.diff((row > 140).astype(int))).sum() > 8  # many bars


def test_boxes_are_narrow_enough_on_one_side_and_of_many_shapes() -> None:
    shapes = [box.sample(np.random.default_rng([7, seed])) for seed in range(200)]
    for shape in shapes:
        assert shape.depth <= 0.070
        assert any(grasp.rest == "standing" for grasp in box._grasps(shape))
    slenderness = np.array([shape.height / shape.width for shape in shapes])
    assert slenderness.min() < 0.7
    assert slenderness.max() > 3


def test_sides_bound_a_rounded_box() -> None:
    shape = box.Shape(0.08, 0.05, 0.12, 0.002)
    mesh, _, _ = box.surface(shape)
    assert np.allclose(np.ptp(mesh.vertices, axis=0), shape.sides)
    beyond = np.maximum(np.abs(mesh.vertices - (0, 0, 0.06)) - (shape.sides / 2 - 0.002), 0)
    assert np.linalg.norm(beyond, axis=1).max() == pytest.approx(0.002)


def test_symmetries_keep_the_middles_they_turn_about() -> None:
    for symmetry in box.make(3).symmetries:
        assert symmetry.order == 2
        kept = set(box.points()) - set(symmetry.breaks)
        axis = int(np.argmax(symmetry.axis))
        assert kept == {name for name, side in SIDES.items() if side[axis] and "_center" in name}
