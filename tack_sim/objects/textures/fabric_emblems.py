# SPDX-License-Identifier: Apache-2.0
"""Emblems to sew on: words, badges and motifs, as pictures that say where they cover."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from tack_sim.objects.textures.noise import Color, Image
from tack_sim.objects.textures.print_motifs import MOTIFS, draw_motif

_FONTS = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)
_SCRIPT = cv2.FONT_HERSHEY_SCRIPT_COMPLEX


def lettering(
    word: str, color: Color, rng: np.random.Generator, *, outline: Color | None = None
) -> Image:
    """An embroidered word, (h, w, 4) uint8 RGB and cover, trimmed to its size."""
    font = _SCRIPT if rng.random() < 0.25 else _FONTS[int(rng.integers(len(_FONTS)))]
    stroke = int(rng.integers(6, 10))
    word = word.capitalize() if font == _SCRIPT else word
    (width, height), base = cv2.getTextSize(word, font, 3.0, stroke)
    canvas = np.zeros((height + base + 24, width + 24, 4), np.uint8)
    canvas[..., :3] = _bytes(outline or color)
    origin = (12, height + 12)
    cover = np.zeros(canvas.shape[:2], np.uint8)
    if outline is not None:
        cv2.putText(cover, word, origin, font, 3.0, 255, stroke + 10, cv2.LINE_AA)
    ink = np.zeros_like(cover)
    cv2.putText(ink, word, origin, font, 3.0, 255, stroke, cv2.LINE_AA)
    share = ink[..., None].astype(np.float32) / 255
    mixed = canvas[..., :3] + (np.array(_bytes(color)) - canvas[..., :3]) * share
    canvas[..., :3] = mixed.astype(np.uint8)
    canvas[..., 3] = np.maximum(cover, ink)
    rows, columns = np.any(canvas[..., 3], axis=1), np.any(canvas[..., 3], axis=0)
    return canvas[rows][:, columns]


def patch(color: Color, size: tuple[int, int], round_: bool) -> Image:
    """A plain badge, (h, w, 4) uint8 RGB and cover: an ellipse or a rounded rectangle."""
    height, width = size
    badge = np.zeros((height, width, 4), np.uint8)
    badge[..., :3] = _bytes(color)
    middle, half = (width // 2, height // 2), (width // 2 - 2, height // 2 - 2)
    cover = np.zeros((height, width), np.uint8)
    if round_:
        cv2.ellipse(cover, middle, half, 0, 0, 360, 255, -1, cv2.LINE_AA)
    else:
        corner = min(half) // 3
        cover[2 + corner : -2 - corner, 2:-2] = 255
        cover[2:-2, 2 + corner : -2 - corner] = 255
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), corner / 2.5), np.uint8)
        cover = np.where(cover > 110, 255, 0).astype(np.uint8)
    badge[..., 3] = cover
    return badge


def over(under: Image, emblem: Image, fill: float = 0.78) -> Image:
    """An emblem in the middle of a badge, as large as `fill` of it allows."""
    height, width = under.shape[:2]
    scale = fill * min(height / emblem.shape[0], width / emblem.shape[1])
    size = (max(1, round(emblem.shape[1] * scale)), max(1, round(emblem.shape[0] * scale)))
    small = np.asarray(cv2.resize(emblem, size, interpolation=cv2.INTER_AREA))
    v, u = (height - size[1]) // 2, (width - size[0]) // 2
    result: Image = under.copy()
    window = result[v : v + size[1], u : u + size[0]]
    share = small[..., 3:].astype(np.float32) / 255
    window[..., :3] = (
        window[..., :3] + (small[..., :3].astype(np.float32) - window[..., :3]) * share
    ).astype(np.uint8)
    return result


def motif(name: str, colors: tuple[Color, ...], size: int = 160) -> Image:
    """One of the printed motifs, (size, size, 4) uint8 RGB and cover."""
    picture = np.zeros((size, size, 4), np.uint8)
    place, half = (size / 2, size / 2), (0.46 * size, 0.46 * size)
    cover = np.zeros((size, size, 3), np.uint8)
    draw_motif(cover, name, place, half, [(1.0, 1.0, 1.0)])
    color = np.empty((size, size, 3), np.uint8)
    color[:] = _bytes(colors[0])
    draw_motif(color, name, place, half, colors)
    picture[..., :3], picture[..., 3] = color, cover[..., 0]
    return picture


def any_motif(rng: np.random.Generator, colors: tuple[Color, ...]) -> Image:
    """A motif by chance."""
    names = tuple(MOTIFS)
    return motif(names[int(rng.integers(len(names)))], colors)


def _bytes(color: Color) -> tuple[int, int, int]:
    return cast("tuple[int, int, int]", tuple(round(255 * float(c)) for c in color))
