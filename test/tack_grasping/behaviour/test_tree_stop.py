# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import concurrent.futures
import threading
import time

import pytest
from scripted import (
    Scripted,
    always,
    error,
    moves,
    names,
)

from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.error_codes import MoveItErrorCode as Code

STAGES = {
    "look": ("look", 0), "plan": ("plan", 0), "open": ("gripper open", 0),
    "pregrasp": ("to pregrasp", 0), "check": ("glance", 0), "approach": ("straight grasp", 0),
    "close": ("gripper close", 0), "lift": ("straight lift", 0),
    "hold": ("gripper close", 1), "verify lift": ("glance", 1), "carry": ("to preplace", 0),
    "place": ("straight place", 0), "release": ("gripper open", 1),
    "retreat": ("straight retreat", 0), "home": ("home", 0), "verify place": ("glance", 2),
}  # fmt: skip


@pytest.mark.parametrize("raises", [False, True], ids=["ends well", "is cancelled"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stop_in_any_stage_ends_it_for_good(stage: str, raises: bool) -> None:
    call, nth = STAGES[stage]

    def stop(robot: Scripted) -> None:
        tree.stop()
        calls.extend(robot.calls)
        if raises:
            raise error(Code.PREEMPTED, "cancelled")

    calls: list[str] = []
    robot = Scripted({call: [*[None] * nth, stop]})
    tree = robot.tree()
    record = tree.run()
    assert record.code is Code.PREEMPTED
    assert record.reason.startswith(f"{stage}: stopped by a person")
    assert record.failed_stage == stage
    assert robot.faults == []
    assert moves(robot.calls) == moves(calls)
    again = tree.run()
    assert again.code is Code.PREEMPTED
    assert moves(robot.calls) == moves(calls)


@pytest.mark.parametrize("raises", [False, True], ids=["ends well", "is cancelled"])
@pytest.mark.parametrize(
    ("script", "call", "nth"),
    [
        ({"straight grasp": [error(Code.CONTROL_FAILED)]}, "gripper open", 1),
        ({"straight grasp": [error(Code.CONTROL_FAILED)]}, "straight pregrasp", 0),
        ({"to preplace": [error(Code.FAILURE)]}, "to lift", 0),
        ({"to preplace": [error(Code.FAILURE)]}, "straight grasp", 1),
        ({"to pregrasp": [error(Code.FAILURE)]}, "home", 0),
        ({"to pregrasp": [error(Code.FAILURE)]}, "view", 0),
        ({"straight place": [error(Code.FAILURE)]}, "straight preplace", 0),
    ],
)
def test_a_stop_while_it_comes_back_or_looks_anew_ends_it(
    script: dict, call: str, nth: int, raises: bool
) -> None:
    def stop(robot: Scripted) -> None:
        tree.stop()
        before.append(moves(robot.calls))
        if raises:
            raise error(Code.PREEMPTED)

    before: list[int] = []
    robot = Scripted({**script, call: [*[None] * nth, stop]})
    tree = robot.tree()
    record = tree.run()
    assert record.code is Code.PREEMPTED
    assert "stopped by a person" in record.reason
    assert [moves(robot.calls)] == before
    assert robot.faults == []


def test_a_stop_before_the_start_moves_nothing() -> None:
    robot = Scripted()
    tree = robot.tree()
    tree.stop()
    record = tree.run()
    assert record.code is Code.PREEMPTED
    assert robot.calls == []


def test_an_arm_that_somebody_else_cancelled_is_left_alone() -> None:
    robot = Scripted({"straight grasp": [error(Code.PREEMPTED, "cancelled in RViz")]})
    record = robot.run()
    assert record.code is Code.PREEMPTED
    assert moves(robot.calls[robot.calls.index("straight grasp") :]) == 1


def test_a_stop_whose_cancelling_fails_is_a_stop_all_the_same() -> None:
    robot = Scripted({"straight grasp": [lambda r: stop()]})

    def broken() -> None:
        raise error(Code.COMMUNICATION_FAILURE)

    def stop() -> None:
        robot.stop = broken  # type: ignore[method-assign]
        with pytest.raises(Exception, match="server did not answer"):
            tree.stop()

    tree = robot.tree()
    assert tree.run().code is Code.PREEMPTED
    assert moves(robot.calls[robot.calls.index("straight grasp") :]) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_a_stop_from_another_thread_while_a_stage_is_busy(stage: str) -> None:
    call, nth = STAGES[stage]
    busy, cancelled = threading.Event(), threading.Event()

    class Blocking(Scripted):
        def stop(self) -> None:
            super().stop()
            cancelled.set()

    def block(robot: Scripted) -> None:
        busy.set()
        assert cancelled.wait(10)
        raise error(Code.PREEMPTED)

    robot = Blocking({call: [*[None] * nth, block]})
    with concurrent.futures.ThreadPoolExecutor(1) as stages:
        tree = robot.tree(executor=stages)
        with concurrent.futures.ThreadPoolExecutor(1) as runs:
            running = runs.submit(tree.run)
            assert busy.wait(10)
            calls = moves(robot.calls)
            tree.stop()
            record = running.result(10)
    assert record.code is Code.PREEMPTED
    assert record.failed_stage == stage
    assert moves(robot.calls) == calls
    assert robot.faults == []


def test_a_threaded_cycle_is_the_same_cycle() -> None:
    script = {"to pregrasp": [error(Code.NO_IK_SOLUTION)], "to preplace": [error(Code.ABORT)]}
    inline = Scripted(dict(script))
    one = inline.run()
    threaded = Scripted(dict(script))
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        other = threaded.tree(executor=executor).run()
    assert threaded.calls == inline.calls
    assert names(other) == names(one)
    assert other.success


def test_a_stop_ends_a_long_pause() -> None:
    robot = Scripted({"look": always(error(Code.COMMUNICATION_FAILURE))})
    robot.wait = None  # type: ignore[assignment,method-assign]
    tree = robot.tree(config=BehaviourConfig(pause=60.0))
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        running = executor.submit(tree.run)
        while "look" not in robot.calls:
            time.sleep(0.001)
        tree.stop()
        assert running.result(20).code is Code.PREEMPTED
    assert robot.calls.count("look") == 1


def test_ctrl_c_stops_the_arm_and_is_passed_on() -> None:
    def interrupt(robot: Scripted) -> None:
        raise KeyboardInterrupt

    robot = Scripted({"to preplace": [interrupt]})
    with pytest.raises(KeyboardInterrupt):
        robot.tree().run()
    assert robot.stopped
    assert robot.faults == []
