# SPDX-License-Identifier: Apache-2.0
"""Moulded plastic, and the colours and names that tools are sold under."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.textures.noise import Color, Field, fbm, hsv, plain

BRANDS = (
    "TORVA", "HALDEN", "BRAMO", "TALUS", "OXFELL", "KARDO", "VINTER", "MOLTEK", "SARNO", "RUDD",
    "GRIMSEL", "PELLO",
)  # fmt: skip
"""Names drawn at random; none is meant to be a maker's."""

_HUES = (0.0, 0.01, 0.04, 0.07, 0.12, 0.14, 0.36, 0.46, 0.55, 0.59, 0.62, 0.78)


def plastic(height: int, width: int, rng: np.random.Generator, color: Color) -> Field:
    """(height, width, 3) float32 of smooth moulded plastic with faint flow marks."""
    flow = fbm(height, width, rng, 3, cells=(2, 4))
    moulded: Field = plain(height, width, color) * (1 + 0.018 * flow)[..., None]
    return moulded


def striped(
    height: int, width: int, rng: np.random.Generator, colors: tuple[Color, Color], count: int
) -> Field:
    """Clear-looking acetate with `count` coloured stripes along the width."""
    across = np.linspace(0, count, height, endpoint=False, dtype=np.float32)[:, None]
    share = (0.5 + 0.5 * np.cos(2 * np.pi * across)) ** 3 + np.zeros((1, width), np.float32)
    first = plastic(height, width, rng, colors[0])
    stripes: Field = first + (np.array(colors[1], np.float32) - first) * share[..., None]
    return stripes


def tool_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    """A strong colour, and one beside it that stands out: dark, or light on a dark tool."""
    hue = float(rng.choice(_HUES))
    strong = hsv(hue + rng.uniform(-0.015, 0.015), rng.uniform(0.65, 0.9), rng.uniform(0.5, 0.88))
    dark = hsv(rng.uniform(0, 1), 0.08, rng.uniform(0.07, 0.16))
    style = rng.uniform()
    if style < 0.6:
        return strong, dark
    if style < 0.85:
        return dark, strong
    pale = hsv(hue, 0.05, rng.uniform(0.85, 0.95))
    return strong, pale
