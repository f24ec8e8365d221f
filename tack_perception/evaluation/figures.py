# SPDX-License-Identifier: Apache-2.0
"""From the trials of a column to its figures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.bootstrap import Interval, Resampler
from tack_perception.evaluation.statistics import Share, quantile
from tack_perception.evaluation.trials import PointTrial, errors, groups

THRESHOLDS_PX = (2, 5, 10, 20)
AUC_PX = 20.0
RMS_CAP_PX = 100.0
"""Errors count as at most this much in the RMS: else a few answers at the far end of the picture
decide it. A refused click counts as this much."""

BOX_SHARE = 0.1
"""PCK relative to the object: within this share of the longer side of its box."""

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95)


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures over the trials of one column; pixel errors count whether accepted or not.

    Attributes:
        trials, pairs: how many, and of how many pairs of views.
        refused: share whose click the detector refused; their error is infinite.
        median_px: median pixel error.
        rms_px: RMS, errors capped at `RMS_CAP_PX`.
        quantiles_px: q → quantile of the error.
        pck: threshold, px → share within it.
        pck_box: share within `BOX_SHARE` of the object's box.
        auc: area under the PCK curve up to `AUC_PX`, 0 to 1: mean of max(0, 1 - error / 20 px).
        equivalent_px, equivalent_auc, equivalent_pck: the same to the nearest seen place that a
            symmetry makes equal.
        accepted: share that the detector believes visible.
        lifted: how many of the accepted were lifted.
        lifted_m: their median 3D error, m.
        p95_m: the 95 % quantile, m.
    """

    trials: int
    pairs: int
    refused: Share
    median_px: Interval
    rms_px: Interval
    quantiles_px: dict[float, float]
    pck: dict[int, Share]
    pck_box: Share
    auc: Interval
    equivalent_px: Interval
    equivalent_auc: Interval
    equivalent_pck: dict[int, Share]
    accepted: Share
    lifted: int
    lifted_m: Interval
    p95_m: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        content: dict[str, Any] = plain_figures(self)
        return content


def figures(trials: Sequence[PointTrial], seed: int = 0) -> Figures:
    """The figures of some trials, in all of which the point's place is known.

    Args:
        trials: of one detector and one column.
        seed: of the intervals of what is no share.
    """
    pairs = groups(trials)
    resample = Resampler(pairs, seed)
    error = errors(trials)
    if np.isnan(error).any():
        raise InvalidInputError("a point that is not there has no pixel error")
    near = np.array([one.equivalent_px for one in trials], dtype=np.float64)
    box = np.array([one.box_px for one in trials], dtype=np.float64)
    lifted = [one for one in trials if math.isfinite(one.error_m)]
    lengths = np.array([one.error_m for one in lifted], dtype=np.float64)
    return Figures(
        trials=len(trials),
        pairs=len(np.unique(pairs)),
        refused=Share.of([one.refused for one in trials]),
        median_px=resample.median(error),
        rms_px=resample.rms(np.minimum(error, RMS_CAP_PX)),
        quantiles_px={q: quantile(error, q) for q in QUANTILES},
        pck={limit: Share.of(error <= limit) for limit in THRESHOLDS_PX},
        pck_box=Share.of(error <= BOX_SHARE * box),
        auc=resample.mean(pck_area(error)),
        equivalent_px=resample.median(near),
        equivalent_auc=resample.mean(pck_area(near)),
        equivalent_pck={limit: Share.of(near <= limit) for limit in THRESHOLDS_PX},
        accepted=Share.of([one.accepted for one in trials]),
        lifted=len(lifted),
        lifted_m=Resampler(groups(lifted), seed).median(lengths),
        p95_m=quantile(lengths, 0.95),
    )


def pck_area(error: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(N,) what each error adds to the area under the PCK curve from 0 to `AUC_PX`."""
    return np.clip(1 - np.asarray(error, dtype=np.float64) / AUC_PX, 0, 1)


def plain_figures(value: Any) -> Any:
    """For JSON: shares with value and bounds, no numbers that JSON lacks."""
    if isinstance(value, Share):
        bounds = {"hits": value.hits, "trials": value.trials, "value": value.value}
        return plain_figures({**bounds, "low": value.low, "high": value.high})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_figures(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain_figures(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_figures(item) for item in value]
    if isinstance(value, float):
        return round(float(value), 6) if math.isfinite(value) else None
    return value
