# SPDX-License-Identifier: Apache-2.0
"""A thread that spins an executor, and that can be relied upon to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.exceptions import InvalidHandle
from rclpy.executors import Executor, ExternalShutdownException

_LOOK_AGAIN_S = 1.0  # what a wake-up that got lost costs


class SpinThread:
    """Spins an executor until it is ended, or its context is.

    rclpy's `Executor.shutdown` from another thread takes away what would wake the executor: one
    that was just about to wait then waits for ever. So the spinning ends first, by a task of the
    executor's own, which cannot be missed.

    Args:
        executor: spun by this thread only.
        name: of the thread.
        on_fault: told of each error in a callback, on this thread; without it the error ends
            the thread, as it would end `Executor.spin`.
    """

    def __init__(
        self,
        executor: Executor,
        name: str = "executor",
        on_fault: Callable[[Exception], None] | None = None,
    ) -> None:
        self._executor = executor
        self._on_fault = on_fault
        self._ended = False
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)
        self._thread.start()

    def is_current(self) -> bool:
        """Whether the caller is one of the executor's callbacks, or a task of its."""
        return threading.current_thread() is self._thread

    def end(self) -> None:
        """Let the callback under way end, then the thread and the executor. May be called twice."""
        self._ended = True
        self._executor.create_task(lambda: None)
        self._thread.join()
        self._executor.shutdown()

    def _spin(self) -> None:
        while self._executor.context.ok() and not self._ended:
            try:
                self._executor.spin_once(_LOOK_AGAIN_S)
            except ExternalShutdownException:
                return
            except InvalidHandle:
                # Another thread destroyed a publisher or subscription between rclpy's listing what
                # it waits for and its waiting: of all that it lists, it forgets to leave out the
                # event handlers that have ended. They are gone when it lists again.
                continue
            except Exception as error:
                # What fails because the context, or this, has just ended is no fault.
                if self._ended or not self._executor.context.ok():
                    return
                if self._on_fault is None:
                    raise
                self._on_fault(error)
