# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM that wait for the end of a step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether a person or the system has asked to stop.

    Attributes:
        asked: they have.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextlib.contextmanager
    def watch(self, *, active: bool = True) -> Iterator[None]:
        """Note the first signal; the second one acts as it would without this.

        Args:
            active: false does nothing. So does another thread than the main one.
        """
        if not active or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def put_back() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def note(_number: int, _frame: FrameType | None) -> None:
            self.asked = True
            put_back()

        for number in _SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            put_back()
