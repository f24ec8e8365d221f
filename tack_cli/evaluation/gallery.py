# SPDX-License-Identifier: Apache-2.0
"""The worst answers as pictures: the click on the left, the answer and the truth on the right."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_cli.evaluation.results import Results
from tack_perception import drawing, overlay
from tack_perception.evaluation.calibration import RIGHT_PX
from tack_perception.evaluation.columns import Column, plain
from tack_perception.evaluation.probe import Probe
from tack_perception.evaluation.trials import PointTrial
from tack_perception.keypoint import Keypoint

Image = NDArray[np.uint8]

TRUTH, ANSWER, EQUAL = (76, 217, 140), (255, 92, 92), (160, 200, 255)
_GAP = 6
_ABSENT = Column("absent", "absent objects", "hidden", plain("absent", "absent"))


@dataclasses.dataclass(frozen=True, eq=False)
class Failure:
    """One bad answer.

    Attributes:
        column: the condition.
        rank: 0 is the worst.
        trial: the answer.
        picture: (H, W, 3) uint8 RGB.
    """

    column: Column
    rank: int
    trial: PointTrial
    picture: Image

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.column.key}_{self.rank}.jpg"

    @property
    def words(self) -> str:
        """What is seen."""
        return describe(self.trial)


def failures(results: Results, name: str, most: int) -> list[Failure]:
    """The worst answers of one detector in each condition that is worth a look."""
    probes = {probe.number: probe for probe in results.plan.probes}
    found = []
    for column in (*results.columns, _ABSENT):
        if not shown(column):
            continue
        for rank, trial in enumerate(worst(column.of(results.trials[name]), most)):
            picture = draw(results, probes[trial.probe], trial)
            found.append(Failure(column, rank, trial, picture))
    return found


def shown(column: Column) -> bool:
    """Whether a condition has a gallery: not each of those that only split another."""
    return column.group in ("main", "viewpoint", "hidden") or (
        column.group == "occlusion" and not column.key.endswith("_0")
    )


def worst(trials: Sequence[PointTrial], most: int) -> list[PointTrial]:
    """The worst answers, one of each pair of views at most.

    Of seen points the surest of those that are more than 10 px off, then the farthest off; of
    hidden and absent ones the surest. A refused click is no answer.
    """

    def badness(t: PointTrial) -> tuple[float, ...]:
        if t.state != "seen":
            return (float(t.accepted), t.confidence)
        wrong = t.error_px > RIGHT_PX
        return (float(wrong), t.confidence if wrong else 0.0, t.error_px)

    chosen: dict[int, PointTrial] = {}
    answered = [t for t in trials if not t.refused]
    for trial in sorted(answered, key=lambda t: (*(-x for x in badness(t)), t.probe, t.label)):
        if len(chosen) >= most:
            break
        chosen.setdefault(trial.probe, trial)
    return list(chosen.values())


def describe(trial: PointTrial) -> str:
    """An answer in a line."""
    where = "" if math.isnan(trial.error_px) else f", {trial.error_px:.0f} px off"
    believed = "believed" if trial.accepted else "not believed"
    return f"{trial.label}: {trial.state}{where}, confidence {trial.confidence:.2f}, {believed}"


def draw(results: Results, probe: Probe, trial: PointTrial) -> Image:
    """Click and query side by side, at the size of the pictures."""
    pictures = results.plan.pictures
    index = next(i for i, point in enumerate(probe.points) if point.label == trial.label)
    query = next(q for q in probe.queries if q.occlusion == trial.occlusion)
    target = query.targets[index]
    left = drawing.enlarged(np.asarray(pictures.click(probe).color), 1)
    overlay.draw_click(left, probe.points[index].pixel, TRUTH)
    searched = (
        pictures.click(probe)
        if probe.relation == "self"
        else pictures.query(probe, trial.occlusion)
    )
    right = drawing.enlarged(np.asarray(searched.color), 1)
    if target is not None and not math.isnan(trial.truth[0]):
        drawing.line(right, trial.truth, trial.answer, ANSWER, 1)
        for place in target.equivalents.tolist():
            drawing.circle(right, (place[0], place[1]), 2.0, EQUAL, -1)
        overlay.draw_click(right, trial.truth, TRUTH, size=0.8)
    overlay.mark_keypoints(right, [_answer(trial)], {trial.label: ANSWER}, labels=False)
    corner = (-14.0, right.shape[0] - 1.0)
    overlay.draw_label(right, describe(trial), corner, ANSWER)
    return _beside(left, right)


def _answer(trial: PointTrial) -> Keypoint:
    covariance = None
    if trial.covariance is not None:
        uu, uv, vv = trial.covariance
        covariance = np.array([[uu, uv], [uv, vv]])
    u, v = trial.answer
    return Keypoint(trial.label, u, v, trial.confidence, trial.accepted, covariance)


def _beside(left: Image, right: Image) -> Image:
    height = max(left.shape[0], right.shape[0])
    tall = [
        cv2.copyMakeBorder(
            image, 0, height - image.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)
        )
        for image in (left, right)
    ]
    gap = np.full((height, _GAP, 3), 255, np.uint8)
    return np.asarray(np.hstack([tall[0], gap, tall[1]]), dtype=np.uint8)
