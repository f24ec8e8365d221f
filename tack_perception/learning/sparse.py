# SPDX-License-Identifier: Apache-2.0
"""How the fixed set of named points is learned: from pictures in which they are marked.

The multi-view consistency of S3K, by which unmarked pictures teach as well, is left out: it needs
the cameras' poses, which episodes do not carry; and our data mark every picture.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from tack_perception.configuration import Configuration, setting
from tack_perception.learning.episode import Episodes
from tack_perception.learning.losses import binary, heat_cross_entropy
from tack_perception.networks.sparse import SparseHead


@dataclasses.dataclass(frozen=True)
class SparseLossConfig(Configuration):
    """Weights of the losses. A weight of 0 leaves a loss out, and what it costs."""

    heat: float = setting(1.0, "weight of the heat maps", low=0, high=100)
    hidden: float = setting(0.5, "weight of a hidden point beside a visible one", low=0, high=1)
    seen: float = setting(1.0, "weight of telling whether a point is seen", low=0, high=100)
    absent_points: int = setting(
        4, "points of each episode that are looked for on another object, too", low=0, high=64
    )
    sigma_cells: float = setting(0.7, "of the true heat map", unit="cells", low=0.3, high=5)


def sparse_losses(
    head: SparseHead,
    support: Tensor,
    query: Tensor,
    episodes: Episodes,
    config: SparseLossConfig | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of a batch. Support and query are two marked pictures, no more.

    `sparse_heat` is the cross-entropy of the heat maps with Gaussians at the named points that are
    known, seen or hidden; `sparse_seen` the binary cross-entropy of their visibility;
    `sparse_absent` the same for points of another class, which are not there.

    Args:
        head: the fixed set.
        support, query: (B, C, h, w) features of the pictures, stride 2.
        episodes: the same B pairs.
        config: weights.

    Returns:
        Scalars by name, as far as their weight is not 0; 0 with a gradient where nothing is known.
    """
    config = config or SparseLossConfig()
    stride = episodes.support.shape[-1] // support.shape[-1]
    index, there = episodes.named_index, episodes.named_index >= 0
    spots = (episodes.support_named, episodes.query_named)
    heat_losses, weights, seen_losses = [], [], []
    for side, features in enumerate((support, query)):
        known = there & episodes.named_known[..., side]
        visible = known & episodes.named_visible[..., side]
        heat = head.heat(features, index)
        points = torch.where(known[..., None], spots[side], 0)
        weight = torch.where(visible, 1.0, config.hidden) * known
        if config.heat:
            missed = heat_cross_entropy(heat, points, stride, config.sigma_cells)
            heat_losses.append((missed * weight).sum())
            weights.append(weight.sum())
        if config.seen:
            seen_losses.append(binary(head.evidence(features, heat, index), visible, known))
    losses = {}
    if config.heat:
        total = torch.stack(heat_losses).sum() / torch.stack(weights).sum().clamp_min(1)
        losses["sparse_heat"] = config.heat * total
    if config.seen:
        losses["sparse_seen"] = config.seen * torch.stack(seen_losses).mean()
    if config.seen and config.absent_points and len(episodes) > 1:
        losses["sparse_absent"] = config.seen * _absent(head, query, episodes, config)
    return losses


def _absent(
    head: SparseHead, query: Tensor, episodes: Episodes, config: SparseLossConfig
) -> Tensor:
    """Points of one class on the picture of another: nothing of it is to be seen there."""
    other = query.roll(1, 0)
    index = episodes.named_index[:, : config.absent_points]
    strange = (episodes.category != episodes.category.roll(1, 0))[:, None] & (index >= 0)
    heat = head.heat(other, index).detach()
    seen = head.evidence(other, heat, index)
    return binary(seen, torch.zeros_like(seen), strange)
