# SPDX-License-Identifier: Apache-2.0
"""Kinds of caps: which shapes, cloths, colours and emblems go together."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.cap_looks import CapLooks, Print
from tack_sim.objects.cap_shape import CapShape
from tack_sim.objects.textures.fabric import Cloth
from tack_sim.objects.textures.fabric_colors import (
    BLACK,
    CREAM,
    GREY,
    WHITE,
    any_of,
    apart,
    muted,
    tinted,
    vivid,
)
from tack_sim.objects.textures.noise import Color
from tack_sim.objects.textures.print_words import brand

_CLASSIC: tuple[Color, ...] = (
    (0.09, 0.13, 0.30), (0.68, 0.10, 0.13), (0.10, 0.33, 0.22), (0.09, 0.09, 0.10),
    (0.13, 0.30, 0.62), (0.86, 0.84, 0.78), (0.62, 0.53, 0.38), (0.42, 0.44, 0.30),
    (0.93, 0.92, 0.90), (0.85, 0.42, 0.12), (0.45, 0.10, 0.22), (0.90, 0.72, 0.20),
)  # fmt: skip
_OLIVE: Color = (0.36, 0.37, 0.24)


def cap_style(rng: np.random.Generator) -> tuple[CapShape, CapLooks]:
    """The form and the looks of a cap."""
    kind = any_of(rng, ("classic", "classic", "flat", "trucker", "soft"))
    looks = _looks(kind, rng)
    return _shape(kind, looks, rng), looks


def _shape(kind: str, looks: CapLooks, rng: np.random.Generator) -> CapShape:
    size = rng.uniform(0.94, 1.03)
    soft, flat = kind == "soft", kind == "flat"
    tall = {
        "classic": (0.108, 0.122),
        "flat": (0.118, 0.134),
        "trucker": (0.120, 0.136),
        "soft": (0.096, 0.112),
    }[kind]
    front = {"classic": (2.3, 2.7), "flat": (2.7, 3.3), "trucker": (2.7, 3.4), "soft": (2.05, 2.3)}[
        kind
    ]
    folds = tuple(
        (
            rng.uniform(0.002, 0.0055),
            float(rng.integers(2, 6)),
            rng.uniform(0, 6.28),
            rng.uniform(0.35, 0.75),
        )
        for _ in range(3 if soft else 1)
    )
    panels = any_of(rng, (5, 6, 6, 6, 8)) if kind != "trucker" else 5
    closed = looks.colors[1] == looks.colors[0] and rng.random() < 0.15
    return CapShape(
        half_length=0.101 * size * rng.uniform(0.98, 1.03),
        half_width=0.085 * size * rng.uniform(0.97, 1.04),
        height=rng.uniform(*tall) * size,
        front=rng.uniform(*front),
        back=rng.uniform(2.0, 2.3),
        seams=seams(panels),
        quilt=rng.uniform(0.014, 0.030),
        folds=folds if soft else tuple((0.4 * d, n, p, h) for d, n, p, h in folds),
        brim=rng.uniform(0.060, 0.082),
        spread=rng.uniform(1.05, 1.22),
        flare=rng.uniform(0.003, 0.012),
        square=rng.uniform(2.3, 3.0) if flat else rng.uniform(1.95, 2.6),
        arch=rng.uniform(0.001, 0.007) if flat else rng.uniform(0.010, 0.030),
        tilt=rng.uniform(0.0, 0.08) if flat else rng.uniform(0.04, 0.22),
        opening=rng.uniform(0.42, 0.50),
        opening_height=0.001 if closed else rng.uniform(0.032, 0.048),
        button_radius=rng.uniform(0.0078, 0.0096),
        button_height=rng.uniform(0.0090, 0.0105),
        strap=rng.uniform(0.0070, 0.0095),
        buckle=any_of(rng, (0.0006, 0.009, 0.012)),
    )  # fmt: skip


def seams(panels: int) -> tuple[float, ...]:
    """Angles of the seams of five panels (a whole one in front), six or eight."""
    if panels == 5:
        return (-2.06, -0.80, 0.80, 2.06, np.pi)
    return tuple(float(turn) for turn in -np.pi + 2 * np.pi * np.arange(1, panels + 1) / panels)


def _looks(kind: str, rng: np.random.Generator) -> CapLooks:
    back = any_of(rng, (*_CLASSIC, vivid(rng), muted(rng)))
    printed: Print = any_of(
        rng, ("plain", "plain", "plain", "plain", "heather", "stripes", "checks", "camouflage")
    )
    if kind == "trucker":
        printed = "plain"
    if printed == "camouflage":
        back = any_of(rng, (_OLIVE, (0.60, 0.53, 0.40), GREY))
    two_tone = kind == "trucker" or rng.random() < 0.3
    front = any_of(rng, (WHITE, CREAM, vivid(rng), tinted(back, 0.6))) if two_tone else back
    front = apart(front, back) if two_tone else back
    brim = any_of(rng, (back, back, apart(any_of(rng, _CLASSIC), back)))
    main = apart(any_of(rng, (WHITE, vivid(rng), vivid(rng), (0.90, 0.74, 0.26), BLACK)), front)
    ground = (
        (0.25, 0.22, 0.14)
        if printed == "camouflage"
        else apart(any_of(rng, (WHITE, BLACK, vivid(rng))), main)
    )
    if printed in ("stripes", "checks"):
        ground = apart(any_of(rng, (WHITE, vivid(rng), BLACK)), back)
    thread = any_of(rng, (tinted(back, 0.7), tinted(brim, 1.25), WHITE, main))
    under = any_of(rng, (brim, (0.30, 0.45, 0.34), GREY, tinted(brim, 0.7)))
    cloth: Cloth = any_of(rng, ("twill", "canvas", "twill", "knit"))
    return CapLooks(
        front="twill" if kind == "trucker" else cloth,
        back="mesh" if kind == "trucker" else cloth,
        print=printed,
        colors=(front, back, brim, under, any_of(rng, (brim, back, main)), thread, main, ground,
                any_of(rng, (BLACK, CREAM, tinted(back, 0.6)))),
        front_reach=0.80 if kind == "trucker" else any_of(rng, (0.80, 1.047)),
        emblem=any_of(rng, ("word", "word", "motif", "motif", "badge", "badge", "letter", "none")),
        emblem_size=rng.uniform(0.030, 0.052),
        word=brand(rng),
        rows=int(any_of(rng, (0, 4, 6, 8))),
        eyelets=kind != "trucker" and bool(rng.random() < 0.85),
        edge=bool(rng.random() < 0.2),
        side_mark=bool(rng.random() < 0.25),
        metal=bool(rng.random() < 0.6),
    )  # fmt: skip
