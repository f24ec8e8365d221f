# SPDX-License-Identifier: Apache-2.0
"""A worker that always handles the newest item; what it cannot keep up with is dropped, counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from tack_perception.errors import TackError
from tack_ros.drops import DropCounter

T = TypeVar("T")
OVERTAKEN = "overtaken by a newer one while busy"


class NewestWorker(Generic[T]):
    """Handles items on a thread of its own, one at a time, the newest first and only.

    An error while handling drops that item, with the error as the reason, and never ends the
    thread: the next item is handled as if nothing had happened.

    Args:
        handle: called with each item that is handled, on the worker's thread.
        drops: where dropped items are counted.
        name: of the thread.
        alive: False once the graph is gone; an error after that is no fault.
    """

    def __init__(
        self,
        handle: Callable[[T], None],
        drops: DropCounter,
        name: str,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._handle = handle
        self._drops = drops
        self._alive = alive
        self._waiting: T | None = None
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, item: T) -> None:
        """Hand over an item; one that still waits is dropped for it. Returns at once."""
        with self._changed:
            if self._waiting is not None:
                self._drops.add(OVERTAKEN, expected=True)
            self._waiting = item
            self._changed.notify()

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish the item at hand, drop the one that waits, end the thread."""
        with self._changed:
            self._open = False
            self._waiting = None
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or not self._open)
                if not self._open:
                    return
                item, self._waiting = self._waiting, None
            assert item is not None
            try:
                self._handle(item)
            except TackError as error:
                self._drops.add(str(error))
            except Exception as error:
                if self._open and self._alive():
                    self._drops.add_fault(error)
