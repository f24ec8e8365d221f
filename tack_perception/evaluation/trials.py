# SPDX-License-Identifier: Apache-2.0
"""The record of one answer: what was asked, what was true, what a detector said."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class PointTrial:
    """One point, clicked in one view and looked for in one picture.

    Attributes:
        detector: its name in this evaluation.
        probe: number of the pair of views; trials of one probe are not independent.
        relation: "same", "new", "self" or "absent", see `Probe`.
        natural: see `Probe`.
        category: class.
        label: of the point.
        kind: "named" or "surface".
        clicked, click_view, query_view: the set of the click and the views' indices.
        occlusion: share of the object that was covered, %.
        state: "seen", "hidden", "covered" or "absent".
        working: the object is at working size in both views.
        angle_deg: change of viewpoint; NaN if absent.
        clutter: see `Probe`.
        box_px: longer side of the object's box in the query; NaN if absent.
        truth: (u, v), NaN if absent.
        answer: (u, v), NaN where the detector refused the click.
        confidence, accepted: as stated (`accepted`: the detector believes the point visible).
        believed: `Keypoint.seen`; where the detector does not tell it, its confidence.
        covariance: (uu, uv, vv), px²; None where the detector gives none.
        error_px: distance to the truth; infinite where the click was refused, NaN if absent.
        equivalent_px: the same to the nearest of the truth and its seen symmetric equivalents.
        error_m: distance of the lifted answer to the truth, m; NaN where it was not lifted.
        refusal: why it was not lifted, or why the click was refused.
    """

    detector: str
    probe: int
    relation: str
    natural: bool
    category: str
    label: str
    kind: str
    clicked: str
    click_view: int
    query_view: int
    occlusion: int
    state: str
    working: bool
    angle_deg: float
    clutter: float
    box_px: float
    truth: tuple[float, float]
    answer: tuple[float, float]
    confidence: float
    accepted: bool
    believed: float
    covariance: tuple[float, float, float] | None
    error_px: float
    equivalent_px: float
    error_m: float
    refusal: str

    @property
    def refused(self) -> bool:
        """Whether the detector refused the click."""
        return math.isnan(self.answer[0])


def to_lines(trials: Iterable[PointTrial]) -> str:
    """One JSON object a line; numbers that JSON lacks are null."""
    return "".join(json.dumps(_plain(dataclasses.asdict(one))) + "\n" for one in trials)


def errors(trials: Sequence[PointTrial]) -> FloatArray:
    """(N,) pixel errors."""
    return np.array([one.error_px for one in trials], dtype=np.float64)


def groups(trials: Sequence[PointTrial]) -> NDArray[np.int64]:
    """(N,) number of the pair of views of each trial."""
    return np.array([one.probe for one in trials], dtype=np.int64)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
