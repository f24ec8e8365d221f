# SPDX-License-Identifier: Apache-2.0
"""Printed words, small print, barcodes and tables. All names are made up."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.textures.noise import Color, Image

Mask = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""(u0, v0, u1, v1), px."""

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX | cv2.FONT_ITALIC,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)
_STARTS = ("Al", "Bo", "Ca", "Dro", "El", "Fi", "Gra", "Ho", "Ju", "Ka", "Lu", "Mo", "Nor", "Ol",
           "Pi", "Ro", "Sol", "Ta", "Um", "Ve", "Wil", "Za")  # fmt: skip
_ENDS = ("ba", "co", "den", "fia", "gro", "lia", "mo", "na", "pura", "ra", "sta", "ta", "va",
         "vita", "wick", "zo")  # fmt: skip
_WORDS = ("leaf", "root", "water", "press", "store", "cool", "dry", "place", "keep", "whole",
          "grain", "batch", "served", "warm", "pour", "slow", "stir", "best", "before", "weight",
          "away", "from", "light", "once", "open", "shake", "well", "made", "with", "care"
          )  # fmt: skip


def brand(rng: np.random.Generator) -> str:
    """A made-up name."""
    name = str(rng.choice(_STARTS)) + str(rng.choice(_ENDS))
    return name.upper() if rng.random() < 0.6 else name


def word_mask(text: str, height: int, font: int, weight: float) -> Mask:
    """Letters in white on black, cut to their outline.

    Args:
        text: one line.
        height: of the letters, px.
        font: one of `FONTS`.
        weight: thickness of the strokes as a share of the height.
    """
    stroke = max(1, round(weight * height))
    scale = float(cv2.getFontScaleFromHeight(font, max(4, height), 1))
    (width, _), _ = cv2.getTextSize(text, font, scale, stroke)
    page = np.zeros((2 * height + 4 * stroke, width + 4 * stroke), np.uint8)
    cv2.putText(
        page,
        text,
        (2 * stroke, round(1.4 * height) + stroke),
        font,
        scale,
        255,
        stroke,
        cv2.LINE_AA,
    )
    u, v, w, h = cv2.boundingRect(page)
    return page[v : v + h, u : u + w] if w and h else np.zeros((1, 1), np.uint8)


def write(
    image: Image,
    text: str,
    box: Box,
    color: Color,
    *,
    font: int = FONTS[1],
    weight: float = 0.13,
    aspect: float = 1.0,
    align: float = 0.5,
    turns: int = 0,
) -> None:
    """Write one line as large as fits a box, and in its middle.

    Args:
        image: (H, W, 3) uint8, changed in place.
        text: what to write.
        box: where.
        color: of the letters.
        font, weight: see `word_mask`.
        aspect: px down for each px to the right that cover the same length on the object.
        align: 0 puts the line to the box's left, 1 to its right.
        turns: quarter turns, counter-clockwise.
    """
    mask = np.rot90(word_mask(text, 64, font, weight), turns)
    u0, v0, u1, v1 = box
    height, width = mask.shape
    scale = min((u1 - u0) / width, (v1 - v0) / (height * aspect))
    w, h = max(1, round(width * scale)), max(1, round(height * scale * aspect))
    u = round(u0 + align * (u1 - u0 - w))
    v = round((v0 + v1 - h) / 2)
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    stamp(
        image, np.asarray(cv2.resize(mask, (w, h), interpolation=shrink), np.uint8), (u, v), color
    )


def stamp(image: Image, mask: Mask, corner: tuple[int, int], color: Color) -> None:
    """Colour an image through a mask put at a corner (u, v); what lies outside is cut off."""
    u, v = corner
    top, left = max(0, -v), max(0, -u)
    mask = mask[top : image.shape[0] - v, left : image.shape[1] - u]
    if not mask.size:
        return
    part = image[v + top : v + top + mask.shape[0], u + left : u + left + mask.shape[1]]
    share = mask[..., None].astype(np.float32) / 255
    part[:] = part + (np.array(color, np.float32) * 255 - part) * share + 0.5


def small_print(
    image: Image, rng: np.random.Generator, box: Box, lines: int, color: Color, aspect: float = 1.0
) -> None:
    """A block of text too small to matter."""
    u0, v0, u1, v1 = box
    step = (v1 - v0) / lines
    for index in range(lines):
        text = " ".join(rng.choice(_WORDS, max(2, round((u1 - u0) / step * aspect / 3))))
        line = (u0, v0 + index * step, u1, v0 + (index + 0.72) * step)
        write(image, text, line, color, font=FONTS[0], weight=0.09, aspect=aspect, align=0.0)


def barcode(image: Image, rng: np.random.Generator, box: Box, *, upright: bool = True) -> None:
    """Bars and digits on white; `upright` bars stand, others lie."""
    u0, v0, u1, v1 = (round(x) for x in box)
    wide, high = (u1 - u0, v1 - v0) if upright else (v1 - v0, u1 - u0)
    if min(wide, high) < 12:
        return
    places = np.cumsum(rng.integers(1, 4, 60))
    edges = places[: np.searchsorted(places, 95)] * (0.88 * wide / 95) + 0.06 * wide
    code = np.full((high, wide, 3), 250, np.uint8)
    top, bottom = round(0.08 * high), round(0.76 * high)
    for left, right in zip(edges[:-1:2], edges[1::2], strict=False):
        end = max(round(right) - 1, round(left))
        cv2.rectangle(code, (round(left), top), (end, bottom), (20, 20, 24), -1)
    digits = "".join(str(d) for d in rng.integers(0, 10, 12))
    write(code, digits, (0.08 * wide, 0.80 * high, 0.92 * wide, 0.95 * high), (0.1, 0.1, 0.1))
    image[v0:v1, u0:u1] = code if upright else np.rot90(code)


def facts(
    image: Image, rng: np.random.Generator, box: Box, ink: Color, paper: Color, aspect: float = 1.0
) -> None:
    """A table of facts under a heading."""
    u0, v0, u1, v1 = box
    fill = tuple(round(255 * c) for c in paper)
    line = tuple(round(255 * c) for c in ink)
    corners = (round(u0), round(v0)), (round(u1), round(v1))
    cv2.rectangle(image, *corners, fill, -1)
    cv2.rectangle(image, *corners, line, 1)
    rows = max(3, round((v1 - v0) / aspect / max(12.0, 0.12 * (u1 - u0))))
    step = (v1 - v0) / (rows + 1)
    pad = 0.05 * (u1 - u0)
    for index in range(rows + 1):
        v = v0 + index * step
        text = "Facts" if index == 0 else " ".join(rng.choice(_WORDS, 2))
        place = (u0 + pad, v + 0.2 * step, u0 + 0.65 * (u1 - u0), v + 0.82 * step)
        write(image, text, place, ink, weight=0.16 if index == 0 else 0.1, aspect=aspect, align=0.0)
        if index:
            cv2.line(image, (round(u0), round(v)), (round(u1), round(v)), line, 1)
            value = f"{rng.integers(1, 99)} g"
            place = (u0 + 0.7 * (u1 - u0), place[1], u1 - pad, place[3])
            write(image, value, place, ink, weight=0.1, aspect=aspect, align=1.0)
