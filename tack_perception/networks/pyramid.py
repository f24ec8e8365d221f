# SPDX-License-Identifier: Apache-2.0
"""What trunks that go down to a coarse grid and up again have in common."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

COARSEST = 32
"""Pixels in a cell of the coarsest grid: pictures are padded to a multiple."""


def padded(pictures: Tensor) -> Tensor:
    """(B, C, H, W), with zeros on the right and below, to sides that divide by `COARSEST`."""
    height, width = pictures.shape[-2:]
    pad = (-width % COARSEST, -height % COARSEST)
    return functional.pad(pictures, (0, pad[0], 0, pad[1])) if any(pad) else pictures


def without_padding(features: Tensor, pictures: Tensor) -> Tensor:
    """Features of half the size, (B, C, h, w), cut to those of the pictures before padding."""
    height, width = pictures.shape[-2:]
    return features[..., : -(-height // 2), : -(-width // 2)]


def twice(x: Tensor) -> Tensor:
    """(B, C, h, w) → (B, C, 2h, 2w), bilinear."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
