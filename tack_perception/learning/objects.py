# SPDX-License-Identifier: Apache-2.0
"""How the head that finds objects learns: foreground, votes, and what makes classes differ."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.configuration import Configuration, setting
from tack_perception.learning.episode import Episodes
from tack_perception.learning.losses import binary, masked_mean
from tack_perception.networks.objects import VOTE_PX, ObjectHead


@dataclasses.dataclass(frozen=True)
class ObjectLossConfig(Configuration):
    """Weights of the losses."""

    foreground: float = setting(1.0, "weight of telling objects from the rest", low=0, high=100)
    votes: float = setting(1.0, "weight of the votes for the middle", low=0, high=100)
    surface: float = setting(3.0, "weight of the places on the objects", low=0, high=100)
    likeness: float = setting(0.5, "weight of telling classes apart", low=0, high=100)


def object_losses(
    head: ObjectHead,
    support: Tensor,
    query: Tensor,
    episodes: Episodes,
    config: ObjectLossConfig | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of a batch: `foreground`, `votes`, `surface`, `likeness`.

    Args:
        head: the head.
        support, query: (B, C, h, w) features of the pictures.
        episodes: the batch.
        config: weights.
    """
    config = config or ObjectLossConfig()
    features = torch.cat([support, query])
    foreground, votes, surface = head(features)
    things = torch.cat([episodes.support_things, episodes.query_things])
    truth = torch.cat([episodes.support_votes, episodes.query_votes])
    places = torch.cat([episodes.support_surface, episodes.query_surface])
    category = episodes.category.repeat(2)
    taught = category < surface.shape[1]
    row = torch.arange(len(category), device=category.device)
    surface = surface[row, category.clamp(max=surface.shape[1] - 1)]
    known = things.isfinite()
    voted = truth.isfinite()
    miss = functional.smooth_l1_loss(
        votes.float() / VOTE_PX, truth.nan_to_num(0.0) / VOTE_PX, reduction="none", beta=0.1
    )
    embedded = head.embed(features, torch.cat([episodes.support_object, episodes.query_object]))
    return {
        "foreground": config.foreground * binary(foreground, things.nan_to_num(0.0), known),
        "votes": config.votes * masked_mean(miss, voted),
        "surface": config.surface
        * masked_mean(
            (surface.float() - places.nan_to_num(0.0)).abs(),
            places.isfinite() & taught[:, None, None, None],
        ),
        "likeness": config.likeness * prototype_loss(embedded, category, head),
    }


def prototype_loss(embedded: Tensor, labels: Tensor, head: ObjectHead) -> Tensor:
    """Things near the prototype of their class, away from the others.

    The cosine soft-max of Wang et al. ("NormFace", 2017); it learns sooner than comparing the
    things of a batch with each other.

    Args:
        embedded: (B, E) of unit length.
        labels: (B,) classes; those without a prototype count for nothing.
        head: with the prototypes.

    Returns:
        Scalar; 0 with a gradient path where no class is known.
    """
    logits = head.classes(embedded)
    known = labels < len(head.prototypes)
    safe = torch.where(known, labels, torch.zeros_like(labels))
    return masked_mean(functional.cross_entropy(logits.float(), safe, reduction="none"), known)
