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
from tack_perception.detectors.surroundings import place_of, surroundings_of
from tack_perception.errors import InvalidInputError
from tack_perception.networks import sampling
from tack_perception.networks.don import DonHead
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]
_CLOSER = frozenset({"agreement"})
_SIGMA = 0.5  # cells, of how well the surroundings of a click tell where it is


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
        self._around = f"around {name}"
        self._whole = model.config.focal_px > 0
        self.closer = _CLOSER if self._whole else frozenset[str]()
        self._described = OncePerWindow(lambda features: [head(features)])

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """The descriptor of a click, and in a whole frame what surrounds it."""
        described = self.described([window])

        def describe(pixels: FloatArray) -> Tensor:
            points = torch.as_tensor(pixels, dtype=torch.float32, device=described.device)
            return self.head.sample(described, points[None], self.stride)[0]

        if not self._whole:
            return {self.name: describe(pixel[None])[0]}
        around = surroundings_of(
            window, pixel, self.stride, describe, lambda codes: self._likeness(codes, described[0])
        )
        return {self.name: around.codes[0], self._around: around}

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
        if self._whole and closely:
            prior, evidence = self._surrounded(shots, windows, described)
            # How sure the descriptor is by itself: the prior makes the heat narrow in any case.
            evidence["share"] = sampling.peaks(heat)[2]
            heat = heat + prior
        evidence["nearness"] = self.head.likeness(heat.flatten(2).amax(-1))
        return Found(heat, evidence)

    def _surrounded(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], described: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What surrounds the clicks: (W, L, h, w) to add to the logits, and facts (W, L)."""
        places = [
            [
                max(
                    (
                        place_of(around, self._likeness(around.codes, one), window, self.stride)
                        for around in (shot.what[self._around] for shot in several)
                    ),
                    key=lambda place: place.evidence,
                )
                for several in shots
            ]
            for window, one in zip(windows, described, strict=True)
        ]
        pixels = np.array([[(place.u, place.v) for place in row] for row in places])
        centres = sampling.to_cells(torch.from_numpy(pixels).to(described), self.stride)
        v, u = (torch.arange(n, device=described.device) for n in described.shape[-2:])
        across, down = u - centres[..., None, :1], v[:, None] - centres[..., 1:, None]
        agreement = torch.tensor([[place.agreement for place in row] for row in places])
        prior = -(across.square() + down.square()) / (2 * _SIGMA**2)
        return prior, {"agreement": agreement}

    def _likeness(self, codes: Tensor, described: Tensor) -> NDArray[np.float32]:
        """(N, h, w) of (N, D) descriptors to (D, h, w) cells, 0 to 1."""
        likeness = self.head.heat(codes[None], described[None])[0]
        return np.asarray(likeness.cpu().numpy(), np.float32)


def _best_of_each(maps: Tensor, counts: Sequence[int]) -> Tensor:
    """(W, ΣK, h, w) maps of all shots → (W, L, h, w): the highest among those of each label."""
    if all(count == 1 for count in counts):
        return maps
    return torch.stack([several.amax(1) for several in torch.split(maps, list(counts), 1)], 1)
