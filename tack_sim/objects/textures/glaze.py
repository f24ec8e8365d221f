# SPDX-License-Identifier: Apache-2.0
"""Glazed and enamelled pottery: dipped, speckled, banded, patterned, with pictures and words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from tack_sim.objects.textures.noise import (
    Color,
    Field,
    Image,
    fbm,
    hsv,
    mixed,
    plain,
    ramp,
    smoothstep,
    to_bytes,
)
from tack_sim.objects.textures.print_motifs import MOTIFS, draw_motif
from tack_sim.objects.textures.print_patterns import pattern
from tack_sim.objects.textures.print_words import FONTS, brand, write

PATTERN_NAMES = ("stripes", "bars", "dots", "waves", "zigzag", "checks", "diamonds", "scales")


@dataclasses.dataclass(frozen=True, eq=False)
class Glaze:
    """The pictures of a mug's surfaces.

    Attributes:
        wall: (H, W, 3) uint8 of the outer wall, unrolled; rows run from rim to foot.
        inside, handle, foot: colours of the other surfaces.
        gloss: how glossy the glaze is, 0 to 1.
    """

    wall: Image
    inside: Color
    handle: Color
    foot: Color
    gloss: float


@dataclasses.dataclass(frozen=True)
class _Page:
    """What the styles draw on: size, the surface's proportions, and the colours."""

    height: int
    width: int
    aspect: float
    colors: tuple[Color, ...]

    @property
    def rows(self) -> Field:
        """(H, 1) share of the way down."""
        return ((np.arange(self.height) + 0.5) / self.height).astype(np.float32)[:, None]


def glazed_wall(height: int, width: int, aspect: float, rng: np.random.Generator) -> Glaze:
    """A glaze of a style chosen by chance.

    Args:
        height, width: of the unrolled outer wall, px.
        aspect: px down for each px around that cover the same length.
        rng: the same state gives the same glaze.
    """
    colors = palette(rng)
    page = _Page(height, width, aspect, colors)
    names = list(STYLES)
    style = names[int(rng.integers(len(names)))]
    wall, handle, foot = STYLES[style](page, rng)
    light = (0.95, 0.94, 0.90)
    inside = light if rng.random() < 0.55 else colors[int(rng.integers(2))]
    gloss = float(rng.uniform(0.35, 0.9)) if style != "stoneware" else 0.25
    return Glaze(wall, inside, handle, foot, gloss)


def palette(rng: np.random.Generator) -> tuple[Color, ...]:
    """Ground, contrast and two accents that go together."""
    hue = float(rng.random())
    apart = float(rng.choice([0.08, -0.08, 0.5, 0.42, 0.33]))
    kind = int(rng.integers(4))
    if kind == 0:  # light ground
        ground = hsv(hue, rng.uniform(0.02, 0.2), rng.uniform(0.88, 0.98))
        contrast = hsv(hue + apart, rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.75))
    elif kind == 1:  # deep ground
        ground = hsv(hue, rng.uniform(0.45, 0.85), rng.uniform(0.22, 0.5))
        contrast = hsv(hue + apart, rng.uniform(0.08, 0.35), rng.uniform(0.85, 0.98))
    elif kind == 2:  # strong ground
        ground = hsv(hue, rng.uniform(0.55, 0.85), rng.uniform(0.65, 0.92))
        contrast = hsv(hue + apart, rng.uniform(0.05, 0.25), rng.uniform(0.9, 0.98))
    else:  # pastel
        ground = hsv(hue, rng.uniform(0.22, 0.4), rng.uniform(0.78, 0.95))
        contrast = hsv(hue + apart, rng.uniform(0.45, 0.75), rng.uniform(0.3, 0.6))
    accents = [
        hsv(hue + step, rng.uniform(0.5, 0.85), rng.uniform(0.5, 0.95)) for step in (0.3, 0.6)
    ]
    return ground, contrast, accents[0], accents[1]


def _ground(page: _Page, rng: np.random.Generator, color: Color, depth: float = 0.035) -> Field:
    """A glaze that pools a little, thinner and lighter at the rim."""
    cloud = fbm(page.height, page.width, rng, 4, cells=(3, 6))
    rim = 0.10 * smoothstep(0.05, 0.0, page.rows)
    tone = 1 + depth * cloud + rim - 0.05 * page.rows
    return np.asarray(plain(page.height, page.width, color) * tone[..., None], dtype=np.float32)


def _speckled(image: Image, rng: np.random.Generator, color: Color, density: float) -> None:
    height, width = image.shape[:2]
    shade = tuple(round(255 * c) for c in color)
    for _ in range(int(density * height * width)):
        u, v, radius = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(1, 3))
        for across in (u - width, u, u + width) if min(u, width - u) < 4 else (u,):
            cv2.circle(image, (across, v), radius, shade, -1, cv2.LINE_AA)


def _solid(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    return to_bytes(_ground(page, rng, page.colors[0])), page.colors[0], page.colors[0]


def _dipped(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """One glaze over another, with an uneven edge that runs down in drops."""
    ground, contrast = page.colors[:2]
    under = _ground(page, rng, contrast)
    over = _ground(page, rng, ground, 0.05)
    runs = fbm(1, page.width, rng, 4, cells=(1, 9), gain=0.7)
    edge = rng.uniform(0.3, 0.7) + rng.uniform(0.01, 0.06) * np.maximum(runs, -0.5)
    share = smoothstep(0.008, -0.008, page.rows - edge)
    rim = np.exp(-(((page.rows - edge) / 0.012) ** 2))
    surface = mixed(under, over, share) * (1 - 0.22 * rim[..., None])
    return to_bytes(surface), ground if rng.random() < 0.5 else contrast, contrast


def _stoneware(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """Speckled glaze above bare clay."""
    clay = hsv(rng.uniform(0.05, 0.09), rng.uniform(0.3, 0.55), rng.uniform(0.42, 0.7))
    grain = fbm(page.height, page.width, rng, 6, cells=(40, 80))
    bare = plain(page.height, page.width, clay) * (1 + 0.06 * grain[..., None])
    wobble = fbm(1, page.width, rng, 3, cells=(1, 5))
    edge = rng.uniform(0.68, 0.92) + 0.008 * wobble
    share = smoothstep(0.006, -0.006, page.rows - edge)
    image = to_bytes(mixed(bare, _ground(page, rng, page.colors[0], 0.06), share))
    _speckled(image, rng, (0.22, 0.16, 0.12), rng.uniform(0.0008, 0.003))
    return image, page.colors[0], clay


def _banded(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """Brushed rings."""
    surface = _ground(page, rng, page.colors[0])
    v = float(rng.uniform(0.06, 0.2))
    while v < 0.92:
        half = float(rng.choice([0.008, 0.02, 0.05]) * rng.uniform(0.8, 1.3))
        wobble = 0.004 * fbm(1, page.width, rng, 3, cells=(1, 6))
        share = smoothstep(half + 0.006, half - 0.006, np.abs(page.rows - v + wobble))
        streaks = 0.12 * fbm(page.height, page.width, rng, 2, cells=(60, 4))
        color = page.colors[int(rng.integers(1, 4))]
        surface = mixed(surface, color, share * (0.9 + streaks))
        v += half + float(rng.uniform(0.05, 0.22))
    return to_bytes(surface), page.colors[int(rng.integers(2))], page.colors[0]


def _patterned(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    ground, contrast = page.colors[:2]
    name = str(rng.choice(PATTERN_NAMES))
    share = pattern(name, page.height, page.width, int(rng.integers(7, 22)), page.aspect)
    low, high = rng.uniform(0.0, 0.3), rng.uniform(0.65, 1.0)
    inside = smoothstep(low - 0.004, low + 0.004, page.rows) * smoothstep(
        high + 0.004, high - 0.004, page.rows
    )
    return to_bytes(mixed(_ground(page, rng, ground), contrast, share * inside)), ground, ground


def _pictured(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """A picture in front and one at the back, perhaps with a word or in a disc."""
    image = to_bytes(_ground(page, rng, page.colors[0]))
    name = str(rng.choice(list(MOTIFS)))
    lettered = rng.random() < 0.5
    v, half = (
        page.height * (0.37 if lettered else 0.47),
        page.height * float(rng.uniform(0.2, 0.27)),
    )
    size = (half / page.aspect, half)
    disc, text, font = (
        not lettered and rng.random() < 0.6,
        brand(rng),
        FONTS[int(rng.integers(len(FONTS)))],
    )
    for u in (0.25 * page.width, 0.75 * page.width):
        tones = [*page.colors[1:], page.colors[0]]
        if disc:
            axes = (round(1.35 * size[0]), round(1.35 * size[1]))
            color = tuple(round(255 * c) for c in page.colors[1])
            cv2.ellipse(image, (round(u), round(v)), axes, 0, 0, 360, color, -1, cv2.LINE_AA)
            tones = [page.colors[0], *page.colors[2:], page.colors[1]]
        draw_motif(image, name, (u, v), size, tones)
        if lettered:
            room = 0.16 * page.width
            box = (u - room, 0.72 * page.height, u + room, 0.83 * page.height)
            write(image, text, box, page.colors[1], font=font, aspect=page.aspect)
    return image, page.colors[int(rng.integers(2))], page.colors[0]


def _lettered(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """A large word in front and at the back."""
    image = to_bytes(_ground(page, rng, page.colors[0]))
    text, font = brand(rng), FONTS[int(rng.integers(len(FONTS)))]
    for u in (0.25 * page.width, 0.75 * page.width):
        box = (u - 0.19 * page.width, 0.3 * page.height, u + 0.19 * page.width, 0.62 * page.height)
        weight = float(rng.uniform(0.12, 0.22))
        write(image, text, box, page.colors[1], font=font, weight=weight, aspect=page.aspect)
        if rng.random() < 0.7:
            half = (0.12 * page.width, 0.01 * page.height)
            low = (round(u - half[0]), round(0.70 * page.height - half[1]))
            high = (round(u + half[0]), round(0.70 * page.height + half[1]))
            color = tuple(round(255 * c) for c in page.colors[2])
            cv2.rectangle(image, low, high, color, -1)
    return image, page.colors[0], page.colors[0]


def _enamel(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """Splattered enamel with a dark rim."""
    ground, contrast = page.colors[:2]
    surface = mixed(_ground(page, rng, ground, 0.01), contrast, smoothstep(0.05, 0.04, page.rows))
    image = to_bytes(surface)
    if rng.random() < 0.7:
        _speckled(image, rng, contrast, rng.uniform(0.001, 0.004))
    return image, ground, ground


def _reactive(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    """Glazes that ran into each other in the kiln."""
    ground, contrast, accent, _ = page.colors
    flow = fbm(page.height, page.width, rng, 5, cells=(2, 9), gain=0.6)
    dark = tuple(0.45 * c for c in ground)
    stops: list[Color] = [contrast, ground, (dark[0], dark[1], dark[2]), accent]
    surface = ramp(page.rows + 0.11 * flow, stops, [0.05, 0.35, 0.7, 1.05])
    fine = fbm(page.height, page.width, rng, 3, cells=(30, 60))
    return to_bytes(surface * (1 + 0.05 * fine[..., None])), ground, contrast


def _marbled(page: _Page, rng: np.random.Generator) -> tuple[Image, Color, Color]:
    ground, contrast, accent, _ = page.colors
    cloud = fbm(page.height, page.width, rng, 5, cells=(3, 5))
    veins = smoothstep(0.16, 0.0, np.abs(cloud)) * smoothstep(-0.8, 0.8, fbm(
        page.height, page.width, rng, 3, cells=(2, 4)))  # fmt: skip
    surface = mixed(_ground(page, rng, ground, 0.02), contrast, 0.35 * smoothstep(0.2, 1.6, cloud))
    return to_bytes(mixed(surface, accent, 0.8 * veins)), ground, ground


_Style = Callable[[_Page, np.random.Generator], tuple[Image, Color, Color]]
STYLES: dict[str, _Style] = {
    "solid": _solid,
    "dipped": _dipped,
    "stoneware": _stoneware,
    "banded": _banded,
    "patterned": _patterned,
    "pictured": _pictured,
    "lettered": _lettered,
    "enamel": _enamel,
    "reactive": _reactive,
    "marbled": _marbled,
}
"""Name → painter; each gives the wall's picture and the colours of handle and foot."""
