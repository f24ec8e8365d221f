# SPDX-License-Identifier: Apache-2.0
"""TACK and dense descriptors together: what both find counts most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tack_perception.detectors.don import DonReader
from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.scene import Window
from tack_perception.detectors.tack import TackReader
from tack_perception.networks.model import KeypointModel

FloatArray = NDArray[np.float64]


class FusedReader:
    """Both, as a product of experts: the log-probabilities are added.

    Where TACK's judge believes that the point is hidden, dense descriptors can only point at
    something else: their share goes with that belief.

    Args:
        model: with both heads.
        adapt: as for `TackReader`.
        weight: of the descriptors where the point is surely seen.
    """

    def __init__(self, model: KeypointModel, *, adapt: bool = True, weight: float = 1.0) -> None:
        self.tack, self.don, self.weight = TackReader(model, adapt=adapt), DonReader(model), weight

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Tensor]:
        """Code and descriptor of a click."""
        return {**self.tack.read(window, pixel), **self.don.read(window, pixel)}

    def find(self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window]) -> Found:
        """Look for L labels in W windows."""
        tack, don = self.tack.find(shots, windows), self.don.find(shots, windows)
        share = self.weight * tack.evidence["judge"].float().sigmoid()
        one, two = log_probabilities(tack.heat), log_probabilities(don.heat)
        heat = one + share[..., None, None] * two
        agree = _agreement(one, two)
        return Found(heat, {**tack.evidence, **don.evidence, "agree": agree})


def log_probabilities(heat: Tensor) -> Tensor:
    """(..., h, w) logits → logarithms of the soft-max over the map."""
    return functional.log_softmax(heat.flatten(-2).float(), -1).reshape(heat.shape)


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    """(W, L) overlap of two maps of log-probabilities, blurred by four cells: 1 for equal ones."""
    # Nothing is lost below e^-40, and numbers too small for the normal format cost ten times more.
    maps = [functional.avg_pool2d(one.clamp_min(-40).exp(), 4, 2, 1) * 4 for one in (first, second)]
    return (maps[0] * maps[1]).sqrt().sum((-1, -2))
