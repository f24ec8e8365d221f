# SPDX-License-Identifier: Apache-2.0
"""What came of a job in the cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.goal import PickPlaceGoal
from tack_grasping.procedure import PickOutcome
from tack_perception.annotation import Annotation
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_sim.cell.log import CellSetup


@dataclasses.dataclass(frozen=True, eq=False)
class CellOutcome:
    """Everything that a report tells.

    Attributes:
        setup: the cell.
        target: what is known of the object: class, instance, pose and points after the move.
        clicks: on the point; more than one where it was not found again after the first.
        seen_frame: the image of the detection.
        keypoint: the detection, in the camera's frame.
        point_error: distance of the detection from the true point, m; None where unknown.
        goal: what was asked of the arm.
        pick: how that went.
        verdict: the judge's words: on the grasp after the lift, on all else at the end.
        base_from_camera: (4, 4) at the detection, m.
        moments: stage → when it began, s of the cell's time.
        seconds: stage → time by the wall clock, s.
        log: file with what happened in the cell.
    """

    setup: CellSetup
    target: Mapping[str, Any]
    clicks: tuple[Annotation, ...]
    seen_frame: RGBDFrame
    keypoint: Keypoint
    point_error: float | None
    goal: PickPlaceGoal
    pick: PickOutcome
    verdict: Mapping[str, Any]
    base_from_camera: NDArray[np.float64]
    moments: Mapping[str, float]
    seconds: Mapping[str, float]
    log: Path

    @property
    def label(self) -> str:
        """Of the point."""
        return self.clicks[0].label

    @property
    def held(self) -> bool:
        """The judge's word after the lift."""
        return bool(self.verdict.get("held"))

    @property
    def success(self) -> bool:
        """Picked up, and at rest where it should be."""
        return self.pick.success and self.held and bool(self.verdict.get("placed", self.held))

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence."""
        thing = f"the {self.target['class']}"
        if self.success:
            clicks = f", after {len(self.clicks)} clicks" if len(self.clicks) > 1 else ""
            return f"{thing} was picked at '{self.label}' and lies in the bin{clicks}"
        if not self.pick.success:
            return f"{thing} was not picked: {self.pick.reason}"
        if not self.held:
            return f"{thing} was not held after the lift: {self.verdict.get('grasp', '')}"
        where = "in the bin" if self.verdict.get("in_bin") else "outside the bin"
        state = "at rest" if self.verdict.get("at_rest") else "still moving"
        return f"{thing} was picked, but ended {where}, {state}"

    def summary(self) -> dict[str, Any]:
        """The outcome without its images, for a file."""
        return {
            "success": self.success,
            "sentence": self.sentence,
            "setup": dataclasses.asdict(self.setup),
            "label": self.label,
            "clicks": [[click.u, click.v] for click in self.clicks],
            "confidence": self.keypoint.confidence,
            "point_error_m": self.point_error,
            "grasp": self.goal.grasp.tolist(),
            "stage": self.pick.stage,
            "reason": self.pick.reason,
            "code": int(self.pick.code),
            "grasped_width_m": self.pick.grasped_width,
            "verdict": dict(self.verdict),
            "seconds": dict(self.seconds),
        }


class JobFailedError(TackError):
    """The job ended before anything was asked of the arm: nothing was picked.

    Attributes:
        stage: in which it ended.
        clicks: on the point.
        seen_frame: the last image that was looked at.
    """

    def __init__(
        self, stage: str, reason: str, clicks: Sequence[Annotation], seen_frame: RGBDFrame
    ) -> None:
        super().__init__(reason)
        self.stage, self.clicks, self.seen_frame = stage, tuple(clicks), seen_frame
