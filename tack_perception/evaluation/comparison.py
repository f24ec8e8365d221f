# SPDX-License-Identifier: Apache-2.0
"""Differences between detectors, and between occluded and free, over the same trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.bootstrap import NOTHING, Interval, Resampler, bounds
from tack_perception.evaluation.figures import RMS_CAP_PX
from tack_perception.evaluation.trials import PointTrial, errors, groups

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Difference:
    """First less second, paired: both answered the same questions.

    Attributes:
        pairs: number of pairs of views.
        pck: of the shares within 10 px.
        capped_px: of the mean errors, each capped at `RMS_CAP_PX`.
        median_ratio: ratio of the median errors, first over second.
    """

    pairs: int
    pck: Interval
    capped_px: Interval
    median_ratio: Interval


def difference(
    first: Sequence[PointTrial], second: Sequence[PointTrial], seed: int = 0, limit_px: float = 10.0
) -> Difference:
    """The difference of two detectors in one column.

    Raises:
        InvalidInputError: they did not answer the same questions.
    """
    if [_question(t) for t in first] != [_question(t) for t in second]:
        raise InvalidInputError("two detectors are compared over the same trials only")
    one, other = errors(first), errors(second)
    resample = Resampler(groups(first), seed)
    return Difference(
        pairs=len({t.probe for t in first}),
        pck=resample.mean((one <= limit_px).astype(float) - (other <= limit_px)),
        capped_px=resample.mean(np.minimum(one, RMS_CAP_PX) - np.minimum(other, RMS_CAP_PX)),
        median_ratio=_ratio(resample, one, other),
    )


def occlusion_ratio(trials: Sequence[PointTrial], relation: str, share: int, seed: int) -> Interval:
    """Median error with `share` % of the object covered over that of the same points without.

    Args:
        trials: of one detector.
        relation: "same" or "new".
        share: %; the points themselves are not covered.
        seed: of the interval.
    """
    mine = [t for t in trials if t.relation == relation and t.state == "seen"]
    free = {_place(t): t for t in mine if not t.occlusion}
    under = [t for t in mine if t.occlusion == share]
    before = [free[_place(t)] for t in under]
    if not under:
        return NOTHING
    return _ratio(Resampler(groups(under), seed), errors(under), errors(before))


def _ratio(resample: Resampler, one: FloatArray, other: FloatArray) -> Interval:
    if not len(one):
        return NOTHING
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = resample.medians(one) / resample.medians(other)
        value = resample.median(one).value / np.float64(resample.median(other).value)
    return Interval(float(value), *bounds(drawn[~np.isnan(drawn)]))


def _question(t: PointTrial) -> tuple[int, int, str]:
    return t.probe, t.occlusion, t.label


def _place(t: PointTrial) -> tuple[int, str]:
    return t.probe, t.label
