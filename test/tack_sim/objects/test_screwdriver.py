# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from tack_sim.objects import screwdriver, screwdriver_shape
from tack_sim.objects.screwdriver_shape import ScrewdriverLofts, ScrewdriverShape
from tack_sim.objects.surfaces import assemble
from tack_sim.shapes import Mesh

SEEDS = range(50)
STYLES = tuple(screwdriver.STYLES)


@functools.cache
def made(seed: int) -> tuple[ScrewdriverShape, ScrewdriverLofts, Mesh, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    shape = screwdriver.sample_shape(STYLES[seed % len(STYLES)], rng)
    lofts = screwdriver_shape.build(shape)
    parts = [(f.name, getattr(lofts, f.name).mesh) for f in dataclasses.fields(lofts)]
    mesh = assemble(parts)[0]
    places = {
        name: np.array(point.weights) @ mesh.vertices[mesh.faces[point.face]]
        for name, point in screwdriver.points_of(lofts).items()
    }
    return shape, lofts, mesh, places


@pytest.mark.parametrize("seed", SEEDS)
def test_named_points_are_what_they_say(seed: int) -> None:
    shape, _, mesh, at = made(seed)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert at["tip"] == pytest.approx((high[0], 0, 0), abs=1e-6)
    assert at["handle_end"] == pytest.approx((low[0], 0, 0), abs=1e-6)
    front = low[0] + shape.handle
    assert front < at["collar"][0] < front + shape.collar[0]
    start = front + shape.collar[0]
    assert 0.25 < (at["shaft_center"][0] - start) / shape.shaft < 0.5  # of shaft and tip
    assert low[0] + 0.3 * shape.handle < at["handle_center"][0] < low[0] + 0.7 * shape.handle
    assert at["shaft_center"][2] == pytest.approx(shape.shaft_radius, rel=0.02)
    for name in ("collar", "shaft_center", "handle_center"):
        assert abs(at[name][1]) < 1e-6
        assert at[name][2] > 0  # it looks up


@pytest.mark.parametrize("seed", SEEDS)
def test_tips_have_the_section_of_what_they_drive(seed: int) -> None:
    shape, lofts, _, _ = made(seed)
    section = lofts.tip.rings[-4, :, 1:]  # just before the very end
    wide, thick = np.ptp(section, axis=0)
    if shape.tip == "flat":
        assert wide > 3 * thick
        assert wide == pytest.approx(2 * shape.blade[0], rel=0.1)
    else:
        assert wide == pytest.approx(thick, rel=0.2)
    radius = np.linalg.norm(section, axis=1)
    minima = (radius < np.roll(radius, 1) - 1e-6) & (radius <= np.roll(radius, -1) + 1e-9)
    if shape.tip == "cross":
        assert minima.sum() == 4
        assert radius.min() < 0.75 * radius.max()


def test_all_kinds_of_tips_occur() -> None:
    assert {made(seed)[0].tip for seed in SEEDS} == {"flat", "cross", "hex"}


@pytest.mark.parametrize("seed", range(8))
def test_a_screwdriver_weighs_what_one_would_expect(seed: int) -> None:
    model = screwdriver.make(seed)
    assert 0.04 < model.mass < 0.25
    assert model.symmetries[0].order == 0
