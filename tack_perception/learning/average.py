# SPDX-License-Identifier: Apache-2.0
"""A moving average of a network's weights: steadier than the weights of the last step."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class MovingAverage(Generic[M]):
    """An exponential moving average of weights and of what normalisation layers have counted.

    Attributes:
        model: a copy of the network with the averaged weights, in evaluation mode.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.model: M = copy.deepcopy(model).requires_grad_(False).eval()
        self._decay = decay
        ours, theirs = _tensors(self.model), _tensors(model)
        numbers = [i for i, one in enumerate(ours) if one.is_floating_point()]
        counts = [i for i, one in enumerate(ours) if not one.is_floating_point()]
        self._numbers = [ours[i] for i in numbers], [theirs[i] for i in numbers]
        self._counts = [(ours[i], theirs[i]) for i in counts]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the network's weights in.

        The first steps count for more, so that the average does not remember the start:
        decay = min(`decay`, (1 + step) / (10 + step)).

        Args:
            step: how many updates came before.
        """
        ours, theirs = self._numbers
        if self._decay == 0.0:
            torch._foreach_copy_(ours, theirs)
        else:
            decay = min(self._decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(ours, theirs, 1.0 - decay)
        for our, their in self._counts:
            our.copy_(their)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*(parameter.data for parameter in model.parameters()), *model.buffers()]
