# SPDX-License-Identifier: Apache-2.0
"""Dense Object Nets: a descriptor for every cell, so that the same point looks alike everywhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tack_perception.errors import InvalidInputError
from tack_perception.networks import sampling
from tack_perception.networks.precision import full

UNIT_TEMPERATURE = 0.07
"""Start for unit vectors, as in contrastive learning of pictures (van den Oord 2018, He 2020)."""
FREE_TEMPERATURE = 0.5
"""Start for vectors of any length: logits are then -distance², the thesis' own soft-max."""
COLDEST = 0.01
"""Lower bound of the temperature: logits of unit vectors stay within ±100."""


class DonHead(nn.Module):
    """A 1×1 convolution to descriptors, and the two scales by which they are compared.

    Florence, Manuelli, Tedrake, "Dense Object Nets", CoRL 2018 (arXiv 1806.08756), with unit length
    as in Adrian et al., ICRA 2022. Of a clicked point one descriptor is kept, and looked for among
    those of another picture's cells:

    - `logits`: -distance² / (2 temperature). For unit vectors that is the cosine over the
      temperature, but for a constant. Their soft-max says where a point is, if it is there.
    - `heat`: exp(-(distance / exp(t))²), 0 to 1, with a learned t (Navale et al. 2023). It does not
      sum to one: it says how alike a cell is, whatever the other cells are.

    Attributes:
        size: D, numbers in a descriptor.
        normalise: whether descriptors have unit length.
        log_temperature, log_reach: the learned scales, scalars.
    """

    def __init__(self, channels: int, size: int, normalise: bool = True) -> None:
        super().__init__()
        if channels < 1 or size < 1 or (normalise and size < 2):
            raise InvalidInputError(
                f"DonHead: channels = {channels}, size = {size}: both must be positive, and unit "
                f"vectors need a size of 2 or more"
            )
        self.size = size
        self.normalise = normalise
        self.project = nn.Conv2d(channels, size, 1)
        start = UNIT_TEMPERATURE if normalise else FREE_TEMPERATURE
        self.log_temperature = nn.Parameter(torch.tensor(math.log(start - COLDEST)))
        # The heat map starts as the soft-max without its denominator.
        self.log_reach = nn.Parameter(torch.tensor(0.5 * math.log(2 * start)))

    @property
    def temperature(self) -> Tensor:
        """Scalar, learned; never below `COLDEST`."""
        return COLDEST + self.log_temperature.exp()

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) features → (B, D, h, w) descriptors, float32 also under autocast."""
        return self._unit(full(self.project(features)), 1)

    def sample(self, descriptors: Tensor, points_px: Tensor, stride: int) -> Tensor:
        """(B, N, D) descriptors between cells: bilinear, then brought back to unit length.

        Args:
            descriptors: (B, D, h, w).
            points_px: (B, N, 2) finite px of the picture; outside of it the border answers.
            stride: pixels per cell; pixel p lies at cell (p + 1/2) / stride - 1/2.
        """
        cells = sampling.to_cells(points_px, stride)
        return self._unit(sampling.sample(descriptors, cells), 2)

    def logits(self, codes: Tensor, descriptors: Tensor) -> Tensor:
        """(B, N, h, w): -distance² / (2 temperature) of (B, N, D) codes to every cell."""
        return -0.5 * squared_distances(codes, descriptors) / self.temperature

    def heat(self, codes: Tensor, descriptors: Tensor) -> Tensor:
        """(B, N, h, w) in 0 to 1: how alike each cell is to each of the (B, N, D) codes."""
        return self.likeness(self.logits(codes, descriptors))

    def likeness(self, logits: Tensor) -> Tensor:
        """The heat, 0 to 1, that belongs to logits of any shape."""
        return torch.exp(2 * logits * self.temperature * torch.exp(-2 * self.log_reach))

    def _unit(self, descriptors: Tensor, dim: int) -> Tensor:
        return unit(descriptors, dim) if self.normalise else descriptors


def unit(vectors: Tensor, dim: int) -> Tensor:
    """The vectors along `dim`, brought to unit length; zero stays zero.

    As torch.nn.functional.normalize, which takes four times as long here with its gradient.
    """
    return vectors * vectors.square().sum(dim, keepdim=True).clamp_min(1e-12).rsqrt()


def squared_distances(codes: Tensor, descriptors: Tensor) -> Tensor:
    """(B, N, ...) squared distances of (B, N, D) codes to (B, D, ...) descriptors.

    In at least single precision, also under autocast: a small number is left of two large ones.
    """
    with torch.autocast(codes.device.type, enabled=False):
        codes, cells = full(codes), full(descriptors).flatten(2)
        ends = codes.square().sum(2, keepdim=True) + cells.square().sum(1, keepdim=True)
        squared = torch.baddbmm(ends, codes, cells, alpha=-2).clamp_min(0)
    return squared.reshape(*squared.shape[:2], *descriptors.shape[2:])
