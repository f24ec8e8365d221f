# SPDX-License-Identifier: Apache-2.0
"""Turned and varnished wood."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.textures.noise import Color, Field, fbm, ramp, smoothstep

ASH: tuple[Color, Color] = ((0.86, 0.72, 0.50), (0.62, 0.44, 0.25))
HICKORY: tuple[Color, Color] = ((0.78, 0.58, 0.36), (0.48, 0.29, 0.15))
BEECH: tuple[Color, Color] = ((0.84, 0.63, 0.44), (0.66, 0.43, 0.27))
WALNUT: tuple[Color, Color] = ((0.50, 0.33, 0.21), (0.25, 0.14, 0.08))
WOODS = (ASH, HICKORY, BEECH, WALNUT)


def grain(
    height: int,
    width: int,
    rng: np.random.Generator,
    tones: tuple[Color, Color],
    *,
    rings: float = 5.0,
) -> Field:
    """Wood whose grain runs along the width: year rings, fibres and pores.

    Args:
        height, width: px.
        rng: the same state gives the same picture.
        tones: of early (light) and late (dark) wood.
        rings: year rings across the height.

    Returns:
        (height, width, 3) float32.
    """
    slow = fbm(height, width, rng, 3, cells=(2, 2), gain=0.45)
    across = np.linspace(0, rings, height, dtype=np.float32)[:, None]
    year = np.mod(across + 0.55 * slow, 1.0)
    late = smoothstep(0.25, 0.92, year) * (1 - smoothstep(0.92, 1.0, year))
    fibre = fbm(height, width, rng, 2, cells=(max(4, height // 3), max(2, width // 64)))
    pores = fbm(height, width, rng, 1, cells=(max(4, height // 2), max(2, width // 28)))
    dark = 0.72 * late + 0.10 * fibre + 0.35 * smoothstep(1.7, 2.6, pores)
    wood: Field = ramp(dark, tones) * (1 + 0.05 * slow)[..., None]
    return wood


def end_grain(
    height: int, width: int, rng: np.random.Generator, tones: tuple[Color, Color]
) -> Field:
    """(height, width, 3) float32 of wood cut across: arcs of year rings around a pith outside."""
    v, u = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    pith = rng.uniform(-0.6, -0.1, 2)
    distance = np.hypot(u - pith[0], v - pith[1]) * rng.uniform(7, 11)
    year = np.mod(distance + 0.12 * fbm(height, width, rng, 3), 1.0)
    late = smoothstep(0.3, 0.95, year) * (1 - smoothstep(0.95, 1.0, year))
    cut: Field = 0.82 * ramp(0.25 + 0.65 * late, tones)
    return cut
