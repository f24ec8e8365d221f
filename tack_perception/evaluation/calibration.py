# SPDX-License-Identifier: Apache-2.0
"""Do confidence and covariance mean what they say?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.evaluation.statistics import Share, expected_calibration_error
from tack_perception.evaluation.trials import PointTrial

FloatArray = NDArray[np.float64]

BINS = 10
RIGHT_PX = 10.0
NEAR_PX = 20.0
LEVELS = (0.5, 0.9)
_SMALLEST = 1e-6  # px²: a covariance of zero would make every error infinite


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Confidence against the share of right answers: seen, and within 10 px.

    Attributes:
        trials: how many.
        error: expected calibration error (Naeini et al. 2015) over ten equal bins.
        stated: mean confidence of each bin, NaN where it is empty.
        right: share of right answers in each bin.
    """

    trials: int
    error: float
    stated: tuple[float, ...]
    right: tuple[Share, ...]


def reliability(trials: Sequence[PointTrial]) -> Reliability:
    """How reliable the confidence of some trials is; of hidden and absent points none is right."""
    stated = np.array([t.confidence for t in trials], dtype=np.float64)
    right = np.array([is_right(t) for t in trials], dtype=bool)
    index = np.clip((stated * BINS).astype(int), 0, BINS - 1)
    return Reliability(
        len(trials),
        expected_calibration_error(stated, right, BINS),
        tuple(float(stated[index == i].mean()) if (index == i).any() else math.nan
              for i in range(BINS)),
        tuple(Share.of(right[index == i]) for i in range(BINS)),
    )  # fmt: skip


def is_right(trial: PointTrial) -> bool:
    """Whether the point is seen and was answered within 10 px."""
    return trial.state == "seen" and trial.error_px <= RIGHT_PX


@dataclasses.dataclass(frozen=True)
class Ellipses:
    """Pixel covariance against pixel error.

    The squared Mahalanobis distance of an honest Gaussian covariance is chi-square distributed with
    two degrees of freedom: mean 2, median 1.386, and 1 - exp(-d² / 2) is uniform.

    Attributes:
        trials: seen points that were answered with a covariance.
        without: those that were answered without.
        nees: mean of the squared Mahalanobis distance (normalised estimation error squared).
        median: its median.
        inside: level → share of truths within the ellipse of that probability.
        histogram: share of trials in ten equal bins of 1 - exp(-d² / 2); 0.1 each if honest.
        coverage: (level, share inside) along 0, 0.05, … 1.
        sigma_px: median of the geometric mean of the two standard deviations.
    """

    trials: int
    without: int
    nees: float
    median: float
    inside: dict[float, Share]
    histogram: tuple[float, ...]
    coverage: tuple[tuple[float, float], ...]
    sigma_px: float


def ellipses(trials: Sequence[PointTrial], within_px: float = math.inf) -> Ellipses:
    """How honest the covariances of seen points are.

    Args:
        trials: of seen points; refused clicks do not count.
        within_px: judge only answers that are so near: where a detector has taken another place,
            its covariance of the right one cannot be judged.
    """
    answered = [t for t in trials if t.state == "seen" and not t.refused]
    near = [t for t in answered if t.error_px <= within_px]
    stated = [t for t in near if t.covariance is not None]
    offsets = np.array([np.subtract(t.answer, t.truth) for t in stated]).reshape(-1, 2)
    entries = np.array([t.covariance for t in stated], dtype=np.float64).reshape(-1, 3)
    distance = squared_mahalanobis(offsets, entries)
    level = -np.expm1(-distance / 2)  # the probability of the ellipse through the truth
    count = max(1, len(level))
    histogram = np.histogram(level, bins=BINS, range=(0, 1))[0] / count
    steps = np.linspace(0, 1, 21)
    determinant = entries[:, 0] * entries[:, 2] - entries[:, 1] ** 2
    return Ellipses(
        trials=len(stated),
        without=len(near) - len(stated),
        nees=float(distance.mean()) if len(distance) else math.nan,
        median=float(np.median(distance)) if len(distance) else math.nan,
        inside={one: Share.of(level <= one) for one in LEVELS},
        histogram=tuple(float(x) for x in histogram) if len(level) else (),
        coverage=tuple((float(x), float((level <= x).mean())) for x in steps if len(level)),
        sigma_px=float(np.median(np.maximum(determinant, 0) ** 0.25)) if len(level) else math.nan,
    )


def squared_mahalanobis(offsets: ArrayLike, covariances: ArrayLike) -> FloatArray:
    """(N,) d² = eᵀ Σ⁻¹ e of offsets (N, 2) and covariances (N, 3) = (uu, uv, vv)."""
    e = np.asarray(offsets, dtype=np.float64).reshape(-1, 2)
    uu, uv, vv = np.asarray(covariances, dtype=np.float64).reshape(-1, 3).T
    uu, vv = uu + _SMALLEST, vv + _SMALLEST
    distance: FloatArray = (vv * e[:, 0] ** 2 - 2 * uv * e[:, 0] * e[:, 1] + uu * e[:, 1] ** 2) / (
        uu * vv - uv**2
    )
    return distance
