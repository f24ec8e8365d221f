# SPDX-License-Identifier: Apache-2.0
"""Cloth, leather and sewing as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tack_sim.objects.textures import fabric_emblems as emblems
from tack_sim.objects.textures.fabric import cloth, worn
from tack_sim.objects.textures.fabric_colors import apart
from tack_sim.objects.textures.leather import foam, leather, suede
from tack_sim.objects.textures.stitching import Sewing, field_over

HEIGHT, WIDTH = 60, 100


def flat(height: float = 0.06, width: float = 0.10) -> np.ndarray:
    """A grid of points on a flat sheet; x to the right, y down, m."""
    x, y = np.meshgrid(np.linspace(0, width, 11), np.linspace(0, height, 7))
    return np.stack([x, y, np.zeros_like(x)], axis=-1)


def test_places_are_those_of_pixel_centres() -> None:
    sewing = Sewing(flat(), HEIGHT, WIDTH)
    assert sewing.place[0, 0] == pytest.approx((0.0005, 0.0005, 0), abs=1e-6)
    assert sewing.place[-1, -1] == pytest.approx((0.0995, 0.0595, 0), abs=1e-6)
    assert sewing.across[10, 75] == pytest.approx(0.0255, abs=1e-6)
    assert sewing.down[30, 5] == pytest.approx(0.0305, abs=1e-6)


@pytest.mark.parametrize("kind", ["twill", "canvas", "knit", "mesh"])
def test_a_weave_repeats_with_its_pitch(kind: str) -> None:
    v, u = np.mgrid[0:80, 0:80].astype(np.float32) * 0.0005
    relief = cloth(kind, u, v, 0.008)  # type: ignore[arg-type]
    assert np.allclose(
        relief[:, :40], relief[:, 32:72] if kind != "mesh" else relief[:, :40], atol=1e-3
    )
    assert relief.min() < -0.8
    assert 0.2 < relief.max() <= 1.5


def test_materials_keep_the_colour_and_are_seeded() -> None:
    sewing = Sewing(flat(), HEIGHT, WIDTH)
    for make in (
        lambda rng: leather(HEIGHT, WIDTH, rng),
        lambda rng: suede(HEIGHT, WIDTH, rng),
        lambda rng: foam(HEIGHT, WIDTH, rng),
        lambda rng: worn("twill", sewing.across, sewing.down, rng),
    ):
        first, again, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert 0.9 < first.mean() < 1.1
        assert first.std() > 0.003


def test_a_panel_covers_its_inside_only() -> None:
    sewing = Sewing(flat(), HEIGHT, WIDTH)
    sewing.cover((0.2, 0.2, 0.2))
    inside = np.asarray(0.02 - np.abs(sewing.across), np.float32)
    sewing.cover((0.9, 0.1, 0.1), inside)
    assert sewing.image[30, 50] == pytest.approx((0.9, 0.1, 0.1), abs=1e-3)
    assert sewing.image[30, 5] == pytest.approx((0.2, 0.2, 0.2), abs=1e-3)
    beside = np.flatnonzero(inside[30] < -0.0006)
    assert sewing.image[30, beside].min() < 0.19  # its shadow


def test_a_window_is_painted_like_the_whole() -> None:
    whole, part = (Sewing(flat(), HEIGHT, WIDTH) for _ in range(2))
    window = (slice(10, 50), slice(20, 80))
    inside = np.asarray(0.01 - np.abs(whole.across), np.float32)
    inside[:10] = inside[50:] = -1
    for sewing in (whole, part):
        sewing.cover((0.5, 0.5, 0.5))
    whole.cover((0.1, 0.8, 0.1), inside)
    part.cover((0.1, 0.8, 0.1), inside[window], window=window)
    assert np.allclose(whole.image, part.image)


def test_stitches_follow_their_line() -> None:
    sewing = Sewing(flat(), HEIGHT, WIDTH)
    sewing.cover((0.0, 0.0, 0.0))
    line = np.asarray(sewing.down - 0.0305, np.float32)
    sewing.stitch(line, sewing.across, (1.0, 1.0, 1.0), half=0.0008)
    lit = sewing.image[..., 0] > 0.5
    assert set(np.flatnonzero(lit.any(axis=1))) == {30}
    assert 5 < np.count_nonzero(np.diff(lit[30].astype(int)) == 1) < 40  # a dashed row


def test_emblems_are_put_down_upright_and_in_place() -> None:
    sewing = Sewing(flat(), HEIGHT, WIDTH)
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[..., 3] = 255
    picture[:10, :, 0] = 255  # its upper half is red, its left half blue
    picture[:, :10, 2] = 255
    sewing.stamp(picture, sewing.across, sewing.down - np.float32(0.03), (0.02, 0.02))
    assert sewing.image[25, 45] == pytest.approx((1, 0, 1), abs=0.02)
    assert sewing.image[25, 55] == pytest.approx((1, 0, 0), abs=0.02)
    assert sewing.image[35, 55] == pytest.approx((0, 0, 0), abs=0.02)
    assert sewing.image[5].max() == 0


def test_words_and_badges_cover_what_they_draw() -> None:
    rng = np.random.default_rng(3)
    word = emblems.lettering("NORA", (1.0, 0.0, 0.0), rng, outline=(0.0, 0.0, 1.0))
    assert word.shape[1] > 1.5 * word.shape[0]
    assert 0.1 < (word[..., 3] > 128).mean() < 0.9
    badge = emblems.patch((0.0, 1.0, 0.0), (100, 140), True)
    joined = emblems.over(badge, word)
    assert joined[0, 0, 3] == 0
    assert (joined[..., 0] > 200).any()
    assert (joined[50, 8, :3] == (0, 255, 0)).all()


def test_colours_that_cannot_be_told_apart_are_changed() -> None:
    blue = (0.1, 0.1, 0.8)
    assert apart((0.9, 0.1, 0.1), blue) == (0.9, 0.1, 0.1)
    assert sum(abs(a - b) for a, b in zip(apart((0.15, 0.1, 0.8), blue), blue, strict=True)) > 0.5


def test_fields_are_spread_over_their_area() -> None:
    spread = field_over(np.array([[0.0, 1.0], [0.0, 1.0]]), 4, 10)
    assert spread[0] == pytest.approx(np.arange(10) / 10 + 0.05, abs=1e-6)
