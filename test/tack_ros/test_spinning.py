# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy")
pytestmark = pytest.mark.ros

from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from tack_ros.spinning import SpinThread  # noqa: E402

WAIT_S = 60.0


class Hesitant(SingleThreadedExecutor):
    """Stops on its way into the wait for work, where nobody sees it, for as long as it is told."""

    def __init__(self, context: Any, at: Callable[[Any], bool] = lambda _: True) -> None:
        super().__init__(context=context)
        self.at, self.hesitates, self.go = at, threading.Event(), threading.Event()

    def can_execute(self, entity: Any) -> bool:
        listed = bool(super().can_execute(entity))
        if self.at(entity):
            self.hesitates.set()
            self.go.wait(WAIT_S)
        return listed


def ended(thread: SpinThread) -> threading.Thread:
    ending = threading.Thread(target=thread.end, daemon=True)
    ending.start()
    return ending


def test_it_ends_although_it_was_just_about_to_wait(context: Any) -> None:
    executor = Hesitant(context)
    node = rclpy.create_node("silent", context=context)  # what it waits for never comes
    executor.add_node(node)
    thread = SpinThread(executor)
    assert executor.hesitates.wait(WAIT_S)
    ending = ended(thread)
    time.sleep(0.2)  # all that ending does without the thread is done
    executor.go.set()
    ending.join(WAIT_S)
    assert not ending.is_alive()
    node.destroy_node()


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, MultiThreadedExecutor])
def test_it_ends_at_rest_and_twice(context: Any, kind: Any) -> None:
    executor = kind(context=context)
    thread = SpinThread(executor)
    task = executor.create_task(thread.is_current)
    while not task.done():
        time.sleep(0.01)
    assert task.result() == (kind is SingleThreadedExecutor)
    assert not thread.is_current()
    for _ in range(2):
        ending = ended(thread)
        ending.join(WAIT_S)
        assert not ending.is_alive()


def test_it_ends_after_its_context(context: Any) -> None:
    thread = SpinThread(SingleThreadedExecutor(context=context))
    context.shutdown()
    ending = ended(thread)
    ending.join(WAIT_S)
    assert not ending.is_alive()


def test_it_goes_on_although_what_it_was_about_to_wait_for_is_destroyed(context: Any) -> None:
    node = rclpy.create_node("fickle", context=context)
    publisher = node.create_publisher(String, "words", 1)
    executor = Hesitant(context, at=lambda entity: entity in publisher.event_handlers)
    executor.add_node(node)
    thread = SpinThread(executor)
    assert executor.hesitates.wait(WAIT_S)  # an event handler of the publisher is on its list
    node.destroy_publisher(publisher)
    executor.go.set()
    after = executor.create_task(lambda: "here")
    started = time.monotonic()
    while not after.done() and time.monotonic() < started + WAIT_S:
        time.sleep(0.01)
    assert after.done()
    assert after.result() == "here"
    thread.end()
    node.destroy_node()


def test_a_fault_is_told_and_the_next_task_runs(context: Any) -> None:
    executor, told = SingleThreadedExecutor(context=context), list[Exception]()
    thread = SpinThread(executor, on_fault=told.append)
    executor.create_task(lambda: 1 // 0)
    after = executor.create_task(lambda: "here")
    while not after.done():
        time.sleep(0.01)
    assert after.result() == "here"
    assert [type(error) for error in told] == [ZeroDivisionError]
    thread.end()
