# SPDX-License-Identifier: Apache-2.0
"""TACK, dense descriptors and the object's other points together: what all find counts most."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tack_perception.detectors.classes import Classes
from tack_perception.detectors.comparison import Sight, compare, on_grid
from tack_perception.detectors.constellation import FACTS, FLOOR, Anchors, Proposals, Weigh
from tack_perception.detectors.don import DonReader
from tack_perception.detectors.learned import Found, Shot
from tack_perception.detectors.recognition import LIKELY, Recogniser
from tack_perception.detectors.relief import Relief
from tack_perception.detectors.scene import Window
from tack_perception.detectors.surrounded import FACTS as SURROUNDED
from tack_perception.detectors.surrounded import Surrounded
from tack_perception.detectors.tack import TackReader
from tack_perception.networks.model import KeypointModel
from tack_perception.networks.poses import PoseHead
from tack_perception.networks.sampling import log_probabilities, peaks, to_cells
from tack_perception.similarity import Similarities

FloatArray = NDArray[np.float64]
_POSED = 4  # shots of a label whose objects are laid onto what is seen: those that fit it best
_SIGMA = 0.5  # cells: how far off a right pose carries a point
_ANYWHERE = 0.02  # least probability of no pose at all


class FusedReader:
    """A product of experts: the log-probabilities are added.

    Where TACK's judge believes that the point is hidden, dense descriptors can only point at
    something else: their share goes with that belief. Descriptors of the instance, where the model
    has them, count as far as something in the picture is like the click. Looked at closely, the
    object's other points and its surface predict this one (`detectors.constellation`): a mixture of
    Gaussians, one for each likely pose, and of "anywhere". In whole frames what surrounds a click
    predicts it instead (`detectors.surroundings`), by codes and descriptors together.

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
        self._around = Surrounded.of(model, self._describe, self._likeness)
        posed = frozenset({"share", "backing", *FACTS})
        self.closer = posed if self._around is None else SURROUNDED
        self._poses = model.poses
        self._classes = None if model.objects is None else Classes(model)
        self._placed = model.poses is None or model.config.pose_form > 1
        # Only the judge of poses knows how far named points are to be trusted.
        judging = (None, None) if model.poses is None else (self._weigh, self.named)
        self._recogniser = Recogniser(self.look_for, model.stride, *judging)
        self._sights: weakref.WeakKeyDictionary[Window, Sight] = weakref.WeakKeyDictionary()
        self._asked: weakref.WeakKeyDictionary[Window, _Asked] = weakref.WeakKeyDictionary()

    def read(self, window: Window, pixel: FloatArray) -> dict[str, Any]:
        """Code and descriptors of a click."""
        what = {**self.tack.point(window, pixel), **self.don.point(window, pixel)}
        if self.own is not None:
            what |= self.own.point(window, pixel)
        return what if self._around is None else what | self._around.read(window, pixel)

    def prepare(self, shots: Sequence[Shot]) -> None:
        """Adapt the code of a label, and read the other points of what was clicked on."""
        self.tack.prepare(shots)
        if self._around is not None or not self.constellation:
            return
        for window in {shot.window: None for shot in shots}:
            anchors = self._recogniser.anchors(window)
            if anchors is not None:
                self._points_of(window, anchors)

    def find(
        self, shots: Sequence[Sequence[Shot]], windows: Sequence[Window], *, closely: bool = False
    ) -> Found:
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
        # How sure the networks are by themselves: with poses the heat is narrow even when wrong.
        evidence["focus"] = peaks(heat)[2]
        if self._around is not None:
            if closely:
                heat, facts = self._around.find(shots, windows, heat)
                evidence |= facts
        elif self.constellation:
            clicks = _Clicks.of(shots)
            met, spots = self._recognised(clicks, windows)
            for name, told in (("met", met), ("spots", np.log1p(spots))):
                best = np.maximum.reduceat(told, clicks.begins, axis=1)
                evidence[name] = torch.from_numpy(best)
            if closely:
                prior, facts = self._predicted(clicks, windows, heat, met)
                heat = heat + prior
                evidence |= facts
        return Found(heat, evidence)

    def _recognised(
        self, clicks: _Clicks, windows: Sequence[Window]
    ) -> tuple[FloatArray, FloatArray]:
        """(W, ΣK) how well the object of each shot is found as a whole, and its texture."""
        heats = np.full((len(windows), len(clicks.flat)), FLOOR)
        spots = np.zeros_like(heats)
        for window, numbers in clicks.by_window.items():
            heats[:, numbers] = self._recogniser.heats(window, windows)[:, None]
            spots[:, numbers] = self._recogniser.spots(window, windows)[:, None]
        return heats, spots

    def _predicted(
        self, clicks: _Clicks, windows: Sequence[Window], heat: Tensor, met: FloatArray
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(W, L, h, w) logarithms of where labels must be, and what speaks for it."""
        shape = (len(windows), len(clicks.flat))
        posed = clicks.best(met, _POSED)
        # Of each shot and pose the pixel and the weight; of each shot the facts.
        carried = np.zeros((*shape, LIKELY, 3))
        facts = np.zeros((*shape, len(FACTS)))
        for window, numbers in clicks.by_window.items():
            for w, there in enumerate(windows):
                asked = [n for n in numbers if posed[w, n]]
                if not asked:
                    continue
                pixels = np.stack([clicks.flat[n].pixel for n in asked])
                said = self._recogniser.predict(window, there, pixels)
                if said is not None:
                    rows = np.concatenate([said.pixels, said.weights[..., None]], axis=-1)
                    carried[w, asked, : len(rows)] = rows.transpose(1, 0, 2)
                    facts[w, asked] = np.column_stack([said.facts[name] for name in FACTS])
        # Of several shots of a label that one's facts count whose object is recognised best.
        picked = np.stack([b + facts[:, b:e, 0].argmax(axis=1) for b, e in clicks.bounds], axis=1)
        every = np.arange(len(windows))[:, None]
        likeliest, told, places = (
            torch.from_numpy(one).to(heat.device, torch.float32)
            for one in (
                carried[every, picked, 0],
                facts[every, picked],
                _mixed(carried, facts[..., 0], clicks.bounds),
            )
        )
        evidence = {name: told[..., n] for n, name in enumerate(FACTS)}
        evidence["backing"] = _backing(heat, likeliest[..., :2], told[..., 0], self._stride)
        return _mixture(places, heat.shape[-2:], self._stride), evidence

    def look_for(
        self, clicked: Window, anchors: Anchors, windows: Sequence[Window]
    ) -> NDArray[np.float32]:
        """(W, M, h, w) logarithms of the probability of anchors' places."""
        asked = self._points_of(clicked, anchors)
        codes = asked.codes[None].expand(len(windows), -1, -1)
        # Constants of a map fall out of its soft-max: one at the end does for all experts.
        heat = self.tack.head.heat_on(self.tack.ground(windows), codes)
        for one in self._descriptors():
            known = asked.descriptors[one.name][None].expand(len(windows), -1, -1)
            logits = one.head.logits(known, one.described(windows))
            like = one.head.likeness(logits.flatten(2).amax(-1))[..., None, None]
            share = self.weight * (like if one is self.own else 1.0)
            heat = heat + share * logits
        maps: NDArray[np.float32] = log_probabilities(heat).cpu().numpy()
        return maps

    def named(self, clicked: Window, anchors: Anchors, window: Window) -> list[Proposals]:
        """Poses by points of the object's class that have names; empty where that tells nothing."""
        if self._classes is None:
            return []
        proposed = self._classes.propose(clicked, anchors, window)
        return [] if proposed is None else [proposed]

    def _points_of(self, window: Window, anchors: Anchors) -> _Asked:
        if window in self._asked:
            return self._asked[window]
        features = window.features[None]
        points = torch.from_numpy(anchors.pixels).to(features.device, torch.float32)[None]
        descriptors = {
            one.name: one.head.sample(one.described([window]), points, self._stride)[0]
            for one in self._descriptors()
        }
        asked = _Asked(self.tack.head.codes(features, points)[0], descriptors)
        self._asked[window] = asked
        return asked

    def _sight(self, window: Window, relief: Relief) -> Sight:
        """What a window with its relief shows, for comparing it with another."""
        if window not in self._sights:
            known = tuple(on_grid(one) for one in self.described(window))
            self._sights[window] = Sight(relief, known)
        return self._sights[window]

    def described(self, window: Window) -> list[NDArray[np.float32]]:
        """(D, h, w) of a window, for each set of dense descriptors, and of places on the object."""
        several = [one.described([window])[0].cpu().numpy() for one in self._descriptors()]
        if self._classes is not None and self._placed:
            several.append(self._classes.places(window))
        return several

    def _weigh(self, clicked: Window, anchors: Anchors, window: Window, relief: Relief) -> Weigh:
        """How likely poses are by the model's head for them."""
        assert self._poses is not None
        first, second = self._sight(clicked, anchors.relief), self._sight(window, relief)
        return judged_by(self._poses, first, second, anchors.size)

    def _describe(self, window: Window, pixels: NDArray[np.floating]) -> Tensor:
        """(N, K + D) codes and descriptors at (N, 2) px of a window's picture."""
        return torch.cat([one.describe(window, pixels) for one in (self.tack, self.don)], dim=1)

    def _likeness(self, known: Tensor, window: Window, every: int) -> NDArray[np.float32]:
        """(N, h, w) of (N, K + D) codes and descriptors to a window's cells, 0 to 1."""
        size = self.tack.head.code
        coded = self.tack.likeness(known[:, :size], window, every)
        coded += self.don.likeness(known[:, size:], window, every)
        coded /= 2
        return coded

    def _descriptors(self) -> list[DonReader]:
        return [self.don] if self.own is None else [self.don, self.own]


def judged_by(head: PoseHead, first: Sight, second: Sight, size: float) -> Weigh:
    """How likely poses are by looking: of an object of a size (m) in the first in the second."""
    device = next(head.parameters()).device

    def weigh(poses: Similarities, facts: FloatArray) -> FloatArray:
        maps = torch.from_numpy(compare(first, second, poses, size)).to(device)
        judged = head(maps, torch.from_numpy(facts).to(device, torch.float32))
        return np.asarray(judged.cpu().numpy(), np.float64)

    return weigh


@dataclasses.dataclass(frozen=True, eq=False)
class _Asked:
    """What the heads read at the M anchors of a clicked object: (M, ...) each."""

    codes: Tensor
    descriptors: dict[str, Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class _Clicks:
    """All shots of all labels in one list.

    Attributes:
        flat: the shots.
        begins: where those of each label begin.
        by_window: numbers of the shots on the object of each window.
    """

    flat: list[Shot]
    begins: list[int]
    by_window: dict[Window, list[int]]

    @classmethod
    def of(cls, shots: Sequence[Sequence[Shot]]) -> _Clicks:
        flat = [shot for several in shots for shot in several]
        begins = np.cumsum([0, *(len(several) for several in shots[:-1])]).tolist()
        by_window: dict[Window, list[int]] = {}
        for number, shot in enumerate(flat):
            by_window.setdefault(shot.window, []).append(number)
        return cls(flat, begins, by_window)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Where the shots of each label begin and end."""
        return list(zip(self.begins, [*self.begins[1:], len(self.flat)], strict=True))

    def best(self, values: FloatArray, count: int) -> NDArray[np.bool_]:
        """(W, ΣK) whether a shot is among the `count` of its label with the highest values."""
        chosen = np.zeros(values.shape, np.bool_)
        for begin, end in self.bounds:
            order = np.argsort(-values[:, begin:end], axis=1, kind="stable")[:, :count]
            np.put_along_axis(chosen[:, begin:end], order, True, axis=1)
        return chosen


def _mixed(carried: FloatArray, posed: FloatArray, bounds: Sequence[tuple[int, int]]) -> FloatArray:
    """The places that all shots of a label say, together as sure as the surest of them.

    Args:
        carried: (W, ΣK, H, 3) pixels and weights of each shot's poses.
        posed: (W, ΣK) sums of these weights.
        bounds: where the shots of each label begin and end.

    Returns:
        (W, L, ·, 3); what one label has fewer of than another has no weight.
    """
    most = max(end - begin for begin, end in bounds) * carried.shape[2]
    mixed = np.zeros((len(carried), len(bounds), most, 3))
    for label, (begin, end) in enumerate(bounds):
        shares = posed[:, begin:end]
        several = carried[:, begin:end].copy()
        several[..., 2] *= (shares.max(1) / np.maximum(shares.sum(1), 1e-12))[:, None, None]
        flat = several.reshape(len(carried), -1, 3)
        mixed[:, label, : flat.shape[1]] = flat
    return mixed


def _mixture(carried: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """(W, L, h, w) logarithm of Gaussians at (W, L, H, 3) places and weights, and "anywhere"."""
    height, width = size
    cells = to_cells(carried[..., :2], stride)
    across, down = (
        torch.exp(-0.5 * (((at - cells[..., axis, None]) / _SIGMA) ** 2).clamp_max(80))
        for axis, at in enumerate(
            torch.arange(count, device=cells.device) for count in (width, height)
        )
    )
    weight = carried[..., 2:]
    anywhere = (1 - weight.sum(-2)).clamp_min(_ANYWHERE) / (height * width)
    peak = weight * (1 - _ANYWHERE) / (2 * math.pi * _SIGMA**2)
    return torch.log((down * peak).transpose(-1, -2) @ across + anywhere[..., None])


def _backing(heat: Tensor, pixels: Tensor, share: Tensor, stride: int) -> Tensor:
    """(W, L) how far the heat at the prediction lies below the highest, -10 to 0 (none: -10)."""
    height, width = heat.shape[-2:]
    cells = to_cells(pixels, stride).round().long()
    column, row = cells[..., 0].clamp(0, width - 1), cells[..., 1].clamp(0, height - 1)
    flat = heat.flatten(2)
    there = flat.gather(2, (row * width + column)[..., None])[..., 0]
    below = (there - flat.amax(2)).clamp(-10, 0)
    return torch.where(share > 0, below, torch.full_like(below, -10))


def _agreement(first: Tensor, second: Tensor) -> Tensor:
    """(W, L) overlap of two maps of log-probabilities, blurred by four cells: 1 for equal ones."""
    # Nothing is lost below e^-40, and numbers too small for the normal format cost ten times more.
    maps = [functional.avg_pool2d(one.clamp_min(-40).exp(), 4, 2, 1) * 4 for one in (first, second)]
    return (maps[0] * maps[1]).sqrt().sum((-1, -2))
