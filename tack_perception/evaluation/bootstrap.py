# SPDX-License-Identifier: Apache-2.0
"""Intervals of figures that are not shares, by resampling pairs of views.

Points of one pair of views succeed and fail together, so pairs are drawn anew and not points
(cluster bootstrap: Davison & Hinkley 1997, section 3.8; percentile intervals).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

ROUNDS = 1000
_CHUNK = 2_000_000  # weights in memory at a time
_TAIL = 0.025


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval.

    All are NaN where there are no values, the bounds where all are of one pair of views: one pair
    tells nothing of others.
    """

    value: float
    low: float
    high: float

    def text(self, decimals: int = 1, factor: float = 1.0) -> str:
        """For a table."""
        if math.isnan(self.value):
            return "-"
        if math.isnan(self.low):
            return f"{factor * self.value:.{decimals}f}"
        value, low, high = (
            f"{factor * x:.{decimals}f}" if math.isfinite(x) else "∞"
            for x in (self.value, self.low, self.high)
        )
        return f"{value} [{low}, {high}]"


NOTHING = Interval(math.nan, math.nan, math.nan)


class Resampler:
    """Draws the groups of N values anew, again and again.

    Two figures over the same groups and seed see the same draws, so that differences are paired.

    Args:
        groups: (N,) integers; values of one group are drawn together.
        seed: of the draws.
        rounds: number of draws.
    """

    def __init__(self, groups: ArrayLike, seed: int = 0, rounds: int = ROUNDS) -> None:
        _, self._group = np.unique(np.asarray(groups), return_inverse=True)
        count = int(self._group.max()) + 1 if len(self._group) else 0
        rng = np.random.default_rng([seed, 23])
        self._weights = (
            rng.multinomial(count, np.full(count, 1 / count), size=rounds)
            if count
            else np.zeros((rounds, 0), dtype=np.int64)
        )

    def mean(self, values: ArrayLike) -> Interval:
        """Mean of (N,) values."""
        array = self._checked(values)
        if not len(array):
            return NOTHING
        count = self._weights.shape[1]
        sums = np.bincount(self._group, weights=array, minlength=count)
        sizes = np.bincount(self._group, minlength=count)
        drawn = (self._weights @ sums) / np.maximum(self._weights @ sizes, 1)
        return self._interval(float(array.mean()), drawn)

    def rms(self, values: ArrayLike) -> Interval:
        """Root of the mean square."""
        squared = self.mean(self._checked(values) ** 2)
        return Interval(*(math.sqrt(x) for x in dataclasses.astuple(squared)))

    def median(self, values: ArrayLike) -> Interval:
        """Median as `statistics.quantile` takes it: not interpolated; infinite values count."""
        array = self._checked(values)
        if not len(array):
            return NOTHING
        middle = float(np.sort(array)[(len(array) + 1) // 2 - 1])
        return self._interval(middle, self.medians(array))

    def medians(self, values: ArrayLike) -> FloatArray:
        """(rounds,) medians of the draws."""
        array = self._checked(values)
        order = np.argsort(array, kind="stable")
        ordered, group = array[order], self._group[order]
        step = max(1, _CHUNK // max(1, len(array)))
        found = []
        for start in range(0, len(self._weights), step):
            weights = self._weights[start : start + step][:, group]
            reached = np.cumsum(weights, axis=1)
            half = (reached[:, -1:] + 1) // 2
            found.append(ordered[np.argmax(reached >= half, axis=1)])
        return np.concatenate(found)

    def _interval(self, value: float, drawn: FloatArray) -> Interval:
        if self._weights.shape[1] < 2:
            return Interval(value, math.nan, math.nan)
        return Interval(value, *bounds(drawn))

    def _checked(self, values: ArrayLike) -> FloatArray:
        array = np.asarray(values, dtype=np.float64).ravel()
        if len(array) != len(self._group):
            raise InvalidInputError(f"{len(array)} values, {len(self._group)} groups")
        return array


def bounds(drawn: FloatArray) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of draws; NaN without any."""
    ordered = np.sort(drawn)
    last = len(ordered) - 1
    if last < 0:
        return math.nan, math.nan
    # Not interpolated: an infinite draw has no neighbourhood.
    return (
        float(ordered[math.floor(_TAIL * last)]),
        float(ordered[math.ceil((1 - _TAIL) * last)]),
    )
