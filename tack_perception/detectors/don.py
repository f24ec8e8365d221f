# SPDX-License-Identifier: Apache-2.0
"""Dense Object Nets at run time: a click is a descriptor, compared with those of every window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.scene import OncePerWindow, Window
from tack_perception.errors import InvalidInputError
from tack_perception.networks.don import DonHead
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]


class DonReader:
    """Descriptors of the clicks, compared with those of each window.

    Several shots of a label: each cell counts for the shot that it is most like.

    Args:
        model: with the head.
        name: of the head: `don` or `instance`.

    Raises:
        InvalidInputError: the model has no such head.
    """

    closer: frozenset[str] = frozenset()

    def __init__(self, model: KeypointModel, name: str = "don") -> None:
        head: DonHead | None = getattr(model, name)
        if head is None:
            raise InvalidInputError(f"this model has no head {name!r}: train one with --method don")
        self.head, self.name, self.stride = head, name, model.stride
        self._described = OncePerWindow(lambda features: [head(features)])

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Tensor]:
        """The descriptor of a click."""
        point = torch.as_tensor(pixel, dtype=torch.float32, device=window.features.device)
        point = point.reshape(1, 1, 2)
        return {self.name: self.head.sample(self.described([window]), point, self.stride)[0, 0]}

    def described(self, windows: Sequence[Window]) -> Tensor:
        """(W, D, h, w) descriptors of windows."""
        return self._described(windows)[0]

    def prepare(self, shots: Sequence[Shot]) -> None:
        """Nothing: descriptors are read with each click."""

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], *, closely: bool = False
    ) -> Found:
        """Look for L labels in W windows."""
        described = self.described(windows)
        flat = [shot.what[self.name] for several in shots for shot in several]
        every = torch.stack(flat)[None].expand(len(windows), -1, -1)
        logits = self.head.logits(every, described)
        heat = _best_of_each(logits, [len(several) for several in shots])
        return Found(heat, {"nearness": self.head.likeness(heat.flatten(2).amax(-1))})


def _best_of_each(maps: Tensor, counts: Sequence[int]) -> Tensor:
    """(W, ΣK, h, w) maps of all shots → (W, L, h, w): the highest among those of each label."""
    if all(count == 1 for count in counts):
        return maps
    return torch.stack([several.amax(1) for several in torch.split(maps, list(counts), 1)], 1)
