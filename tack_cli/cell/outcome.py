# SPDX-License-Identifier: Apache-2.0
"""What came of a job in the cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.tally import attempts_of
from tack_grasping.goal import PickPlaceGoal
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
        seen_frame: the image that the goal was planned on.
        keypoint: the point in it, in the camera's frame.
        point_error: distance of the keypoint from the true point, m; None where unknown.
        goal: that was tried last.
        tried_from: index of the first stage of `pick` in which that was done.
        pick: the account of the pick-and-place.
        began: when that began, s of the cell's time.
        verdict: the judge's words: on the grasp after the lift, on all else at the end.
        base_from_camera: (4, 4) of that image, m.
        seconds: stage → time that it took, s: of the pick-and-place by the cell's clock, of what
            was before and after by the wall clock.
        log: file with what happened in the cell.
    """

    setup: CellSetup
    target: Mapping[str, Any]
    clicks: tuple[Annotation, ...]
    seen_frame: RGBDFrame
    keypoint: Keypoint
    point_error: float | None
    goal: PickPlaceGoal
    tried_from: int
    pick: CycleRecord
    began: float
    verdict: Mapping[str, Any]
    base_from_camera: NDArray[np.float64]
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
    def moments(self) -> list[tuple[str, float]]:
        """What was begun and when, s of the cell's time, in order."""
        stages = [
            (s.name if s.attempt == 1 else f"{s.name}, try {s.attempt}", self.began + s.began)
            for s in self.pick.stages
        ]
        return [*stages, ("end", self.began + self.pick.seconds)]

    @property
    def grasped(self) -> float:
        """When the fingers began to close on the goal, or the arm came nearest, s as `moments`."""
        tried = self.pick.stages[self.tried_from :]
        for name in ("close", "approach", "pregrasp"):
            for stage in tried:
                if stage.name == name:
                    return self.began + stage.began
        return self.began + self.pick.seconds

    @property
    def tries(self) -> int:
        """How often it was begun with a look."""
        return attempts_of(self.pick)

    @property
    def success(self) -> bool:
        """Picked up, and at rest where it should be."""
        return self.pick.success and self.held and bool(self.verdict.get("placed", self.held))

    @property
    def reason(self) -> str:
        """Why it was not picked or not placed, with MoveIt's code; "" where it was."""
        pick = self.pick
        return "" if pick.success else f"{pick.reason} ({pick.code.name} {int(pick.code)})"

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence."""
        thing = f"the {self.target['class']}"
        if self.success:
            counts = ((len(self.clicks), "clicks"), (self.tries, "tries"))
            after = " and ".join(f"{count} {what}" for count, what in counts if count > 1)
            lies = f"{thing} was picked at '{self.label}' and lies in the bin"
            return f"{lies}, after {after}" if after else lies
        if not self.pick.success:
            done = "was picked, but not placed" if self.held else "was not picked"
            return f"{thing} {done}: {self.reason}"
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
            "stage": self.pick.failed_stage,
            "reason": self.reason,
            "code": int(self.pick.code),
            "tries": self.tries,
            "grasps": self.pick.attempts,
            "verdict": dict(self.verdict),
            "seconds": dict(self.seconds),
        }


class JobFailedError(TackError):
    """The job ended before there was a grasp to try: nothing was picked.

    Attributes:
        stage: in which it ended.
        clicks: on the point.
        seen_frame: the last image that was looked at.
        pick: the account of the pick-and-place, where it came to that.
    """

    def __init__(
        self,
        stage: str,
        reason: str,
        clicks: Sequence[Annotation],
        seen_frame: RGBDFrame,
        pick: CycleRecord | None = None,
    ) -> None:
        super().__init__(reason)
        self.stage, self.clicks, self.seen_frame = stage, tuple(clicks), seen_frame
        self.pick = pick
