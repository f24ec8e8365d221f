# SPDX-License-Identifier: Apache-2.0
"""One job of the arm at a time, and none after a stop."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord
from tack_grasping.behaviour.pick_place import PickPlace
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, Clock, PickPlaceTask
from tack_grasping.behaviour.sight import Sight, View
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.goal import PickPlaceGoal
from tack_ros.moveit.client import MoveItMotion

MakeRobot = Callable[[], Robot]
Wanted = Callable[[], bool]


class Witnesses(Witness):
    """Tells several, in order."""

    def __init__(self, witnesses: Sequence[Witness]) -> None:
        self._all = witnesses

    def began(self, stage: str) -> None:
        """A stage begins."""
        for one in self._all:
            one.began(stage)

    def seen(self, sight: Sight) -> tuple[str, ...]:
        """This is what was seen."""
        return tuple(name for one in self._all for name in one.seen(sight))

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""
        for one in self._all:
            one.planned(goal)

    def evidence(self, stage: str, view: View) -> tuple[str, ...]:
        """This is how it looked when a stage had gone wrong."""
        return tuple(name for one in self._all for name in one.evidence(stage, view))

    def ended(self, record: StageRecord) -> None:
        """A stage is over."""
        for one in self._all:
            one.ended(record)


class Jobs:
    """Does jobs. Every method may be called from any thread; `run` and `place` block.

    Args:
        motion: the arm; also stopped here.
        clock: s of the graph's time.
        config: returns the patience in force.
    """

    def __init__(
        self, motion: MoveItMotion, clock: Clock, config: Callable[[], BehaviourConfig]
    ) -> None:
        self._motion, self._clock, self._config = motion, clock, config
        self._lock = threading.Lock()
        self._current: tuple[BehaviourTree, Wanted] | None = None
        self._held: tuple[PickPlaceTask, PickPlace] | None = None
        self._latched = ""
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "pick and place")

    @property
    def latched(self) -> str:
        """Why nothing is done any more; "" while all is well."""
        return self._latched

    @property
    def held(self) -> str:
        """Label of what was picked and not placed yet; "" for nothing."""
        held = self._held
        return "" if held is None else held[0].label

    def close(self) -> None:
        """Stop, and do nothing any more."""
        self.stop("the node ends")
        self._worker.shutdown(wait=True, cancel_futures=True)

    def stop(self, why: str) -> None:
        """Stop at once, and refuse all that comes until `rearm`."""
        self._latched = why
        current = self._current
        if current is not None:
            current[0].stop()
        self._motion.stop()

    def rearm(self) -> str:
        """Allow jobs again, as a person wants; what was latched."""
        why, self._latched = self._latched, ""
        self._motion.resume()
        return why

    def review(self) -> None:
        """Stop the job under way if it is no longer wanted; the next one may begin afterwards."""
        current = self._current
        if current is not None and not current[1]():
            current[0].stop()

    def run(
        self, task: PickPlaceTask, robot: MakeRobot, witness: Witness, wanted: Wanted
    ) -> CycleRecord:
        """Do a task.

        Args:
            task: what is to be done.
            robot: gives the robot, once it is this job's turn.
            witness: looks on.
            wanted: whether anybody still waits for it; asked before it begins and by `review`.

        Raises:
            StageError: it cannot begin: stopped, another one is under way, or something is held.
            TackError: by `robot`.
        """
        with self._turn():
            self._check_empty()
            tree = BehaviourTree(
                task, robot(), self._clock, self._config(), witness, self._worker
            )  # fmt: skip
            record = self._done(tree, wanted)
            if record.success and not task.place:
                self._held = task, tree.stages
        return record

    def place(
        self,
        goal: Callable[[PickPlace], PickPlaceGoal],
        robot: MakeRobot,
        name: str,
        witness: Witness,
        wanted: Wanted,
    ) -> CycleRecord:
        """Put down what is held.

        Args:
            goal: gives the goal that was picked a place.
            robot, witness, wanted: as for `run`.
            name: of the place.

        Raises:
            StageError: it cannot begin, or nothing is held.
            TackError: by `goal` and `robot`.
        """
        with self._turn():
            if self._held is None:
                raise StageError(
                    MoveItErrorCode.INVALID_OBJECT_NAME, "nothing is held: pick it first"
                )
            task, stages = self._held
            made = robot()
            stages.goal = goal(stages)
            tree = BehaviourTree(
                PickPlaceTask(task.label, name), made, self._clock, self._config(), witness,
                self._worker, held=stages,
            )  # fmt: skip
            record = self._done(tree, wanted)
            if not stages.arm.holding:
                self._held = None
        return record

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """The arm is the caller's for as long as the block lasts; `stop` ends its motions.

        Raises:
            StageError: stopped, a job is under way, or something is held.
        """
        with self._turn():
            self._check_empty()
            yield

    def _check_empty(self) -> None:
        if self._held is not None:
            raise StageError(
                MoveItErrorCode.FAILURE,
                f"'{self.held}' is still held: place it first; if it has been taken out of the"
                " fingers, that is noticed then",
            )

    def _check_latch(self) -> None:
        if self._latched:
            raise StageError(
                MoveItErrorCode.PREEMPTED, f"stopped: {self._latched}; call ~/rearm to go on"
            )

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """The arm is this job's own; a job that is refused has touched nothing of another one's."""
        self._check_latch()
        if not self._lock.acquire(blocking=False):
            raise StageError(
                MoveItErrorCode.FAILURE,
                "another job is under way: wait until it has ended, or cancel it",
            )
        try:
            yield
        finally:
            self._lock.release()

    def _done(self, tree: BehaviourTree, wanted: Wanted) -> CycleRecord:
        self._current = tree, wanted
        try:
            self._check_latch()  # while it was made
            self.review()
            return tree.run()
        finally:
            self._current = None
            if not self._latched:
                self._motion.resume()  # a cancelled goal ends here; a stop holds on
