# SPDX-License-Identifier: Apache-2.0
"""Keeps the account of a cycle while it goes on, and tells whoever looks on."""

from __future__ import annotations

from tack_grasping.behaviour.cycle import StageRecord, Work
from tack_grasping.behaviour.settings import Clock
from tack_grasping.behaviour.sight import Sight, View
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.goal import PickPlaceGoal


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
        witness: told of each stage.
    """

    def __init__(self, clock: Clock, witness: Witness) -> None:
        self.clock, self.witness = clock, witness
        self.stages: list[StageRecord] = []
        self.rejected: list[str] = []
        self.attempt = 0
        self.pictures: tuple[str, ...] = ()
        self._start = clock()

    def now(self) -> float:
        """Since the beginning of the cycle, s."""
        return self.clock() - self._start

    def add(self, name: str, work: Work, began: float, error: StageError | None) -> StageRecord:
        """A stage is over, well or with an error; its pictures are those of `pictures`."""
        record = StageRecord(
            name, work, self.attempt, began, self.now() - began,
            MoveItErrorCode.SUCCESS if error is None else error.code,
            "" if error is None else error.sentence,
            self.pictures,
        )  # fmt: skip
        self.pictures = ()
        self.stages.append(record)
        self.witness.ended(record)
        return record
