# SPDX-License-Identifier: Apache-2.0
"""Kinds of shoes: which shapes, materials and colours go together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tack_sim.objects.shoe_looks import ShoeLooks
from tack_sim.objects.shoe_shape import ShoeShape
from tack_sim.objects.textures.fabric_colors import (
    BLACK,
    CREAM,
    GREY,
    GUM,
    WHITE,
    any_of,
    apart,
    muted,
    tinted,
    vivid,
)
from tack_sim.objects.textures.noise import Color
from tack_sim.objects.textures.print_words import brand

Range = tuple[float, float]

_LEATHERS: tuple[Color, ...] = (
    (0.36, 0.20, 0.11), (0.52, 0.31, 0.16), (0.66, 0.43, 0.22), (0.24, 0.14, 0.10),
    (0.11, 0.10, 0.10), (0.33, 0.10, 0.10), (0.25, 0.27, 0.20), (0.74, 0.58, 0.38),
)  # fmt: skip


def shoe_style(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    """A shape, its looks, and the mass of such a shoe relative to its size."""
    make = any_of(rng, (_runner, _runner, _court, _canvas, _suede, _boot))
    shape, looks, heavy = make(rng)
    return _sized(shape, rng), looks, heavy


def _sized(shape: ShoeShape, rng: np.random.Generator) -> ShoeShape:
    """The same shoe in another size, left or right."""
    scale = rng.uniform(0.215, 0.29) / shape.length
    names = (
        "vamp",
        "eyelet",
        "ankle",
        "heel",
        "toe_height",
        "tongue",
        "loop",
        "heel_block",
        "wall",
    )
    # A small foot's shoe is a little higher for its length.
    grown = {name: getattr(shape, name) * scale**0.85 for name in names}
    return dataclasses.replace(
        shape,
        length=shape.length * scale,
        foot=1 if rng.random() < 0.5 else -1,
        width=shape.width * rng.uniform(0.95, 1.06),
        **grown,
    )


def _draw(rng: np.random.Generator, **ranges: Range) -> ShoeShape:
    """A shape of middle size, with lengths in mm drawn from ranges."""
    numbers = {name: rng.uniform(*limits) for name, limits in ranges.items()}
    lengths: dict[str, Any] = {
        name: v if name == "toe_square" else v / 1000 for name, v in numbers.items()
    }
    return dataclasses.replace(ShoeShape(), **lengths)


def _runner(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    shape = _draw(
        rng, sole_heel=(28, 38), sole_fore=(19, 26), spring=(9, 17), toe_square=(0.2, 0.6),
        heel=(68, 84), ankle=(46, 56), eyelet=(76, 86), vamp=(50, 57), toe_height=(32, 38),
        flange=(4, 7), bumper=(0, 9), wall=(8.5, 11.5), tongue=(16, 28), lace=(2.5, 3.6),
        loop=(30, 42),
    )  # fmt: skip
    body, mark = any_of(rng, (vivid(rng), vivid(rng), BLACK, GREY, WHITE)), vivid(rng)
    overlay = any_of(rng, (tinted(body, 0.6), tinted(body, 1.35), BLACK, WHITE, muted(rng)))
    second = any_of(rng, (overlay, mark, tinted(body, 0.75)))
    looks = ShoeLooks(
        any_of(rng, ("mesh", "knit", "mesh")), any_of(rng, ("leather", "suede")),
        (body, overlay, second, apart(mark, body), any_of(rng, (mark, BLACK, GREY)),
         any_of(rng, (WHITE, WHITE, CREAM, BLACK, GREY)), mark, any_of(rng, (WHITE, BLACK, mark))),
        rng.uniform(0.020, 0.045) * (rng.random() < 0.6), False,
        rng.uniform(0.035, 0.060) * (rng.random() < 0.7), rng.uniform(0.012, 0.020),
        rng.uniform(0.010, 0.018) * (rng.random() < 0.5),
        any_of(rng, ("stripes", "chevron", "wave", "wave", "word", "stripes")),
        int(any_of(rng, (1, 2, 4))), brand(rng), bool(rng.random() < 0.4),
    )  # fmt: skip
    return shape, looks, 0.95


def _court(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    shape = _draw(
        rng, sole_heel=(26, 32), sole_fore=(23, 27), spring=(3, 8), toe_square=(0.4, 0.9),
        heel=(62, 76), ankle=(46, 54), eyelet=(74, 84), vamp=(48, 54), toe_height=(29, 34),
        flange=(3, 5), wall=(7.5, 10), tongue=(18, 30), lace=(3.0, 4.4), loop=(28, 40),
    )  # fmt: skip
    body = any_of(rng, (WHITE, WHITE, CREAM, BLACK, muted(rng), vivid(rng)))
    mark = apart(any_of(rng, (vivid(rng), BLACK, muted(rng))), body)
    overlay = any_of(rng, (tinted(body, 0.93), mark, tinted(body, 0.8)))
    looks = ShoeLooks(
        "leather", any_of(rng, ("leather", "suede")),
        (body, overlay, mark, mark, any_of(rng, (GREY, body, mark)),
         any_of(rng, (WHITE, CREAM, GUM)), any_of(rng, (mark, GUM, body)),
         any_of(rng, (WHITE, body))),
        rng.uniform(0.045, 0.070) * (rng.random() < 0.6), False,
        rng.uniform(0.040, 0.060) * (rng.random() < 0.85), rng.uniform(0.016, 0.024),
        rng.uniform(0.012, 0.018) * (rng.random() < 0.4),
        any_of(rng, ("emblem", "chevron", "wave", "none", "word")),
        int(rng.integers(1, 5)), brand(rng), bool(rng.random() < 0.3),
    )  # fmt: skip
    return shape, looks, 1.1


def _canvas(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    tall = rng.random() < 0.4
    shape = _draw(
        rng, sole_heel=(24, 29), sole_fore=(21, 25), spring=(3, 7), toe_square=(0.5, 1.0),
        heel=(104, 122) if tall else (56, 66), ankle=(98, 112) if tall else (44, 50),
        eyelet=(108, 128) if tall else (70, 80), vamp=(44, 50), toe_height=(26, 30),
        flange=(3, 5), bumper=(2, 8), wall=(5.5, 7), tongue=(10, 20), lace=(2.8, 4.0),
        loop=(28, 40),
    )  # fmt: skip
    body = any_of(rng, (vivid(rng), BLACK, muted(rng), vivid(rng), CREAM))
    mark = apart(any_of(rng, (WHITE, vivid(rng), CREAM)), body)
    looks = ShoeLooks(
        "canvas", "canvas",
        (body, tinted(body, any_of(rng, (0.85, 1.0))), mark, mark, any_of(rng, (CREAM, body)),
         any_of(rng, (WHITE, CREAM)), any_of(rng, (vivid(rng), BLACK, body)),
         any_of(rng, (WHITE, CREAM))),
        rng.uniform(0.038, 0.052) * (rng.random() < 0.75), True,
        rng.uniform(0.020, 0.035), rng.uniform(0.014, 0.020), 0.0,
        any_of(rng, ("none", "emblem", "word", "none", "stripes", "wave")),
        int(rng.integers(1, 5)), brand(rng), bool(rng.random() < 0.7),
    )  # fmt: skip
    return shape, looks, 0.9


def _suede(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    shape = _draw(
        rng, sole_heel=(22, 30), sole_fore=(17, 22), spring=(3, 9), toe_square=(0.2, 0.8),
        heel=(60, 72), ankle=(44, 54), eyelet=(72, 82), vamp=(46, 52), toe_height=(27, 33),
        flange=(2.5, 5), heel_block=(0, 5), wall=(6.5, 9), tongue=(10, 22), lace=(1.9, 3.4),
        loop=(28, 38),
    )  # fmt: skip
    body = any_of(rng, (*_LEATHERS, muted(rng), muted(rng), vivid(rng)))
    overlay = tinted(body, any_of(rng, (0.75, 0.88, 1.15)))
    mark = apart(any_of(rng, (CREAM, WHITE, vivid(rng))), body)
    looks = ShoeLooks(
        "suede", any_of(rng, ("suede", "leather")),
        (body, overlay, overlay, mark, any_of(rng, (CREAM, GUM, tinted(body, 0.6))),
         any_of(rng, (GUM, CREAM, WHITE, BLACK)), mark, any_of(rng, (CREAM, body, mark))),
        rng.uniform(0.040, 0.075) * (rng.random() < 0.6), False,
        rng.uniform(0.045, 0.065) * (rng.random() < 0.8), rng.uniform(0.016, 0.026),
        rng.uniform(0.012, 0.018) * (rng.random() < 0.5),
        any_of(rng, ("none", "stripes", "chevron", "wave", "none")),
        int(any_of(rng, (1, 2, 4))), brand(rng), bool(rng.random() < 0.4),
    )  # fmt: skip
    return shape, looks, 1.1


def _boot(rng: np.random.Generator) -> tuple[ShoeShape, ShoeLooks, float]:
    shape = _draw(
        rng, sole_heel=(31, 38), sole_fore=(18, 24), spring=(4, 9), toe_square=(0.3, 0.8),
        heel=(105, 132), ankle=(96, 122), eyelet=(112, 136), vamp=(50, 58), toe_height=(32, 38),
        flange=(4, 6.5), heel_block=(8, 14), wall=(7, 11), tongue=(10, 20), lace=(1.9, 2.8),
        loop=(28, 38),
    )  # fmt: skip
    body = any_of(rng, _LEATHERS)
    overlay = tinted(body, any_of(rng, (0.7, 0.9, 1.2)))
    mark = apart(any_of(rng, ((0.82, 0.66, 0.35), CREAM, vivid(rng))), body)
    looks = ShoeLooks(
        any_of(rng, ("leather", "suede", "leather")), "leather",
        (body, overlay, overlay, mark, any_of(rng, (tinted(body, 0.6), CREAM, GREY)),
         any_of(rng, (BLACK, (0.20, 0.15, 0.12), GUM, CREAM)), BLACK,
         any_of(rng, (mark, BLACK, GUM))),
        rng.uniform(0.050, 0.075) * (rng.random() < 0.7), False,
        rng.uniform(0.050, 0.070), rng.uniform(0.020, 0.030),
        rng.uniform(0.012, 0.020) * (rng.random() < 0.5),
        any_of(rng, ("none", "none", "emblem")), 3, brand(rng), bool(rng.random() < 0.6),
    )  # fmt: skip
    return shape, looks, 1.35
