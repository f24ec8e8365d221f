# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from tack_sim.objects import wrench, wrench_shape
from tack_sim.objects.surfaces import assemble
from tack_sim.objects.wrench_shape import WrenchLofts, WrenchShape
from tack_sim.shapes import Mesh

SEEDS = range(50)


@functools.cache
def made(seed: int) -> tuple[WrenchShape, WrenchLofts, Mesh, dict[str, np.ndarray]]:
    shape = wrench.sample_shape(np.random.default_rng(seed))
    lofts = wrench_shape.build(shape)
    parts = [(f.name, getattr(lofts, f.name).mesh) for f in dataclasses.fields(lofts)]
    mesh = assemble(parts)[0]
    places = {
        name: np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]]
        for name, point in wrench.points_of(lofts).items()
    }
    return shape, lofts, mesh, places


@pytest.mark.parametrize("seed", SEEDS)
def test_named_points_are_what_they_say(seed: int) -> None:
    shape, _, mesh, at = made(seed)
    low = mesh.vertices.min(axis=0)
    nut, ring = wrench_shape.jaw_middle(shape), wrench_shape.ring_middle(shape)
    toward = np.array([np.cos(shape.offset), np.sin(shape.offset)])
    throat = (at["jaw"][:2] - (nut, 0)) @ toward
    assert throat == pytest.approx(-shape.throat * shape.size, abs=1.5e-3)
    assert at["ring_outer"][:2] == pytest.approx((low[0], 0), abs=1.5e-3)
    order = [at[name][0] for name in ("ring_outer", "ring_neck", "shaft_center", "jaw_neck", "jaw")]
    assert order == sorted(order)
    assert abs(at["shaft_center"][0] - (nut + ring) / 2) < 0.06 * shape.length
    for name in ("ring_neck", "shaft_center", "jaw_neck"):
        assert abs(at[name][1]) < 1e-6
        assert at[name][2] == pytest.approx(shape.height / 2 - shape.panel, abs=1.5e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_nut_of_its_size_fits_jaw_and_ring(seed: int) -> None:
    shape, lofts, _, _ = made(seed)
    nut = np.array([wrench_shape.jaw_middle(shape), 0.0])
    c, s = np.cos(shape.offset), np.sin(shape.offset)
    inner = lofts.jaw.rings[:, 2, :2]
    inside = (inner - nut) @ np.array([[c, -s], [s, c]])
    flats = inside[np.abs(inside[:, 0]) < 0.2 * shape.size]
    assert np.abs(flats[:, 1]) == pytest.approx(shape.size / 2, rel=0.03)
    hole = lofts.ring.rings[:, 2, :2] - (wrench_shape.ring_middle(shape), 0.0)
    radius = np.linalg.norm(hole, axis=1)
    assert shape.size / 2 * 0.999 <= radius.min()
    assert radius.max() <= shape.size / np.sqrt(3) * 1.01
    assert radius.max() < shape.ring_radius * shape.size - 0.002  # the ring has a wall


@pytest.mark.parametrize("seed", SEEDS)
def test_jaw_and_hole_stay_open(seed: int) -> None:
    """The shaft ends in the walls of the heads, not in the room for the nut."""
    shape, lofts, _, _ = made(seed)
    shaft = lofts.shaft.rings.reshape(-1, 3)
    from_ring = np.linalg.norm(shaft[:, :2] - (wrench_shape.ring_middle(shape), 0.0), axis=1)
    assert (
        from_ring.min()
        > np.linalg.norm(
            lofts.ring.rings[:, 2, :2] - (wrench_shape.ring_middle(shape), 0.0), axis=1
        ).max()
    )
    from_nut = np.linalg.norm(shaft[:, :2] - (wrench_shape.jaw_middle(shape), 0.0), axis=1)
    assert from_nut.min() > shape.throat * shape.size


def test_rings_of_six_and_twelve_points_occur() -> None:
    assert {made(seed)[0].points for seed in SEEDS} == {6, 12}


@pytest.mark.parametrize("seed", range(8))
def test_a_wrench_weighs_what_steel_weighs_and_is_thick_enough_to_grasp(seed: int) -> None:
    model = wrench.make(seed)
    assert 0.07 < model.mass < 0.45
    assert 0.008 <= np.ptp(model.mesh.vertices[:, 2]) < 0.0165
    for grasp in model.grasps:
        assert grasp.depth > 0.004
