# SPDX-License-Identifier: Apache-2.0
"""Services and action goals for code that waits: called from any thread, sent on one.

rclpy loses answers to action goals that are sent from a thread other than the executor's
(docs/decisions.md, 15), and waiting inside a callback would stop the executor that has to bring the
answer. So calls have a node, an executor and a thread of their own.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar, cast

import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action.client import ActionClient, ClientGoalHandle
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from tack_perception.errors import TackError
from tack_ros.actions import destroy_actions, servers_of
from tack_ros.spinning import SpinThread

T = TypeVar("T")
_POLL_S = 0.02
_POST_S = 10.0
_STEP_S = 0.1
_LOOK_S = 0.5  # how often to see whether a server is still there


class CallError(TackError):
    """A server is not there, refused, or did not answer in time."""


class CallTimeoutError(CallError):
    """A goal was not done in time, or a service that is there did not answer."""


class GoalRefusedError(CallError):
    """An action server did not take a goal."""


class Goal:
    """A goal under way.

    Attributes:
        status: action_msgs/GoalStatus once it is over.
    """

    def __init__(self, calls: Calls, name: str) -> None:
        self._calls = calls
        self._name = name
        self._servers = servers_of(calls.node, name)
        self._handle: ClientGoalHandle[Any, Any, Any] | None = None
        self._result: Any = None
        self._refused = False
        self._cancelled = False
        self._over = threading.Event()
        self.status = GoalStatus.STATUS_UNKNOWN

    @property
    def over(self) -> bool:
        """Whether the result is there, or never will be."""
        return self._over.is_set()

    @property
    def abandoned(self) -> bool:
        """Whether the server that the goal was sent to has gone, so that no result will come.

        One that was started again in the meantime is another server: it knows nothing of the goal.
        """
        return not self.over and not self._servers & servers_of(self._calls.node, self._name)

    @property
    def succeeded(self) -> bool:
        """Whether the server says that the goal was reached."""
        return bool(self.status == GoalStatus.STATUS_SUCCEEDED)

    def cancel(self) -> None:
        """Ask the server to stop; the result still comes. From any thread, at any time."""
        self._cancelled = True
        if self._handle is not None:
            self._calls.post(self._handle.cancel_goal_async)

    def result(self, timeout_s: float) -> Any:
        """Wait for the result message.

        Raises:
            CallTimeoutError: it is not done in time; the server is then asked to stop.
            CallError: the server refused the goal, or has gone.
        """
        end = time.monotonic() + timeout_s
        while not self._over.wait(min(_LOOK_S, max(end - time.monotonic(), 0.0))):
            if time.monotonic() >= end:
                self.cancel()
                raise CallTimeoutError(
                    f"{self._name}: no result within {timeout_s:.1f} s; it was cancelled"
                )
            if self.abandoned:
                raise CallError(f"{self._name}: the server has gone")
        if self._refused:
            raise GoalRefusedError(f"{self._name}: the goal was refused")
        if self._result is None:
            raise CallError(f"{self._name}: the server has gone")
        return self._result

    # The rest runs on the executor's thread.

    def _end(self) -> None:
        self._over.set()
        self._calls._goals.discard(self)

    def _on_response(self, future: Any) -> None:
        handle = future.result()
        if handle is None or not handle.accepted:
            self._refused = True
            self._end()
            return
        self._handle = handle
        handle.get_result_async().add_done_callback(self._on_result)
        if self._cancelled:
            handle.cancel_goal_async()

    def _on_result(self, future: Any) -> None:
        response = future.result()
        # "Unknown" comes from a server that was started again and never heard of the goal.
        if response is not None and response.status != GoalStatus.STATUS_UNKNOWN:
            self.status, self._result = response.status, response.result
        self._end()


class Calls:
    """Makes calls for other threads.

    Args:
        name: of its node.
        context: rclpy's; default: the global one.
    """

    def __init__(self, name: str, context: Context | None = None) -> None:
        # Without the process's own arguments: `__node:=` would rename this node as well.
        self.node = rclpy.create_node(
            name, context=context, use_global_arguments=False, start_parameter_services=False
        )
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._clients: dict[tuple[Any, str], Any] = {}
        self._goals: set[Goal] = set()
        self._thread = SpinThread(self._executor, name, self._on_fault)

    def _on_fault(self, error: Exception) -> None:
        """One bad callback (a listener of feedback, say) must not end all further calls."""
        told = "".join(traceback.format_exception(error))
        self.node.get_logger().error(f"in a callback: {told}")

    def close(self) -> None:
        """End its thread and its node; goals under way get no result any more."""
        self._thread.end()
        for goal in tuple(self._goals):
            goal._end()
        destroy_actions(self.node)
        self.node.destroy_node()

    def post(self, work: Callable[[], T]) -> T:
        """Run a short function on the executor's thread and wait for its value.

        Raises:
            CallError: the executor has ended.
        """
        if self._thread.is_current():
            return work()
        done = threading.Event()
        task = self._executor.create_task(work)
        task.add_done_callback(lambda _: done.set())
        end = time.monotonic() + _POST_S
        while not done.wait(_STEP_S):
            if time.monotonic() > end or not self.node.context.ok():
                raise CallError("the graph is gone")
        return cast(T, task.result())

    def send(
        self,
        kind: Any,
        name: str,
        goal: Any,
        *,
        wait_s: float = 5.0,
        on_feedback: Callable[[Any], None] | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Goal:
        """Send a goal to an action server.

        Args:
            kind: the action type.
            name: of the action.
            goal: its message.
            wait_s: how long to wait for the server, s.
            on_feedback: called with each feedback message, on the executor's thread.
            wanted: ends the waiting for the server once it returns False.

        Raises:
            CallError: there is no such server.
        """
        client = self._client(kind, name, ActionClient)
        self._wait_for(client.server_is_ready, f"action {name}", wait_s, wanted)
        pending = Goal(self, name)

        def feedback(message: Any) -> None:
            if on_feedback is not None:
                on_feedback(message.feedback)

        def begin() -> None:
            self._goals.add(pending)
            client.send_goal_async(goal, feedback).add_done_callback(pending._on_response)

        self.post(begin)
        return pending

    def call(
        self,
        kind: Any,
        name: str,
        request: Any,
        *,
        timeout_s: float = 5.0,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Any:
        """Call a service and wait for the response message; `wanted` as for `send`.

        Raises:
            CallError: there is no such service, or no answer in time.
        """
        client = self._client(kind, name, Node.create_client)
        self._wait_for(client.service_is_ready, f"service {name}", timeout_s, wanted)
        done = threading.Event()

        def begin() -> Any:
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            return future

        future = self.post(begin)
        if not done.wait(timeout_s):
            raise CallTimeoutError(f"service {name}: no answer within {timeout_s:g} s")
        return future.result()

    def _client(self, kind: Any, name: str, make: Callable[[Node, Any, str], Any]) -> Any:
        def known() -> Any:
            if (kind, name) not in self._clients:
                self._clients[kind, name] = make(self.node, kind, name)
            return self._clients[kind, name]

        return self.post(known)

    def _wait_for(
        self, ready: Callable[[], bool], what: str, seconds: float, wanted: Callable[[], bool]
    ) -> None:
        end = time.monotonic() + seconds
        try:
            while not ready():
                if not wanted():
                    raise CallError(f"{what}: nobody serves it yet, and it is no longer wanted")
                if time.monotonic() > end:
                    raise CallError(f"{what}: nobody serves it (waited {seconds:g} s)")
                time.sleep(_POLL_S)
        except RuntimeError as error:  # rclpy's own, where the process is told to end meanwhile
            if self.node.context.ok():
                raise
            raise CallError("the graph is gone") from error
