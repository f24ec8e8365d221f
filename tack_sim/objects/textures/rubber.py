# SPDX-License-Identifier: Apache-2.0
"""Rubber grips."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.textures.noise import Color, Field, fbm, plain, smoothstep


def rubber(height: int, width: int, rng: np.random.Generator, color: Color) -> Field:
    """(height, width, 3) float32 of matt rubber: fine pores and dull handling marks."""
    marks = fbm(height, width, rng, 4, cells=(3, 6))
    pores = fbm(height, width, rng, 1, cells=(max(4, height // 2), max(4, width // 2)))
    matt: Field = plain(height, width, color) * (1 + 0.035 * marks + 0.03 * pores)[..., None]
    return matt


def grooves(width: int, places: np.ndarray, half: float) -> Field:
    """(width,) float32 depth of grooves across a grip: 1 in the middle of each, 0 outside.

    Args:
        width: px.
        places: (N,) middles, 0 to 1.
        half: half width of one, as a share of the width.
    """
    at = (np.arange(width, dtype=np.float32) + 0.5) / width
    away = np.abs(at[:, None] - np.asarray(places, np.float32)[None]).min(axis=1)
    return smoothstep(half, 0.3 * half, away)
