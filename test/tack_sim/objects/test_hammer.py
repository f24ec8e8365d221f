# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from tack_sim.objects import hammer, hammer_shape
from tack_sim.objects.hammer_shape import HammerLofts, HammerShape
from tack_sim.objects.surfaces import assemble
from tack_sim.shapes import Mesh

SEEDS = range(50)


@functools.cache
def made(seed: int) -> tuple[HammerShape, HammerLofts, Mesh, dict[str, np.ndarray]]:
    shape = hammer.sample_shape(np.random.default_rng(seed))
    lofts = hammer_shape.build(shape)
    parts = [(f.name, getattr(lofts, f.name).mesh) for f in dataclasses.fields(lofts)]
    mesh = assemble(parts)[0]
    places = {
        name: np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]]
        for name, point in hammer.points_of(lofts).items()
    }
    return shape, lofts, mesh, places


@pytest.mark.parametrize("seed", SEEDS)
def test_named_points_are_what_they_say(seed: int) -> None:
    shape, lofts, mesh, at = made(seed)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    eye = lofts.head.rings[..., 0].mean()
    assert at["face"][1] == pytest.approx(high[1], abs=1e-3)
    assert np.hypot(at["face"][0] - eye, at["face"][2]) < 1e-3
    assert at["peen"][1] < -0.8 * shape.back + 0.002
    assert at["head_top"][0] > eye + 0.9 * shape.cheek[0]
    assert np.hypot(*at["head_top"][1:]) < 1e-3
    assert at["handle_end"][0] == pytest.approx(low[0], abs=1e-3)
    assert eye - at["neck"][0] == pytest.approx(shape.cheek[0] + shape.clearance, abs=1e-3)
    middle = (low[0] + eye) / 2
    assert abs(at["handle_center"][0] - middle) < 0.12 * shape.length
    for name in ("neck", "handle_center"):
        near = np.abs(mesh.vertices[:, :2] - at[name][:2]) < (1e-3, 0.02)
        ring = mesh.vertices[near.all(axis=1)]
        assert at[name][2] == pytest.approx(ring[:, 2].max(), abs=1e-3)  # it looks up
        assert abs(at[name][1]) < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
def test_prongs_part_on_claws_and_meet_on_all_others(seed: int) -> None:
    shape, lofts, _, _ = made(seed)
    gap = lofts.left.rings[-1, :, 2].min() - lofts.right.rings[-1, :, 2].max()
    root = lofts.left.rings[0, :, 2].min() - lofts.right.rings[0, :, 2].max()
    assert root < 0
    assert gap > 0.005 if shape.kind == "claw" else gap < 0


def test_all_kinds_of_heads_and_grips_occur() -> None:
    shapes = [made(seed)[0] for seed in SEEDS]
    assert {shape.kind for shape in shapes} == {"claw", "ball", "cross", "mallet"}
    assert {shape.grip for shape in shapes} == {"wood", "painted", "rubber"}


@pytest.mark.parametrize("seed", range(12))
def test_a_hammer_is_heavy_at_its_head(seed: int) -> None:
    model = hammer.make(seed)
    assert 0.3 < model.mass < 0.8
    weight = np.array([np.ptp(p.vertices, axis=0).prod() * p.density_scale for p in model.pieces])
    middle = np.array([p.vertices.mean(axis=0)[0] for p in model.pieces])
    ends = model.mesh.vertices[:, 0]
    centre = (weight @ middle / weight.sum() - ends.min()) / np.ptp(ends)
    assert centre > 0.6
