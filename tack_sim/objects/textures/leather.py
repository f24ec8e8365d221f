# SPDX-License-Identifier: Apache-2.0
"""Leather, suede and moulded foam as factors on a colour."""

from __future__ import annotations

import numpy as np

from tack_sim.objects.textures.noise import Field, fbm


def leather(height: int, width: int, rng: np.random.Generator) -> Field:
    """Smooth leather: a fine pebbled grain and a few soft creases, (H, W) around 1."""
    grain = np.abs(fbm(height, width, rng, 2, cells=(height // 6, width // 6)))
    crease = np.abs(fbm(height, width, rng, 3, cells=(5, 9)))
    return np.asarray(1.03 - 0.035 * grain - 0.05 * np.exp(-6 * crease), dtype=np.float32)


def suede(height: int, width: int, rng: np.random.Generator) -> Field:
    """Brushed leather: the nap lies this way and that, (H, W) around 1."""
    strokes = fbm(height, width, rng, 4, cells=(6, 10), gain=0.65)
    nap = fbm(height, width, rng, 2, cells=(height // 4, width // 5))
    return np.asarray(1 + 0.055 * strokes + 0.05 * nap, dtype=np.float32)


def foam(height: int, width: int, rng: np.random.Generator) -> Field:
    """Moulded midsole foam or rubber: nearly even, with scuffs, (H, W) around 1."""
    scuffs = fbm(height, width, rng, 4, cells=(3, 16))
    fine = fbm(height, width, rng, 1, cells=(height // 2, width // 3))
    return np.asarray(1 + 0.012 * scuffs + 0.012 * fine, dtype=np.float32)
