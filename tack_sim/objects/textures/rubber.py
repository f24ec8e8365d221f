# SPDX-License-Identifier: Apache-2.0
"""Rubber grips."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.textures.noise import Color, Field, fbm, plain


def rubber(height: int, width: int, rng: np.random.Generator, color: Color) -> Field:
    """(height, width, 3) float32 of matt rubber: fine pores and dull handling marks."""
    marks = fbm(height, width, rng, 4, cells=(3, 6))
    pores = fbm(height, width, rng, 1, cells=(max(4, height // 2), max(4, width // 2)))
    matt: Field = plain(height, width, color) * (1 + 0.035 * marks + 0.03 * pores)[..., None]
    return matt
