# SPDX-License-Identifier: Apache-2.0
"""Everything that is said of a detector, and of two of them, from their trials."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from tack_perception.evaluation.acceptance import Acceptance, acceptance, cases
from tack_perception.evaluation.bootstrap import Interval
from tack_perception.evaluation.calibration import (
    NEAR_PX,
    Ellipses,
    Reliability,
    ellipses,
    reliability,
)
from tack_perception.evaluation.columns import (
    RELATIONS,
    Column,
    covered_pairs,
    make_columns,
    plain,
)
from tack_perception.evaluation.comparison import Difference, difference, occlusion_ratio
from tack_perception.evaluation.figures import Figures, figures, plain_figures
from tack_perception.evaluation.probe import ProtocolConfig
from tack_perception.evaluation.trials import PointTrial


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What the trials of one detector say.

    Attributes:
        columns: key → figures; columns without trials are left out.
        classes: "same" or "new" → class → figures.
        acceptances: title → wrong-accept against recall.
        reliabilities: title → reliability of confidence.
        covariances: title → honesty of covariance.
        ratios: "same" or "new" → occlusion, % → median error of points that stayed free over that
            of the same points without occluder.
    """

    columns: dict[str, Figures]
    classes: dict[str, dict[str, Figures]]
    acceptances: dict[str, Acceptance]
    reliabilities: dict[str, Reliability]
    covariances: dict[str, Ellipses]
    ratios: dict[str, dict[int, Interval]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the curves are left out, the trials have them."""
        content: dict[str, Any] = plain_figures(self)
        for one in content["acceptances"].values():
            del one["curve"]
        return content


def columns_of(trials: Sequence[PointTrial], config: ProtocolConfig) -> tuple[Column, ...]:
    """The columns in which these trials are, in order."""
    return tuple(
        column
        for column in make_columns(config.occlusions, covered_pairs(trials))
        if any(map(column.holds, trials))
    )


def assess(trials: Sequence[PointTrial], config: ProtocolConfig) -> Assessment:
    """All figures of one detector.

    Args:
        trials: of that detector.
        config: of the protocol.
    """
    seed = config.seed
    seen = [t for t in trials if any(plain(relation)(t) for relation in RELATIONS)]
    judged = [t for t in trials if not t.occlusion and t.natural and t.relation != "self"]
    compared = {
        title: ([t for t in trials if yes(t)], [t for t in trials if no(t)])
        for title, (yes, no) in cases(trials).items()
    }
    return Assessment(
        columns={c.key: figures(c.of(trials), seed) for c in columns_of(trials, config)},
        classes={relation: _by_class(trials, relation, seed) for relation in RELATIONS},
        acceptances={
            title: acceptance(yes, no) for title, (yes, no) in compared.items() if yes and no
        },
        reliabilities={
            "seen points": reliability(seen),
            "seen, hidden and absent points": reliability(judged),
        },
        covariances={
            "seen points": ellipses(seen),
            f"seen points answered within {NEAR_PX:g} px": ellipses(seen, NEAR_PX),
        },
        ratios={
            relation: {
                share: occlusion_ratio(trials, relation, share, seed) for share in config.occlusions
            }
            for relation in RELATIONS
        },
    )


def differences(
    trials: Mapping[str, Sequence[PointTrial]], config: ProtocolConfig
) -> dict[tuple[str, str], dict[str, Difference]]:
    """(first, second) → column → first less second, for every two detectors.

    Args:
        trials: detector → its trials, of one plan.
        config: of the protocol.
    """
    if not trials:
        return {}
    columns = columns_of(next(iter(trials.values())), config)
    parts = {
        name: {column.key: column.of(some) for column in columns} for name, some in trials.items()
    }
    return {
        (first, second): {
            column.key: difference(parts[first][column.key], parts[second][column.key], config.seed)
            for column in columns
        }
        for first, second in itertools.combinations(trials, 2)
    }


def _by_class(trials: Sequence[PointTrial], relation: str, seed: int) -> dict[str, Figures]:
    mine = [t for t in trials if plain(relation)(t)]
    return {
        category: figures([t for t in mine if t.category == category], seed)
        for category in sorted({t.category for t in mine})
    }
