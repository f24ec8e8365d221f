# SPDX-License-Identifier: Apache-2.0
"""Numbers written out as waves, so that small steps become large ones."""

from __future__ import annotations

import torch
from torch import Tensor


def waves(values: Tensor, octaves: int, angle: float) -> Tensor:
    """(..., N) → (..., N · (1 + 2 · octaves)): the values, their sines and their cosines.

    Args:
        values: about -1 to 1.
        octaves: each doubles the angle.
        angle: of a value of 1 in the lowest octave, rad.
    """
    written = [values]
    for octave in range(octaves):
        turned = values * (angle * 2**octave)
        written += [torch.sin(turned), torch.cos(turned)]
    return torch.cat(written, -1)
