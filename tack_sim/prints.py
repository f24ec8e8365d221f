# SPDX-License-Identifier: Apache-2.0
"""Procedural textures: wood, glaze and printed labels, drawn without any image file.

Every function takes a random generator, so that a seed gives the same picture. Images are
(H, W, 3) uint8 RGB with the origin at the top left.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_DUPLEX
_BODY = cv2.FONT_HERSHEY_SIMPLEX
_WORDS = (
    "leaf", "root", "harvest", "water", "press", "store", "cool", "dry", "place", "keep", "whole",
    "grain", "batch", "served", "warm", "pour", "slow", "stir", "best", "before", "net", "weight",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Print:
    """What is printed on one panel: words and colours.

    Attributes:
        title, subtitle: the large and the small line.
        ground: RGB at the top and at the bottom of the panel.
        accents: RGB of the ornaments.
        ink: RGB of the words.
    """

    title: str
    subtitle: str
    ground: tuple[Color, Color]
    accents: tuple[Color, ...]
    ink: Color = (250, 246, 236)


def noise(
    height: int, width: int, rng: np.random.Generator, *, base: int = 4
) -> NDArray[np.float32]:
    """Fractal noise: octaves of smooth random fields, (height, width) float32 around 0."""
    total = np.zeros((height, width), np.float32)
    cells, weight = base, 1.0
    while cells < min(height, width):
        grid = rng.standard_normal((cells, cells * max(1, width // height))).astype(np.float32)
        total += weight * np.asarray(
            cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        )
        cells, weight = cells * 2, weight * 0.55
    return total


def wood(height: int, width: int, rng: np.random.Generator, *, planks: int = 5) -> Image:
    """Oiled oak in planks along the image's width."""
    rows = np.array_split(np.arange(height), planks)
    surface = np.zeros((height, width, 3), np.float32)
    for plank in rows:
        size = len(plank)
        y = np.linspace(-1.0, 1.0, size, dtype=np.float32)[:, None]
        slow = cv2.resize(
            rng.standard_normal((4, 7)).astype(np.float32),
            (width, size),
            interpolation=cv2.INTER_CUBIC,
        )
        rings = np.sin((y * rng.uniform(1.0, 2.2) + 0.55 * np.asarray(slow)) * 9.0)
        fibre = rng.standard_normal((size, max(2, width // 48))).astype(np.float32)
        fibre = np.asarray(cv2.resize(fibre, (width, size), interpolation=cv2.INTER_LINEAR))
        pores = (rng.random((size, max(2, width // 24))) > 0.985).astype(np.float32)
        pores = np.asarray(cv2.resize(pores, (width, size), interpolation=cv2.INTER_LINEAR))
        tone = rng.uniform(-0.06, 0.06) + 0.05 * rings + 0.045 * fibre - 0.22 * pores
        color = np.array([0.70, 0.52, 0.345], np.float32) * (1 + tone[..., None] * (0.9, 1.0, 1.15))
        color[:2] *= 0.55
        color[-1:] *= 0.7
        surface[plank] = color
    return _to_bytes(surface)


def glaze(
    height: int, width: int, rng: np.random.Generator, ground: Color, bands: tuple[Color, ...]
) -> Image:
    """Hand-thrown pottery: a speckled glaze with brushed bands and a row of painted petals."""
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    surface = np.array(ground, np.float32) / 255 * (1.04 - 0.16 * v)
    surface = np.broadcast_to(surface, (height, width, 3)) * (
        1 + 0.035 * noise(height, width, rng)[..., None]
    )
    image = _to_bytes(surface)
    for i, color in enumerate(bands):
        middle = height * (0.16 + 0.68 * i / max(1, len(bands) - 1))
        steps = rng.standard_normal((1, 24)).astype(np.float32)
        wobble = 3 * np.asarray(cv2.resize(steps, (width, 1))).ravel()
        for column in range(width):
            half = height * 0.022 + 0.8 * wobble[(column * 3) % width]
            top = middle + wobble[column]
            image[max(0, int(top - half)) : int(top + half), column] = color
    count = 14
    for i in range(count):
        x = (i + 0.5 + rng.uniform(-0.12, 0.12)) * width / count
        y = height * (0.5 + rng.uniform(-0.06, 0.06))
        _flower(image, rng, (x, y), bands[int(rng.integers(len(bands)))])
        heart = (round(x), round(y))
        cv2.circle(image, heart, round(height * 0.016), ground, -1, cv2.LINE_AA)
    _speckle(image, rng, density=0.0012, color=(96, 78, 62))
    return image


def panel(height: int, width: int, rng: np.random.Generator, content: Print) -> Image:
    """The front of a package: ornaments, a title on a band, small print and a barcode."""
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = (np.array(color, np.float32) / 255 for color in content.ground)
    surface = np.broadcast_to(top * (1 - v) + bottom * v, (height, width, 3))
    image = _to_bytes(surface * (1 + 0.02 * noise(height, width, rng)[..., None]))
    _ornaments(image, rng, content.accents)
    _title(image, content)
    _small_print(image, rng, content)
    _barcode(image, rng)
    return image


def side(height: int, width: int, rng: np.random.Generator, content: Print) -> Image:
    """The side of a package: a table of facts under a coloured head."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = content.ground[1]
    _ornaments(image, rng, content.accents[:1], count=5)
    left, right = round(width * 0.12), round(width * 0.88)
    y, step = round(height * 0.2), max(12, round(height * 0.055))
    cv2.rectangle(image, (left, y - step), (right, round(height * 0.92)), content.ink, -1)
    dark = _shade(content.ground[0], 0.25)
    _fitted_text(image, "Facts", (left + 8, y), right - left - 16, step * 0.8, dark)
    while y < height * 0.88:
        y += step
        cv2.line(image, (left + 6, y - step // 2), (right - 6, y - step // 2), dark, 1)
        words = " ".join(rng.choice(_WORDS, 2))
        _fitted_text(
            image,
            f"{words} {rng.integers(1, 99)}g",
            (left + 8, y),
            right - left - 16,
            step * 0.42,
            dark,
        )
    return image


def pages(height: int, width: int, rng: np.random.Generator) -> Image:
    """The cut edges of a book's pages."""
    lines = rng.uniform(0.72, 0.95, (height // 6, 1, 1)).astype(np.float32)
    surface = np.repeat(lines, -(-height // len(lines)), axis=0)[:height]
    return _to_bytes(np.broadcast_to(surface * (1.0, 0.98, 0.92), (height, width, 3)))


def concrete(height: int, width: int, rng: np.random.Generator) -> Image:
    """A plain grey floor."""
    tone = 0.42 + 0.03 * noise(height, width, rng)[..., None]
    return _to_bytes(np.broadcast_to(tone * (1.0, 1.0, 1.02), (height, width, 3)))


def resized(image: Image, height: int, width: int) -> Image:
    """The image at another size."""
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, dtype=np.uint8)


def _flower(
    image: Image, rng: np.random.Generator, place: tuple[float, float], color: Color
) -> None:
    turn, petals = rng.uniform(0, 360), int(rng.integers(4, 7))
    for petal in range(petals):
        angle = turn + 360 * petal / petals
        length = 0.6 * image.shape[0] * rng.uniform(0.07, 0.1)
        along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        u, v = np.rint(place + length * along).astype(int).tolist()
        axes = (round(length), round(0.43 * length))
        cv2.ellipse(image, (u, v), axes, angle, 0, 360, color, -1, cv2.LINE_AA)


def _ornaments(
    image: Image, rng: np.random.Generator, colors: tuple[Color, ...], count: int = 26
) -> None:
    height, width = image.shape[:2]
    for _ in range(count):
        color = colors[int(rng.integers(len(colors)))]
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = int(rng.uniform(0.03, 0.1) * min(height, width)) + 3
        angle = float(rng.uniform(0, 360))
        shape = int(rng.integers(3))
        if shape == 0:
            cv2.ellipse(image, centre, (size, size // 2), angle, 0, 360, color, -1, cv2.LINE_AA)
            dark = _shade(color, 0.7)
            along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * size
            ends = [
                tuple(int(c + s * d) for c, d in zip(centre, along, strict=True)) for s in (-1, 1)
            ]
            cv2.line(image, ends[0], ends[1], dark, 2, cv2.LINE_AA)
        elif shape == 1:
            cv2.circle(image, centre, size // 2, color, max(2, size // 7), cv2.LINE_AA)
        else:
            turns = np.radians(angle + np.array([0.0, 120.0, 240.0]))
            corners = np.stack([np.cos(turns), np.sin(turns)], axis=1) * size * 0.6 + centre
            cv2.fillPoly(image, [corners.astype(np.int32)], color, cv2.LINE_AA)


def _title(image: Image, content: Print) -> None:
    height, width = image.shape[:2]
    y0, y1 = round(height * 0.2), round(height * 0.43)
    band = _shade(content.ground[0], 0.55)
    cv2.rectangle(image, (0, y0), (width, y1), band, -1)
    for y in (y0, y1):
        cv2.line(image, (0, y), (width, y), content.accents[0], max(2, height // 90))
    room = round(width * 0.86)
    _fitted_text(
        image,
        content.title,
        (width * 0.07, height * 0.345),
        room,
        height * 0.11,
        content.ink,
        heavy=True,
    )
    _fitted_text(
        image,
        content.subtitle,
        (width * 0.07, height * 0.405),
        room,
        height * 0.035,
        content.accents[0],
    )


def _small_print(image: Image, rng: np.random.Generator, content: Print) -> None:
    height, width = image.shape[:2]
    for line in range(4):
        text = " ".join(rng.choice(_WORDS, 5))
        y = height * (0.80 + 0.042 * line)
        _fitted_text(
            image, text, (width * 0.07, y), round(width * 0.5), height * 0.026, content.ink
        )


def _barcode(image: Image, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    x0, x1, y0, y1 = (round(f) for f in (width * 0.66, width * 0.93, height * 0.79, height * 0.94))
    cv2.rectangle(image, (x0, y0), (x1, y1), (250, 250, 248), -1)
    x = x0 + 5
    while x < x1 - 6:
        bar = int(rng.integers(1, 4))
        cv2.rectangle(image, (x, y0 + 5), (x + bar - 1, y1 - 6), (24, 24, 28), -1)
        x += bar + int(rng.integers(2, 5))


def _fitted_text(
    image: Image,
    text: str,
    origin: tuple[float, float],
    room: int,
    size: float,
    color: Color,
    *,
    heavy: bool = False,
) -> None:
    """Write text with capitals of about `size` px, smaller where it would not fit the room."""
    font = _FONT if heavy else _BODY
    (width, height), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(size / height, room / width)
    stroke = max(1, round(scale * (2.2 if heavy else 1.4)))
    place = (round(origin[0]), round(origin[1]))
    cv2.putText(image, text, place, font, scale, color, stroke, cv2.LINE_AA)


def _speckle(image: Image, rng: np.random.Generator, *, density: float, color: Color) -> None:
    height, width = image.shape[:2]
    for _ in range(int(density * height * width)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(image, centre, int(rng.integers(1, 3)), color, -1, cv2.LINE_AA)


def _shade(color: Color, factor: float) -> Color:
    red, green, blue = color
    return int(red * factor), int(green * factor), int(blue * factor)


def _to_bytes(surface: NDArray[np.float32]) -> Image:
    return (np.clip(surface, 0, 1) * 255 + 0.5).astype(np.uint8)
