# SPDX-License-Identifier: Apache-2.0
"""All that an evaluation has found, ready to be written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.evaluation.appearances import WORKING_SHARE
from tack_perception.evaluation.assessment import Assessment, assess, columns_of, differences
from tack_perception.evaluation.columns import CLUTTER, Column
from tack_perception.evaluation.comparison import Difference
from tack_perception.evaluation.figures import (
    AUC_PX,
    BOX_SHARE,
    RMS_CAP_PX,
    THRESHOLDS_PX,
    plain_figures,
)
from tack_perception.evaluation.pictures import CLICKS, QUERIES
from tack_perception.evaluation.plan import ANGLES_DEG, Plan
from tack_perception.evaluation.protocol import Speed
from tack_perception.evaluation.trials import PointTrial


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """An evaluation.

    Attributes:
        plan: what was asked.
        trials: detector → its answers.
        speeds: detector → its times.
        columns: those with trials, in order.
        assessments: detector → its figures.
        differences: two detectors → column → first less second.
        alone: every point was enrolled without the others.
    """

    plan: Plan
    trials: Mapping[str, Sequence[PointTrial]]
    speeds: Mapping[str, Speed]
    columns: tuple[Column, ...]
    assessments: dict[str, Assessment]
    differences: dict[tuple[str, str], dict[str, Difference]]
    alone: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The detectors, in the order asked for."""
        return tuple(self.trials)

    def metrics(self) -> dict[str, Any]:
        """Everything but times, for JSON: the same seed and data give the same."""
        plan = self.plan
        same = plan.pictures.data(CLICKS) is plan.pictures.data(QUERIES)
        return {
            "protocol": {
                **plain_figures(plan.config),
                "alone": self.alone,
                "viewpoint_bounds_deg": list(ANGLES_DEG),
                "working_share": WORKING_SHARE,
                "clutter_bounds": plain_figures(list(CLUTTER)),
                "thresholds_px": list(THRESHOLDS_PX),
                "rms_cap_px": RMS_CAP_PX,
                "auc_to_px": AUC_PX,
                "box_share": BOX_SHARE,
            },
            "queries": describe(plan.pictures.data(QUERIES)),
            "clicks_on_new_instances": None if same else describe(plan.pictures.data(CLICKS)),
            "left_out_for_a_rival": plan.rivals,
            "pairs_of_views": len(plan.probes),
            "frames_searched": plan.queries,
            "clutter": clutter(plan),
            "detectors": {name: one.as_dict() for name, one in self.assessments.items()},
            "differences": {
                f"{first} - {second}": plain_figures(columns)
                for (first, second), columns in self.differences.items()
            },
        }


def make_results(
    plan: Plan,
    trials: Mapping[str, Sequence[PointTrial]],
    speeds: Mapping[str, Speed],
    *,
    alone: bool = False,
) -> Results:
    """Figures of the trials of all detectors."""
    return Results(
        plan,
        trials,
        speeds,
        columns_of(next(iter(trials.values())), plan.config),
        {name: assess(some, plan.config) for name, some in trials.items()},
        differences(trials, plan.config),
        alone,
    )


def describe(data: CorrespondenceSet) -> dict[str, Any]:
    """What a data set is, without where it lies."""
    manifest = data.manifest
    size = data.view(0).intrinsics
    return {
        "name": Path(data.folder).name,
        "split": manifest.split,
        "seed": manifest.seed,
        "size": [size.width, size.height],
        "views": len(data),
        "classes": {
            category: sum(info.category == category for info in manifest.instances.values())
            for category in sorted(manifest.classes)
        },
    }


def clutter(plan: Plan) -> dict[str, float | None]:
    """How much stands around the objects that were looked for."""
    asked = [p for p in plan.probes if p.natural and p.relation in ("same", "new")]
    values = np.array([p.clutter for p in asked])
    values = values[np.isfinite(values)]
    if not len(values):
        return {"share_with_other_things": None, "median": None}
    return {
        "share_with_other_things": round(float((values > 0).mean()), 4),
        "median": round(float(np.median(values)), 4),
    }
