# SPDX-License-Identifier: Apache-2.0
"""Repeating patterns that close around a turned object: stripes, dots, waves, scales, checks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.textures.noise import Field, smoothstep

FloatArray = NDArray[np.float64]


def pattern(
    name: str, height: int, width: int, repeats: int, aspect: float, edge: float = 0.06
) -> Field:
    """A pattern as the share of the second of two colours.

    Args:
        name: one of `PATTERNS`.
        height, width: px.
        repeats: how often it repeats along the width; it closes there.
        aspect: pixels along the height for each pixel along the width that cover the same length.
        edge: softness of the edges, in repeats.

    Returns:
        (height, width) float32, 0 to 1.
    """
    u = (np.arange(width) + 0.5)[None, :] / width * repeats
    v = (np.arange(height) + 0.5)[:, None] / aspect / width * repeats
    field = PATTERNS[name](u, v)
    return smoothstep(-edge, edge, np.broadcast_to(field, (height, width)))


def _saw(x: FloatArray) -> FloatArray:
    """0 at whole numbers, 0.5 between them."""
    distance: FloatArray = np.abs(x - np.rint(x))
    return distance


def _dots(u: FloatArray, v: FloatArray) -> FloatArray:
    row = np.floor(v)
    return 0.27 - np.hypot(np.mod(u + 0.5 * np.mod(row, 2), 1) - 0.5, np.mod(v, 1) - 0.5)


def _scales(u: FloatArray, v: FloatArray) -> FloatArray:
    inside = np.full(np.broadcast_shapes(u.shape, v.shape), -1.0)
    for lift in (2, 1, 0):
        row = np.floor(2 * v) + lift
        x = np.mod(u + 0.5 * np.mod(row, 2), 1) - 0.5
        reach = np.hypot(x, v - (row - 2) / 2)
        inside = np.where(reach < 0.5, np.where(reach < 0.40, 0.1, -0.1), inside)
        inside = np.where(reach < 0.28, -0.1, inside)
    return inside


def _diamonds(u: FloatArray, v: FloatArray) -> FloatArray:
    return 0.32 - (_saw(u) + _saw(v / 1.4))


def _blobs(u: FloatArray, v: FloatArray) -> FloatArray:
    across = np.sin(2 * np.pi * u + 2 * np.sin(5 * v))
    return np.asarray(across * np.sin(5.1 * v + 2 * np.sin(2 * np.pi * u)) - 0.45)


PATTERNS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "stripes": lambda u, v: _saw(v) - 0.25 + 0 * u,
    "bars": lambda u, v: _saw(u) - 0.25 + 0 * v,
    "dots": _dots,
    "waves": lambda u, v: _saw(v + 0.18 * np.sin(2 * np.pi * u)) - 0.25,
    "zigzag": lambda u, v: _saw(v + _saw(u)) - 0.25,
    "checks": lambda u, v: 0.7 * np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v),
    "diamonds": _diamonds,
    "scales": _scales,
    "grid": lambda u, v: 0.09 - np.minimum(_saw(u), _saw(v)),
    "blobs": _blobs,
}
"""Name → positive inside, for coordinates that count repeats."""
