# SPDX-License-Identifier: Apache-2.0
"""The pick-and-place as a behaviour tree: which stage follows which, and what follows a failure."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import py_trees
from py_trees.common import Status

from tack_grasping.behaviour.account import Account, Witness
from tack_grasping.behaviour.cycle import CycleRecord, Work
from tack_grasping.behaviour.decisions import Decision, decide
from tack_grasping.behaviour.pick_place import PickPlace, Robot
from tack_grasping.behaviour.settings import BehaviourConfig, Clock, PickPlaceTask
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_perception.errors import TackError

T = TypeVar("T")
_TICK_S = 0.02
_IN_CANDIDATE = ("open", "pregrasp", "check", "approach")


class Inline(concurrent.futures.Executor):
    """Does at once what it is given: the tree then needs no thread, and no tick finds it busy."""

    def submit(
        self, fn: Callable[..., T], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Do it."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class BehaviourTree:
    """One cycle. Make a new one for the next.

    Args:
        task: what is to be done.
        robot: that does it.
        clock: s; runs as the robot's time does.
        config: patience.
        witness: looks on.
        executor: in which stages are done; the tree ticks meanwhile, and can be stopped.

    Attributes:
        root: the tree itself, for whoever wants to draw it.
    """

    def __init__(
        self,
        task: PickPlaceTask,
        robot: Robot,
        clock: Clock,
        config: BehaviourConfig | None = None,
        witness: Witness | None = None,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        self._task, self.config = task, config or BehaviourConfig()
        self._account = Account(clock, witness or Witness())
        self.stages = PickPlace(task, robot, self.config, self._account)
        self._executor = executor or Inline()
        self._failure: StageError | None = None
        self._next = Decision.LOOK
        self._grasps = 0
        self._repeated: dict[str, int] = {}
        self._robot, self._woken = robot, threading.Event()
        self.root = self._grown()

    def run(self) -> CycleRecord:
        """Do it all; never raises for what goes wrong on the way."""
        self._account.attempt = 1
        while True:
            self.root.tick_once()
            if self.root.status is not Status.RUNNING:
                break
            self._woken.wait(_TICK_S)
            self._woken.clear()
        failure = None if self.root.status is Status.SUCCESS else self._failure
        return CycleRecord(
            label=self._task.label,
            place=self._task.place,
            code=MoveItErrorCode.SUCCESS if failure is None else failure.code,
            reason="" if failure is None else failure.sentence,
            attempts=self._grasps,
            stages=tuple(self._account.stages),
            rejected=tuple(self._account.rejected),
        )

    def stop(self) -> None:
        """Stop at once, for good; `run` returns with PREEMPTED. From any thread."""
        self.stages.stop()
        self._woken.set()

    def _grown(self) -> py_trees.behaviour.Behaviour:
        do, stages = self._stage, self.stages
        perception, planning, execution, gripper = (
            Work.PERCEPTION, Work.PLANNING, Work.EXECUTION, Work.GRIPPER,
        )  # fmt: skip
        candidate = _sequence(
            "try a candidate",
            do("choose", planning, stages.choose),
            do("open", gripper, stages.open),
            do("pregrasp", execution, stages.pregrasp),
            do("check", perception, stages.check),
            do("approach", execution, stages.approach),
        )
        pick = _sequence(
            "pick",
            _If("seen from here", lambda: self._account.attempt > 1,
                do("view", execution, stages.view)),
            do("look", perception, stages.look),
            do("plan", planning, stages.plan),
            _While("candidates", candidate, lambda: self._goes_on(Decision.NEXT)),
            do("close", gripper, stages.close),
            do("lift", execution, stages.lift),
            do("verify lift", perception, stages.verify_lift),
        )  # fmt: skip
        parts: list[py_trees.behaviour.Behaviour] = [pick]
        if self._task.place:
            parts.append(
                _sequence(
                    "place",
                    do("carry", execution, stages.carry),
                    do("place", execution, stages.put_down),
                    do("release", gripper, stages.release),
                    do("retreat", execution, stages.retreat),
                )
            )
            if self.config.home:
                parts.append(do("home", execution, stages.home))
            parts.append(do("verify place", perception, stages.verify_place))
        come_back = py_trees.decorators.SuccessIsFailure(
            "and begin again", _If("stopped", lambda: not stages.stopped.is_set(),
                                   do("come back", execution, stages.come_back, counts=False)),
        )  # fmt: skip
        attempt = py_trees.composites.Selector(
            "attempt", memory=True, children=[_sequence("pick and place", *parts), come_back]
        )
        return _While("tries", attempt, self._another_try)

    def _stage(
        self, name: str, work: Work, deed: Callable[[], None], *, counts: bool = True
    ) -> py_trees.behaviour.Behaviour:
        """A stage, done again where its error asks for it."""

        def act() -> bool:
            self._account.witness.began(name)
            began = self._account.now()
            error = self._done(deed)
            if error is not None:
                self._evidence(name)
            if error is not None or name != "choose":
                self._account.add(name, work, began, error)
            if error is None:
                self._repeated.pop(name, None)
                self._grasps += name == "close"
                return True
            if counts:
                self._failed(name, error)
            return False

        stage = _Stage(name, act, self._executor, self._woken)
        return _While(
            f"{name} again", stage, lambda: counts and self._goes_on(Decision.AGAIN),
            pause=self._pause,
        )  # fmt: skip

    def _done(self, deed: Callable[[], None]) -> StageError | None:
        """Do it; what went wrong."""
        try:
            self.stages.check_stopped()
            deed()
            self.stages.check_stopped()
        except StageError as error:
            return error
        except TackError as error:
            return StageError(MoveItErrorCode.FAILURE, str(error))
        except Exception as error:  # a fault of the program must not leave the arm alone
            return StageError(MoveItErrorCode.FAILURE, f"{type(error).__name__}: {error}")
        return None

    def _failed(self, name: str, error: StageError) -> None:
        self._failure = StageError(error.code, f"{name}: {error.sentence}")
        tried = self._repeated[name] = self._repeated.get(name, 0) + 1
        in_candidate = name in _IN_CANDIDATE
        self._next = decide(
            error.code,
            again=tried <= self.config.repeats and name not in ("close", "lift", "verify lift"),
            candidates=in_candidate and bool(self.stages.goals),
        )
        if self._next is not Decision.AGAIN:
            self._repeated.pop(name, None)
        if self.stages.stopped.is_set():
            self._next = Decision.GIVE_UP
            self._failure = StageError(MoveItErrorCode.PREEMPTED, f"{name}: stopped by a person")
        if in_candidate and self.stages.goal is not None:
            self._account.rejected.append(f"{name}: {error.sentence}; {self.stages.goal.why}")

    def _evidence(self, name: str) -> None:
        """A picture of how it looks now."""
        if self.stages.stopped.is_set() or self._account.pictures:
            return
        try:
            view = self._robot.eyes.glance()
            self._account.pictures = self._account.witness.evidence(name, view)
        except TackError:
            return  # no picture is no reason to stop

    def _goes_on(self, answer: Decision) -> bool:
        return self._next is answer and not self.stages.stopped.is_set()

    def _another_try(self) -> bool:
        if self._next is Decision.GIVE_UP or self.stages.stopped.is_set():
            return False
        self._account.attempt += 1
        return self._account.attempt <= self.config.tries

    def _pause(self) -> None:
        self._account.witness.began("wait")
        began = self._account.now()
        self._executor.submit(self._wait).result()
        self._account.add("wait", Work.WAITING, began, None)

    def _wait(self) -> None:
        wait = getattr(self._robot.motion, "wait", None)
        if wait is None:
            self.stages.stopped.wait(self.config.pause)
        else:
            wait(max(self.config.pause, 1e-3))


def _sequence(name: str, *children: py_trees.behaviour.Behaviour) -> py_trees.composites.Sequence:
    return py_trees.composites.Sequence(name, memory=True, children=list(children))


class _Stage(py_trees.behaviour.Behaviour):
    """Does something in an executor; running until it is done."""

    def __init__(
        self,
        name: str,
        act: Callable[[], bool],
        executor: concurrent.futures.Executor,
        woken: threading.Event,
    ) -> None:
        super().__init__(name)
        self._act, self._executor, self._woken = act, executor, woken
        self._future: concurrent.futures.Future[bool] | None = None

    def initialise(self) -> None:
        """Begin."""
        self._future = self._executor.submit(self._act)
        self._future.add_done_callback(lambda _: self._woken.set())

    def update(self) -> Status:
        """How far it is."""
        assert self._future is not None
        if not self._future.done():
            return Status.RUNNING
        return Status.SUCCESS if self._future.result() else Status.FAILURE


class _While(py_trees.decorators.Decorator):
    """Does its child again after a failure, as long as that is wanted."""

    def __init__(
        self,
        name: str,
        child: py_trees.behaviour.Behaviour,
        wanted: Callable[[], bool],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name, child)
        self._wanted, self._pause = wanted, pause

    def update(self) -> Status:
        """Of the child; running where it is to be done again."""
        status = self.decorated.status
        if status is Status.FAILURE and self._wanted():
            self._pause()
            return Status.RUNNING
        return status


class _If(py_trees.decorators.Decorator):
    """Does its child where it is wanted, and succeeds where it is not."""

    def __init__(
        self, name: str, wanted: Callable[[], bool], child: py_trees.behaviour.Behaviour
    ) -> None:
        super().__init__(name, child)
        self._wanted = wanted

    def tick(self) -> Any:
        """Tick the child, or none."""
        if self.status is not Status.RUNNING and not self._wanted():
            self.status = Status.SUCCESS
            yield self
            return
        yield from super().tick()

    def update(self) -> Status:
        """Of the child."""
        return self.decorated.status
