# SPDX-License-Identifier: Apache-2.0
"""How Dense Object Nets learn: three losses from the literature, with their variants.

Formulas, recipes and traps: docs/methods/don.md.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.configuration import Configuration, setting
from tack_perception.learning.don_pairs import NEVER, Pairs, describe
from tack_perception.learning.episode import Episodes
from tack_perception.learning.losses import heat_cross_entropy, masked_mean
from tack_perception.learning.places import Taught
from tack_perception.networks.don import DonHead, squared_distances, unit

RECIPES = ("class", "instance")
_TINY = 1e-6


@dataclasses.dataclass(frozen=True)
class DonLossConfig(Configuration):
    """Which losses, how much of each, and what counts as a match."""

    recipe: str = setting(
        "class",
        "what looks alike: the same point of all instances of a class, or of one instance only",
        choices=RECIPES,
    )
    dense: float = setting(1.0, "weight of NT-Xent against all cells of the other picture", low=0)
    nt_xent: float = setting(0.0, "weight of NT-Xent against the other points", low=0)
    distributional: float = setting(0.0, "weight of the distributional loss", low=0)
    contrastive: float = setting(0.0, "weight of the contrastive loss", low=0)
    taught: float = setting(
        1.0, "weight of finding points by the descriptors that their places prescribe; recipe class"
        " only", low=0,
    )  # fmt: skip
    calibration: float = setting(
        0.1, "weight of fitting the head's scales to the descriptors, which it leaves alone", low=0
    )
    cross_object: bool = setting(True, "points of different things of a batch are non-matches")
    other_things: bool = setting(
        True, "other things in the same picture are non-matches; switch it off where a picture may"
        " hold several instances of a class that are to look alike",
    )  # fmt: skip
    exclusion_px: float = setting(
        2.0, "nothing this near to the true point is a non-match", unit="px", low=0, high=64
    )
    own_picture: bool = setting(
        False, "dense: the other cells of the point's own picture are negatives as well"
    )
    expectation: bool = setting(
        False, "distributional: Huber loss of the mean place instead of a cross-entropy"
    )
    sigma_cells: float = setting(
        0.7, "distributional: of the Gaussian at the true point", unit="cells", low=0.1, high=8
    )
    margin: float = setting(0.5, "contrastive: non-matches are this far apart", low=0.01, high=10)
    non_matches: int = setting(
        75, "contrastive: for each match so many on the object, and in the background", low=1
    )
    hard_only: bool = setting(True, "contrastive: mean over the non-matches within the margin only")
    pixel_cap_px: float = setting(
        0.0, "contrastive: weigh non-matches on the object by their distance in the picture, full"
        " from here on; 0 weighs all the same", unit="px", low=0, high=1000,
    )  # fmt: skip

    @property
    def weighs(self) -> bool:
        """Whether any loss has a weight."""
        own = (self.dense, self.nt_xent, self.distributional, self.contrastive)
        return any((*own, self.taught, self.calibration))


def don_losses(
    head: DonHead,
    support_features: Tensor,
    query_features: Tensor,
    episodes: Episodes,
    config: DonLossConfig | None = None,
    generator: torch.Generator | None = None,
    *,
    taught: Taught | None = None,
) -> dict[str, Tensor]:
    """Weighted losses of a batch; their sum is to be minimised.

    What has nothing to learn from (no point seen in both pictures, an empty mask) is 0 and has a
    gradient. Under autocast the losses are computed in single precision all the same.

    Args:
        head: descriptors and their scales.
        support_features, query_features: (B, C, h, w) of a trunk with stride 2.
        episodes: the same B pairs.
        config: which losses.
        generator: draws non-matches of the contrastive loss; None seeds one by the batch, so that
            a batch has one loss whatever came before.
        taught: what the descriptors are to be, where that is known.

    Returns:
        Name → scalar.

    Raises:
        InvalidInputError: the features' grid is not that of the episodes' masks.
    """
    config = config or DonLossConfig()
    pairs = describe(
        head, (support_features, query_features), episodes,
        instances=config.recipe == "instance", other_things=config.other_things,
    )  # fmt: skip
    losses: dict[str, Tensor] = {}
    with torch.autocast(pairs.codes.device.type, enabled=False):
        if config.contrastive:
            terms = contrastive(pairs, config, generator or _seeded(episodes))
            losses |= {f"don_{name}": config.contrastive * loss for name, loss in terms.items()}
        if config.distributional:
            loss = distributional(head, pairs, config)
            losses["don_distributional"] = config.distributional * loss
        if config.nt_xent:
            losses["don_nt_xent"] = config.nt_xent * nt_xent(head, pairs, config)
        if config.dense:
            losses["don_dense"] = config.dense * dense_nt_xent(head, pairs, config)
        if config.taught and taught is not None and config.recipe == "class":
            losses["don_taught"] = config.taught * prescribed(head, pairs, taught, config)
        if config.calibration:
            losses["don_calibration"] = config.calibration * calibration(head, pairs, config)
    return losses


def _seeded(episodes: Episodes) -> torch.Generator:
    """Random numbers that depend on the batch alone: a resumed run draws the same."""
    places = episodes.support_points.nan_to_num(0).double().sum()
    return torch.Generator().manual_seed(int(places * 1e3) % 2**63)


def contrastive(
    pairs: Pairs, config: DonLossConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Pixelwise contrastive loss (Florence et al. 2018, equations 1 to 3).

    `match`: mean ‖a - b‖² of matches. `masked`, `background`: max(0, M - ‖a - b‖)² of a match's
    point in the support to random cells on and off the object in the query, divided by how many of
    both together lie within the margin M. `cross`: the same for points of different things.
    """
    a, b = pairs.codes
    terms = {"match": masked_mean((a - b).square().sum(-1), pairs.match)}
    sums, counts = [], []
    for mask, weighted in ((pairs.object, config.pixel_cap_px > 0), (pairs.background, False)):
        hinges, valid = _non_matches(pairs, mask, config, generator, weighted=weighted)
        sums.append(hinges.sum())
        counts.append(_counted(hinges, valid, config))
    count = (counts[0] + counts[1]).clamp_min(1)
    terms["masked"], terms["background"] = sums[0] / count, sums[1] / count
    if config.cross_object:
        everything = pairs.codes.flatten(0, 2).T[None]
        squared = squared_distances(a.flatten(0, 1)[None], everything)[0]
        valid = pairs.strangers(0) & pairs.usable[0].reshape(-1, 1)
        hinges = _hinge(squared, valid, config.margin)
        terms["cross"] = hinges.sum() / _counted(hinges, valid, config).clamp_min(1)
    return terms


def _non_matches(
    pairs: Pairs, mask: Tensor, config: DonLossConfig, generator: torch.Generator, *, weighted: bool
) -> tuple[Tensor, Tensor]:
    """(B, N, M) hinges of points against M random cells of a mask, and which of them count.

    All points of a picture share the cells: as many non-matches for one product of matrices.
    """
    cells = pairs.cells[1]
    empty = ~mask.any(1, keepdim=True)
    weights = (mask | empty).to(generator.device, torch.float32)
    drawn = torch.multinomial(weights, config.non_matches, replacement=True, generator=generator)
    drawn = drawn.to(cells.device)
    index = drawn[:, None].expand(-1, cells.shape[1], -1)
    squared = squared_distances(pairs.codes[0], cells.flatten(2).gather(2, index))
    width = cells.shape[-1]
    places = torch.stack([drawn % width, drawn.div(width, rounding_mode="floor")], -1)
    away = torch.cdist(pairs.points[1], (places.to(cells.dtype) + 0.5) * pairs.stride - 0.5)
    valid = pairs.match[..., None] & ~empty[..., None] & (away > config.exclusion_px)
    hinges = _hinge(squared, valid, config.margin)
    # Far in the picture says nothing of the background, so it has no such weight: issue 58 of
    # RobotLocomotion/pytorch-dense-correspondence.
    if weighted:
        hinges = hinges * (away / config.pixel_cap_px).clamp_max(1)
    return hinges, valid


def _hinge(squared: Tensor, valid: Tensor, margin: float) -> Tensor:
    """max(0, margin - distance)² where it counts, else 0."""
    # The root of 0 has no gradient. Nor have two equal descriptors a way apart.
    distance = squared.clamp_min(_TINY**2).sqrt()
    return torch.where(valid, (margin - distance).clamp_min(0).square(), 0)


def _counted(hinges: Tensor, valid: Tensor, config: DonLossConfig) -> Tensor:
    return ((hinges > 0) if config.hard_only else valid).sum()


def distributional(head: DonHead, pairs: Pairs, config: DonLossConfig) -> Tensor:
    """Pixelwise distributional loss (Florence 2020, thesis, chapter 4), mean of both directions.

    q(x) = softmax_x(-‖f_b(x) - f_a(u)‖² / (2 temperature)) over all cells of the other picture.
    Its cross-entropy with a Gaussian at the true point; or, as released by Navale, the Huber loss
    (1 px) of its mean place.
    """
    total = pairs.codes.new_zeros(())
    for side, other in ((0, 1), (1, 0)):
        logits = head.logits(pairs.codes[side], pairs.cells[other])
        flat = logits.flatten(2)
        spared = _penalty(pairs, other)
        counting = flat if spared is None else flat + spared
        if config.expectation:
            missed = _expected(counting, logits.shape[-1], pairs.stride) - pairs.points[other]
            loss = functional.huber_loss(missed, torch.zeros_like(missed), reduction="none").mean(2)
        else:
            loss = heat_cross_entropy(logits, pairs.points[other], pairs.stride, config.sigma_cells)
            if spared is not None:
                loss = loss + counting.logsumexp(2) - flat.logsumexp(2)
        total = total + 0.5 * masked_mean(loss, pairs.match)
    return total


def _expected(logits: Tensor, width: int, stride: int) -> Tensor:
    """(B, N, 2) px: mean place under the soft-max of (B, N, h·w) logits."""
    number = torch.arange(logits.shape[2], device=logits.device)
    places = torch.stack([number % width, number.div(width, rounding_mode="floor")], -1)
    return logits.softmax(2) @ ((places.to(logits.dtype) + 0.5) * stride - 0.5)


def nt_xent(head: DonHead, pairs: Pairs, config: DonLossConfig) -> Tensor:
    """Pixelwise NT-Xent (Adrian et al. 2022), with all points of a batch in one matrix.

    -log(e^(s⁺/τ) / (e^(s⁺/τ) + Σ e^(s⁻/τ))), s the cosine; negatives are the other points of both
    pictures, and points of different things. Every match counts twice, once from each side. Of a
    point whose other picture shows another instance (recipe "instance") the positive is itself: s⁺
    is 1, and it is only pushed away from what is there.
    """
    codes = (pairs if head.normalise else pairs.unit()).codes
    positive = _positives(codes, pairs) / head.temperature
    points = codes.flatten(0, 2)
    logits = points @ (points / head.temperature).T
    mask = pairs.negatives(config.exclusion_px)
    if not config.cross_object:
        mask = mask & _own_episode(pairs)
    logits = torch.where(mask, logits, NEVER)
    loss = functional.softplus(logits.logsumexp(1) - positive.flatten())
    return masked_mean(loss, _anchors(pairs).flatten())


def dense_nt_xent(head: DonHead, pairs: Pairs, config: DonLossConfig) -> Tensor:
    """NT-Xent with all cells of the other picture as negatives, mean of both directions.

    The positive is the descriptor at the true point, between cells. The cells next to it (at least
    the four around it) are left out: they are neither it nor wrong.
    """
    pairs = pairs if head.normalise else pairs.unit()
    positives = _positives(pairs.codes, pairs) / head.temperature
    anchors = _anchors(pairs)
    total = pairs.codes.new_zeros(())
    for side, other in ((0, 1), (1, 0)):
        keys = pairs.codes[side] / head.temperature
        negatives = _dense_negatives(keys, pairs, other, pairs.match, config)
        if config.own_picture:
            every = torch.ones_like(pairs.match)
            own = _dense_negatives(keys, pairs, side, every, config)
            negatives = torch.logaddexp(negatives, own)
        if config.cross_object:
            strangers = keys.flatten(0, 1) @ pairs.codes.flatten(0, 2).T
            strangers = torch.where(pairs.strangers(side), strangers, NEVER)
            negatives = torch.logaddexp(negatives, strangers.logsumexp(1).view_as(negatives))
        loss = functional.softplus(negatives - positives[side])
        total = total + 0.5 * masked_mean(loss, anchors[side])
    return total


def _dense_negatives(
    keys: Tensor, pairs: Pairs, side: int, windowed: Tensor, config: DonLossConfig
) -> Tensor:
    """(B, N) log-sum of (B, N, D) keys over a side's cells, but for those around some points."""
    logits = torch.bmm(keys, pairs.cells[side].flatten(2))
    window = pairs.window(side, config.exclusion_px)
    logits.scatter_add_(2, window, (NEVER * windowed.to(keys.dtype))[..., None].expand_as(window))
    spared = _penalty(pairs, side)
    return (logits if spared is None else logits + spared).logsumexp(2)


def _penalty(pairs: Pairs, side: int) -> Tensor | None:
    """(B, 1, h·w) to add to logits, so that cells which are spared do not count."""
    if pairs.spared is None:
        return None
    return NEVER * pairs.spared[side, :, None].to(pairs.codes.dtype)


def prescribed(head: DonHead, pairs: Pairs, taught: Taught, config: DonLossConfig) -> Tensor:
    """Finding the points by prescribed descriptors, mean of both pictures.

    Cross-entropy of the heat map's soft-max with a Gaussian at the true point (ours).
    """
    keys = unit(taught.descriptors, -1) if head.normalise else taught.descriptors
    total = keys.new_zeros(())
    for side in (0, 1):
        logits = head.logits(keys, pairs.cells[side])
        loss = heat_cross_entropy(logits, pairs.points[side], pairs.stride, config.sigma_cells)
        total = total + 0.5 * masked_mean(loss, pairs.usable[side] & taught.known)
    return total


def _positives(codes: Tensor, pairs: Pairs) -> Tensor:
    """(2, B, N) similarity to the partner, or where there is none to itself."""
    across = (codes[0] * codes[1]).sum(-1)
    return torch.where(pairs.match, across, codes.square().sum(-1))


def _anchors(pairs: Pairs) -> Tensor:
    """(2, B, N) bool: points that have a term in NT-Xent."""
    return pairs.match | pairs.alone


def _own_episode(pairs: Pairs) -> Tensor:
    """(2BN, 2BN) bool: both points are of one episode."""
    batch, count = pairs.match.shape
    episode = torch.arange(batch, device=pairs.match.device).repeat_interleave(count).repeat(2)
    return episode[:, None] == episode


def calibration(head: DonHead, pairs: Pairs, config: DonLossConfig) -> Tensor:
    """Fits the head's two scales to descriptors that are taken as they are.

    The reach of the heat map: binary cross-entropy of the heat at the true point against 1, and of
    the highest heat elsewhere against 0 (everywhere, for points that the query does not show). So a
    heat of one half lies between what matches and what does not (ours). The temperature, where no
    other loss trains it: the distributional loss.
    """
    pairs = pairs.detached()
    squared = squared_distances(pairs.codes[0], pairs.cells[1]).flatten(2)
    window = pairs.window(1, config.exclusion_px)
    away = (-NEVER * pairs.match.to(squared.dtype))[..., None].expand_as(window)
    squared = squared.scatter_add(2, window, away)
    spared = _penalty(pairs, 1)
    nearest = (squared if spared is None else squared - spared).amin(2)
    scale = torch.exp(-2 * head.log_reach)
    at_truth = (pairs.codes[0] - pairs.codes[1]).square().sum(-1) * scale
    elsewhere = -torch.log(-torch.expm1(-(nearest * scale).clamp_min(_TINY)))
    loss = masked_mean(at_truth, pairs.match)
    loss = loss + masked_mean(elsewhere, pairs.match | pairs.absent)
    if not (config.dense or config.nt_xent or config.distributional):
        loss = loss + distributional(head, pairs, config)
    return loss
