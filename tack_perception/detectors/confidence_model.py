# SPDX-License-Identifier: Apache-2.0
"""What the answers of a learned detector are worth: fitted on objects that it has not learned from.

Three logistic regressions of a few facts say how probable it is that the object is the one that was
clicked (presence), that the point itself is seen there (seen), and that the pixel is right
(confidence). One factor and one floor make the spread of the heat map a covariance. All of it is
fitted by `learning.calibration` and kept in the model's description.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import FileFormatError

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """What a detector says of L labels in W windows.

    Attributes:
        pixels: (W, L, 2) most likely places, px of the window's picture.
        covariances: (W, L, 2, 2) of the heat maps around them, px².
        facts: by name (W, L).
    """

    pixels: FloatArray
    covariances: FloatArray
    facts: Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Judgements:
    """What L labels in W windows are worth.

    Attributes:
        pixels: (W, L, 2) px of the windows' pictures.
        covariances: (W, L, 2, 2) px².
        presence: (W, L) probability that this is the object.
        seen: (W, L) probability that the point is seen in it.
        confidence: (W, L) probability that the pixel is right.
        visible: (W, L) whether the point is believed seen.
    """

    pixels: FloatArray
    covariances: FloatArray
    presence: FloatArray
    seen: FloatArray
    confidence: FloatArray
    visible: NDArray[np.bool_]

    def of(self, window: int, columns: Sequence[int]) -> Judgements:
        """Of some labels in one window: the same without the first axis."""
        chosen = list(columns)
        return Judgements(
            self.pixels[window, chosen],
            self.covariances[window, chosen],
            self.presence[window, chosen],
            self.seen[window, chosen],
            self.confidence[window, chosen],
            self.visible[window, chosen],
        )


@dataclasses.dataclass(frozen=True)
class Logistic:
    """P = 1 / (1 + exp(−(offset + Σ weight · fact)))."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    offset: float

    def __call__(self, facts: Mapping[str, NDArray[Any]]) -> FloatArray:
        """Probabilities, of the facts' shape.

        Raises:
            KeyError: a fact is missing.
        """
        first = np.asarray(facts[self.names[0]], dtype=np.float64)
        total = np.full(first.shape, self.offset)
        for name, weight in zip(self.names, self.weights, strict=True):
            total += weight * np.asarray(facts[name], dtype=np.float64)
        chance: FloatArray = 1 / (1 + np.exp(-np.clip(total, -50, 50)))
        return chance


@dataclasses.dataclass(frozen=True)
class Judges:
    """The three regressions and the scale of the covariance.

    Attributes:
        presence, seen, right: regressions; None, before anything was fitted, says 1/2.
        threshold: of `seen`, from which a point counts as visible.
        factor: by which the heat map's covariance is multiplied.
        floor_px: standard deviation that is added to it, px of the picture.
        familiar: likeness of a thing to the nearest class from which it is one that was learned.
    """

    presence: Logistic | None = None
    seen: Logistic | None = None
    right: Logistic | None = None
    threshold: float = 0.5
    factor: float = 1.0
    floor_px: float = 0.5
    familiar: float = -1.0

    def recognise(self, evidence: Evidence) -> FloatArray:
        """(W, L) probability that this is the object: a first look is enough to tell.

        Raises:
            FileFormatError: the regression asks for what this detector does not tell.
        """
        return _weigh(self.presence, evidence)

    def judge(self, evidence: Evidence) -> Judgements:
        """Weigh what a closer look found.

        Raises:
            FileFormatError: a regression asks for what this detector does not tell.
        """
        presence, seen, right = (
            _weigh(one, evidence) for one in (self.presence, self.seen, self.right)
        )
        covariances = evidence.covariances * self.factor + np.eye(2) * self.floor_px**2
        return Judgements(
            evidence.pixels, covariances, presence, seen, right, seen >= self.threshold
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a model's description."""

        def plain(one: Logistic | None) -> dict[str, Any] | None:
            if one is None:
                return None
            weights = dict(zip(one.names, map(float, one.weights), strict=True))
            return {"weights": weights, "offset": float(one.offset)}

        return {
            "presence": plain(self.presence),
            "seen": plain(self.seen),
            "right": plain(self.right),
            "threshold": float(self.threshold),
            "factor": float(self.factor),
            "floor_px": float(self.floor_px),
            "familiar": float(self.familiar),
        }

    @classmethod
    def from_dict(cls, content: Any, where: str) -> Judges:
        """Read what `as_dict` wrote.

        Raises:
            FileFormatError: it is not that; names `where`.
        """

        def logistic(value: Any) -> Logistic | None:
            if value is None:
                return None
            weights = {str(name): float(weight) for name, weight in value["weights"].items()}
            _finite([*weights.values(), value["offset"]])
            return Logistic(tuple(weights), tuple(weights.values()), float(value["offset"]))

        try:
            numbers = [float(content[name]) for name in ("threshold", "factor", "floor_px")]
            numbers.append(float(content.get("familiar", cls.familiar)))  # older ones lack it
            _finite(numbers)
            if numbers[1] < 0 or numbers[2] < 0:
                raise ValueError("factor and floor_px cannot be negative")
            return cls(
                logistic(content["presence"]),
                logistic(content["seen"]),
                logistic(content["right"]),
                *numbers,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileFormatError(f"{where}: calibration cannot be understood: {error}") from error


def _weigh(logistic: Logistic | None, evidence: Evidence) -> FloatArray:
    if logistic is None:
        return np.full(evidence.pixels.shape[:2], 0.5)
    missing = [name for name in logistic.names if name not in evidence.facts]
    if missing:
        raise FileFormatError(
            f"the model's calibration asks for {', '.join(missing)}, which this detector does not"
            " tell: it was made for another version. `tack train --from MODEL --validation DATA`"
            " calibrates it anew"
        )
    return logistic(evidence.facts)


def _finite(numbers: Sequence[Any]) -> None:
    if not all(math.isfinite(float(number)) for number in numbers):
        raise ValueError(f"{numbers} are not all finite")
