# SPDX-License-Identifier: Apache-2.0
"""Losses that several methods share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.networks.sampling import to_cells


def gaussians(places: Tensor, size: int, sigma: float) -> Tensor:
    """Normalised Gaussians along one axis.

    Args:
        places: (...) middles, cells.
        size: number of cells.
        sigma: cells.

    Returns:
        (..., size), each summing to 1; for a middle far outside, all of it on the nearest cell.
    """
    axis = torch.arange(size, device=places.device, dtype=torch.float32)
    distance = (axis - places.float().clamp(-1, size)[..., None]) ** 2
    return torch.softmax(-distance / (2 * sigma**2), -1)


def heat_cross_entropy(heat: Tensor, points: Tensor, stride: int, sigma: float = 0.7) -> Tensor:
    """Cross-entropy between the soft-max of heat maps and Gaussians at the true points.

    Args:
        heat: (B, N, h, w) logits.
        points: (B, N, 2) truth, px; any finite number where it is not known.
        stride: of the heat map, px.
        sigma: of the Gaussian, cells.

    Returns:
        (B, N) float32, nats.
    """
    height, width = heat.shape[-2:]
    cells = to_cells(points.float(), stride)
    across = gaussians(cells[..., 0], width, sigma)
    down = gaussians(cells[..., 1], height, sigma)
    logits = heat.float()
    wanted = torch.einsum("bnhw,bnh,bnw->bn", logits, down, across)
    return logits.flatten(2).logsumexp(-1) - wanted


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values where the mask is true; 0 with a gradient path where it nowhere is."""
    kept = torch.where(mask, values, torch.zeros_like(values))
    return kept.sum() / mask.sum().clamp_min(1)


def binary(logits: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy where the mask is true."""
    loss = functional.binary_cross_entropy_with_logits(
        logits.float(), truth.float(), reduction="none"
    )
    return masked_mean(loss, mask)
