# SPDX-License-Identifier: Apache-2.0
"""The head that judges poses of a clicked object: which of those proposed is right, or none.

A choice between them is learned: the soft-max over a case's poses and none of them (McFadden 1974)
is to be near their shares of what is right, which fall with how far they carry points wrongly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from tack_perception.configuration import Configuration, setting
from tack_perception.detectors.comparison import Sight, compare
from tack_perception.learning.batch import TensorBatch
from tack_perception.learning.pose_cases import Case, Cases
from tack_perception.networks.poses import PoseHead

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class PoseLossConfig(Configuration):
    """What is right, and what a case is made of."""

    near: float = setting(
        0.03, "distance at which a pose counts a third of a perfect one, in sides of the window",
        low=1e-3, high=1,
    )  # fmt: skip
    far: float = setting(
        0.12, "distance from which a pose is wrong, in sides of the window", low=1e-3, high=1
    )
    most: int = setting(16, "poses of a case, at the most", low=2, high=64)
    tint: float = setting(
        0.1, "deviation of the change of a window's colours, in units of a large difference", low=0
    )


@dataclasses.dataclass(frozen=True, eq=False)
class PoseBatch(TensorBatch):
    """B cases; their poses one after another.

    Attributes:
        maps: (ΣH, 2, C, S, S) of `detectors.comparison.compare`.
        facts: (ΣH, 6) of `detectors.constellation.candidates`.
        wanted: (B, M + 1) shares of the poses, the rest 0, and last of none of them.
        counts: (B,) poses of each case.
    """

    maps: Tensor
    facts: Tensor
    wanted: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.counts)


class PoseSampler:
    """Draws batches of cases: those of one number are always the same.

    Args:
        cases: to draw from.
        config: what is right.
        seed, batch: of the run.
    """

    def __init__(
        self, cases: Cases | Sequence[Case], config: PoseLossConfig, *, seed: int, batch: int
    ) -> None:
        self._cases, self._config, self._seed, self._batch = cases, config, seed, batch

    def batch(self, number: int) -> PoseBatch:
        """The batch of a number."""
        rng = np.random.default_rng([self._seed, number])
        config = self._config
        maps, facts, wanted = [], [], []
        for n in rng.integers(len(self._cases), size=self._batch):
            case = self._cases[int(n)]
            some = rng.permutation(len(case.poses))[: config.most]
            first, second = (_tinted(one, config.tint, rng) for one in (case.first, case.second))
            maps.append(torch.from_numpy(compare(first, second, case.poses[some], case.size)))
            facts.append(torch.from_numpy(case.facts[some].astype(np.float32)))
            shares = torch.from_numpy(wanted_of(case.missed[some], config).astype(np.float32))
            wanted.append(shares)
        counts = torch.tensor([len(one) for one in facts])
        poses = pad_sequence([one[:-1] for one in wanted], batch_first=True)
        none = torch.stack([one[-1:] for one in wanted])
        return PoseBatch(torch.cat(maps), torch.cat(facts), torch.cat([poses, none], 1), counts)


class PoseObjective:
    """The cross-entropy of the choice."""

    def losses(self, model: PoseHead, batch: PoseBatch) -> dict[str, Tensor]:
        """Weighted scalars by name."""
        scores = model(batch.maps, batch.facts).split(batch.counts.tolist())
        padded = pad_sequence(list(scores), batch_first=True, padding_value=-1e4)
        chosen = functional.pad(padded, (0, 1))  # none of them: 0
        return {"poses": -(batch.wanted * chosen.log_softmax(1)).sum(1).mean()}


def wanted_of(missed: FloatArray, config: PoseLossConfig) -> FloatArray:
    """(H + 1,) shares of poses that miss by so much, and of none of them."""
    near = np.exp(-missed / config.near) * (missed < config.far)
    right = bool(near.sum() > 1e-3)
    shares: FloatArray = np.r_[near / near.sum() if right else 0 * near, not right]
    return shares


def _tinted(sight: Sight, deviation: float, rng: np.random.Generator) -> Sight:
    """The same in another light: a camera's white balance is not that of the next day."""
    color = sight.relief.color
    changed = color * np.float32(np.exp(rng.normal(0, deviation)))
    changed = changed + rng.normal(0, deviation, 3).astype(np.float32)
    return dataclasses.replace(sight, relief=dataclasses.replace(sight.relief, color=changed))
