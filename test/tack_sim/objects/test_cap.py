# SPDX-License-Identifier: Apache-2.0
"""Caps: named points where they belong, rests, and what the fingers meet."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception import geometry
from tack_sim.objects import solids
from tack_sim.objects.cap import make
from tack_sim.objects.model import ObjectModel
from tack_sim.objects.shading import face_normals

SEEDS = range(110_000, 110_016)


@pytest.fixture(scope="module")
def caps() -> list[ObjectModel]:
    return [make(seed) for seed in SEEDS]


def test_points_lie_where_their_names_say(caps: list[ObjectModel]) -> None:
    for cap in caps:
        at = {name: cap.position(name) for name in cap.points}
        low, high = cap.mesh.vertices.min(axis=0), cap.mesh.vertices.max(axis=0)
        assert at["button"] == pytest.approx((0, 0, high[2]), abs=0.002)
        assert at["brim_tip"][0] > high[0] - 0.002
        assert abs(at["brim_tip"][1]) < 0.002
        assert at["back"][0] < low[0] + 0.012
        assert abs(at["back"][1]) < 0.002
        assert at["front"][0] > 0.06
        assert 0.25 * high[2] < at["front"][2] < 0.7 * high[2]
        for pair in ("panel", "rim", "brim"):
            assert at[f"{pair}_left"][1] > 0.05
            assert at[f"{pair}_left"] == pytest.approx(at[f"{pair}_right"] * (1, -1, 1), abs=0.015)
        assert max(at["rim_left"][2], at["rim_right"][2]) < 0.03


def test_the_surface_faces_outwards_at_points(caps: list[ObjectModel]) -> None:
    facing = {
        "button": (0, 0, 1), "front": (1, 0, 0), "panel_left": (0, 1, 0), "panel_right": (0, -1, 0),
        "crown_back": (-1, 0, 0.5), "brim_middle": (0, 0, 1), "back": (-1, 0, 0),
    }  # fmt: skip
    for cap in caps:
        normals = face_normals(cap.mesh)
        for name, direction in facing.items():
            way = np.array(direction) / np.linalg.norm(direction)
            assert normals[cap.points[name].face] @ way > 0.5, (cap.name, name)


def test_heights_brims_and_masses_vary(caps: list[ObjectModel]) -> None:
    heights = [cap.position("button")[2] for cap in caps]
    brims = [cap.position("brim_tip")[0] - cap.position("brim_middle")[0] for cap in caps]
    bends = [cap.position("brim_middle")[2] - cap.position("brim_left")[2] for cap in caps]
    assert np.ptp(heights) > 0.02
    assert np.ptp(brims) > 0.006
    assert np.ptp(bends) > 0.015  # flat and curved brims
    assert all(0.07 <= cap.mass <= 0.11 for cap in caps)


def test_the_cap_rests_on_its_brim_and_on_its_crown(caps: list[ObjectModel]) -> None:
    for cap in caps:
        up = cap.rest("crown_up").table_from_object
        down = cap.rest("crown_down").table_from_object
        assert up[2, 2] > 0.97
        assert down[2, 2] < -0.8
        assert geometry.apply(down, cap.position("button"))[2] < 0.03


def test_fingers_meet_the_button_that_is_seen(caps: list[ObjectModel]) -> None:
    """The pieces agree within 3 mm with the button and the crown around it, and the rim."""
    rng = np.random.default_rng(0)
    for cap in caps[:6]:
        middles = cap.mesh.vertices[cap.mesh.faces].mean(axis=1)
        crown, button = (cap.part_names.index(name) for name in ("crown", "button"))
        for point, part, reach in (("button", button, 0.03), ("rim_left", crown, 0.016)):
            place = cap.position(point)
            below = np.abs(middles[:, 2] - place[2]) < (0.007 if part == button else 0.022)
            near = np.linalg.norm((middles - place)[:, :2], axis=1) < reach
            faces = rng.choice(np.flatnonzero(below & near & (cap.part_of_face == part)), 80)
            places = cap.surface(faces, rng.dirichlet((1, 1, 1), 80))
            apart = np.min([solids.distance(piece, places) for piece in cap.pieces], axis=0)
            assert np.abs(apart).max() < 0.003, point


def test_the_button_gives_the_fingers_something_to_hold(caps: list[ObjectModel]) -> None:
    """Its sides are steep over most of its height, and the tips do not reach the crown."""
    for cap in caps:
        button = cap.mesh.faces[cap.part_of_face == cap.part_names.index("button")]
        corners = cap.mesh.vertices[button]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        steep = np.abs(normals[:, 2]) < 0.5
        heights = corners[steep][:, :, 2]
        assert np.ptp(heights) > 0.006
        for grasp in cap.grasps[:2]:
            assert grasp.point == "button"
            tips = cap.position("button")[2] - grasp.depth
            assert np.max(heights) - tips > 0.004
