# SPDX-License-Identifier: Apache-2.0
"""The methods by name: which heads each trains, and what their losses are."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import torch
from torch import Tensor

from tack_perception.errors import ConfigurationError
from tack_perception.learning.don import DonLossConfig, don_losses
from tack_perception.learning.episode import Episodes
from tack_perception.learning.keypointnet import (
    KeypointNetLossConfig,
    keypointnet_losses,
    twins_of,
)
from tack_perception.learning.objects import ObjectLossConfig, object_losses
from tack_perception.learning.places import teach
from tack_perception.learning.sparse import SparseLossConfig, sparse_losses
from tack_perception.learning.tack import TackLossConfig, tack_losses
from tack_perception.networks.model import KeypointModel


class Method(Protocol):
    """How something is learned.

    Attributes:
        name: of the method.
        heads: that it trains; a model for it has at least these.
    """

    @property
    def name(self) -> str:
        """Of the method."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Those it trains."""

    def losses(self, model: KeypointModel, episodes: Episodes) -> dict[str, Tensor]:
        """Weighted scalars by name; their sum is to be made small."""


@dataclasses.dataclass(frozen=True)
class Heads:
    """Some heads on one trunk, trained together on the same pictures: one pass of the trunk.

    Attributes:
        name: of the method.
        heads: names of the heads.
        tack, don, instance, objects, sparse, keypointnet: settings of their losses.
    """

    name: str
    heads: tuple[str, ...]
    tack: TackLossConfig = dataclasses.field(default_factory=TackLossConfig)
    don: DonLossConfig = dataclasses.field(default_factory=DonLossConfig)
    instance: DonLossConfig = dataclasses.field(
        default_factory=lambda: DonLossConfig(recipe="instance")
    )
    objects: ObjectLossConfig = dataclasses.field(default_factory=ObjectLossConfig)
    sparse: SparseLossConfig = dataclasses.field(default_factory=SparseLossConfig)
    keypointnet: KeypointNetLossConfig = dataclasses.field(default_factory=KeypointNetLossConfig)

    def losses(self, model: KeypointModel, episodes: Episodes) -> dict[str, Tensor]:
        """Weighted scalars by name; their sum is to be made small."""
        pictures = [episodes.support, episodes.query] if self._compares else []
        twins = None
        if "keypointnet" in self.heads and model.keypointnet is not None:
            twins = twins_of(episodes, self.keypointnet)
            pictures += list(twins.pictures)
        features = list(model.features(torch.cat(pictures)).chunk(len(pictures)))
        losses: dict[str, Tensor] = {}
        if twins is not None and model.keypointnet is not None and model.don is not None:
            views = features[-2], features[-1]
            losses |= keypointnet_losses(
                model.keypointnet, model.don, views, twins, self.keypointnet
            )
        if self._compares:
            losses |= self._compared(model, features[0], features[1], episodes)
        return losses

    @property
    def _compares(self) -> bool:
        """Whether anything is learned from support and query."""
        others = set(self.heads) - {"places", "don", "keypointnet"}
        return bool(others) or ("don" in self.heads and self.don.weighs)

    def _compared(
        self, model: KeypointModel, support: Tensor, query: Tensor, episodes: Episodes
    ) -> dict[str, Tensor]:
        """Losses of the heads that learn from the pair of pictures."""
        losses: dict[str, Tensor] = {}
        taught = None
        if "places" in self.heads and model.places is not None:
            taught = teach(model.places, episodes)
        if "objects" in self.heads and model.objects is not None:
            losses |= object_losses(model.objects, support, query, episodes, self.objects)
        if "tack" in self.heads and model.tack is not None:
            losses |= tack_losses(model.tack, support, query, episodes, self.tack, taught=taught)
        if "don" in self.heads and model.don is not None and self.don.weighs:
            losses |= don_losses(model.don, support, query, episodes, self.don, taught=taught)
        if "instance" in self.heads and model.instance is not None:
            own = don_losses(model.instance, support, query, episodes, self.instance)
            losses |= {name.replace("don", "instance", 1): loss for name, loss in own.items()}
        if "sparse" in self.heads and model.sparse is not None:
            losses |= sparse_losses(model.sparse, support, query, episodes, self.sparse)
        return losses


METHODS: dict[str, Heads] = {
    one.name: one
    for one in (
        Heads("tack", ("objects", "places", "tack")),
        Heads("don", ("objects", "places", "don")),
        Heads("sparse", ("objects", "sparse")),
        Heads(
            "mined",
            ("objects", "don", "keypointnet"),
            don=DonLossConfig(dense=0.0, taught=0.0, calibration=0.0),
        ),
        Heads("joint", ("objects", "places", "tack", "don", "instance", "sparse")),
    )
}


POSES = "poses"
"""A method of its own: it learns from what a trained model finds (`learning.pose_job`)."""


def make_method(name: str) -> Heads:
    """A method by name.

    Raises:
        ConfigurationError: there is none of that name; lists those that are.
    """
    if name not in METHODS:
        raise ConfigurationError(f"method {name!r}: known are {', '.join((*METHODS, POSES))}")
    return METHODS[name]
