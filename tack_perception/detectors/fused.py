# SPDX-License-Identifier: Apache-2.0
"""TACK, dense descriptors and the object's other points together: what all find counts most."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tack_perception.detectors.constellation import (
    Anchors,
    Prediction,
    choose_anchors,
    meet,
    predict,
    surface_at,
)
from tack_perception.detectors.don import DonReader
from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.scene import Window
from tack_perception.detectors.tack import TackReader
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.sampling import peaks, to_cells, to_pixels
from tack_perception.similarity import Consensus

FloatArray = NDArray[np.float64]
_SUREST = 0.95  # share of a prediction in the mixture with "anywhere", at the most
_LEAST_SIGMA = 1.0  # cells
_MOST_MET = 4  # windows in which anchors are looked for, where the object was known
_FACTS = ("consensus", "facing", "covered", "beyond")


@dataclasses.dataclass(frozen=True, eq=False)
class _Remembered:
    """Anchors of a clicked object, and what the heads read at them: (M, ...) each, by head."""

    anchors: Anchors
    codes: Tensor
    descriptors: dict[str, Tensor]


class FusedReader:
    """A product of experts: the log-probabilities are added.

    Where TACK's judge believes that the point is hidden, dense descriptors can only point at
    something else: their share goes with that belief. Descriptors of the instance, where the model
    has them, count as far as something in the picture is like the click. Where the object's depth
    is known in both pictures, its other points predict this one (`detectors.constellation`): a
    mixture of a Gaussian there, with the share of them that agree, and of "anywhere".

    Args:
        model: with both heads.
        adapt: as for `TackReader`.
        weight: of the descriptors where the point is surely seen.
        constellation: whether the object's other points are asked.
    """

    def __init__(
        self, model: KeypointModel, *, adapt: bool = True, weight: float = 1.0,
        constellation: bool = True,
    ) -> None:  # fmt: skip
        self.tack, self.don, self.weight = TackReader(model, adapt=adapt), DonReader(model), weight
        self.own = None if model.instance is None else DonReader(model, "instance")
        self.constellation, self._stride = constellation, model.stride
        self._kept: weakref.WeakKeyDictionary[Window, _Remembered | None] = (
            weakref.WeakKeyDictionary()
        )
        self._met: weakref.WeakKeyDictionary[
            Window, weakref.WeakKeyDictionary[Window, tuple[Consensus, FloatArray] | None]
        ] = weakref.WeakKeyDictionary()

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Tensor]:
        """Code and descriptor of a click, and the surface there."""
        what = {**self.tack.read(window, pixel), **self.don.read(window, pixel)}
        if self.own is not None:
            what |= self.own.read(window, pixel)
        if self.constellation:
            u, v = window.crop.to_image(pixel)
            what["surface"] = torch.from_numpy(surface_at(window.frame, float(u), float(v)))
        return what

    def find(self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window]) -> Found:
        """Look for L labels in W windows."""
        tack, don = self.tack.find(shots, windows), self.don.find(shots, windows)
        share = self.weight * tack.evidence["judge"].float().sigmoid()
        one, two = log_probabilities(tack.heat), log_probabilities(don.heat)
        heat = one + share[..., None, None] * two
        evidence = {**tack.evidence, **don.evidence, "agree": _agreement(one, two)}
        if self.own is not None:
            own = self.own.find(shots, windows)
            like = own.evidence["nearness"]
            heat = heat + (self.weight * like)[..., None, None] * log_probabilities(own.heat)
            evidence["likeness"] = like
        if self.constellation:
            prior, facts = self._predicted(shots, windows, heat)
            heat = heat + prior
            evidence |= facts
        return Found(heat, evidence)

    def _predicted(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], heat: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(W, L, h, w) logarithms of where labels must be, and what speaks for it."""
        flat = [shot for several in shots for shot in several]
        table = np.zeros((len(windows), len(flat), 3 + len(_FACTS)))
        clicked: dict[Window, list[int]] = {}
        for number, shot in enumerate(flat):
            clicked.setdefault(shot.window, []).append(number)
        for window, numbers in clicked.items():
            surfaces = np.stack([flat[n].what["surface"].numpy() for n in numbers])
            known = np.isfinite(surfaces[:, 0]).all(axis=1)
            several = [n for n, ok in zip(numbers, known, strict=True) if ok]
            if not several:
                continue
            for w, one in enumerate(self._carried(window, windows, surfaces[known])):
                if one is not None:
                    table[w, several] = _row(one)
        # Of several shots of a label the one counts whose object is recognised best.
        ends = np.cumsum([len(several) for several in shots])
        picked = np.stack(
            [
                begin + table[:, begin:end, 3].argmax(axis=1)
                for begin, end in zip([0, *ends[:-1]], ends, strict=True)
            ],
            axis=1,
        )
        chosen = table[np.arange(len(windows))[:, None], picked]
        said = torch.from_numpy(chosen).to(heat.device, torch.float32)
        prior = _mixture(said, heat.shape[-2:], self._stride)
        facts = {name: said[..., 3 + n] for n, name in enumerate(_FACTS)}
        facts["backing"] = _backing(heat, said[..., :2], facts["consensus"], self._stride)
        return prior, facts

    def _carried(
        self, clicked: Window, windows: Sequence[Window], surfaces: FloatArray
    ) -> list[Prediction | None]:
        """What the points of one clicked object say in each window."""
        if clicked not in self._kept:
            self._kept[clicked] = self._remember(clicked)
        kept = self._kept[clicked]
        if kept is None:
            return [None] * len(windows)
        met = self._met.setdefault(clicked, weakref.WeakKeyDictionary())
        unmet = [window for window in _likest(clicked, windows) if window not in met]
        if unmet:
            for window, pixels in zip(unmet, self._look_for(kept, unmet), strict=True):
                agreed = meet(kept.anchors, window, pixels)
                met[window] = None if agreed is None else (agreed, pixels)
        said: list[Prediction | None] = []
        for window in windows:
            known = met.get(window)
            said.append(
                None
                if known is None
                else predict(kept.anchors, window, known[1], known[0], surfaces)
            )
        return said

    def _remember(self, window: Window) -> _Remembered | None:
        anchors = choose_anchors(window, self._stride)
        if anchors is None:
            return None
        features = window.features[None]
        points = torch.from_numpy(anchors.pixels).to(features.device, torch.float32)[None]
        descriptors = {
            one.name: one.head.sample(one.head(features), points, self._stride)[0]
            for one in self._descriptors()
        }
        return _Remembered(anchors, self.tack.head.codes(features, points)[0], descriptors)

    def _descriptors(self) -> list[DonReader]:
        return [self.don] if self.own is None else [self.don, self.own]

    def _look_for(self, kept: _Remembered, windows: Sequence[Window]) -> FloatArray:
        """(W, M, 2) px of the windows' pictures where anchors are most likely."""
        features = torch.stack([window.features for window in windows])
        codes = kept.codes[None].expand(len(windows), -1, -1)
        heat = log_probabilities(self.tack.head.heat(features, codes))
        for one in self._descriptors():
            known = kept.descriptors[one.name][None].expand(len(windows), -1, -1)
            logits = one.head.logits(known, one.head(features))
            like = one.head.likeness(logits.flatten(2).amax(-1))[..., None, None]
            share = self.weight * (like if one is self.own else 1.0)
            heat = heat + share * log_probabilities(logits)
        found: FloatArray = to_pixels(peaks(heat)[0], self._stride).cpu().numpy().astype(np.float64)
        return found


def _likest(clicked: Window, windows: Sequence[Window]) -> Sequence[Window]:
    """The windows whose objects may be the clicked one: looking for anchors in all takes long."""
    if not clicked.found:
        return windows
    return sorted(windows, key=lambda one: -float(clicked.embedding @ one.embedding))[:_MOST_MET]


def _row(said: Prediction) -> FloatArray:
    """(L, 7): pixel, sigma, and the facts in their order."""
    count = len(said.pixels)
    lost = ~np.isfinite(said.pixels).all(axis=1)
    share = np.where(lost, 0.0, said.share)
    return np.column_stack(
        [np.nan_to_num(said.pixels), np.full(count, said.sigma_px), share, said.facing,
         said.covered, said.beyond]
    )  # fmt: skip


def _mixture(predicted: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """(W, L, h, w) logarithm of a Gaussian at the prediction, mixed with "anywhere"."""
    height, width = size
    cells = to_cells(predicted[..., :2], stride)
    sigma = (predicted[..., 2] / stride).clamp_min(_LEAST_SIGMA)[..., None]
    across, down = (
        torch.arange(count, device=cells.device) - cells[..., axis, None]
        for axis, count in ((0, width), (1, height))
    )
    squared = ((across / sigma) ** 2)[..., None, :] + ((down / sigma) ** 2)[..., :, None]
    share = (_SUREST * predicted[..., 3])[..., None, None]
    peak = share / (2 * math.pi * sigma[..., None] ** 2)
    return torch.log(
        peak * torch.exp(-0.5 * squared.clamp_max(80)) + (1 - share) / (height * width)
    )


def _backing(heat: Tensor, pixels: Tensor, share: Tensor, stride: int) -> Tensor:
    """(W, L) how far the heat at the prediction lies below the highest, -10 to 0 (none: -10)."""
    height, width = heat.shape[-2:]
    cells = to_cells(pixels, stride).round().long()
    column, row = cells[..., 0].clamp(0, width - 1), cells[..., 1].clamp(0, height - 1)
    flat = heat.flatten(2)
    there = flat.gather(2, (row * width + column)[..., None])[..., 0]
    below = (there - flat.amax(2)).clamp(-10, 0)
    return torch.where(share > 0, below, torch.full_like(below, -10))


def log_probabilities(heat: Tensor) -> Tensor:
    """(..., h, w) logits → logarithms of the soft-max over the map."""
    return functional.log_softmax(heat.flatten(-2).float(), -1).reshape(heat.shape)


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    """(W, L) overlap of two maps of log-probabilities, blurred by four cells: 1 for equal ones."""
    # Nothing is lost below e^-40, and numbers too small for the normal format cost ten times more.
    maps = [functional.avg_pool2d(one.clamp_min(-40).exp(), 4, 2, 1) * 4 for one in (first, second)]
    return (maps[0] * maps[1]).sqrt().sum((-1, -2))
