# SPDX-License-Identifier: Apache-2.0
"""Learned detectors ask in whole frames what surrounds a click, whatever a click is to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tack_perception.detectors.learned import Shot
from tack_perception.detectors.patches import laid_onto
from tack_perception.detectors.scene import Window
from tack_perception.detectors.surroundings import Surroundings, place_of, surroundings_of
from tack_perception.networks import sampling
from tack_perception.networks.model import KeypointModel

_KEY = "around"
_SIGMA = 0.5  # cells, of how well the surroundings of a click tell where it is

FACTS = frozenset({"agreement", "correlation"})
"""What a closer look at surroundings tells."""


class Surrounded:
    """What surrounds clicks, read and looked for.

    Args:
        stride: of the windows' cells, px.
        describe: a window and (N, 2) px of its picture → (N, D) codes.
        likeness: (N, D) codes, a window and n → (N, h/n, w/n) how alike its cells are, n by n of
            them together, 0 to 1; a new array. n is 1 or 2.
    """

    def __init__(
        self,
        stride: int,
        describe: Callable[[Window, NDArray[np.floating]], Tensor],
        likeness: Callable[[Tensor, Window, int], NDArray[np.float32]],
    ) -> None:
        self._stride, self._describe, self._likeness = stride, describe, likeness

    @classmethod
    def of(
        cls,
        model: KeypointModel,
        describe: Callable[[Window, NDArray[np.floating]], Tensor],
        likeness: Callable[[Tensor, Window, int], NDArray[np.float32]],
    ) -> Surrounded | None:
        """For a model that looks at frames as a whole; None for one that looks at objects."""
        return cls(model.stride, describe, likeness) if model.config.focal_px else None

    def read(self, window: Window, pixel: NDArray[np.float64]) -> dict[str, Any]:
        """What is kept of a click, beside what it is itself."""
        return {
            _KEY: surroundings_of(
                window,
                pixel,
                self._stride,
                lambda pixels: self._describe(window, pixels),
                lambda codes: self._likeness(codes, window, 2),
            )
        }

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], heat: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Where the surroundings say that L labels are in W windows.

        Args:
            shots: of each label.
            windows: where to look.
            heat: (W, L, h, w) logits of the clicks by themselves.

        Returns:
            (W, L, h, w) logits with what the surroundings say, and facts (W, L).
        """
        found = [[self._place(several, window) for several in shots] for window in windows]
        pixels = np.array([[pixel for pixel, _ in row] for row in found])
        centres = sampling.to_cells(torch.from_numpy(pixels).to(heat), self._stride)
        v, u = (torch.arange(n, device=heat.device) for n in heat.shape[-2:])
        across, down = u - centres[..., None, :1], v[:, None] - centres[..., 1:, None]
        prior = -(across.square() + down.square()) / (2 * _SIGMA**2)
        # How sure the clicks are by themselves: the prior makes the heat narrow in any case.
        return heat + prior, {
            "share": sampling.peaks(heat)[2],
            **{
                name: torch.tensor([[facts[name] for _, facts in row] for row in found])
                for name in found[0][0][1]
            },
        }

    def _place(
        self, several: Sequence[Shot], window: Window
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Where a label is by the surroundings of that shot which says so most: px, and facts."""
        places = []
        for shot in several:
            known: Surroundings = shot.what[_KEY]
            likeness = self._likeness(known.codes, window, 1)
            place = place_of(known, shot.annotation.pixel, likeness, window, self._stride)
            places.append((place, shot))
        place, shot = max(places, key=lambda one: one[0].evidence)
        known, cell = shot.what[_KEY], window.crop.scale * self._stride
        laid = laid_onto(
            shot.annotation, known.offsets, known.weights, place.frame_from_shot, window.frame, cell
        )
        pixel = window.crop.to_crop(laid.frame_from_shot @ [*shot.annotation.pixel, 1.0])
        return pixel, {"agreement": place.agreement, "correlation": laid.correlation}
