# SPDX-License-Identifier: Apache-2.0
"""Printed cartons: cereal, tea, medicine, gifts and plain cardboard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

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
    smoothstep,
    to_bytes,
)
from tack_sim.objects.textures.print_motifs import MOTIFS, draw_motif
from tack_sim.objects.textures.print_patterns import pattern
from tack_sim.objects.textures.print_words import FONTS, barcode, brand, facts, small_print, write

BARCODE = (0.56, 0.80, 0.93, 0.94)
"""Where the back panel bears it: shares (left, top, right, bottom)."""

_PAPER = (0.97, 0.96, 0.93)
_DARK = (0.12, 0.11, 0.13)


@dataclasses.dataclass(frozen=True)
class Design:
    """What one carton is printed with.

    Attributes:
        layout: one of `FRONTS`.
        ground, second, accent: colours of the surfaces.
        ink: colour of the words on the ground.
        motif: the picture.
        title, subtitle: the words.
        font: of the title.
        repeat: name of a pattern.
    """

    layout: str
    ground: Color
    second: Color
    accent: Color
    ink: Color
    motif: str
    title: str
    subtitle: str
    font: int
    repeat: str


def design(rng: np.random.Generator, layouts: Sequence[str] = ()) -> Design:
    """A design by chance, of one of the layouts, or any."""
    layout = str(rng.choice(layouts or list(FRONTS)))
    hue, apart = float(rng.random()), float(rng.choice([0.5, 0.42, 0.12, -0.12, 0.33]))
    deep = rng.random() < 0.55
    if layout == "cardboard":
        ground = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.35, 0.5), rng.uniform(0.62, 0.76))
    elif layout == "clinic":
        ground = (0.96, 0.97, 0.98)
    elif deep:
        ground = hsv(hue, rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.7))
    else:
        ground = hsv(hue, rng.uniform(0.3, 0.75), rng.uniform(0.82, 0.98))
    second = hsv(hue + apart, rng.uniform(0.5, 0.85), rng.uniform(0.55, 0.92))
    accent = hsv(hue + 2 * apart, rng.uniform(0.3, 0.9), rng.uniform(0.8, 1.0))
    light = 0.3 * ground[0] + 0.6 * ground[1] + 0.1 * ground[2] < 0.58
    return Design(
        layout=layout,
        ground=ground,
        second=second,
        accent=accent,
        ink=_PAPER if light else _DARK,
        motif=str(rng.choice(list(MOTIFS))),
        title=brand(rng),
        subtitle=f"{brand(rng).lower()} & {brand(rng).lower()}",
        font=FONTS[int(rng.integers(4))],
        repeat=str(rng.choice(["dots", "zigzag", "waves", "checks", "diamonds", "grid", "bars"])),
    )


def carton(
    sizes: Mapping[str, tuple[int, int]], content: Design, rng: np.random.Generator
) -> dict[str, Image]:
    """The six panels of a box.

    Args:
        sizes: front, back, left, right, top, bottom → height and width, px, in true proportions.
        content: what is printed.
        rng: decides the details.

    Returns:
        Panel → (H, W, 3) uint8, as one reads it from outside.
    """
    paint = FRONTS[content.layout]
    if sizes["front"][0] > 2.2 * sizes["front"][1]:
        paint = _tall
    panels = {
        "front": paint(paper(sizes["front"], content, rng), content, rng),
        "back": back_panel(paper(sizes["back"], content, rng), content, rng),
        "left": _side(paper(sizes["left"], content, rng), content, rng, table=True),
        "right": _side(paper(sizes["right"], content, rng), content, rng, table=False),
        "top": _lid(paper(sizes["top"], content, rng), content),
        "bottom": paper(sizes["bottom"], content, rng),
    }
    for name, image in panels.items():
        _wear(image, rng, seam=name in ("top", "bottom"))
    return panels


def paper(size: tuple[int, int], content: Design, rng: np.random.Generator) -> Image:
    """Paper with its colour; corrugated if it is cardboard."""
    height, width = size
    surface = plain(height, width, content.ground)
    if content.layout == "cardboard":
        fibre = fbm(height, width, rng, 6, cells=(4, 5), gain=0.9)
        flutes = np.sin(np.arange(width) * 0.9, dtype=np.float32)
        return to_bytes(surface * (1 + 0.018 * fibre + 0.012 * flutes)[..., None])
    cloud = fbm(height, width, rng, 2, cells=(3, 3))
    return to_bytes(surface * (1 + 0.012 * cloud)[..., None])


def _place(
    image: Image, box: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """A box in shares of the image, px."""
    height, width = image.shape[:2]
    return box[0] * width, box[1] * height, box[2] * width, box[3] * height


def _fill(image: Image, box: tuple[float, float, float, float], color: Color) -> None:
    u0, v0, u1, v1 = (round(x) for x in _place(image, box))
    cv2.rectangle(image, (u0, v0), (u1 - 1, v1 - 1), _bytes(color), -1)


def _floats(image: Image) -> Field:
    return np.asarray(np.asarray(image, np.float32) / 255, dtype=np.float32)


def _bytes(color: Color) -> tuple[int, int, int]:
    return round(255 * color[0]), round(255 * color[1]), round(255 * color[2])


def _motif(
    image: Image, content: Design, place: tuple[float, float], half: float, *, on: Color
) -> None:
    """The picture at a place (shares), `half` as a share of the smaller side, over a colour."""
    height, width = image.shape[:2]
    size = half * min(height, width)
    tones = [content.accent, content.second, content.ground, _PAPER]
    tones = [tone for tone in tones if _contrast(tone, on) > 0.35] or [_DARK]
    tones += [_DARK, on]
    draw_motif(image, content.motif, (place[0] * width, place[1] * height), (size, size), tones)


def _contrast(first: Color, second: Color) -> float:
    return float(np.linalg.norm(np.subtract(first, second)))


def _titles(image: Image, content: Design, top: float, size: float, color: Color) -> None:
    write(image, content.title, _place(image, (0.07, top, 0.93, top + size)), color,
          font=content.font, weight=0.17)  # fmt: skip
    box = _place(image, (0.12, top + 1.15 * size, 0.88, top + 1.5 * size))
    write(image, content.subtitle, box, color, font=FONTS[0], weight=0.1)


def _amount(image: Image, rng: np.random.Generator, color: Color) -> None:
    text = f"{int(rng.integers(2, 40)) * 25} g"
    write(image, text, _place(image, (0.08, 0.92, 0.4, 0.96)), color, weight=0.14, align=0.0)


def _band(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """A band with the title over a large picture."""
    top = float(rng.uniform(0.10, 0.2))
    _fill(image, (0, top - 0.03, 1, top + 0.31), content.second)
    _fill(image, (0, top - 0.045, 1, top - 0.03), content.accent)
    _fill(image, (0, top + 0.31, 1, top + 0.325), content.accent)
    _titles(image, content, top + 0.02, 0.17, _PAPER if sum(content.second) < 1.9 else _DARK)
    _motif(image, content, (0.5, 0.69), 0.30, on=content.ground)
    _amount(image, rng, content.ink)
    return image


def _window(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """The picture in a disc below the title."""
    height, width = image.shape[:2]
    radius = round(0.38 * min(width, height * 0.75))
    middle = (width // 2, round(0.62 * height))
    cv2.circle(image, middle, round(1.08 * radius), _bytes(content.accent), -1, cv2.LINE_AA)
    cv2.circle(image, middle, radius, _bytes(_PAPER), -1, cv2.LINE_AA)
    half = 0.62 * radius / min(height, width)
    _motif(image, content, (0.5, 0.62), half, on=_PAPER)
    _titles(image, content, 0.07, 0.15, content.ink)
    _amount(image, rng, content.ink)
    return image


def _split(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """Two colours that meet on a slant or a wave."""
    height, width = image.shape[:2]
    u = np.arange(width, dtype=np.float32)[None] / width
    v = np.arange(height, dtype=np.float32)[:, None] / height
    slope, wave = rng.uniform(-0.3, 0.3), rng.choice([0.0, 0.035])
    edge = 0.46 + slope * (u - 0.5) + wave * np.sin(2 * np.pi * u * 1.5)
    lower = smoothstep(-0.003, 0.003, np.asarray(v - edge, np.float32))
    stripe = smoothstep(0.014, 0.010, np.abs(np.asarray(v - edge, np.float32)))
    surface = mixed(_floats(image), content.second, lower)
    image[:] = to_bytes(mixed(surface, content.accent, stripe))
    _titles(image, content, 0.10, 0.16, content.ink)
    _motif(image, content, (0.5, 0.72), 0.27, on=content.second)
    return image


def _wrapped(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """A pattern all over, and a plate with the title."""
    patterned(image, content, rng)
    top = float(rng.uniform(0.3, 0.45))
    _fill(image, (0.1, top, 0.9, top + 0.3), _PAPER)
    _fill(image, (0.13, top + 0.015, 0.87, top + 0.285), content.second)
    _titles(image, content, top + 0.06, 0.12, _PAPER if sum(content.second) < 1.9 else _DARK)
    return image


def patterned(image: Image, content: Design, rng: np.random.Generator) -> None:
    """Print the design's pattern all over."""
    height, width = image.shape[:2]
    repeats = max(2, round(width / (0.16 * 400)))
    share = pattern(content.repeat, height, width, repeats, 1.0, edge=0.03)
    image[:] = to_bytes(mixed(_floats(image), content.accent, share))


def _stamped(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """One dark ink on cardboard."""
    ink = (0.16, 0.12, 0.10) if rng.random() < 0.6 else content.second
    stamped = dataclasses.replace(content, accent=ink, second=ink)
    height, width = image.shape[:2]
    size = 0.2 * min(height, width)
    tones = [ink, content.ground]
    draw_motif(image, content.motif, (0.5 * width, 0.62 * height), (size, size), tones)
    _titles(image, stamped, 0.14, 0.14, ink)
    line = _place(image, (0.07, 0.08, 0.93, 0.92))
    corners = (round(line[0]), round(line[1])), (round(line[2]), round(line[3]))
    cv2.rectangle(image, *corners, _bytes(ink), max(1, width // 120))
    return image


def _clinic(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """White, with stripes at the foot and a small picture."""
    _fill(image, (0, 0.74, 1, 0.90), content.second)
    _fill(image, (0, 0.90, 1, 1), content.accent)
    _titles(image, content, 0.16, 0.2, content.second if sum(content.second) < 1.9 else _DARK)
    _motif(image, content, (0.8, 0.60), 0.11, on=_PAPER)
    box = _place(image, (0.08, 0.52, 0.6, 0.70))
    small_print(image, rng, box, 3, _DARK)
    return image


def _burst(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """Rays behind the picture, the title on a slant below."""
    height, width = image.shape[:2]
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = np.arctan2(v - 0.40 * height, u - 0.5 * width)
    rays = smoothstep(-0.04, 0.04, np.sin(angle * int(rng.integers(7, 14))))
    image[:] = to_bytes(mixed(_floats(image), content.accent, 0.35 * rays))
    _motif(image, content, (0.5, 0.38), 0.30, on=content.ground)
    _fill(image, (0, 0.68, 1, 0.93), _PAPER)
    _titles(image, content, 0.70, 0.13, _DARK)
    return image


def _tall(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """A narrow front: the title runs up it."""
    if content.layout == "wrapped":
        patterned(image, content, rng)
    plate = content.layout in ("wrapped", "band", "split")
    color = content.second if plate else content.ground
    ink = content.ink if not plate else _PAPER if sum(color) < 1.9 else _DARK
    if plate:
        _fill(image, (0.08, 0.05, 0.92, 0.70), color)
    write(image, content.title, _place(image, (0.16, 0.08, 0.68, 0.66)), ink,
          font=content.font, weight=0.17, turns=1)  # fmt: skip
    small = _place(image, (0.72, 0.12, 0.84, 0.60))
    write(image, content.subtitle, small, ink, font=FONTS[0], weight=0.1, turns=1)
    if content.layout in ("clinic", "burst", "window"):
        _fill(image, (0, 0.72, 1, 0.96), content.second)
        color = content.second
    else:
        color = content.ground
    _motif(image, content, (0.5, 0.84), 0.34, on=color)
    return image


_Front = Callable[[Image, Design, np.random.Generator], Image]
FRONTS: dict[str, _Front] = {
    "band": _band,
    "window": _window,
    "split": _split,
    "wrapped": _wrapped,
    "cardboard": _stamped,
    "clinic": _clinic,
    "burst": _burst,
}
"""Name of a layout → painter of the front."""


def back_panel(image: Image, content: Design, rng: np.random.Generator) -> Image:
    """Small print, facts and the barcode."""
    if content.layout == "wrapped":
        patterned(image, content, rng)
        _fill(image, (0.07, 0.07, 0.93, 0.95), _PAPER)
    plate = content.layout == "wrapped"
    ink = _DARK if plate else content.ink
    write(image, content.title, _place(image, (0.1, 0.10, 0.9, 0.20)), ink, font=content.font)
    small_print(image, rng, _place(image, (0.1, 0.26, 0.9, 0.46)), 5, ink)
    facts(image, rng, _place(image, (0.1, 0.52, 0.62, 0.76)), _DARK, _PAPER)
    _motif(image, content, (0.78, 0.63), 0.11, on=_PAPER if plate else content.ground)
    small_print(image, rng, _place(image, (0.1, 0.81, 0.5, 0.94)), 4, ink)
    barcode(image, rng, _place(image, BARCODE))
    return image


def _side(image: Image, content: Design, rng: np.random.Generator, *, table: bool) -> Image:
    if content.layout == "wrapped":
        patterned(image, content, rng)
        return image
    if content.layout in ("band", "clinic", "burst"):
        _fill(image, (0, 0.90, 1, 1), content.accent)
    height, width = image.shape[:2]
    if table and height > 0.8 * width:
        facts(image, rng, _place(image, (0.12, 0.36, 0.88, 0.80)), _DARK, _PAPER)
        write(image, content.title, _place(image, (0.1, 0.12, 0.9, 0.26)), content.ink,
              font=content.font)  # fmt: skip
        return image
    turns = 1 if height > 1.3 * width else 0
    box = (0.25, 0.1, 0.75, 0.8) if turns else (0.1, 0.3, 0.9, 0.65)
    write(image, content.title, _place(image, box), content.ink, font=content.font, turns=turns)
    return image


def _lid(image: Image, content: Design) -> Image:
    if content.layout == "cardboard":  # taped
        height = len(image)
        tape = slice(round(0.36 * height), round(0.64 * height))
        image[tape] = np.clip(image[tape] * 0.80 + np.array([52, 44, 26]), 0, 255).astype(np.uint8)
        return image
    write(image, content.title, _place(image, (0.15, 0.25, 0.85, 0.75)), content.ink,
          font=content.font)  # fmt: skip
    return image


def _wear(image: Image, rng: np.random.Generator, *, seam: bool) -> None:
    """Rubbed, lighter edges; where flaps meet, a dark line."""
    height, width = image.shape[:2]
    line = max(1, min(height, width) // 110)
    share = np.float32(rng.uniform(0.05, 0.35))
    for border in (image[:line], image[-line:], image[:, :line], image[:, -line:]):
        border[:] = (border + (235 - border.astype(np.float32)) * share).astype(np.uint8)
    if seam:
        v = round(0.06 * height)
        for left in (round(0.02 * width), round(0.965 * width)):
            image[v : height - v, left : left + line] //= 2
        image[v : v + line, round(0.02 * width) : round(0.97 * width)] //= 2
