# SPDX-License-Identifier: Apache-2.0
"""Small pictures to print: hearts, leaves, cats, mountains, each a stack of filled outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_sim.objects.textures.noise import Color, Image

Outline = NDArray[np.float64]
Layers = list[tuple[int, Outline]]


def draw_motif(
    image: Image,
    name: str,
    place: tuple[float, float],
    size: tuple[float, float],
    colors: Sequence[Color],
    angle: float = 0.0,
) -> None:
    """Draw a motif into an image.

    Args:
        image: (H, W, 3) uint8, changed in place.
        name: one of `MOTIFS`.
        place: (u, v) of its middle, px.
        size: half its width and height, px.
        colors: main colour and accents, used again from the start when there are too few.
        angle: clockwise turn, rad.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    for tone, outline in MOTIFS[name]():
        color = tuple(round(255 * float(c)) for c in colors[tone % len(colors)])
        points = outline @ turn * np.asarray(size) + np.asarray(place)
        fixed = np.rint(points * 16).astype(np.int32)
        cv2.fillPoly(image, [fixed], color, cv2.LINE_AA, 4)


def ellipse(x: float, y: float, a: float, b: float, angle: float = 0.0, n: int = 28) -> Outline:
    """An ellipse's outline: middle, half sizes, clockwise turn (rad)."""
    turns = np.linspace(0, 2 * np.pi, n, endpoint=False)
    u, v = a * np.cos(turns), b * np.sin(turns)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + cosine * u - sine * v, y + sine * u + cosine * v], axis=1)


def star(points: int, inner: float, outer: float = 1.0, turn: float = -np.pi / 2) -> Outline:
    """A star's outline with rays of two radii."""
    turns = turn + np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.asarray(radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1))


def _shape(*points: ArrayLike) -> Outline:
    return np.array(points, dtype=np.float64)


def _heart() -> Layers:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(0, np.stack([x, -y - 2.5], axis=1) / 15)]


def _leaf() -> Layers:
    y = np.linspace(-1, 1, 24)
    half = 0.52 * np.sqrt(1 - y**2) * (1 + 0.35 * y)
    blade = np.concatenate([np.stack([half, y], 1), np.stack([-half, y], 1)[::-1]])
    veins = [
        (1, _shape((0, v), (s * 0.34, v - 0.28), (s * 0.34, v - 0.24), (0, v + 0.06)))
        for v in (-0.3, 0.05, 0.4, 0.7)
        for s in (-1, 1)
    ]
    return [
        (0, blade),
        (1, _shape((-0.03, -0.9), (0.03, -0.9), (0.06, 1.25), (-0.06, 1.25))),
        *veins,
    ]


def _flower() -> Layers:
    petals = [
        (0, ellipse(0.55 * np.cos(a), 0.55 * np.sin(a), 0.44, 0.30, a))
        for a in np.arange(6) * np.pi / 3
    ]
    return [*petals, (1, ellipse(0, 0, 0.28, 0.28))]


def _sun() -> Layers:
    return [(0, star(14, 0.66)), (1, ellipse(0, 0, 0.58, 0.58)), (2, ellipse(0, 0, 0.5, 0.5))]


def _mountain() -> Layers:
    return [
        (2, ellipse(0.48, -0.55, 0.26, 0.26)),
        (1, _shape((-1.1, 0.75), (-0.45, -0.35), (0.25, 0.75))),
        (0, _shape((-0.5, 0.75), (0.3, -0.75), (1.15, 0.75))),
        (3, _shape((0.06, -0.30), (0.3, -0.75), (0.56, -0.28), (0.4, -0.36), (0.28, -0.2),
                   (0.18, -0.36))),
        (3, _shape((-0.62, -0.06), (-0.45, -0.35), (-0.27, -0.06), (-0.38, -0.12), (-0.47, 0.0))),
    ]  # fmt: skip


def _cat() -> Layers:
    return [
        (0, _shape((-0.72, 0.0), (-0.78, -0.95), (-0.2, -0.55), (0.2, -0.55), (0.78, -0.95),
                   (0.72, 0.0))),
        (0, ellipse(0, 0.1, 0.85, 0.72)),
        (1, ellipse(-0.34, -0.05, 0.13, 0.17)), (1, ellipse(0.34, -0.05, 0.13, 0.17)),
        (2, _shape((-0.1, 0.2), (0.1, 0.2), (0, 0.33))),
        *((1, _shape((s * 0.25, y), (s * 1.05, y + d - 0.03), (s * 1.05, y + d + 0.03)))
          for s in (-1, 1) for y, d in ((0.25, -0.1), (0.33, 0.0), (0.41, 0.1))),
    ]  # fmt: skip


def _fish() -> Layers:
    return [
        (1, _shape((0.5, 0), (1.1, -0.5), (0.95, 0), (1.1, 0.5))),
        (0, ellipse(-0.12, 0, 0.85, 0.46)),
        (1, _shape((-0.2, -0.4), (0.15, -0.8), (0.3, -0.36))),
        (2, ellipse(-0.58, -0.1, 0.11, 0.11)),
        *((1, ellipse(x, 0.02, 0.05, 0.3)) for x in (-0.22, 0.04, 0.3)),
    ]


def _tree() -> Layers:
    tiers = [
        (0, _shape((-w, y), (0, y - 0.8), (w, y)))
        for w, y in ((0.78, 0.72), (0.62, 0.25), (0.44, -0.2))
    ]
    return [(1, _shape((-0.1, 0.7), (0.1, 0.7), (0.1, 1.05), (-0.1, 1.05))), *tiers]


def _moon() -> Layers:
    tips = 0.95  # angle at which the two circles meet, seen from the outer one's middle
    outer = np.linspace(tips, 2 * np.pi - tips, 40)
    inner = np.linspace(2 * np.pi - 1.35, 1.35, 40)
    crescent = np.concatenate(
        [
            0.95 * np.stack([np.cos(outer), np.sin(outer)], 1),
            0.79 * np.stack([np.cos(inner), np.sin(inner)], 1) + np.array([0.38, 0.0]),
        ]
    )
    spark = 0.16 * star(4, 0.3)
    return [
        (0, crescent),
        (1, spark + np.array([0.5, -0.1])),
        (1, 0.7 * spark + np.array([0.75, 0.35])),
    ]


def _bolt() -> Layers:
    return [(0, _shape((0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.25),
                       (0.05, -0.25), (0.5, -1)))]  # fmt: skip


def _apple() -> Layers:
    return [
        (0, ellipse(-0.3, 0.15, 0.55, 0.72)), (0, ellipse(0.3, 0.15, 0.55, 0.72)),
        (2, _shape((-0.05, -0.45), (0.05, -0.45), (0.12, -0.9), (0.0, -0.9))),
        (1, ellipse(0.38, -0.76, 0.32, 0.14, -0.4)),
        (3, ellipse(-0.45, -0.08, 0.1, 0.22, 0.4)),
    ]  # fmt: skip


def _cup() -> Layers:
    return [
        (1, ellipse(0.72, 0.05, 0.36, 0.34)), (3, ellipse(0.72, 0.05, 0.2, 0.19)),
        (0, _shape((-0.8, -0.35), (0.75, -0.35), (0.52, 0.7), (-0.57, 0.7))),
        (1, ellipse(0, 0.82, 0.95, 0.12)),
        *((2, ellipse(x, -0.72, 0.07, 0.28, 0.25)) for x in (-0.4, 0.0, 0.4)),
    ]  # fmt: skip


def _drop() -> Layers:
    t = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    x, y = 0.68 * np.sin(t) * np.sin(t / 2) ** 1.3, -np.cos(t)
    return [(0, np.stack([x, -y * 1.0], 1) * (1, -1)), (1, ellipse(-0.22, 0.35, 0.08, 0.22, 0.3))]


def _wheat() -> Layers:
    grains = [
        (0, ellipse(s * 0.25, y, 0.15, 0.32, s * 0.55)) for y in np.linspace(-0.6, 0.5, 5)
        for s in (-1, 1)
    ]  # fmt: skip
    stem = _shape((-0.04, -0.5), (0.04, -0.5), (0.04, 1.1), (-0.04, 1.1))
    return [(1, stem), *grains, (0, ellipse(0, -0.9, 0.13, 0.3))]


def _berry() -> Layers:
    seeds = [
        (2, ellipse(x, y, 0.045, 0.075))
        for x, y in (
            (-0.3, 0.0),
            (0.05, -0.05),
            (0.36, 0.05),
            (-0.15, 0.35),
            (0.2, 0.35),
            (0.02, 0.68),
        )
    ]
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    body = np.stack([0.75 * np.sin(t) * (1 - 0.28 * np.cos(t)), 0.2 - 0.8 * -np.cos(t)], 1)
    return [
        (0, body * (1, 1)),
        (1, 0.62 * star(6, 0.45) * (1, 0.55) + np.array([0, -0.55])),
        *seeds,
    ]


def _bird() -> Layers:
    return [
        (0, ellipse(0, 0.1, 0.62, 0.42, 0.25)), (0, ellipse(-0.5, -0.35, 0.3, 0.28)),
        (0, _shape((0.4, 0.15), (1.15, 0.0), (1.1, 0.35), (0.35, 0.42))),
        (1, ellipse(0.12, 0.08, 0.4, 0.22, 0.45)),
        (2, _shape((-0.75, -0.42), (-1.1, -0.3), (-0.76, -0.22))),
        (3, ellipse(-0.56, -0.4, 0.05, 0.05)),
        (2, _shape((-0.1, 0.5), (-0.02, 0.5), (-0.02, 0.9), (-0.1, 0.9))),
        (2, _shape((0.14, 0.5), (0.22, 0.5), (0.22, 0.9), (0.14, 0.9))),
    ]  # fmt: skip


def _waves() -> Layers:
    x = np.linspace(-1, 1, 40)
    bands = []
    for index, y in enumerate((-0.45, 0.0, 0.45)):
        crest = y + 0.16 * np.sin(3 * np.pi * x + index)
        line = np.stack([x, crest], 1)
        bands.append((index, np.concatenate([line, line[::-1] + np.array([0, 0.22])])))
    return bands


MOTIFS: dict[str, Callable[[], Layers]] = {
    "heart": _heart,
    "star": lambda: [(0, star(5, 0.45))],
    "leaf": _leaf,
    "flower": _flower,
    "sun": _sun,
    "mountain": _mountain,
    "cat": _cat,
    "fish": _fish,
    "tree": _tree,
    "moon": _moon,
    "bolt": _bolt,
    "apple": _apple,
    "cup": _cup,
    "drop": _drop,
    "wheat": _wheat,
    "berry": _berry,
    "bird": _bird,
    "waves": _waves,
}
"""Name → outlines within about -1..1 (x right, y down), each with the index of its colour."""
