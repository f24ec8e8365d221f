# SPDX-License-Identifier: Apache-2.0
"""From trials to the figures of a table."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tack_perception.evaluation.statistics import (
    Share,
    area_under_roc,
    expected_calibration_error,
    quantile,
)
from tack_perception.evaluation.views import Trial

THRESHOLDS_PX = (5, 10, 20)
RIGHT_PX = 10
"""An answer within this distance counts as right where confidence is judged."""

ASTRAY_PX = 20
"""An answer farther away is a false alarm where the point is hidden."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Figures over a set of trials.

    Attributes:
        trials: with the point truly visible; all pixel figures are over these, accepted or not.
        median_px: median pixel error.
        within: threshold, px → share of trials within it.
        accepted: share that the detector believed visible.
        accepted_within: threshold, px → share within it of those that it believed.
        hidden: share of trials with the point labelled hidden that were accepted all the same.
        hidden_astray: share of those trials that were accepted more than `ASTRAY_PX` from where the
            point is. Labels of visibility are strict at grazing views and edges: an answer near the
            true pixel of a point that is labelled hidden is often a point that can be seen.
        auc: probability that a right answer's confidence is above that of a wrong one or a hidden
            point.
        calibration: expected calibration error over visible and hidden trials.
        lifted: trials that were lifted.
        refused: share of visible trials that gave no 3D point, for whatever reason.
        median_m, p95_m: quantiles of the 3D error of those lifted, m.
        truth_median_m, truth_p95_m: the same for lifts at the true pixels.
        truth_refused: share of visible trials that cannot be lifted even at the true pixel.
        refusals: reason (first words) → count.
        ms: median time of detection of a view, all labels together, ms.
    """

    trials: int
    median_px: float
    within: dict[int, Share]
    accepted: Share
    accepted_within: dict[int, Share]
    hidden: Share
    hidden_astray: Share
    auc: float
    calibration: float
    lifted: int
    refused: Share
    median_m: float
    p95_m: float
    truth_median_m: float
    truth_p95_m: float
    truth_refused: Share
    refusals: dict[str, int]
    ms: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shares become hits, trials and the bounds of their interval."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in values.items()}


def summarise(trials: Sequence[Trial]) -> Summary:
    """The figures of a set of trials."""
    visible = [trial for trial in trials if trial.visible]
    hidden = [trial for trial in trials if not trial.visible]
    errors = np.array([trial.error_px for trial in visible])
    believed = np.array([trial.accepted for trial in visible], dtype=bool)
    lifted = [trial.error_m for trial in visible if np.isfinite(trial.error_m)]
    at_truth = [trial.lift_here_m for trial in visible if np.isfinite(trial.lift_here_m)]
    right = np.array([trial.visible and trial.error_px <= RIGHT_PX for trial in trials], dtype=bool)
    confidence = np.array([trial.confidence for trial in trials])
    reasons = Counter(trial.refusal.split(":")[0] for trial in visible if trial.refusal)
    return Summary(
        trials=len(visible),
        median_px=quantile(errors, 0.5),
        within={limit: Share.of(errors <= limit) for limit in THRESHOLDS_PX},
        accepted=Share.of(believed),
        accepted_within={limit: Share.of(errors[believed] <= limit) for limit in THRESHOLDS_PX},
        hidden=Share.of([trial.accepted for trial in hidden]),
        hidden_astray=Share.of([t.accepted and t.error_px > ASTRAY_PX for t in hidden]),
        auc=area_under_roc(confidence[right], confidence[~right]),
        calibration=expected_calibration_error(confidence, right),
        lifted=len(lifted),
        refused=Share(len(visible) - len(lifted), len(visible)),
        median_m=quantile(lifted, 0.5),
        p95_m=quantile(lifted, 0.95),
        truth_median_m=quantile(at_truth, 0.5),
        truth_p95_m=quantile(at_truth, 0.95),
        truth_refused=Share(len(visible) - len(at_truth), len(visible)),
        refusals=dict(reasons.most_common()),
        ms=quantile([trial.seconds for trial in trials], 0.5) * 1e3,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Share):
        return {"hits": value.hits, "trials": value.trials, "low": value.low, "high": value.high}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
