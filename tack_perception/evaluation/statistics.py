# SPDX-License-Identifier: Apache-2.0
"""Shares with intervals, quantiles and calibration, over any set of trials."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

_Z95 = 1.959963984540054


@dataclasses.dataclass(frozen=True)
class Share:
    """How many of how many, with the 95 % interval of Wilson (1927).

    Attributes:
        hits, trials: counts.
        value: hits / trials, NaN without trials.
        low, high: bounds of the interval; 0 and 1 without trials.
    """

    hits: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.trials:
            raise InvalidInputError(f"{self.hits} hits in {self.trials} trials")

    @classmethod
    def of(cls, hits: ArrayLike) -> Share:
        """The share of true values in a boolean array of any shape."""
        array = np.asarray(hits, dtype=bool)
        return cls(int(array.sum()), array.size)

    @property
    def value(self) -> float:  # noqa: D102 - described with the class
        return self.hits / self.trials if self.trials else math.nan

    @property
    def low(self) -> float:  # noqa: D102
        return self._bounds()[0]

    @property
    def high(self) -> float:  # noqa: D102
        return self._bounds()[1]

    def _bounds(self) -> tuple[float, float]:
        if not self.trials:
            return 0.0, 1.0
        n, p, z2 = self.trials, self.value, _Z95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        if not self.trials:
            return "-"
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]"


def quantile(values: ArrayLike, q: float) -> float:
    """The q-quantile; NaN where there are no values. Infinite values (nothing found) count."""
    array = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not array.size:
        return math.nan
    # Not interpolated: between a finite and an infinite value there is no number.
    return float(array[min(array.size - 1, math.ceil(q * array.size) - 1 if q > 0 else 0)])


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> float:
    """How far confidence lies from the share of right answers (ECE, Naeini et al. 2015).

    Args:
        confidence: (N,) stated probabilities, 0 to 1.
        right: (N,) whether each answer was right.
        bins: number of equal bins of confidence.

    Returns:
        The mean distance over the bins, weighted by their trials; NaN without trials.
    """
    stated = np.asarray(confidence, dtype=np.float64).ravel()
    correct = np.asarray(right, dtype=bool).ravel()
    if stated.shape != correct.shape:
        raise InvalidInputError(f"{stated.size} confidences, {correct.size} answers")
    if not stated.size:
        return math.nan
    index = np.clip((stated * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(stated[index == i].mean() - correct[index == i].mean()) * (index == i).sum()
        for i in range(bins)
        if (index == i).any()
    ]
    return float(sum(gaps) / stated.size)


def area_under_roc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Probability that a positive's score is above a negative's (ties count half); NaN if empty."""
    high: NDArray[np.float64] = np.asarray(positive, dtype=np.float64).ravel()
    low: NDArray[np.float64] = np.sort(np.asarray(negative, dtype=np.float64).ravel())
    if not (high.size and low.size):
        return math.nan
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / 2 / low.size)
