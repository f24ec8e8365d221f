# SPDX-License-Identifier: Apache-2.0
"""The pick-and-place as a behaviour tree: which stage follows which, and what follows a failure."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable

import py_trees
from py_trees.common import Status

from tack_grasping.behaviour.account import Account, Witness
from tack_grasping.behaviour.cycle import CycleRecord, Work
from tack_grasping.behaviour.decisions import Decision, decide
from tack_grasping.behaviour.nodes import If, Inline, Stage, While, sequence
from tack_grasping.behaviour.pick_place import PickPlace
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, Clock, PickPlaceTask
from tack_grasping.behaviour.verdict import Verdict
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_perception.errors import TackError

_log = logging.getLogger(__name__)
_TICK_S = 0.02
_WAIT_S = 0.1  # a stop ends a pause no later than this
_IN_CANDIDATE = ("open", "pregrasp", "check", "approach")
_COME_BACK, _READY = "come back", "ready"
COMPARE = "compare"
"""The stage that fails where more has to be seen before anything is taken."""
_SILENT = (_READY, COMPARE, "choose")  # take no time; told only where they fail
_NO_IMAGE = (
    MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA,
    MoveItErrorCode.FRAME_TRANSFORM_FAILURE,
)


class BehaviourTree:
    """One cycle. Make a new one for the next.

    Args:
        task: what is to be done.
        robot: that does it.
        clock: s; runs as the robot's time does.
        config: patience.
        witness: looks on.
        executor: in which stages are done; the tree ticks meanwhile, and can be stopped.
        held: stages of a cycle that has picked something, for one that only puts it down; its
            `goal` has a place by now.

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
        held: PickPlace | None = None,
    ) -> None:
        self._task, self.config = task, config or BehaviourConfig()
        self._account = Account(clock, witness or Witness())
        self._picks = held is None
        if held is None:
            self.stages = PickPlace(task, robot, self.config, self._account)
        else:
            self.stages = held
            held.go_on(task, self._account)
        self._executor = executor or Inline()
        self._verdict = Verdict()
        self._next = self._next_back = Decision.LOOK
        self._grasps = 0
        self._repeated: dict[str, int] = {}
        self._robot, self._woken = robot, threading.Event()
        self.root = self._grown()

    def run(self) -> CycleRecord:
        """Do it all; never raises for what goes wrong on the way.

        What is none of its business (Ctrl-C) is raised, after a stop.
        """
        self._account.attempt = 1
        try:
            while True:
                self.root.tick_once()
                if self.root.status is not Status.RUNNING:
                    break
                self._woken.wait(_TICK_S)
                self._woken.clear()
        except BaseException:
            self.stop()
            raise
        success = self.root.status is Status.SUCCESS
        if not success:
            if self.stages.stopped.is_set():
                self._verdict.stopped(self._account.stages[-1].name)
            if self.stages.arm.holding:
                self._verdict.note("something may still be in the fingers")
            elif self.stages.placed:
                self._verdict.note("it was let go at its place")
        return CycleRecord(
            label=self._task.label,
            place=self._task.place,
            code=MoveItErrorCode.SUCCESS if success else self._verdict.code,
            reason="" if success else self._verdict.reason,
            attempts=self._grasps,
            stages=tuple(self._account.stages),
            rejected=tuple(self._account.rejected),
        )

    def stop(self) -> None:
        """Stop at once, for good; `run` returns with PREEMPTED. From any thread."""
        try:
            self.stages.stop()
        finally:
            self._woken.set()

    def _grown(self) -> py_trees.behaviour.Behaviour:
        do, stages = self._stage, self.stages
        perception, planning, execution, gripper = (
            Work.PERCEPTION, Work.PLANNING, Work.EXECUTION, Work.GRIPPER,
        )  # fmt: skip
        candidate = sequence(
            "try a candidate",
            do("choose", planning, stages.choose),
            do("open", gripper, stages.open),
            do("pregrasp", execution, stages.pregrasp),
            do("check", perception, stages.check),
            do("approach", execution, stages.approach),
        )
        pick = sequence(
            "pick",
            If("seen from here", lambda: self._account.attempt > 1,
                do("view", execution, stages.view)),
            do("look", perception, stages.look),
            do(COMPARE, perception, stages.compare),
            *([] if self._robot.surroundings is None else [do("scene", Work.SCENE, stages.scene)]),
            do("plan", planning, stages.plan),
            While("candidates", candidate, lambda: self._goes_on(Decision.NEXT)),
            do("close", gripper, stages.close),
            do("lift", execution, stages.lift),
            do("hold", gripper, stages.hold),
            do("verify lift", perception, stages.verify_lift),
        )  # fmt: skip
        picks: list[py_trees.behaviour.Behaviour] = [pick] if self._picks else []
        parts = picks
        if self._task.place:
            put = sequence(
                "put",
                do("carry", execution, stages.carry),
                do("place", execution, stages.put_down),
                do("release", gripper, stages.release),
            )
            # What was let go is not taken again: another try then only ends what is left to do.
            parts = [
                If("not at its place", lambda: not stages.placed, sequence("bring", *picks, put)),
                do("retreat", execution, stages.retreat),
                *([do("home", execution, stages.home)] if self.config.home else []),
                do("verify place", perception, stages.verify_place),
            ]
        come_back = py_trees.decorators.SuccessIsFailure(
            "and begin again", If("not clear", self._has_to_come_back,
                                   do(_COME_BACK, execution, stages.come_back)),
        )  # fmt: skip
        attempt = py_trees.composites.Selector(
            "attempt", memory=True, children=[sequence("pick and place", *parts), come_back]
        )
        tries = While("tries", attempt, self._another_try)
        if not self._picks:
            return tries  # something is between the fingers, as it should be
        ready = do(_READY, gripper, lambda: stages.arm.check_empty(self.config.empty))
        return sequence("cycle", ready, tries)

    def _stage(
        self, name: str, work: Work, deed: Callable[[], None]
    ) -> py_trees.behaviour.Behaviour:
        """A stage, done again where its error asks for it."""

        def act() -> bool:
            silent = name in _SILENT
            if not silent:
                self._account.began(name)
            began = self._account.now()
            self._grasps += name == "close"
            error = self._done(deed)
            ended = self._account.now()
            if error is not None:
                self._evidence(name, error)
            if error is not None or not silent:
                self._account.add(name, work, began, error, ended)
            if error is None:
                self._repeated.pop(name, None)
                return True
            if name == _COME_BACK:
                self._failed_to_come_back(error)
            else:
                self._failed(name, error)
            return False

        def again() -> bool:
            answer = self._next_back if name == _COME_BACK else self._next
            return answer is Decision.AGAIN and not self.stages.stopped.is_set()

        stage = Stage(name, act, self._executor, self._woken)
        return While(f"{name} again", stage, again, pause=self._pause)

    def _done(self, deed: Callable[[], None]) -> StageError | None:
        """Do it; what went wrong."""
        try:
            self.stages.check_stopped()
            deed()
            self.stages.check_stopped()
        except StageError as error:
            if error.code is MoveItErrorCode.PREEMPTED:
                # Whoever stopped the arm, here or beside us, wants it to stand still.
                self.stages.stopped.set()
            return error
        except TackError as error:
            return StageError(MoveItErrorCode.FAILURE, str(error))
        except Exception as error:  # a fault of the program must not leave the arm alone
            _log.exception("a stage of the pick-and-place failed unexpectedly")
            return StageError(MoveItErrorCode.FAILURE, f"{type(error).__name__}: {error}")
        return None

    def _failed(self, name: str, error: StageError) -> None:
        in_candidate = name in _IN_CANDIDATE
        if in_candidate and self.stages.goal is not None:
            self._account.reject(f"{name}: {error.sentence}; {self.stages.goal.why}")
        if self.stages.stopped.is_set():
            self._stopped(name)
            return
        tried = self._repeated[name] = self._repeated.get(name, 0) + 1
        again = tried <= self.config.repeats
        self._next = decide(
            error.code,
            again=again and name != "close",
            candidates=in_candidate and bool(self.stages.goals),
        )
        if self.stages.placed and again and self._next is Decision.LOOK:
            self._next = Decision.AGAIN  # there is nothing to look for
        if self._next is Decision.AGAIN:
            return
        self._repeated.pop(name, None)
        # To want to see more is no failure; but nobody looks around for ever.
        if name in ("look", COMPARE) and self.stages.looks_around:
            self._account.searching += self._account.searching < self.config.looks
        self._verdict.failed(name, error, ends=self._next is Decision.GIVE_UP)

    def _failed_to_come_back(self, error: StageError) -> None:
        """Again, whatever it was; an arm that does not get clear must not begin anew."""
        if self.stages.stopped.is_set():
            self._stopped(_COME_BACK)
            return
        tried = self._repeated[_COME_BACK] = self._repeated.get(_COME_BACK, 0) + 1
        if tried < self.config.returns:
            self._next_back = Decision.AGAIN
            return
        self._next = self._next_back = Decision.GIVE_UP
        self._verdict.note(f"the arm did not come back: {error.sentence}")

    def _stopped(self, name: str) -> None:
        self._next = self._next_back = Decision.GIVE_UP
        self._verdict.stopped(name)

    def _evidence(self, name: str, error: StageError) -> None:
        """A picture of how it looks now; what is compared was pictured when it was seen."""
        if self.stages.stopped.is_set() or self._account.pictures or error.code in _NO_IMAGE:
            return
        if name == COMPARE:
            return
        try:
            self._account.evidence(name, self._robot.eyes.glance())
        except StageError as missing:
            if missing.code is MoveItErrorCode.PREEMPTED:
                self.stages.stopped.set()
            _log.warning("no picture of what went wrong: %s", missing)
        except Exception as missing:  # no picture is no reason to stop, nor the reason that counts
            _log.warning("no picture of what went wrong: %s", missing)

    def _has_to_come_back(self) -> bool:
        return self.stages.goal is not None and not self.stages.stopped.is_set()

    def _goes_on(self, answer: Decision) -> bool:
        return self._next is answer and not self.stages.stopped.is_set()

    def _another_try(self) -> bool:
        if self._next is Decision.GIVE_UP or self.stages.stopped.is_set() or not self._picks:
            return False
        if self._account.tried >= self.config.tries:
            return False
        self._account.attempt += 1
        return True

    def _pause(self) -> None:
        self._account.began("wait")
        began = self._account.now()
        self._executor.submit(self._done, self._wait).result()
        self._account.add("wait", Work.WAITING, began, None)

    def _wait(self) -> None:
        """Let the robot's time pass."""
        wait, left = getattr(self._robot.motion, "wait", None), self.config.pause
        if wait is None:
            self.stages.stopped.wait(left)
            return
        while left > 1e-3 and not self.stages.stopped.is_set():
            wait(min(left, _WAIT_S))
            left -= _WAIT_S
