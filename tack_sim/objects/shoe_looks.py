# SPDX-License-Identifier: Apache-2.0
"""The texture of a shoe: panels, stitches, stripes, emblems, sole and laces."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from tack_sim.objects.shoe_parts import (
    ATLAS,
    EYELETS,
    LACES,
    LINING,
    RIM,
    SIDE,
    TONGUE,
    TREAD,
    UPPER,
    ShoeGrids,
)
from tack_sim.objects.shoe_shape import COLUMNS, ROWS, Last
from tack_sim.objects.surfaces import Area
from tack_sim.objects.textures import fabric_emblems as emblems
from tack_sim.objects.textures.fabric import Cloth, cloth, worn
from tack_sim.objects.textures.leather import foam, leather, suede
from tack_sim.objects.textures.noise import Color, Field, Image, smoothstep
from tack_sim.objects.textures.stitching import Sewing, field_over

Stuff = Cloth | Literal["leather", "suede"]
Mark = Literal["none", "stripes", "chevron", "wave", "emblem", "word"]


@dataclasses.dataclass(frozen=True)
class ShoeLooks:
    """Colours and panels; lengths in m.

    Attributes:
        body, overlay: what the upper and the panels on it are made of.
        colors: of body, overlay, second overlay, mark, lining, sole, line on the sole, laces.
        toe_cap: length of the panel over the toe; 0 for none.
        rubber_cap: it is of the sole's rubber.
        counter: length of the panel around the heel; 0 for none.
        eyestay: width of the panel with the eyelets.
        guard: height of the panel along the sole; 0 for none.
        mark: on the sides.
        count: of stripes.
        word: on the tongue's label and, if the mark is a word, on the sides.
        contrast: stitches in the mark's colour.
    """

    body: Stuff
    overlay: Stuff
    colors: tuple[Color, Color, Color, Color, Color, Color, Color, Color]
    toe_cap: float
    rubber_cap: bool
    counter: float
    eyestay: float
    guard: float
    mark: Mark
    count: int
    word: str
    contrast: bool


def shoe_texture(looks: ShoeLooks, last: Last, grids: ShoeGrids, rng: np.random.Generator) -> Image:
    """The atlas of a shoe, (H, W, 3) uint8 RGB."""
    image = np.zeros((*ATLAS, 3), np.uint8)
    for area, painted in (
        (UPPER, _upper(looks, last, grids, rng)),
        (LINING, _lining(looks, grids, rng)),
        (SIDE, _side(looks, grids, rng)),
        (TREAD, _tread(looks, grids)),
        (TONGUE, _tongue(looks, grids, rng)),
        (LACES, _laces(looks)),
    ):
        s0, t0 = round(area[0] * ATLAS[1]), round(area[1] * ATLAS[0])
        height, width = painted.image.shape[:2]
        image[t0 : t0 + height, s0 : s0 + width] = painted.bytes()
    return image


def _size(area: Area) -> tuple[int, int]:
    return round((area[3] - area[1]) * ATLAS[0]), round((area[2] - area[0]) * ATLAS[1])


def _stuff(kind: Stuff, sewing: Sewing, rng: np.random.Generator) -> Field:
    """The factor on the colour of a material."""
    height, width = sewing.image.shape[:2]
    half = (-(-height // 2), -(-width // 2))
    if kind == "leather" or kind == "suede":
        small = (leather if kind == "leather" else suede)(*half, rng)
        return np.asarray(np.repeat(np.repeat(small, 2, 0), 2, 1)[:height, :width])
    return worn(kind, sewing.across, sewing.down, rng)


def _upper(looks: ShoeLooks, last: Last, grids: ShoeGrids, rng: np.random.Generator) -> Sewing:
    sewing = Sewing(grids.outer, *_size(UPPER))
    height, width = sewing.image.shape[:2]
    body, overlay, second, mark, lining, sole = looks.colors[:6]
    length = last.shape.length
    x, y, z = (sewing.place[..., i] for i in range(3))
    high = z - field_over(last.sole_top(grids.outer[..., 0]), height, width)
    s = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    around = 0.5 - np.abs(s - 0.5)
    below = sewing.down - field_over(
        np.repeat(_rim_way(grids)[None], 2, 0), height, width
    )  # way down from the collar's outer edge
    thread = mark if looks.contrast else tuple(0.6 * c + 0.4 * (c > 0.45) for c in overlay)
    cover = _stuff(looks.overlay, sewing, rng)

    sewing.cover(body, factor=_stuff(looks.body, sewing, rng))
    _marking(looks, sewing, last, x, high, s, rng)
    panels: list[tuple[Color, Field, Field]] = []
    if looks.guard > 0:
        rise = looks.guard * (1 + 0.35 * np.cos(around * np.float32(4 * np.pi)))
        panels.append((second, np.asarray(rise - high, np.float32), sewing.across))
    if looks.toe_cap > 0 and not looks.rubber_cap:
        edge = 0.5 * length - looks.toe_cap
        inside = x - edge + 3.0 * (y - np.median(y)) ** 2 - 0.15 * high
        panels.append((overlay, np.asarray(inside, np.float32), y))
    if looks.counter > 0:
        inside = looks.counter - (x + 0.5 * length) - 0.30 * high
        panels.append((overlay, np.asarray(inside, np.float32), z))
    stay = looks.eyestay * smoothstep(0.275, 0.315, around) - below
    stay = np.where(around < 0.27, np.float32(-0.01), stay)
    panels.append((overlay, np.asarray(stay, np.float32), sewing.across + sewing.down))
    for color, inside, along in panels:
        sewing.cover(color, inside, factor=cover)
        sewing.stitch(inside - 0.0022, along, thread)
    if looks.toe_cap > 0 and looks.rubber_cap:
        inside = np.asarray(
            x - 0.5 * length + looks.toe_cap - 0.10 * high + 2.0 * y * y, np.float32
        )
        sewing.cover(sole, inside)
    collar = np.asarray(0.011 * smoothstep(0.285, 0.24, around) - below, np.float32)
    sewing.cover(lining, collar, factor=_stuff("twill", sewing, rng))
    _eyelets(sewing, last, mark if looks.contrast else sole)
    if looks.mark != "none" and looks.counter > 0:
        letters = emblems.lettering(looks.word, mark, rng)
        tab = emblems.over(emblems.patch(second, (90, 110), False), letters)
        at_heel = smoothstep(0.14, 0.10, around + 0 * below)
        for end in (0.0, 1.0):
            right = (s - end) * 0.55 + 0 * below
            sewing.stamp(
                tab,
                np.asarray(right, np.float32),
                below - np.float32(0.024),
                (0.030, 0.020),
                at_heel,
            )
    sewing.shade(1 - 0.35 * smoothstep(0.006, -0.002, high))
    return sewing


def _rim_way(grids: ShoeGrids) -> np.ndarray:
    """(C,) way along each column from the collar's middle to its outer edge, m."""
    steps = np.linalg.norm(np.diff(grids.outer[:RIM], axis=0), axis=2)
    return np.asarray(steps.sum(axis=0))


def _marking(
    looks: ShoeLooks,
    sewing: Sewing,
    last: Last,
    x: Field,
    high: Field,
    s: Field,
    rng: np.random.Generator,
) -> None:
    """Stripes, a wave, an emblem or a word on both sides."""
    length, color = last.shape.length, looks.colors[3]
    right = np.where(s < 0.5, x, -x).astype(np.float32)  # on the shoe's right the toe is right
    middle = -0.02 * length
    out = np.where(s < 0.5, right - middle, right + middle).astype(np.float32)
    sides = np.asarray(smoothstep(0.08, 0.11, 0.5 - np.abs(s - 0.5)) + 0 * high, np.float32)
    forward = x - np.float32(middle)
    if looks.mark == "stripes":
        step, half = 0.017, 0.0045
        for number in range(looks.count):
            centre = (number - (looks.count - 1) / 2) * step
            inside = half - np.abs(forward - centre + 0.55 * (high - 0.035))
            sewing.cover(
                color, np.minimum(inside, 0.10 * length - np.abs(forward) * 0.5).astype(np.float32)
            )
    elif looks.mark == "chevron":
        for number in range(looks.count):
            centre = (number - (looks.count - 1) / 2) * 0.019
            inside = 0.0048 - np.abs(forward - centre + np.abs(high - 0.036) * 0.9)
            sewing.cover(color, np.minimum(inside, 0.03 - np.abs(high - 0.036)).astype(np.float32))
    elif looks.mark == "wave":
        swell = 0.034 + 0.012 * np.sin(forward * np.float32(2 * np.pi / (0.42 * length)))
        taper = 0.0085 * smoothstep(0.30 * length, 0.05 * length, np.abs(forward - 0.02))
        inside = np.asarray(taper - np.abs(high - swell) - 0.0008, np.float32)
        sewing.cover(color, inside)
        sewing.stitch(np.asarray(inside - 0.0018, np.float32), forward, looks.colors[1])
    elif looks.mark in ("emblem", "word"):
        below = np.asarray(0.038 - high, np.float32)
        if looks.mark == "emblem":
            picture = emblems.any_motif(rng, (color, looks.colors[2]))
            if looks.count > 2:
                badge = emblems.patch(looks.colors[1], (200, 200), True)
                picture = emblems.over(badge, picture, 0.62)
            size = (0.034, 0.034)
        else:
            picture = emblems.lettering(looks.word, color, rng)
            wide = min(0.075, 0.020 * picture.shape[1] / picture.shape[0])
            size = (wide, wide * picture.shape[0] / picture.shape[1])
        sewing.stamp(picture, out, below, size, sides)


def _eyelets(sewing: Sewing, last: Last, color: Color) -> None:
    """Metal rings where the laces go in."""
    hole_row = 0.10
    s = np.concatenate([EYELETS, 1 - EYELETS])
    holes = last.outer(s, np.array([1 - hole_row]))[0][0]
    height, width = sewing.image.shape[:2]
    row = round((RIM - 1 + hole_row * ROWS) / (RIM + ROWS) * height)
    for around, hole in zip(s, holes.astype(np.float32), strict=True):
        column = round((1 - around) * width)
        window = (slice(max(row - 30, 0), row + 30), slice(column - 24, column + 24))
        reach = np.linalg.norm(sewing.place[window] - hole, axis=2)
        sewing.cover(color, np.asarray(0.0036 - reach, np.float32), window=window)
        dark = np.asarray(0.0019 - reach, np.float32)
        sewing.cover((0.06, 0.06, 0.06), dark, raised=False, window=window)


def _lining(looks: ShoeLooks, grids: ShoeGrids, rng: np.random.Generator) -> Sewing:
    sewing = Sewing(grids.lining, *_size(LINING))
    sewing.cover(looks.colors[4], factor=_stuff("twill", sewing, rng))
    height, width = sewing.image.shape[:2]
    row = np.linspace(0, 1, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    sewing.cover(looks.colors[2], np.asarray((row - 0.955) * 0.05, np.float32), raised=False)
    sewing.shade(1 - 0.55 * smoothstep(0.18, 0.95, row))
    return sewing


def _side(looks: ShoeLooks, grids: ShoeGrids, rng: np.random.Generator) -> Sewing:
    """The sole's edge: rubber or foam, a coloured line, a darker outsole, a welt's stitches."""
    sewing = Sewing(grids.side, *_size(SIDE))
    height, width = sewing.image.shape[:2]
    _, _, second, mark, _, sole, line, _ = looks.colors
    sewing.cover(sole, factor=foam(height, width, rng))
    row = np.linspace(0, 7, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    kind = int(rng.integers(4))
    if kind == 0:
        sewing.cover(line, np.asarray((0.45 - np.abs(row - 3.2)) * 0.004, np.float32), raised=False)
    elif kind == 1:
        sewing.cover(line, np.asarray((row - 4.9) * 0.004, np.float32), raised=False)
    elif kind == 2:
        groove = np.sin(sewing.across * np.float32(2 * np.pi / 0.009))
        ribs = smoothstep(0.3, 0.9, groove) * smoothstep(2.2, 2.6, row) * smoothstep(5.8, 5.4, row)
        sewing.shade(1 - 0.22 * ribs)
    else:
        x = sewing.place[..., 0]
        wedge = np.asarray(0.5 * (row - 3.4) * 0.004 - 0.02 * x - 0.0005, np.float32)
        sewing.cover(line if looks.contrast else second, wedge, raised=False)
    if looks.guard == 0 and looks.contrast:
        welt = np.asarray((row - 0.62) * 0.004, np.float32)
        sewing.stitch(welt, sewing.across, mark, pitch=0.005)
    sewing.cover(
        tuple(0.5 * c for c in sole), np.asarray((row - 6.15) * 0.004, np.float32), raised=False
    )
    return sewing


def _tread(looks: ShoeLooks, grids: ShoeGrids) -> Sewing:
    sewing = Sewing(grids.tread, *_size(TREAD))
    x, y = sewing.place[..., 0], sewing.place[..., 1]
    zigzag = np.abs((y / 0.012) % 2 - 1) * 0.007
    groove = np.sin((x + zigzag) * np.float32(2 * np.pi / 0.011))
    sewing.cover(tuple(0.55 * c for c in looks.colors[5]))
    sewing.shade(np.asarray(1 - 0.45 * smoothstep(0.2, 0.6, groove), np.float32))
    return sewing


def _tongue(looks: ShoeLooks, grids: ShoeGrids, rng: np.random.Generator) -> Sewing:
    sewing = Sewing(grids.tongue, *_size(TONGUE))
    body, overlay, second, mark, lining, *_ = looks.colors
    height, width = sewing.image.shape[:2]
    s = np.linspace(0, 1, width, dtype=np.float32)[None, :] + np.zeros((height, 1), np.float32)
    row = np.linspace(0, 1, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    sewing.cover(body, factor=_stuff("mesh" if looks.body == "mesh" else "twill", sewing, rng))
    sewing.cover(lining, np.asarray((s - 0.51) * 0.1, np.float32), raised=False)
    edge = np.asarray(0.004 - np.minimum(s, 0.5 - s) * 0.11, np.float32)
    edge = np.where(s > 0.5, np.float32(-0.01), edge)
    sewing.cover(
        overlay, np.maximum(edge, np.where(s < 0.5, (0.075 - row) * 0.1, -0.01)).astype(np.float32)
    )
    label = emblems.over(
        emblems.patch(second, (120, 170), False), emblems.lettering(looks.word, mark, rng), 0.8
    )
    wide = float(np.linalg.norm(grids.tongue[5, 3] - grids.tongue[5, 9])) * 2.0
    right = (s - 0.25) * np.float32(wide / 0.5)
    sewing.stamp(label, right, sewing.down - np.float32(0.0185), (0.030, 0.016))
    return sewing


def _laces(looks: ShoeLooks) -> Sewing:
    """Sixteen strips of braid with dark tips on those of the hanging ends."""
    height, width = _size(LACES)
    points = np.zeros((2, COLUMNS, 3))
    points[1, :, 0], points[..., 1] = 0.07, np.linspace(0, 0.16, COLUMNS)
    sewing = Sewing(points, height, width)
    braid = cloth("knit", sewing.across * 2.0, sewing.down, 0.0022)
    sewing.cover(looks.colors[7], factor=np.asarray(1 + 0.13 * braid, np.float32))
    return sewing
