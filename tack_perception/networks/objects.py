# SPDX-License-Identifier: Apache-2.0
"""The head that finds objects: where they are, where their middle is, what is seen of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

VOTE_PX = 32.0
"""Votes are learned in units of this many pixels."""


class ObjectHead(nn.Module):
    """Foreground, votes for the middle of the object, places on it, and an embedding of its class.

    The places (after Wang et al., "Normalized Object Coordinate Space", CVPR 2019) are a lesson for
    the trunk: every cell of an object teaches, not only the points that are clicked. Each class has
    maps of its own; one set of maps for all classes hardly learns at all.

    Args:
        channels: of the trunk's features.
        classes: that embeddings are learned from; each has a prototype.
        embedding: numbers in an embedding.
    """

    def __init__(self, channels: int, classes: int = 1, embedding: int = 32) -> None:
        super().__init__()
        self.embedding = embedding
        self.hidden = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, 3, 1)
        self.places = nn.Conv2d(channels, 3 * max(classes, 1), 1)
        # Means of features of any two things are much alike; what differs is brought out first.
        self.like = nn.Sequential(
            nn.BatchNorm1d(channels), nn.Linear(channels, channels), nn.ReLU(),
            nn.Linear(channels, embedding),
        )  # fmt: skip
        self.prototypes = nn.Parameter(torch.randn(max(classes, 1), embedding))
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find objects.

        Args:
            features: (B, C, h, w).

        Returns:
            (B, h, w) logit that a cell shows an object; (B, 2, h, w) px, from each cell to the
            middle of its object; (B, K, 3, h, w) place on the object, in its own box of -1 to 1,
            if it is of class k.
        """
        hidden = functional.relu(self.hidden(features))
        out = self.out(hidden)
        places = self.places(hidden)
        batch, _, height, width = places.shape
        return (
            out[:, 0], out[:, 1:] * VOTE_PX, places.reshape(batch, -1, 3, height, width)
        )  # fmt: skip

    def embed(self, features: Tensor, mask: Tensor) -> Tensor:
        """What objects are like.

        Args:
            features: (B, C, h, w).
            mask: (B, h, w) weights, 0 to 1, of the cells that show the object.

        Returns:
            (B, embedding) of unit length.
        """
        weight = mask.to(features.dtype).flatten(1)
        total = torch.bmm(features.flatten(2), weight[..., None]).squeeze(-1)
        pooled = total / weight.sum(1, keepdim=True).clamp_min(1e-3)
        return functional.normalize(self.like(pooled).float(), dim=-1)

    def classes(self, embedded: Tensor) -> Tensor:
        """(..., K) logits of the classes of what is like (..., embedding)."""
        return self.likeness(embedded) * self.log_scale.clamp(max=4.0).exp()

    def likeness(self, embedded: Tensor) -> Tensor:
        """(..., K) cosines of (..., embedding) with the prototypes of the classes."""
        return embedded @ functional.normalize(self.prototypes, dim=-1).T
