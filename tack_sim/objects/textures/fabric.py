# SPDX-License-Identifier: Apache-2.0
"""Cloth: weaves and knits as relief around 0, to lighten and darken a colour with.

All take two coordinates along the cloth, so that threads keep their size however the texture is
stretched over the object.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tack_sim.objects.textures.noise import Field, fbm, smoothstep

Cloth = Literal["twill", "canvas", "knit", "mesh"]

_WEAVES: dict[Cloth, tuple[float, float]] = {
    "twill": (0.0023, 0.07),
    "canvas": (0.0023, 0.08),
    "knit": (0.0038, 0.09),
    "mesh": (0.0048, 0.19),
}
"""Pitch of the threads (m) and strength of the relief."""


def cloth(kind: Cloth, across: ArrayLike, along: ArrayLike, pitch: float) -> Field:
    """The relief of a cloth.

    Args:
        kind: twill has diagonal ribs, canvas a plain weave, knit columns of stitches, mesh holes.
        across, along: (H, W) place on the cloth, m.
        pitch: from one thread to the next, m.

    Returns:
        (H, W) float32 from about -1 (deep) to 1.
    """
    u = np.asarray(across, dtype=np.float32) * np.float32(2 * np.pi / pitch)
    v = np.asarray(along, dtype=np.float32) * np.float32(2 * np.pi / pitch)
    if kind == "twill":
        return np.asarray(np.sin(u + v), dtype=np.float32)
    if kind == "canvas":
        return np.asarray(np.sin(u) * np.sin(v), dtype=np.float32)
    if kind == "knit":
        column = np.abs(np.sin(0.5 * u))
        return np.asarray(np.sin(v + 2.2 * column) * (0.35 + 0.65 * column), dtype=np.float32)
    hole = np.cos(u) + np.cos(0.5 * u) * np.cos(0.87 * v) * 2
    return np.asarray(0.25 - 1.25 * smoothstep(0.9, 1.7, hole), dtype=np.float32)


def worn(kind: Cloth, across: Field, along: Field, rng: np.random.Generator) -> Field:
    """A factor on the colour of worn cloth: its weave, and slow changes of tone.

    Args:
        kind: see `cloth`.
        across, along: (H, W) place on the cloth, m.
        rng: for the wear.

    Returns:
        (H, W) float32 around 1.
    """
    pitch, strength = _WEAVES[kind]
    height, width = across.shape
    wear = fbm(-(-height // 4), -(-width // 4), rng, 4)
    slow = np.asarray(cv2.resize(wear, (width, height), interpolation=cv2.INTER_LINEAR))
    relief = cloth(kind, across, along, pitch)
    return np.asarray(1 + strength * relief + 0.025 * slow, dtype=np.float32)
