# SPDX-License-Identifier: Apache-2.0
"""A witness that writes cycles into a run folder beside the robot's work, and never stands in it.

Pictures are drawn and written by a thread of its own. What cannot be written is counted, not
raised: the robot goes on with a full disk.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.run_pictures import Image, encoded, evidence_picture, look_picture
from tack_grasping.behaviour.runs import RunWriter
from tack_grasping.behaviour.sight import Sight, View
from tack_grasping.goal import PickPlaceGoal
from tack_perception.files import write_atomically
from tack_perception.reasons import Reasons

_log = logging.getLogger(__name__)

MOST_WAITING = 24
"""Pictures that wait for the disk at most; each keeps its image in memory."""


class RunWitness(Witness):
    """Writes what it sees. One for all cycles of a robot, one after the other; a context manager.

    Call `finish` with the record of each cycle, and `close` in the end.

    Args:
        writer: of the run folder.
    """

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._errors, self._lock = Reasons(), threading.Lock()
        self._worker = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="tack run")
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)
        self._cycle = _Cycle()
        self._look: tuple[str, Sight] | None = None
        self._goals: list[PickPlaceGoal] = []

    def __enter__(self) -> RunWitness:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def errors(self) -> Counter[str]:
        """What could not be written, with the reason and how often; empty when all is well."""
        with self._lock:
            return Counter(self._errors.counts)

    def seen(self, sight: Sight) -> tuple[str, ...]:
        """This is what was seen; drawn when it is known which grasps were tried on it."""
        self._draw_look()
        name = self._cycle.name("look")
        self._look, self._goals = (name, sight), []
        return (name,)

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""
        self._goals.append(goal)

    def evidence(self, stage: str, view: View) -> tuple[str, ...]:
        """This is how it looked when a stage had gone wrong."""
        self._draw_look()
        name, goal = self._cycle.name(stage), self._goals[-1] if self._goals else None
        self._draw(name, lambda: evidence_picture(stage, view, goal))
        return (name,)

    def finish(self, record: CycleRecord) -> None:
        """The cycle is over; its record is written as soon as its pictures are."""
        self._draw_look()
        cycle, self._cycle, self._goals = self._cycle, _Cycle(), []
        self._do(lambda: self._end(cycle, record), "a record")

    def flush(self) -> None:
        """Wait until all that was handed over is written, or was counted as an error."""
        with contextlib.suppress(RuntimeError):  # closed: nothing waits any more
            self._worker.submit(lambda: None).result()

    def close(self) -> None:
        """Write what waits, and end. A cycle that was not finished has no record."""
        self._draw_look()
        self._worker.shutdown(wait=True)

    def _draw_look(self) -> None:
        if self._look is None:
            return
        (name, sight), goals, self._look = self._look, tuple(self._goals), None
        self._draw(name, lambda: look_picture(sight, goals))

    def _draw(self, name: str, draw: Callable[[], Image]) -> None:
        if not self._waiting.acquire(blocking=False):
            self._note("a picture", "the disk is too slow: too many pictures wait already")
            return
        cycle = self._cycle

        def act() -> None:
            try:
                write_atomically(cycle.folder(self._writer) / name, encoded(draw()))
                cycle.pictures.add(name)
            finally:
                self._waiting.release()

        self._do(act, "a picture")

    def _end(self, cycle: _Cycle, record: CycleRecord) -> None:
        """Write a record that names the pictures that there are."""
        stages = tuple(
            dataclasses.replace(
                stage, pictures=tuple(name for name in stage.pictures if name in cycle.pictures)
            )
            for stage in record.stages
        )
        folder = cycle.folder(self._writer)
        self._writer.end(folder, dataclasses.replace(record, stages=stages))

    def _do(self, act: Callable[[], None], what: str) -> None:
        """Hand something over to the thread that writes."""

        def safely() -> None:
            try:
                act()
            except Exception as error:  # no fault of the log may reach the robot
                self._note(what, f"{error}")

        try:
            self._worker.submit(safely)
        except RuntimeError as error:
            self._note(what, f"the witness was closed already ({error})")

    def _note(self, what: str, reason: str) -> None:
        with self._lock:
            words = self._errors.note(f"{what} was not written: {reason}")
            first = self._errors.counts[words] == 1
        if first:
            _log.warning("%s", words)


class _Cycle:
    """One cycle: its folder, once there is something to write, and its pictures."""

    def __init__(self) -> None:
        self.pictures: set[str] = set()
        self._folder: Path | None = None
        self._count = 0

    def name(self, stage: str) -> str:
        """Of the next picture."""
        self._count += 1
        return f"{self._count:02d}_{re.sub(r'[^a-z0-9]+', '_', stage.lower()) or 'stage'}.jpg"

    def folder(self, writer: RunWriter) -> Path:
        """In the run; made when it is wanted first."""
        if self._folder is None:
            self._folder = writer.begin()
        return self._folder
