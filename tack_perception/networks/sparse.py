# SPDX-License-Identifier: Apache-2.0
"""The fixed set: one heat map for each named point of every class, and nothing else.

The detector of S3K (Vecerik et al., arXiv 2009.14711) on our trunk. All of its capacity goes to
points that were named before training, so it is what a detector of any point can hope to approach.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tack_perception.errors import InvalidInputError
from tack_perception.networks.precision import full
from tack_perception.networks.sampling import peaks, sample

_FACTS = 4


class SparseHead(nn.Module):
    """A kernel for each point, of the forms that TACK's codes generate.

    A 1×1 kernel on the features, and a 3×3 kernel on some channels of half the resolution: no point
    is found by TACK's decoder only because that can say more.

    Args:
        channels: of the trunk's features.
        points: P, named points of all classes.
        wide: channels that the 3×3 kernels read.
        hidden: width of what tells whether a point is seen.

    Attributes:
        points: P.

    Raises:
        InvalidInputError: for sizes that are not positive.
    """

    def __init__(self, channels: int, points: int, *, wide: int = 16, hidden: int = 64) -> None:
        super().__init__()
        if min(channels, points, wide, hidden) < 1:
            raise InvalidInputError(
                f"SparseHead: channels = {channels}, points = {points}, wide = {wide}, hidden = "
                f"{hidden}: all must be positive"
            )
        self.points = points
        self.kernels = nn.Parameter(torch.randn(points, channels) / math.sqrt(channels))
        self.wide = nn.Conv2d(channels, wide, 1)
        self.wide_kernels = nn.Parameter(torch.randn(points, wide, 3, 3) / math.sqrt(9 * wide))
        self.look = nn.Sequential(nn.Linear(channels + _FACTS, hidden), nn.ReLU())
        self.judges = nn.Parameter(torch.randn(points, hidden) / math.sqrt(hidden))
        self.bias = nn.Parameter(torch.zeros(points))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """All points: (B, C, h, w) features → (B, P, h, w) logits and (B, P) logit of "seen"."""
        heat = self.heat(features)
        return heat, self.evidence(features, heat)

    def heat(self, features: Tensor, index: Tensor | None = None) -> Tensor:
        """Where points are.

        Args:
            features: (B, C, h, w).
            index: (B, K) int64 numbers of the points that are asked for; None for all of them.
                Of -1, which is none, some heat map comes that means nothing.

        Returns:
            (B, K, h, w) logits of a soft-max over the picture.
        """
        index = self._asked(features, index)
        size = tuple(features.shape[2:])
        pooled = functional.avg_pool2d(self.wide(features), 2, ceil_mode=True)
        with torch.autocast(features.device.type, enabled=False):
            fine = torch.bmm(self.kernels[index], full(features).flatten(2))
            # One picture after the other as groups: each is read by kernels of its own.
            coarse = functional.conv2d(
                full(pooled).flatten(0, 1)[None],
                self.wide_kernels[index].flatten(0, 1),
                padding=1,
                groups=len(features),
            ).reshape(*index.shape, *pooled.shape[2:])
            coarse = functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
            heat: Tensor = fine.reshape(*index.shape, *size) + coarse
        return heat

    def evidence(self, features: Tensor, heat: Tensor, index: Tensor | None = None) -> Tensor:
        """Whether points are seen where they were found.

        From the features at the peak, and from how sure the heat map is. No gradient reaches the
        heat map.

        Args:
            features: (B, C, h, w).
            heat: (B, K, h, w) logits.
            index: as for `heat`.

        Returns:
            (B, K) logits.
        """
        index = self._asked(features, index)
        with torch.no_grad():
            places, covariance, share = peaks(heat)
            flat = heat.flatten(2).float()
            top = flat.amax(2)
            spread = covariance.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(1e-6).log()
            facts = [share, (top - flat.logsumexp(2)) / 4, top / 10, spread]
        here = sample(features, places)
        look: Tensor = self.look(torch.cat([here, torch.stack(facts, -1).to(here.dtype)], -1))
        return (look * self.judges[index]).sum(-1) + self.bias[index]

    def _asked(self, features: Tensor, index: Tensor | None) -> Tensor:
        if index is None:
            every = torch.arange(self.points, device=features.device)
            return every.expand(len(features), -1)
        return index.clamp_min(0)
