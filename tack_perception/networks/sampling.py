# SPDX-License-Identifier: Apache-2.0
"""Between pixels of a picture and cells of a feature map.

A map of stride s has a cell for each s × s pixels. Cell c lies at pixel s·c + (s − 1)/2, so pixel p
lies at cell (p + 1/2)/s − 1/2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def to_cells(pixels: Tensor, stride: int) -> Tensor:
    """(..., 2) pixels (u, v) → cells."""
    return (pixels + 0.5) / stride - 0.5


def to_pixels(cells: Tensor, stride: int) -> Tensor:
    """(..., 2) cells (u, v) → pixels."""
    return (cells + 0.5) * stride - 0.5


def sample(features: Tensor, cells: Tensor) -> Tensor:
    """Features at places between cells, bilinear; at the border's value outside.

    Args:
        features: (B, C, h, w).
        cells: (B, N, 2) places (u, v).

    Returns:
        (B, N, C), of the features' type. Computed in single precision: half precision would round
        the places to an eighth of a cell.
    """
    size = torch.tensor([features.shape[3], features.shape[2]], device=cells.device)
    grid = ((2 * cells.float() + 1) / size - 1).unsqueeze(1)
    taken = functional.grid_sample(
        features.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    ).to(features.dtype)
    return taken.squeeze(2).transpose(1, 2)


def pool_gaussian(features: Tensor, cells: Tensor, sigma: float) -> Tensor:
    """Features around places, weighted by a normalised Gaussian.

    Args:
        features: (B, C, h, w).
        cells: (B, N, 2) places (u, v).
        sigma: of the Gaussian, cells.

    Returns:
        (B, N, C).
    """
    reach = torch.arange(-2, 3, device=cells.device, dtype=cells.dtype) * sigma
    offsets = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).reshape(-1, 2)
    weights = torch.exp(-(offsets**2).sum(-1) / (2 * sigma**2))
    weights = weights / weights.sum()
    batch, count = cells.shape[:2]
    places = (cells[:, :, None] + offsets).reshape(batch, -1, 2)
    around = sample(features, places).reshape(batch, count, len(offsets), -1)
    return torch.einsum("bnkc,k->bnc", around, weights.to(around.dtype))


def log_probabilities(heat: Tensor) -> Tensor:
    """(..., h, w) logits → logarithms of the soft-max over the map."""
    return functional.log_softmax(heat.flatten(-2).float(), -1).reshape(heat.shape)


def peaks(heat: Tensor, sigma: float = 2.0) -> tuple[Tensor, Tensor, Tensor]:
    """Where heat maps are highest, between cells.

    The highest cell, then the mean place under the soft-max of a Gaussian window around it: a mean
    over the whole map would lie between two modes (docs/methods/tack.md).

    Args:
        heat: (B, N, h, w) logits.
        sigma: of the window, cells.

    Returns:
        (B, N, 2) places (u, v) in cells; (B, N, 2, 2) covariance of the windowed soft-max, cells²;
        (B, N) share of the whole map's probability that lies within two sigma.
    """
    batch, count, height, width = heat.shape
    flat = heat.reshape(batch, count, -1).float()
    top = flat.argmax(-1)
    u, v = top % width, torch.div(top, width, rounding_mode="floor")
    # Only the cells around the top are looked at: three sigma of the window hold all of it.
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, device=heat.device)
    columns, rows = u[..., None] + steps, v[..., None] + steps
    across, down = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    inside = (down[..., :, None] & across[..., None, :]).flatten(2)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    near = (rows[..., :, None] * width + columns[..., None, :]).flatten(2)
    logarithm = flat.gather(-1, near) - flat.logsumexp(-1, keepdim=True)
    probability = logarithm.clamp_min(-60).exp() * inside  # no numbers too small to be fast
    dv, du = (one.flatten().float() for one in torch.meshgrid(steps, steps, indexing="ij"))
    windowed = probability * torch.exp(-(du**2 + dv**2) / (2 * sigma**2))
    mass = windowed.sum(-1).clamp_min(1e-12)
    mean_u, mean_v, uu, uv, vv = (
        (windowed * power).sum(-1) / mass for power in (du, dv, du * du, du * dv, dv * dv)
    )
    both = uv - mean_u * mean_v
    covariance = torch.stack([uu - mean_u**2, both, both, vv - mean_v**2], -1)
    share = (probability * (du**2 + dv**2 <= (2 * sigma) ** 2)).sum(-1)
    places = torch.stack([u + mean_u, v + mean_v], -1)
    return places, covariance.reshape(batch, count, 2, 2), share
