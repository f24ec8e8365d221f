# SPDX-License-Identifier: Apache-2.0
"""Noise, patterns, pictures, words, and the finished pictures of the families."""

from __future__ import annotations

import numpy as np
import pytest

from tack_sim.objects.textures import glaze, label, noise, print_box
from tack_sim.objects.textures.atlas import Atlas, Cell
from tack_sim.objects.textures.print_motifs import MOTIFS, draw_motif
from tack_sim.objects.textures.print_patterns import PATTERNS, pattern
from tack_sim.objects.textures.print_words import FONTS, barcode, brand, word_mask, write

RED, WHITE, BLACK = (1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("height", "width", "cells"), [(64, 96, (4, 4)), (50, 81, (3, 7))])
def test_noise_is_even_and_tiles(height: int, width: int, cells: tuple[int, int]) -> None:
    field = noise.fbm(height, width, rng(), 3, cells=cells)
    assert field.dtype == np.float32
    assert field.shape == (height, width)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-4)
    for axis in (0, 1):
        steps = np.abs(np.diff(field, axis=axis))
        seam = np.abs(np.take(field, 0, axis) - np.take(field, -1, axis))
        assert seam.mean() < 1.6 * steps.mean()


def test_noise_repeats_with_its_seed_and_stretches() -> None:
    assert np.array_equal(noise.fbm(32, 32, rng(4)), noise.fbm(32, 32, rng(4)))
    assert not np.array_equal(noise.fbm(32, 32, rng(4)), noise.fbm(32, 32, rng(5)))
    grain = noise.fbm(128, 128, rng(), 2, cells=(32, 2))
    down, along = (np.abs(np.diff(grain, axis=axis)).mean() for axis in (0, 1))
    assert down > 5 * along


def test_warping_by_whole_pixels_rolls_the_field() -> None:
    field = noise.fbm(24, 40, rng())
    shift = np.full_like(field, 3.0)
    rolled = np.roll(np.roll(field, -3, axis=1), -3, axis=0)
    assert np.allclose(noise.warped(field, shift, shift), rolled, atol=1e-5)


def test_colors_mix_and_ramp() -> None:
    share = np.array([[0.0, 0.5, 2.0]], np.float32)
    blend = noise.mixed(noise.plain(1, 3, BLACK), RED, share)
    assert np.allclose(blend[0, :, 0], [0, 0.5, 1])
    assert np.allclose(noise.ramp(share, (BLACK, RED, WHITE))[0, 1], RED)
    assert noise.smoothstep(1.0, 0.0, 0.0) == 1
    assert noise.to_bytes(np.array([[WHITE, BLACK]])).tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_close_around_and_show_both_colors(name: str) -> None:
    field = pattern(name, 90, 210, 7, 1.0)
    assert field.min() == 0
    assert field.max() == 1
    steps = np.abs(np.diff(field, axis=1)).mean(axis=0)
    assert np.abs(field[:, 0] - field[:, -1]).mean() <= steps.max() + 1e-6


@pytest.mark.parametrize("name", MOTIFS)
def test_pictures_fill_their_place_and_stay_in_it(name: str) -> None:
    image = np.full((120, 200, 3), 255, np.uint8)
    draw_motif(image, name, (100, 60), (35, 35), [BLACK, RED])
    drawn = (image != 255).any(axis=2)
    assert 0.08 < drawn[25:95, 65:135].mean() < 0.95
    assert not drawn[:10].any()
    assert not drawn[:, :50].any()
    assert not drawn[:, 150:].any()


def test_words_are_written_into_their_box_at_the_right_proportions() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    write(image, "TACK", (50, 40, 250, 160), WHITE)
    v, u = np.nonzero(image[..., 0] > 100)
    assert (u.min(), u.max()) == (pytest.approx(50, abs=2), pytest.approx(249, abs=2))
    assert 40 <= v.min() < v.max() <= 160
    upright = np.ptp(v) / np.ptp(u)
    squeezed = np.zeros((200, 300, 3), np.uint8)
    write(squeezed, "TACK", (50, 40, 250, 160), WHITE, aspect=0.5)
    v, u = np.nonzero(squeezed[..., 0] > 100)
    assert np.ptp(v) / np.ptp(u) == pytest.approx(0.5 * upright, rel=0.1)


def test_turned_words_read_upwards() -> None:
    mask = word_mask("L", 64, FONTS[0], 0.1)
    assert mask[-10:].mean() > 2 * mask[:10].mean()  # its foot is below
    image = np.zeros((200, 100, 3), np.uint8)
    write(image, "L", (20, 20, 80, 180), WHITE, font=FONTS[0], turns=1)
    v, u = np.nonzero(image[..., 0] > 100)
    right = image[v.min() : v.max() + 1, u.max() - 4 : u.max() + 1]
    left = image[v.min() : v.max() + 1, u.min() : u.min() + 5]
    assert right.mean() > 2 * left.mean()  # the foot is on the right


def test_words_beyond_the_border_are_cut_off() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    write(image, brand(rng()), (-30, -10, 90, 60), WHITE)
    assert image.any()


def test_barcodes_stand_or_lie() -> None:
    for upright in (True, False):
        image = np.full((200, 200, 3), 128, np.uint8)
        barcode(image, rng(), (30, 40, 170, 160), upright=upright)
        inside = (image[50:120, 50:150, 0] > 128).astype(int)
        across, down = (np.abs(np.diff(inside, axis=axis)).sum() for axis in (1, 0))
        assert (across > 5 * down) if upright else (down > 5 * across)
        assert (image[:38] == 128).all()


@pytest.mark.parametrize("style", glaze.STYLES)
def test_every_glaze_closes_around_the_mug(style: str) -> None:
    page = glaze._Page(112, 256, 1.2, glaze.palette(rng(3)))
    wall, handle, foot = glaze.STYLES[style](page, rng(3))
    assert wall.shape == (112, 256, 3)
    assert wall.dtype == np.uint8
    assert all(0 <= channel <= 1 for color in (handle, foot) for channel in color)
    steps = np.abs(np.diff(wall.astype(int), axis=1)).mean(axis=(0, 2))
    seam = np.abs(wall[:, 0].astype(int) - wall[:, -1]).mean()
    assert seam <= steps.max() + 2


@pytest.mark.parametrize("layout", print_box.FRONTS)
def test_every_carton_layout_prints_all_sides(layout: str) -> None:
    content = print_box.design(rng(1), [layout])
    sizes = {"front": (150, 100), "back": (150, 100), "left": (150, 50), "right": (150, 50),
             "top": (50, 100), "bottom": (50, 100)}  # fmt: skip
    panels = print_box.carton(sizes, content, rng(1))
    assert {name: image.shape[:2] for name, image in panels.items()} == sizes
    assert panels["front"].std() > 10
    tall = {**sizes, "front": (300, 60)}
    assert print_box.carton(tall, content, rng(1))["front"].shape == (300, 60, 3)


@pytest.mark.parametrize("kind", ["glass", "drink", "plastic", "medicine", "metal"])
def test_every_ware_has_a_label_in_front(kind: str) -> None:
    for seed in range(3):
        content = label.ware(kind, rng(seed))
        image = label.label_picture(120, 300, (0.06, 0.2), content, rng(seed))
        assert image.shape == (120, 300, 3)
        front = image[:, 120:180].astype(float)
        assert front.std() > 12


def test_an_atlas_puts_pictures_where_its_areas_are() -> None:
    atlas = Atlas(40, 80, {"a": Cell(0, 0, 40, 40), "b": Cell(40, 0, 80, 40, (0.0, 2.0))})
    texture = atlas.texture(
        {"a": np.zeros((40, 40, 3), np.uint8), "b": np.full((20, 20, 3), 200, np.uint8)}
    )
    assert (texture[:, :40] == 0).all()
    assert (texture[:, 40:] == 200).all()
    assert atlas.area("b") == (0.5, 0.05, 1.0, 0.95)
