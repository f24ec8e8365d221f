# SPDX-License-Identifier: Apache-2.0
"""Dense Object Nets at run time: a click is a descriptor, compared with those of every window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.scene import OncePerWindow, Window
from tack_perception.detectors.surrounded import FACTS, Surrounded
from tack_perception.errors import InvalidInputError
from tack_perception.networks.don import DonHead
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]


class DonReader:
    """Descriptors of the clicks, compared with those of each window.

    Several shots of a label: each cell counts for the shot that it is most like. A model that looks
    at frames as a whole is asked for what surrounds the clicks as well.

    Args:
        model: with the head.
        name: of the head: `don` or `instance`.

    Raises:
        InvalidInputError: the model has no such head.
    """

    def __init__(self, model: KeypointModel, name: str = "don") -> None:
        head: DonHead | None = getattr(model, name)
        if head is None:
            raise InvalidInputError(f"this model has no head {name!r}: train one with --method don")
        self.head, self.name, self.stride = head, name, model.stride
        self._around = Surrounded.of(model, self.describe, self.likeness)
        self.closer = frozenset[str]() if self._around is None else FACTS
        self._described = OncePerWindow(lambda features: [head(features)])

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """The descriptor of a click, and in a whole frame what surrounds it."""
        point = self.point(window, pixel)
        return point if self._around is None else point | self._around.read(window, pixel)

    def point(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """The descriptor of a click alone."""
        return {self.name: self.describe(window, pixel[None])[0]}

    def describe(self, window: Window, pixels: NDArray[np.floating]) -> Tensor:
        """(N, D) descriptors at (N, 2) px of a window's picture."""
        described = self.described([window])
        points = torch.as_tensor(pixels, dtype=torch.float32, device=described.device)
        return self.head.sample(described, points[None], self.stride)[0]

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
        evidence: dict[str, Tensor] = {}
        if self._around is not None and closely:
            heat, evidence = self._around.find(shots, windows, heat)
        evidence["nearness"] = self.head.likeness(heat.flatten(2).amax(-1))
        return Found(heat, evidence)

    def likeness(self, codes: Tensor, window: Window, every: int = 1) -> NDArray[np.float32]:
        """(N, h, w) of (N, D) descriptors to a window's cells, 0 to 1."""
        described = self.described([window])[..., ::every, ::every]
        likeness = self.head.heat(codes[None], described)[0]
        return np.asarray(likeness.cpu().numpy(), np.float32)


def _best_of_each(maps: Tensor, counts: Sequence[int]) -> Tensor:
    """(W, ΣK, h, w) maps of all shots → (W, L, h, w): the highest among those of each label."""
    if all(count == 1 for count in counts):
        return maps
    return torch.stack([several.amax(1) for several in torch.split(maps, list(counts), 1)], 1)
