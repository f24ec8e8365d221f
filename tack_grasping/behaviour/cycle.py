# SPDX-License-Identifier: Apache-2.0
"""The account of one pick-and-place: what was done, how long it took, what came of it and why."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from tack_grasping.error_codes import MoveItErrorCode


class Work(str, enum.Enum):
    """What time is spent on."""

    PERCEPTION = "perception"
    PLANNING = "planning"
    EXECUTION = "execution"
    SCENE = "scene"
    GRIPPER = "gripper"
    WAITING = "waiting"


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """One stage, once.

    Attributes:
        name: look, plan, pregrasp, approach, close, lift, hold, verify lift, …, wait, come back.
        work: what its time was spent on.
        attempt: 1 for the first try of the cycle, 2 for the second, …
        began: from the beginning of the cycle, s.
        seconds: that it took, s.
        code: SUCCESS, or what went wrong.
        reason: one sentence; "" where nothing went wrong.
        pictures: names of files in the cycle's folder that show it.
    """

    name: str
    work: Work
    attempt: int
    began: float
    seconds: float
    code: MoveItErrorCode = MoveItErrorCode.SUCCESS
    reason: str = ""
    pictures: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether it went well."""
        return self.code is MoveItErrorCode.SUCCESS


@dataclasses.dataclass(frozen=True)
class CycleRecord:
    """One cycle: from the request to the end, whatever that was.

    Attributes:
        label: the point that was to be grasped.
        place: name of the place specification; "" for a pick alone.
        code: SUCCESS, or what kept it from that: of several failures the one nearest to the aim.
        reason: `stage: what happened`, with what happened at last and what has to be known of the
            robot's state; "" after success.
        attempts: how many grasps were begun.
        stages: in order of time.
        rejected: why grasp candidates were rejected and plans failed, a sentence each.
    """

    label: str
    place: str
    code: MoveItErrorCode
    reason: str
    attempts: int
    stages: tuple[StageRecord, ...]
    rejected: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether all that was asked for was done."""
        return self.code is MoveItErrorCode.SUCCESS

    @property
    def seconds(self) -> float:
        """Of the whole cycle, s."""
        return max((stage.began + stage.seconds for stage in self.stages), default=0.0)

    @property
    def failed_stage(self) -> str:
        """Name of the stage that `reason` is about; "" where the cycle succeeded."""
        if self.success:
            return ""
        failed = [stage.name for stage in self.stages if not stage.success]
        about = [name for name in failed if self.reason.startswith(f"{name}:")]
        return next(iter([*about, *reversed(failed)]), "")

    def seconds_of(self, works: Iterable[Work]) -> float:
        """Time spent on some kinds of work, s."""
        wanted = set(works)
        return sum(stage.seconds for stage in self.stages if stage.work in wanted)
