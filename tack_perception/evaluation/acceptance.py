# SPDX-License-Identifier: Apache-2.0
"""Wrong-accept against recall: does a detector tell seen points from hidden and absent ones?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.evaluation.columns import Holds, covered_pairs, plain
from tack_perception.evaluation.statistics import Share, area_under_roc
from tack_perception.evaluation.trials import PointTrial, errors

FloatArray = NDArray[np.float64]

RECALL, WRONG_ACCEPT = 0.9, 0.01
RIGHT_PX = 10.0
ASTRAY_PX = 20.0


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """How well seen points are accepted and others are not.

    Attributes:
        seen, others: number of trials.
        auc: probability that a seen point is believed more than another (`PointTrial.believed`).
        recall: share of the seen points that the detector itself calls visible.
        wrong_accept: share of the others that it calls visible.
        astray: share of the others that it calls visible more than 20 px from where they are;
            for absent objects the same as `wrong_accept`. An answer near a point that is labelled
            hidden is often no mistake: labels of visibility are strict.
        wrong_at_recall: share of the others accepted at the threshold of belief that accepts 90 %
            of the seen.
        recall_at_wrong: share of the seen accepted at the lowest threshold that accepts at most 1 %
            of the others.
        right_at_wrong: share of the seen accepted there and answered within 10 px.
        threshold_at_recall, threshold_at_wrong: those thresholds; the second may be infinite.
        curve: wrong-accept, recall along all thresholds, from the strictest.
    """

    seen: int
    others: int
    auc: float
    recall: Share
    wrong_accept: Share
    astray: Share
    wrong_at_recall: Share
    recall_at_wrong: Share
    right_at_wrong: Share
    threshold_at_recall: float
    threshold_at_wrong: float
    curve: tuple[tuple[float, float], ...] = dataclasses.field(repr=False)


def cases(trials: Sequence[PointTrial]) -> dict[str, tuple[Holds, Holds]]:
    """Title → (which trials are seen points, which are the others) of each comparison."""
    covered = covered_pairs(trials)
    same, new = plain("same"), plain("new")

    def seen(t: PointTrial) -> bool:
        return same(t) or new(t)

    def hidden(t: PointTrial) -> bool:
        return plain("same", "hidden")(t) or plain("new", "hidden")(t)

    def uncovered(t: PointTrial) -> bool:
        return t.state == "seen" and t.probe in covered

    absent = plain("absent", "absent")
    return {
        "hidden, same instance": (same, plain("same", "hidden")),
        "hidden, new instance": (new, plain("new", "hidden")),
        "covered by an occluder": (uncovered, lambda t: t.state == "covered"),
        "absent": (seen, absent),
        "hidden or absent": (seen, lambda t: hidden(t) or absent(t)),
    }


def acceptance(seen: Sequence[PointTrial], others: Sequence[PointTrial]) -> Acceptance:
    """The figures of one comparison.

    Args:
        seen: trials whose point is seen.
        others: trials whose point is hidden, covered or absent.
    """
    yes, no = _beliefs(seen), _beliefs(others)
    at_recall = threshold_of_recall(yes, RECALL)
    at_wrong = threshold_of_wrong_accept(no, WRONG_ACCEPT)
    right = errors(seen) <= RIGHT_PX
    away = [t.accepted and not t.error_px <= ASTRAY_PX for t in others]  # NaN: nowhere
    return Acceptance(
        seen=len(seen),
        others=len(others),
        auc=area_under_roc(yes, no),
        recall=Share.of([t.accepted for t in seen]),
        wrong_accept=Share.of([t.accepted for t in others]),
        astray=Share.of(away),
        wrong_at_recall=Share.of(no >= at_recall),
        recall_at_wrong=Share.of(yes >= at_wrong),
        right_at_wrong=Share.of((yes >= at_wrong) & right),
        threshold_at_recall=at_recall,
        threshold_at_wrong=at_wrong,
        curve=roc(yes, no),
    )


def threshold_of_recall(seen: ArrayLike, recall: float) -> float:
    """The highest threshold that accepts (belief ≥ threshold) a share of the seen."""
    ordered = np.sort(np.asarray(seen, dtype=np.float64))[::-1]
    if not len(ordered):
        return math.nan
    return float(ordered[max(0, math.ceil(recall * len(ordered) - 1e-9) - 1)])


def threshold_of_wrong_accept(others: ArrayLike, share: float) -> float:
    """The lowest threshold that accepts at most a share of the others; just above one of them."""
    ordered = np.sort(np.asarray(others, dtype=np.float64))[::-1]
    if not len(ordered):
        return math.nan
    allowed = math.floor(share * len(ordered) + 1e-9)
    if allowed >= len(ordered):
        return -math.inf
    return float(np.nextafter(ordered[allowed], np.inf))


def roc(seen: ArrayLike, others: ArrayLike) -> tuple[tuple[float, float], ...]:
    """(wrong-accept, recall) at every threshold, from (0, 0) to (1, 1)."""
    yes = np.sort(np.asarray(seen, dtype=np.float64))
    no = np.sort(np.asarray(others, dtype=np.float64))
    if not (len(yes) and len(no)):
        return ()
    steps = np.unique(np.concatenate([yes, no]))[::-1]
    recall = 1 - np.searchsorted(yes, steps, "left") / len(yes)
    wrong = 1 - np.searchsorted(no, steps, "left") / len(no)
    points = np.column_stack([wrong, recall])
    return ((0.0, 0.0), *((float(x), float(y)) for x, y in points))


def _beliefs(trials: Sequence[PointTrial]) -> FloatArray:
    return np.array([t.believed for t in trials], dtype=np.float64)
