# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tack_sim.objects.textures import metal, plastic, rubber, wood
from tack_sim.objects.textures.noise import Field

PAINTERS: dict[str, Callable[[int, int, np.random.Generator], Field]] = {
    "grain": lambda h, w, rng: wood.grain(h, w, rng, wood.ASH),
    "end grain": lambda h, w, rng: wood.end_grain(h, w, rng, wood.WALNUT),
    "brushed": lambda h, w, rng: metal.brushed(h, w, rng, metal.STEEL),
    "forged": lambda h, w, rng: metal.forged(h, w, rng, metal.GUNMETAL),
    "rubber": lambda h, w, rng: rubber.rubber(h, w, rng, (0.1, 0.1, 0.1)),
    "plastic": lambda h, w, rng: plastic.plastic(h, w, rng, (0.8, 0.1, 0.1)),
    "striped": lambda h, w, rng: plastic.striped(h, w, rng, ((0.9, 0.7, 0), (0.1, 0.1, 0.1)), 6),
}

painters = pytest.mark.parametrize("paint", PAINTERS.values(), ids=PAINTERS.keys())


@painters
@pytest.mark.parametrize(("height", "width"), [(7, 5), (72, 71), (40, 300)])
def test_pictures_have_the_size_asked_for(
    paint: Callable[..., Field], height: int, width: int
) -> None:
    picture = paint(height, width, np.random.default_rng(1))
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert -0.2 < picture.min() <= picture.max() < 1.5


@painters
def test_the_same_seed_gives_the_same_picture(paint: Callable[..., Field]) -> None:
    first, again, other = (paint(40, 60, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["grain", "brushed"])
def test_grain_and_brushing_run_along_the_width(name: str) -> None:
    picture = PAINTERS[name](128, 512, np.random.default_rng(3)).mean(axis=2)
    along = np.abs(np.diff(picture, axis=1)).mean()
    across = np.abs(np.diff(picture, axis=0)).mean()
    assert across > 2 * along


def test_stripes_are_as_many_as_asked_for() -> None:
    bright = PAINTERS["striped"](360, 8, np.random.default_rng(0)).mean(axis=(1, 2))
    level = bright > (bright.min() + bright.max()) / 2
    assert (level & ~np.roll(level, 1)).sum() == 6


def test_letters_fill_the_room_they_are_given() -> None:
    ink = metal.stroke_text(60, 200, "TORVA", (100, 30), (120, 20))
    rows, columns = np.nonzero(ink > 0.5)
    assert np.ptp(columns) == pytest.approx(120, rel=0.12)
    assert np.ptp(rows) == pytest.approx(20, rel=0.3)
    assert columns.mean() == pytest.approx(100, abs=6)
    assert rows.mean() == pytest.approx(30, abs=3)


def test_letters_are_not_mirrored() -> None:
    ink = metal.stroke_text(40, 40, "L", (20, 20), (16, 24), weight=0.2)
    left, right = ink[:, :20].sum(), ink[:, 20:].sum()
    upper, lower = ink[:20].sum(), ink[20:].sum()
    assert left > right
    assert lower > upper


def test_a_stamp_darkens_its_strokes() -> None:
    surface = np.full((60, 200, 3), 0.6, np.float32)
    metal.stamp(surface, "13", (100, 30), (40, 20))
    assert surface[20:40, 80:120].min() < 0.35
    assert surface[20:40, 80:120].max() > 0.6
    assert np.array_equal(surface[:, :60], np.full((60, 60, 3), 0.6, np.float32))


def test_colours_of_tools_stand_out_from_each_other() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        first, second = (np.array(color) for color in plastic.tool_colors(rng))
        assert ((first >= 0) & (first <= 1)).all()
        assert ((second >= 0) & (second <= 1)).all()
        assert np.abs(first - second).max() > 0.2
