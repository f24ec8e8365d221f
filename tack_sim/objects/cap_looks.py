# SPDX-License-Identifier: Apache-2.0
"""The texture of a cap: panels of cloth, seams, eyelets, emblems, stitched brims."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.cap_shape import (
    ATLAS,
    BRIM_ROWS,
    BRIM_TOP,
    BRIM_UNDER,
    BUCKLE,
    BUTTON,
    COLUMNS,
    INNER,
    OUTER,
    STRAP,
    CapGrids,
    CapShape,
)
from tack_sim.objects.surfaces import Area
from tack_sim.objects.textures import fabric_emblems as emblems
from tack_sim.objects.textures.fabric import Cloth, cloth, worn
from tack_sim.objects.textures.noise import Color, Field, Image, fbm, smoothstep
from tack_sim.objects.textures.stitching import Sewing, field_over

Print = Literal["plain", "stripes", "checks", "camouflage", "heather"]
Emblem = Literal["none", "word", "motif", "badge", "letter"]


@dataclasses.dataclass(frozen=True)
class CapLooks:
    """Colours, cloth and emblems; lengths in m.

    Attributes:
        front, back: cloth of the panels over the forehead and of the others.
        print: on the cloth.
        colors: of front panels, other panels, brim, underside of the brim, button and eyelets,
            thread, emblem, its ground, sweatband.
        front_reach: angle to either side that the front panels reach.
        emblem: on the front.
        emblem_size: its height.
        word: that it says.
        rows: of stitches on the brim.
        eyelets: the panels have them.
        edge: a narrow band in the emblem's colour along the brim's edge.
        side_mark: a small emblem on the left side.
        metal: the buckle is of metal.
    """

    front: Cloth
    back: Cloth
    print: Print
    colors: tuple[Color, Color, Color, Color, Color, Color, Color, Color, Color]
    front_reach: float
    emblem: Emblem
    emblem_size: float
    word: str
    rows: int
    eyelets: bool
    edge: bool
    side_mark: bool
    metal: bool


def cap_texture(
    looks: CapLooks, shape: CapShape, grids: CapGrids, rng: np.random.Generator
) -> Image:
    """The atlas of a cap, (H, W, 3) uint8 RGB."""
    image = np.zeros((*ATLAS, 3), np.uint8)
    half = BRIM_ROWS + 3
    steel = (0.62, 0.62, 0.64) if looks.metal else tuple(0.8 * c for c in looks.colors[1])
    for area, painted in (
        (OUTER, _outer(looks, shape, grids, rng)),
        (INNER, _inner(looks, shape, grids)),
        (BRIM_TOP, _brim(looks, grids.brim[:half], looks.colors[2], rng)),
        (
            BRIM_UNDER,
            _brim(looks, grids.brim[half - 1 :][::-1, ::-1], looks.colors[3], rng, plain=True),
        ),
        (STRAP, _small(STRAP, 0.12, looks.colors[1], looks.colors[5])),
        (BUTTON, _small(BUTTON, 0.02, looks.colors[4], None)),
        (BUCKLE, _small(BUCKLE, 0.03, steel, None)),
    ):
        s0, t0 = round(area[0] * ATLAS[1]), round(area[1] * ATLAS[0])
        picture = painted.bytes()
        picture = picture[::-1, ::-1] if area is BRIM_UNDER else picture
        height, width = picture.shape[:2]
        image[t0 : t0 + height, s0 : s0 + width] = picture
    return image


def _size(area: Area) -> tuple[int, int]:
    return round((area[3] - area[1]) * ATLAS[0]), round((area[2] - area[0]) * ATLAS[1])


def _weave(kind: Cloth, sewing: Sewing, rng: np.random.Generator) -> Field:
    return worn(kind, sewing.across, sewing.down, rng)


def _outer(looks: CapLooks, shape: CapShape, grids: CapGrids, rng: np.random.Generator) -> Sewing:
    sewing = Sewing(grids.outer, *_size(OUTER))
    height, width = sewing.image.shape[:2]
    angle = field_over(np.tile(grids.angle, (2, 1)), height, width)
    front, back, _, _, trim, thread = looks.colors[:6]
    radius = np.hypot(sewing.place[..., 0], sewing.place[..., 1])
    sewing.cover(back, factor=_weave(looks.back, sewing, rng))
    _printed(looks, sewing, rng)
    if front != back or looks.front != looks.back:
        inside = np.asarray((looks.front_reach - np.abs(angle)) * radius, np.float32)
        sewing.cover(front, inside, factor=_weave(looks.front, sewing, rng), raised=False)
    _seams(shape, sewing, angle, radius, thread)
    if looks.eyelets:
        _eyelets(shape, grids, sewing, trim)
    low = np.asarray(sewing.down[-1:] - sewing.down, np.float32)
    sewing.stitch(low - np.float32(0.0115), sewing.across, thread)
    sewing.shade(np.asarray(1 - 0.30 * smoothstep(0.004, 0.0005, low), np.float32))
    _front_emblem(looks, grids, sewing, rng)
    return sewing


def _printed(looks: CapLooks, sewing: Sewing, rng: np.random.Generator) -> None:
    """A pattern all over the crown."""
    height, width = sewing.image.shape[:2]
    color = looks.colors[7]
    if looks.print == "stripes":
        wave = np.sin(np.linspace(0, 24 * 2 * np.pi, width, dtype=np.float32))
        sewing.cover(
            color, np.asarray((wave - 0.8) * 0.004 + 0 * sewing.down, np.float32), raised=False
        )
    elif looks.print == "checks":
        for field in (sewing.across, sewing.down):
            band = np.asarray(
                0.4 * smoothstep(0.0, 0.4, np.sin(field * np.float32(2 * np.pi / 0.026)))
            )
            sewing.image += (np.array(color, np.float32) - sewing.image) * band[..., None]
    elif looks.print == "camouflage":
        for number, tone in enumerate((looks.colors[7], looks.colors[6], (0.12, 0.12, 0.10))):
            blobs = fbm(height // 4, width // 4, rng, 3, cells=(4, 10)).astype(np.float64)
            near = field_over(blobs, height, width) - np.float32(0.35 + 0.3 * number)
            sewing.cover(tone, near * np.float32(0.01), raised=False)
    elif looks.print == "heather":
        fine = fbm(height, width, rng, 2, cells=(100, 60))
        sewing.shade(np.asarray(1 + 0.10 * fine, np.float32))


def _seams(shape: CapShape, sewing: Sewing, angle: Field, radius: Field, thread: Color) -> None:
    """A dark line where panels meet, and a row of stitches on either side."""
    for seam in shape.seams:
        turn = (angle[0] - np.float32(seam - np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
        for columns in _runs(np.abs(turn) < 0.45):
            window = (slice(None), columns)
            away = np.asarray(turn[columns] * radius[window], np.float32)
            sewing.shade(1 - 0.42 * smoothstep(0.0014, 0.0004, np.abs(away)), window)
            line = np.asarray(np.abs(away) - 0.0034, np.float32)
            sewing.stitch(line, sewing.down[window], thread, window=window)


def _runs(mask: NDArray[np.bool_]) -> list[slice]:
    """Where a mask is set, as slices."""
    places = np.flatnonzero(mask)
    parts = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def _eyelets(shape: CapShape, grids: CapGrids, sewing: Sewing, color: Color) -> None:
    """One sewn hole in each panel, below the button."""
    height, width = sewing.image.shape[:2]
    seams = np.sort(np.mod(shape.seams, 2 * np.pi))
    middles = seams + 0.5 * np.diff(np.append(seams, seams[0] + 2 * np.pi))
    row = 9
    for middle in (middles + np.pi) % (2 * np.pi) - np.pi:
        if abs(middle) > np.pi - shape.opening:
            continue
        column = float(np.interp(middle, grids.angle, np.arange(COLUMNS + 1)))
        low = int(column)
        share = column - low
        place = (1 - share) * grids.outer[row, low] + share * grids.outer[
            row, min(low + 1, COLUMNS)
        ]
        u, v = round(column / COLUMNS * width), round(row / (len(grids.outer) - 1) * height)
        window = (slice(v - 24, v + 24), slice(max(u - 30, 0), u + 30))
        reach = np.linalg.norm(sewing.place[window] - place.astype(np.float32), axis=2)
        sewing.cover(color, np.asarray(0.0052 - reach, np.float32), window=window)
        dark = np.asarray(0.0023 - reach, np.float32)
        sewing.cover((0.05, 0.05, 0.05), dark, raised=False, window=window)


def _front_emblem(
    looks: CapLooks, grids: CapGrids, sewing: Sewing, rng: np.random.Generator
) -> None:
    main, ground = looks.colors[6], looks.colors[7]
    high = (
        0.46 * (grids.outer[0, 0, 2] - grids.outer[-1, COLUMNS // 2, 2])
        + grids.outer[-1, COLUMNS // 2, 2]
    )
    way = float(np.interp(-high, -grids.outer[:, COLUMNS // 2, 2], np.arange(len(grids.outer))))
    v = min(round(way / (len(grids.outer) - 1) * sewing.image.shape[0]), sewing.image.shape[0] - 1)
    middle = float(sewing.down[v, sewing.image.shape[1] // 2])
    below = np.asarray(sewing.down - np.float32(middle), np.float32)
    if looks.emblem != "none":
        picture = emblem_picture(looks, main, ground, rng)
        tall = looks.emblem_size
        wide = tall * picture.shape[1] / picture.shape[0]
        shrink = min(1.0, 0.105 / wide)
        sewing.stamp(picture, sewing.across, below, (wide * shrink, tall * shrink))
    if looks.side_mark:
        picture = emblems.any_motif(rng, (main, ground))
        side = sewing.across - np.float32(0.135)
        sewing.stamp(
            picture, np.asarray(side, np.float32), below - np.float32(0.014), (0.024, 0.024)
        )


def emblem_picture(looks: CapLooks, main: Color, ground: Color, rng: np.random.Generator) -> Image:
    """What is sewn on the front."""
    if looks.emblem == "word":
        return emblems.lettering(
            looks.word, main, rng, outline=ground if rng.random() < 0.5 else None
        )
    if looks.emblem == "letter":
        return emblems.lettering(looks.word[0].upper(), main, rng, outline=ground)
    inner = emblems.any_motif(rng, (main, ground))
    if looks.emblem == "motif":
        return inner
    round_ = bool(rng.random() < 0.5)
    badge = emblems.patch(main, (220, 220 if round_ else 330), round_)
    rim = emblems.over(badge, emblems.patch(ground, (220, 220 if round_ else 330), round_), 0.92)
    content = (
        emblems.any_motif(rng, (main, ground))
        if rng.random() < 0.5
        else emblems.lettering(looks.word, main, rng)
    )
    return emblems.over(rim, content, 0.66)


def _inner(looks: CapLooks, shape: CapShape, grids: CapGrids) -> Sewing:
    """The inside: seam tapes and a sweatband."""
    sewing = Sewing(grids.inner, *_size(INNER))
    height, width = sewing.image.shape[:2]
    angle = field_over(np.tile(grids.angle, (2, 1)), height, width)
    radius = np.hypot(sewing.place[..., 0], sewing.place[..., 1])
    band = looks.colors[8]
    sewing.cover(tuple(0.85 * c for c in looks.colors[1]))
    for seam in shape.seams:
        turn = (angle[0] - np.float32(seam - np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
        for columns in _runs(np.abs(turn) < 0.45):
            window = (slice(None), columns)
            tape = 0.006 - np.abs(turn[columns]) * radius[window]
            sewing.cover(band, np.asarray(tape, np.float32), window=window)
    sewing.cover(band, np.asarray(0.030 - sewing.down, np.float32))
    sewing.stitch(np.asarray(sewing.down - 0.027, np.float32), sewing.across, looks.colors[5])
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None] + np.zeros((1, width), np.float32)
    sewing.shade(np.asarray(0.88 - 0.25 * depth, np.float32))
    return sewing


def _brim(
    looks: CapLooks,
    points: NDArray[np.float64],
    color: Color,
    rng: np.random.Generator,
    *,
    plain: bool = False,
) -> Sewing:
    """Rows of stitches run along the edge."""
    sewing = Sewing(points, *_size(BRIM_TOP))
    sewing.cover(color, factor=_weave("twill", sewing, rng))
    if not plain:
        _brim_print(looks, sewing, rng)
    to_edge = np.asarray(sewing.down[-1:] - sewing.down, np.float32)
    if looks.edge:
        sewing.cover(looks.colors[6], np.asarray(0.007 - to_edge, np.float32))
    share = to_edge / np.maximum(sewing.down[-1:], 1e-4)
    length = float(sewing.down[-1, sewing.image.shape[1] // 2])
    for row in range(looks.rows):
        line = np.asarray((share - (0.09 + 0.80 * row / max(looks.rows, 1))) * length, np.float32)
        sewing.stitch(line, sewing.across, looks.colors[5], half=0.00038)
        sewing.shade(np.asarray(1 - 0.10 * smoothstep(0.0016, 0.0004, np.abs(line)), np.float32))
    sewing.shade(np.asarray(1 - 0.3 * smoothstep(0.005, 0.0, sewing.down), np.float32))
    return sewing


def _brim_print(looks: CapLooks, sewing: Sewing, rng: np.random.Generator) -> None:
    if looks.print == "camouflage" and looks.colors[2] == looks.colors[1]:
        _printed(looks, sewing, rng)


def _small(
    area: Area, length: float, color: Color | tuple[float, ...], thread: Color | None
) -> Sewing:
    """Strap, button or buckle: one cloth or metal, with stitches along a strap."""
    height, width = _size(area)
    points = np.zeros((2, 9, 3))
    points[..., 0], points[1, :, 1] = np.linspace(0, 0.034, 9), length
    sewing = Sewing(points, height, width)
    sewing.cover(
        color, factor=np.asarray(1 + 0.05 * cloth("twill", sewing.across, sewing.down, 0.0024))
    )
    if thread is not None:
        for line in (0.25, 0.75):
            away = sewing.across - np.float32((line - 0.5) * 0.034 + 0.003)
            sewing.stitch(np.asarray(away, np.float32), sewing.down, thread)
    return sewing
