# SPDX-License-Identifier: Apache-2.0
"""Between pixels of a picture and cells of a feature map.

A map of stride s has a cell for each s × s pixels. Cell c lies at pixel s·c + (s − 1)/2, so pixel p
lies at cell (p + 1/2)/s − 1/2.
"""

from __future__ import annotations

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
    u, v = (top % width).float(), torch.div(top, width, rounding_mode="floor").float()
    across = torch.arange(width, device=heat.device, dtype=torch.float32)
    down = torch.arange(height, device=heat.device, dtype=torch.float32)
    du = across - u[..., None]  # (B, N, w)
    dv = down - v[..., None]
    probability = flat.softmax(-1).reshape(batch, count, height, width)
    window_u, window_v = (torch.exp(-(d**2) / (2 * sigma**2)) for d in (du, dv))
    windowed = probability * window_v[..., :, None] * window_u[..., None, :]
    mass = windowed.sum((-1, -2)).clamp_min(1e-12)
    in_u, in_v = windowed.sum(-2) / mass[..., None], windowed.sum(-1) / mass[..., None]
    mean_u, mean_v = (in_u * du).sum(-1), (in_v * dv).sum(-1)
    var_u = (in_u * du**2).sum(-1) - mean_u**2
    var_v = (in_v * dv**2).sum(-1) - mean_v**2
    both = torch.einsum("bnhw,bnh,bnw->bn", windowed, dv, du) / mass - mean_u * mean_v
    covariance = torch.stack([var_u, both, both, var_v], -1).reshape(batch, count, 2, 2)
    near = (du[..., None, :] ** 2 + dv[..., :, None] ** 2) <= (2 * sigma) ** 2
    share = (probability * near).sum((-1, -2))
    return torch.stack([u + mean_u, v + mean_v], -1), covariance, share
