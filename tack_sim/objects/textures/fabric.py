# SPDX-License-Identifier: Apache-2.0
"""Cloth: weaves and knits as relief around 0, to lighten and darken a colour with.

All take two coordinates along the cloth, so that threads keep their size however the texture is
stretched over the object.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tack_sim.objects.textures.noise import Field, smoothstep

Cloth = Literal["twill", "canvas", "knit", "mesh"]


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


def washed(relief: Field, wear: Field, strength: float) -> Field:
    """A factor on the colour of worn cloth.

    Args:
        relief: of the weave.
        wear: (H, W) slow noise of standard deviation 1.
        strength: of the relief, about 0.05 to 0.15.
    """
    return np.asarray(1 + strength * relief + 0.025 * wear, dtype=np.float32)
