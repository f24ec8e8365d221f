# SPDX-License-Identifier: Apache-2.0
"""Shoes: named points where they belong, left and right, and what the fingers meet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tack_sim.objects import solids
from tack_sim.objects.model import ObjectModel
from tack_sim.objects.shading import face_normals
from tack_sim.objects.shoe import make
from tack_sim.objects.shoe_parts import shoe_grids
from tack_sim.objects.shoe_shape import Last, ShoeShape

SEEDS = range(110_000, 110_016)


@pytest.fixture(scope="module")
def shoes() -> list[ObjectModel]:
    return [make(seed) for seed in SEEDS]


def normal(shoe: ObjectModel, point: str) -> np.ndarray:
    return np.asarray(face_normals(shoe.mesh)[shoe.points[point].face])


def test_points_lie_where_their_names_say(shoes: list[ObjectModel]) -> None:
    for shoe in shoes:
        at = {name: shoe.position(name) for name in shoe.points}
        low, high = shoe.mesh.vertices.min(axis=0), shoe.mesh.vertices.max(axis=0)
        length = high[0] - low[0]
        assert at["sole_front"][0] > high[0] - 0.004
        assert at["sole_back"][0] < low[0] + 0.004
        assert at["heel"][0] < low[0] + 0.06 * length
        assert at["toe"][0] > low[0] + 0.85 * length
        order = ["collar_back", "ankle_left", "tongue", "lace_top", "vamp", "toe", "sole_front"]
        assert np.all(np.diff([at[name][0] for name in order]) > 0)
        for pair in ("ankle", "eyelet", "sole"):
            assert at[f"{pair}_left"][1] > 0.01
            assert at[f"{pair}_right"][1] < -0.01
        assert max(at["tongue"][2], at["collar_back"][2]) > high[2] - 0.012


def test_the_surface_faces_outwards_at_points(shoes: list[ObjectModel]) -> None:
    facing = {
        "heel": (-1, 0, 0), "collar_back": (0, 0, 1), "toe": (0.6, 0, 0.8), "sole_front": (1, 0, 0),
        "sole_back": (-1, 0, 0), "sole_left": (0, 1, 0), "sole_right": (0, -1, 0),
        "eyelet_left": (0.5, 0.6, 0.6), "eyelet_right": (0.5, -0.6, 0.6), "ankle_left": (0, 0, 1),
        "vamp": (0, 0, 1),
    }  # fmt: skip
    for shoe in shoes:
        for name, direction in facing.items():
            assert normal(shoe, name) @ np.array(direction) > 0.5, (shoe.name, name)


def test_lengths_masses_and_kinds_vary(shoes: list[ObjectModel]) -> None:
    sizes = np.array([np.ptp(shoe.mesh.vertices, axis=0) for shoe in shoes])
    assert 0.21 < sizes[:, 0].min() < 0.25 < 0.28 < sizes[:, 0].max() < 0.31
    assert sizes[:, 2].max() > 1.5 * sizes[:, 2].min()  # boots among low shoes
    masses = [shoe.mass for shoe in shoes]
    assert 0.2 <= min(masses) < max(masses) <= 0.45


def test_a_right_shoe_is_the_mirror_image_of_a_left_one() -> None:
    left = shoe_grids(Last(ShoeShape(foot=1)))
    right = shoe_grids(Last(ShoeShape(foot=-1)))
    for field in dataclasses.fields(left):
        mirrored = getattr(left, field.name)[:, ::-1] * (1, -1, 1)
        if field.name == "tongue":  # its columns do not start in the middle
            mirrored = np.roll(mirrored[:, :-1], -11, axis=1)
            mirrored = np.concatenate([mirrored, mirrored[:, :1]], axis=1)
            rows = mirrored.reshape(-1, 3)
            other = getattr(right, field.name).reshape(-1, 3)
            nearest = np.linalg.norm(rows[:, None] - other[None], axis=2).min(axis=1)
            assert nearest.max() < 1e-9
        else:
            assert np.allclose(mirrored, getattr(right, field.name), atol=1e-12)
    inner, outer = left.outer[:, 1:-1, 1].min(), left.outer[:, 1:-1, 1].max()
    assert abs(inner + outer) > 0.002  # and the two are not the same


def test_fingers_meet_the_collar_that_is_seen(shoes: list[ObjectModel]) -> None:
    """Both faces of the wall around the ankle, where the fingers close, agree within 3 mm."""
    rng = np.random.default_rng(0)
    for shoe in shoes[:6]:
        for grasp in shoe.grasps:
            point = shoe.position(grasp.point)
            middles = shoe.mesh.vertices[shoe.mesh.faces].mean(axis=1)
            near = np.linalg.norm((middles - point)[:, :2], axis=1) < 0.018
            reached = near & (middles[:, 2] > point[2] - grasp.depth) & (shoe.part_of_face == 0)
            faces = rng.choice(np.flatnonzero(reached), 60)
            places = shoe.surface(faces, rng.dirichlet((1, 1, 1), 60))
            apart = np.min([solids.distance(piece, places) for piece in shoe.pieces], axis=0)
            assert np.abs(apart).max() < 0.003


def test_one_finger_fits_into_the_shoe(shoes: list[ObjectModel]) -> None:
    thickness = 0.008  # of a finger of the 2F-85
    for shoe in shoes:
        left, right = shoe.position("ankle_left"), shoe.position("ankle_right")
        walls = [grasp.width for grasp in shoe.grasps if grasp.point == "ankle_left"]
        free = (left - right)[1] - walls[0] / 2 - thickness
        assert free > 0.002
