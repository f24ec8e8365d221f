# SPDX-License-Identifier: Apache-2.0
"""Losses and gradients of the last steps: their means, and whether all of them are finite."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tack_perception.errors import TackError
from tack_perception.learning.log import LOSS, NORM


class Meter:
    """Numbers by name since the last `clear`.

    They are fetched in `settle` only: to ask a GPU for a number is to wait for it.

    Attributes:
        steps: how many are in the means.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._pending: list[tuple[int, list[str], Tensor]] = []
        self._sums: dict[str, float] = {}

    def add(self, step: int, losses: Mapping[str, Tensor], norm: Tensor | None) -> None:
        """Take in what a step gave.

        Args:
            step: its number, from 1.
            losses: scalars by name.
            norm: scalar, of the gradient.
        """
        values = [value.detach().float() for value in losses.values()]
        values.append(values[0].new_zeros(()) if norm is None else norm.detach().float())
        told = torch.stack([value.to(values[0].device) for value in values])
        self._pending.append((step, [*losses, NORM], told))

    def settle(self) -> None:
        """Fetch what was taken in.

        Raises:
            TackError: a number is not finite; names the step and all its numbers.
        """
        if not self._pending:
            return
        numbers = iter(torch.cat([told for _, _, told in self._pending]).tolist())
        for step, names, _ in self._pending:
            found = {name: next(numbers) for name in names}
            if not all(map(math.isfinite, found.values())):
                told = ", ".join(f"{name} = {value:.4g}" for name, value in found.items())
                raise TackError(f"step {step}: not all finite: {told}")
            for name, value in found.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
            self.steps += 1
        self._pending.clear()

    def means(self) -> dict[str, float]:
        """Means by name: `loss` (the sum of all), each loss, and `gradient_norm`."""
        means = {name: value / max(self.steps, 1) for name, value in self._sums.items()}
        norm = means.pop(NORM, 0.0)
        return {LOSS: sum(means.values()), **means, NORM: norm}

    def clear(self) -> None:
        """Begin anew."""
        self.steps, self._sums = 0, {}
