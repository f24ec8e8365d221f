# SPDX-License-Identifier: Apache-2.0
"""What all nodes of tack share: parameters, drops, diagnostics, and a clean start and end."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, TypeVar

import rclpy
from rclpy.clock import JumpHandle, JumpThreshold
from rclpy.duration import Duration
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.node import Node

from tack_perception.errors import TackError
from tack_ros.actions import destroy_actions
from tack_ros.diagnostics import StreamMonitor
from tack_ros.drops import DropCounter
from tack_ros.newest import NewestWorker
from tack_ros.parameters import NodeParameters

T = TypeVar("T")
_SWITCH_INTERVAL_S = 0.0005
_CTRL_C_S = 0.1  # within which Ctrl-C closes the context
_CALLBACKS_S = 2.0  # the end waits so long for callbacks under way


class TackNode(Node):
    """A node with checked parameters, counted drops and an orderly end.

    Args:
        name: of the node, where nothing else is given at start-up.
        options: as of `rclpy.node.Node` (context, parameter_overrides, cli_args …).
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.parameters = NodeParameters(self)
        self.drops = DropCounter(self.get_logger())
        self.monitor = StreamMonitor(self.get_clock())
        self._at_end: list[Callable[[], None]] = []
        self._jumps: list[JumpHandle] = []

    def worker(self, handle: Callable[[T], None], name: str) -> NewestWorker[T]:
        """A worker that ends with the node."""
        worker = NewestWorker(handle, self.drops, name, self.context.ok)
        self.at_end(worker.close)
        return worker

    def when_time_jumps_back(self, forget: Callable[[], None]) -> None:
        """Have a function called when simulated time jumps back (a bag starts again) or begins."""
        back = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        clock = self.get_clock()
        handle = clock.create_jump_callback(back, post_callback=lambda jump: forget())
        self._jumps.append(handle)  # it ends with its last reference

    def at_end(self, close: Callable[[], None]) -> None:
        """Have a function called when the node ends, the last one given first."""
        self._at_end.append(close)

    def end(self) -> None:
        """End the node's threads and what its callbacks wait for."""
        while self._at_end:
            self._at_end.pop()()

    def destroy_node(self) -> None:
        """End the node's threads, then the node. May be called twice."""
        self.end()
        destroy_actions(self)
        super().destroy_node()


class CallbackPool(MultiThreadedExecutor):
    """Several threads for callbacks, with a quiet end.

    rclpy destroys what the callbacks under way still need, and reports as "never retrieved" what
    fails in them because the context has just ended under them.
    """

    def shutdown(self, timeout_sec: float | None = None, **options: Any) -> bool:
        """Let the callbacks end, then the executor. It must not spin any more."""
        self._executor.shutdown()
        for callback in self._futures:
            callback.exception()
        return super().shutdown(timeout_sec, **options)


def _spin(executor: Executor, node: TackNode) -> None:
    """Spin until the end of the context, or until a callback raises what nobody expected."""
    try:
        executor.spin()
    except ExternalShutdownException:
        raise
    except Exception as error:
        # One bad message must not end the node; but what fails because Ctrl-C has just come, or has
        # closed the context under a callback, is no fault. rclpy closes it on another thread, so
        # that an exception may be there first.
        time.sleep(_CTRL_C_S)
        if rclpy.ok():
            node.drops.add_fault(error)


def _end(node: TackNode, executor: Executor | None) -> None:
    """End a node whose executor spins no more.

    Its callbacks come first, because they use what the node owns. But one that does not end must
    not keep the node on the graph, where others would wait for its answers.
    """
    node.end()
    callbacks = threading.Thread(target=executor.shutdown if executor else None)
    callbacks.start()
    callbacks.join(_CALLBACKS_S)
    node.destroy_node()
    callbacks.join()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C, as Python has it; but in a `__del__` an exception ends nothing and is printed.

    rclpy closes the context in any case, so that the executor stops.
    """
    if frame is None or frame.f_code.co_name != "__del__":
        raise KeyboardInterrupt


def run(
    factory: Callable[[], TackNode], args: Sequence[str] | None = None, *, threads: int = 1
) -> int:
    """Run one node until Ctrl-C, SIGTERM or `ros2 lifecycle`'s end of the context.

    Args:
        factory: makes the node.
        args: command line with `--ros-args`; default: that of the process.
        threads: of the executor; more than one for a node whose action servers take their time.

    Returns:
        The exit code: 0 after a requested end, 1 when the node could not start or failed.
    """
    # Callbacks wait for a worker thread to let go of the interpreter: not for 5 ms, the default.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    node: TackNode | None = None
    executor: Executor | None = None
    signal.signal(signal.SIGINT, _interrupt)  # before rclpy's own handler, which calls it
    try:
        rclpy.init(args=None if args is None else list(args))
        node = factory()
        executor = SingleThreadedExecutor() if threads == 1 else CallbackPool(threads)
        executor.add_node(node)
        while rclpy.ok():
            _spin(executor, node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except TackError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        # A second Ctrl-C must not tear the closing of files and cameras.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            _end(node, executor)
        rclpy.try_shutdown()
    return 0
