# SPDX-License-Identifier: Apache-2.0
"""What bottles are made of and filled with, and their labels."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from tack_sim.objects.textures.noise import Color, Field, Image, fbm, hsv, mixed, plain, to_bytes
from tack_sim.objects.textures.print_box import FRONTS, Design, back_panel, design, paper, patterned

LAYOUTS = ("band", "window", "split", "wrapped", "burst", "clinic")
_STEEL = (0.72, 0.73, 0.75)


@dataclasses.dataclass(frozen=True)
class Ware:
    """The materials of one bottle.

    Attributes:
        kind: glass, drink, plastic, metal or medicine.
        body: colour of the wall, with what is behind it.
        empty: its colour above the filling.
        level: share of the height that is filled.
        cap: colour of the cap.
        ribs: number of ribs around the cap; 0 is smooth.
        gloss: of the body, 0 to 1.
        depth_loss: share of the body that a stereo camera does not see.
        wrapped: the label runs around the bottle; otherwise it is a sticker in front.
        oval: the sticker is oval.
    """

    kind: str
    body: Color
    empty: Color
    level: float
    cap: Color
    ribs: int
    gloss: float
    depth_loss: float
    wrapped: bool
    oval: bool


def ware(kind: str, rng: np.random.Generator) -> Ware:
    """Materials by chance for a kind of bottle."""
    hue, ribs = float(rng.random()), int(rng.choice([0, 36, 48, 60]))
    dark = (0.10, 0.10, 0.11)
    bright = hsv(rng.random(), rng.uniform(0.6, 0.9), rng.uniform(0.5, 0.95))
    cap = [dark, (0.94, 0.94, 0.93), bright][int(rng.integers(3))]
    if kind == "glass":
        tint = [(0.30, 0.6, 0.20), (0.08, 0.75, 0.24), (0.60, 0.7, 0.30), (0.02, 0.5, 0.10),
                (0.36, 0.18, 0.55)][int(rng.integers(5))]  # fmt: skip
        body = hsv(tint[0], tint[1], tint[2] * rng.uniform(0.8, 1.3))
        empty = tuple(min(1.25 * c + 0.03, 1.0) for c in body)
        cork = hsv(0.09, 0.4, 0.72)
        cap = [cork, hsv(0.12, 0.6, 0.7), dark, hsv(hue, 0.7, 0.45)][int(rng.integers(4))]
        level, gloss, loss, ribs = rng.uniform(0.7, 0.9), 0.95, 0.25, 0
    elif kind == "drink":
        tint = [(0.07, 0.8, 0.95), (0.55, 0.16, 0.95), (0.04, 0.7, 0.22), (0.22, 0.55, 0.75),
                (0.95, 0.6, 0.85), (0.13, 0.7, 0.95)][int(rng.integers(6))]  # fmt: skip
        body = hsv(*tint)
        empty = tuple(0.35 * c + 0.52 for c in body)
        level, gloss, loss = rng.uniform(0.6, 0.92), 0.8, 0.3
    elif kind == "metal":
        painted = hsv(hue, rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.9))
        body = _STEEL if rng.random() < 0.3 else painted
        empty, level, gloss, loss = body, 1.0, 0.7, 0.2
    elif kind == "medicine":
        body = hsv(0.07, 0.8, 0.45) if rng.random() < 0.5 else (0.94, 0.95, 0.95)
        empty, level, gloss, loss = body, 1.0, 0.5, 0.1
    else:
        body = hsv(hue, rng.uniform(0.05, 0.75), rng.uniform(0.55, 0.98))
        empty, level, gloss, loss = body, 1.0, float(rng.uniform(0.3, 0.6)), 0.0
    return Ware(
        kind=kind,
        body=body,
        empty=(empty[0], empty[1], empty[2]),
        level=float(level),
        cap=cap,
        ribs=ribs,
        gloss=float(gloss),
        depth_loss=float(loss),
        wrapped=kind in ("drink", "medicine") or rng.random() < 0.35,
        oval=rng.random() < 0.3,
    )


def body_picture(height: int, width: int, content: Ware, rng: np.random.Generator) -> Image:
    """The wall from top to bottom, unrolled."""
    v = ((np.arange(height) + 0.5) / height).astype(np.float32)[:, None]
    surface = plain(height, width, content.empty)
    filled = np.broadcast_to(np.clip((v - 1 + content.level) * 160, 0, 1), (height, width))
    surface = mixed(surface, content.body, np.asarray(filled, np.float32))
    tone = 0.02 * fbm(height, width, rng, 3, cells=(2, 5))
    if content.body == _STEEL:
        tone = tone + 0.035 * fbm(height, width, rng, 3, cells=(80, 3))
    return to_bytes(surface * (1.03 - 0.10 * v + tone)[..., None])


def label_picture(
    height: int, width: int, size: tuple[float, float], content: Ware, rng: np.random.Generator
) -> Image:
    """The label's band around the bottle; its front is in the middle.

    Args:
        height, width: px of the band unrolled.
        size: its height and the way around it, m.
        content: of the bottle; a sticker leaves the wall to be seen.
        rng: decides the print.
    """
    printed = design(rng, LAYOUTS)
    tall = 288
    wide = round(tall * size[1] / size[0])
    if content.wrapped:
        page = _wrap(tall, wide, printed, rng)
    else:
        page = _sticker(tall, wide, content, printed, rng)
    scaled = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, dtype=np.uint8)


def cap_picture(height: int, width: int, content: Ware, rng: np.random.Generator) -> Image:
    """The cap's side, unrolled: ribs are light and dark lines."""
    tone: Field = np.asarray(1 + 0.02 * fbm(height, width, rng, 3, cells=(2, 6)), np.float32)
    if content.ribs:
        wave = np.sin(2 * np.pi * content.ribs * np.arange(width) / width)
        rows = np.arange(height)[:, None] / height
        inside = (rows > 0.30) & (rows < 0.90)
        tone = np.asarray(tone + 0.22 * np.clip(2.5 * wave, -1, 1) * inside, np.float32)
    return to_bytes(plain(height, width, content.cap) * tone[..., None])


def _wrap(tall: int, wide: int, printed: Design, rng: np.random.Generator) -> Image:
    """All around: the front in the middle, the back panel on the seam."""
    page = paper((tall, wide), printed, rng)
    front = FRONTS[printed.layout](paper((tall, _panel(wide, tall)), printed, rng), printed, rng)
    left = (wide - front.shape[1]) // 2
    if printed.layout == "wrapped":
        patterned(page, printed, rng)
        trim = round(0.09 * front.shape[1])
        front, left = front[:, trim:-trim], left + trim
        plate = slice(round(0.28 * tall), round(0.77 * tall))
        page[plate, left : left + front.shape[1]] = front[plate]
    else:
        page[:, :left] = front[:, :1]
        page[:, left:] = front[:, -1:]
        page[:, left : left + front.shape[1]] = front
    back = back_panel(paper((tall, _panel(wide, tall)), printed, rng), printed, rng)
    page = np.roll(page, wide // 2, axis=1)
    left = (wide - back.shape[1]) // 2
    page[:, left : left + back.shape[1]] = back
    return np.roll(page, wide // 2, axis=1)


def _sticker(
    tall: int, wide: int, content: Ware, printed: Design, rng: np.random.Generator
) -> Image:
    """A sticker in front and a smaller one at the back."""
    page = body_picture(tall, wide, dataclasses.replace(content, level=1.0), rng)
    front = FRONTS[printed.layout](paper((tall, _panel(wide, tall)), printed, rng), printed, rng)
    back = back_panel(paper((tall, _panel(wide, tall)), printed, rng), printed, rng)
    for image, turn in ((front, 0), (back, wide // 2)):
        mask = _outline(image.shape[0], image.shape[1], content.oval)
        left = (wide - image.shape[1]) // 2
        page = np.roll(page, turn, axis=1)
        part = page[:, left : left + image.shape[1]]
        share = mask[..., None].astype(np.float32) / 255
        part[:] = (part + (image - part.astype(np.float32)) * share).astype(np.uint8)
        page = np.roll(page, -turn, axis=1)
    return page


def _panel(wide: int, tall: int) -> int:
    """Width of the front panel, px: what is seen at once, and not much wider than tall."""
    return round(min(0.40 * wide, 1.5 * tall))


def _outline(height: int, width: int, oval: bool) -> Image:
    """Where a sticker is: rounded corners, or an oval."""
    mask = np.zeros((height, width), np.uint8)
    if oval:
        middle, axes = (width // 2, height // 2), (round(0.49 * width), round(0.49 * height))
        cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        return mask
    pad, bend = round(0.03 * height), round(0.06 * min(height, width))
    cv2.rectangle(
        mask, (bend + pad, bend + pad), (width - bend - pad, height - bend - pad), 255, -1
    )
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (2 * bend + 1, 2 * bend + 1))), dtype=np.uint8)  # fmt: skip
