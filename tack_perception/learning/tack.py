# SPDX-License-Identifier: Apache-2.0
"""How TACK's head learns: from one click, find the point in another picture and in the same one.

Two losses of one form (Vecerik et al., arXiv 2112.04910): task adaptation (TA) infers the code in
the support and detects in the query, the conditional auto-encoder (AE) does both in the support.
Codes that the place on the surface prescribes (`Taught`) let the decoder learn before the encoder
knows anything. Beside them a judge learns whether the point is seen at all, on hidden points and on
pictures of other objects, and how far behind the object's middle it lies.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.configuration import Configuration, setting
from tack_perception.learning.episode import Episodes
from tack_perception.learning.losses import binary, heat_cross_entropy, masked_mean
from tack_perception.learning.places import Taught
from tack_perception.networks.tack import TackHead


@dataclasses.dataclass(frozen=True)
class TackLossConfig(Configuration):
    """Weights of the losses. A weight of 0 leaves a loss out, and what it costs."""

    adaptation: float = setting(1.0, "weight of task adaptation", low=0, high=100)
    both_ways: bool = setting(
        False, "task adaptation clicks in the query, too, and looks for the point in the support"
    )
    autoencoder: float = setting(1.0, "weight of the auto-encoder", low=0, high=100)
    hidden: float = setting(
        0.5, "weight of a hidden point beside a visible one, in task adaptation", low=0, high=1
    )
    taught: float = setting(
        1.0, "weight of finding points by the codes that their places prescribe", low=0, high=100
    )
    imitation: float = setting(
        1.0, "weight of the encoder's distance from the codes that places prescribe",
        low=0, high=100,
    )  # fmt: skip
    judge: float = setting(1.0, "weight of telling whether a point is seen", low=0, high=100)
    depth: float = setting(1.0, "weight of the depth beyond the middle", low=0, high=100)
    absent_points: int = setting(
        4, "points of each episode that are looked for on another object, too", low=0, high=64
    )
    sigma_cells: float = setting(0.7, "of the true heat map", unit="cells", low=0.3, high=5)


def tack_losses(
    head: TackHead,
    support: Tensor,
    query: Tensor,
    episodes: Episodes,
    config: TackLossConfig | None = None,
    *,
    taught: Taught | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of a batch.

    Args:
        head: TACK's.
        support, query: (B, C, h, w) features of the pictures.
        episodes: the batch.
        config: weights.
        taught: what the codes are to be, where that is known.

    Returns:
        Scalars by name: `ta`, `ae`, `tack_taught`, `imitation`, `seen`, `absent`, `depth`, as far
        as their weight is not 0.
    """
    config = config or TackLossConfig()
    codes = head.codes(support, episodes.support_points)
    prescribed = taught if config.taught else None
    shared = episodes.known & episodes.visible
    back: Tensor | None = None
    if config.both_ways and config.adaptation:
        anywhere = torch.zeros_like(episodes.query_points)
        back = head.codes(query, torch.where(shared[..., None], episodes.query_points, anywhere))
    losses: dict[str, Tensor] = {}
    if taught is not None and config.imitation:
        away = _away(codes, taught, taught.known)
        if back is not None:
            away = 0.5 * (away + _away(back, taught, taught.known & shared))
        losses["imitation"] = config.imitation * away
    given = {} if prescribed is None else {"taught": prescribed.codes.to(codes)}
    # One pass of the decoder for all kinds of codes: most of its cost does not depend on them.
    asked = dict(given)
    if config.autoencoder:
        asked["own"] = codes
    if back is not None:
        asked["back"] = back
    own = _missed(_heats(head, support, asked), episodes.support_points, head, config)
    if config.autoencoder:
        losses["ae"] = config.autoencoder * own["own"].mean()
    if not (config.adaptation or given or config.judge or config.depth):
        return losses
    heats = _heats(head, query, {"there": codes, **given})
    missed = _missed(heats, episodes.query_points, head, config)
    weight = episodes.visible.float() + config.hidden * (~episodes.visible).float()
    weight = weight * episodes.known.float()
    if config.adaptation:
        found = _weighted(missed["there"], weight)
        if back is not None:
            found = 0.5 * (found + masked_mean(own["back"], shared))
        losses["ta"] = config.adaptation * found
    if prescribed is not None:
        here = masked_mean(own["taught"], prescribed.known)
        there = _weighted(missed["taught"], weight * prescribed.known)
        losses["tack_taught"] = config.taught * 0.5 * (here + there)
    heat = heats["there"]
    if config.judge or config.depth:
        seen, depth = head.evidence(query, codes, heat)
        if config.judge:
            losses["seen"] = config.judge * binary(
                seen, episodes.visible, episodes.visible.new_ones(episodes.visible.shape)
            )
        if config.depth:
            true = episodes.query_depth
            usable = episodes.known & true.isfinite()
            error = functional.smooth_l1_loss(
                depth.float(), true.nan_to_num(0.0), reduction="none", beta=0.05
            )
            losses["depth"] = config.depth * masked_mean(error, usable)
    if config.judge and config.absent_points and len(episodes) > 1:
        losses["absent"] = config.judge * _absent(head, codes, query, episodes, config)
    return losses


def _away(codes: Tensor, taught: Taught, known: Tensor) -> Tensor:
    """Mean squared distance of codes from those that are prescribed, where these are known."""
    return masked_mean((codes.float() - taught.codes.detach()).square().sum(-1), known)


def _heats(head: TackHead, features: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Heat maps, (B, N, h, w), of several kinds of codes, (B, N, code)."""
    if not codes:
        return {}
    heats = head.heat(features, torch.cat([*codes.values()], 1))
    return dict(zip(codes, heats.chunk(len(codes), 1), strict=True))


def _missed(
    heats: dict[str, Tensor], points: Tensor, head: TackHead, config: TackLossConfig
) -> dict[str, Tensor]:
    """(B, N) cross-entropy of each kind of heat maps with the true points."""
    return {
        kind: heat_cross_entropy(heat, points, head.stride, config.sigma_cells)
        for kind, heat in heats.items()
    }


def _weighted(values: Tensor, weight: Tensor) -> Tensor:
    """Mean by weight; 0 with a gradient path where nothing has any."""
    return (values * weight).sum() / weight.sum().clamp_min(1)


def _absent(
    head: TackHead, codes: Tensor, query: Tensor, episodes: Episodes, config: TackLossConfig
) -> Tensor:
    """Codes of one object on the picture of another: nothing of it is to be seen there."""
    other = query.roll(1, 0)
    strange = episodes.category != episodes.category.roll(1, 0)
    few = codes[:, : config.absent_points]
    seen, _ = head.evidence(other, few, head.heat(other, few).detach())
    return binary(seen, seen.new_zeros(seen.shape), strange[:, None].expand(seen.shape))
