# SPDX-License-Identifier: Apache-2.0
"""Keeps the account of a cycle while it goes on, and tells whoever looks on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from tack_grasping.behaviour.cycle import StageRecord, Work
from tack_grasping.behaviour.settings import Clock
from tack_grasping.behaviour.sight import Sight, View
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.goal import PickPlaceGoal

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Witness:
    """Looks on; this one does nothing. Methods that return names say which pictures they made."""

    def began(self, stage: str) -> None:
        """A stage begins."""

    def seen(self, sight: Sight) -> tuple[str, ...]:
        """This is what was seen."""
        return ()

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""

    def evidence(self, stage: str, view: View) -> tuple[str, ...]:
        """This is how it looked when a stage had gone wrong."""
        return ()

    def ended(self, record: StageRecord) -> None:
        """A stage is over."""


class Account:
    """The stages of a cycle, in order.

    Args:
        clock: s; runs as the robot's time does.
        witness: told of each stage. What goes wrong with it (a full disk) is logged, and changes
            nothing of what the robot does.
    """

    def __init__(self, clock: Clock, witness: Witness) -> None:
        self.clock, self.witness = clock, witness
        self.stages: list[StageRecord] = []
        self.rejected: list[str] = []
        self.attempt = self.searching = 0
        self.pictures: tuple[str, ...] = ()
        self._start = clock()

    def now(self) -> float:
        """Since the beginning of the cycle, s."""
        return self.clock() - self._start

    @property
    def tried(self) -> int:
        """Attempts but for those that only wanted to see more."""
        return self.attempt - self.searching

    def reject(self, why: str) -> None:
        """A view, a grasp or a plan cannot be had, for a reason, a sentence."""
        self.rejected.append(why)

    def began(self, stage: str) -> None:
        """A stage begins."""
        self._tell(lambda: self.witness.began(stage), None)

    def seen(self, sight: Sight) -> None:
        """This is what was seen."""
        self.pictures = self._tell(lambda: self.witness.seen(sight), ())

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""
        self._tell(lambda: self.witness.planned(goal), None)

    def evidence(self, stage: str, view: View) -> None:
        """This is how it looked when a stage had gone wrong."""
        self.pictures = self._tell(lambda: self.witness.evidence(stage, view), ())

    def add(
        self,
        name: str,
        work: Work,
        began: float,
        error: StageError | None,
        ended: float | None = None,
    ) -> StageRecord:
        """A stage is over, well or with an error; its pictures are those of `pictures`.

        Args:
            name: of the stage.
            work: what its time was spent on.
            began: as `now` said, s.
            error: that ended it.
            ended: as `now` said, s; None for now.
        """
        record = StageRecord(
            name, work, self.attempt, began, (self.now() if ended is None else ended) - began,
            MoveItErrorCode.SUCCESS if error is None else error.code,
            "" if error is None else error.sentence,
            self.pictures,
        )  # fmt: skip
        self.pictures = ()
        self.stages.append(record)
        self._tell(lambda: self.witness.ended(record), None)
        return record

    def _tell(self, tell: Callable[[], T], otherwise: T) -> T:
        try:
            return tell()
        except Exception:
            _log.exception("the witness of a cycle failed; the cycle goes on")
            return otherwise
