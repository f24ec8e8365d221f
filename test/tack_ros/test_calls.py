# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from action_msgs.msg import GoalStatus  # noqa: E402
from control_msgs.action import GripperCommand  # noqa: E402
from rclpy.action import ActionServer, CancelResponse, GoalResponse  # noqa: E402
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from tack_ros.actions import destroy_actions  # noqa: E402
from tack_ros.calls import CallError, Calls  # noqa: E402
from tack_ros.spinning import SpinThread  # noqa: E402


class Server:
    """A gripper that takes as long as its goal says (position = seconds, negative = refuse)."""

    def __init__(self, context: Any) -> None:
        self.node = rclpy.create_node("server", context=context)
        self._action = ActionServer(
            self.node, GripperCommand, "gripper", self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=lambda goal: (
                GoalResponse.REJECT if goal.command.position < 0 else GoalResponse.ACCEPT
            ),
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )  # fmt: skip
        self.node.create_service(Trigger, "quick", self._quick)
        executor = MultiThreadedExecutor(4, context=context)
        executor.add_node(self.node)
        self._thread = SpinThread(executor)

    def _execute(self, handle: Any) -> Any:
        end = time.monotonic() + handle.request.command.position
        while time.monotonic() < end:
            if handle.is_cancel_requested:
                handle.canceled()
                return GripperCommand.Result(position=-1.0)
            handle.publish_feedback(GripperCommand.Feedback(position=0.5))
            time.sleep(0.005)
        handle.succeed()
        return GripperCommand.Result(position=handle.request.command.position, reached_goal=True)

    def _quick(self, request: Any, response: Any) -> Any:
        response.message = "here"
        return response

    def close(self) -> None:
        self._thread.end()
        destroy_actions(self.node)
        self.node.destroy_node()


@pytest.fixture
def server(context: Any) -> Iterator[Server]:
    server = Server(context)
    yield server
    server.close()


@pytest.fixture
def calls(context: Any, server: Server) -> Iterator[Calls]:
    made = Calls("caller", context)
    yield made
    made.close()


def goal(seconds: float) -> Any:
    message = GripperCommand.Goal()
    message.command.position = seconds
    return message


def test_a_goal_comes_back_with_its_result_and_feedback(calls: Calls) -> None:
    heard: list[float] = []
    sent = calls.send(
        GripperCommand, "gripper", goal(0.1), on_feedback=lambda m: heard.append(m.position)
    )
    result = sent.result(5.0)
    assert (sent.status, result.position) == (GoalStatus.STATUS_SUCCEEDED, 0.1)
    assert heard
    assert set(heard) == {0.5}


def test_a_listener_that_fails_ends_nothing(calls: Calls) -> None:
    def listen(message: Any) -> None:
        raise ValueError("oops")

    sent = calls.send(GripperCommand, "gripper", goal(0.1), on_feedback=listen)
    assert sent.result(5.0).reached_goal
    assert calls.call(Trigger, "quick", Trigger.Request()).message == "here"


def test_quick_answers_are_never_lost(calls: Calls) -> None:
    for _ in range(100):
        assert calls.send(GripperCommand, "gripper", goal(0.0)).result(5.0).reached_goal


def test_a_goal_is_cancelled_from_another_thread(calls: Calls) -> None:
    sent = calls.send(GripperCommand, "gripper", goal(30.0))
    threading.Timer(0.1, sent.cancel).start()
    assert sent.result(5.0).position == -1.0
    assert sent.status == GoalStatus.STATUS_CANCELED


def test_a_goal_that_takes_too_long_is_cancelled_and_told(calls: Calls) -> None:
    sent = calls.send(GripperCommand, "gripper", goal(30.0))
    with pytest.raises(CallError, match=r"gripper: no result within 0\.1 s; it was cancelled"):
        sent.result(0.1)
    assert sent.result(5.0).position == -1.0


def test_a_server_that_was_started_again_knows_nothing_of_the_goal(
    calls: Calls, server: Server, context: Any
) -> None:
    sent = calls.send(GripperCommand, "gripper", goal(1.0))
    other = Server(context)
    try:
        destroy_actions(server.node)  # it answers no more
        with pytest.raises(CallError, match="gripper: the server has gone"):
            sent.result(30.0)
    finally:
        other.close()


def test_an_end_of_the_own_graph_is_told(calls: Calls, context: Any) -> None:
    sent = calls.send(GripperCommand, "gripper", goal(1.0))
    context.try_shutdown()
    with pytest.raises(CallError, match="gripper: the server has gone"):
        sent.result(30.0)


def test_a_refused_goal_and_a_missing_server_are_told(calls: Calls) -> None:
    with pytest.raises(CallError, match="the goal was refused"):
        calls.send(GripperCommand, "gripper", goal(-1.0)).result(5.0)
    with pytest.raises(CallError, match="action nobody: nobody serves it"):
        calls.send(GripperCommand, "nobody", goal(0.0), wait_s=0.1)
    with pytest.raises(CallError, match="service nobody: nobody serves it"):
        calls.call(Trigger, "nobody", Trigger.Request(), timeout_s=0.1)


def test_a_service_answers(calls: Calls) -> None:
    assert calls.call(Trigger, "quick", Trigger.Request()).message == "here"
