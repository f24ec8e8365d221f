# SPDX-License-Identifier: Apache-2.0
"""Colours of clothes and shoes, and how they go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from tack_sim.objects.textures.noise import Color, hsv

T = TypeVar("T")

WHITE: Color = (0.93, 0.93, 0.91)
CREAM: Color = (0.89, 0.85, 0.74)
BLACK: Color = (0.09, 0.09, 0.10)
GREY: Color = (0.52, 0.53, 0.55)
GUM: Color = (0.66, 0.44, 0.24)


def any_of(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options by chance."""
    return options[int(rng.integers(len(options)))]


def vivid(rng: np.random.Generator) -> Color:
    """A strong colour."""
    return hsv(rng.random(), rng.uniform(0.6, 0.95), rng.uniform(0.45, 0.95))


def muted(rng: np.random.Generator) -> Color:
    """A quiet colour."""
    return hsv(rng.random(), rng.uniform(0.15, 0.5), rng.uniform(0.22, 0.75))


def tinted(color: Color, factor: float) -> Color:
    """Darker or lighter."""
    red, green, blue = (min(0.97, float(c) * factor) for c in color)
    return (red, green, blue)


def apart(color: Color, other: Color) -> Color:
    """The colour, or one that can be told from the other."""
    difference = sum(abs(a - b) for a, b in zip(color, other, strict=True))
    if difference > 0.55:
        return color
    return WHITE if sum(other) < 1.5 else (0.12, 0.14, 0.22)
