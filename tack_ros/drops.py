# SPDX-License-Identifier: Apache-2.0
"""Dropped inputs, counted by reason: nothing disappears without a trace."""

from __future__ import annotations

import re
import threading
import traceback
from collections import Counter
from typing import Any

_MAX_REASONS = 50
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


class DropCounter:
    """Counts drops by reason, and logs the 1st, 10th, 100th … of each. Thread-safe.

    Reasons that differ in their numbers only count as one; the newest sentence is shown.

    Args:
        logger: a logger of rclpy (anything with `debug`, `warning` and `error`).
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._sentences: dict[str, str] = {}
        self._unexpected = 0

    def add(
        self, reason: str, count: int = 1, *, expected: bool = False, always_log: bool = False
    ) -> None:
        """Count drops for a reason (a sentence).

        Args:
            reason: what was wrong.
            count: how many were dropped.
            expected: it belongs to normal work (a frame overtaken by a newer one), so that it is
                counted but neither logged as a warning nor reported as a fault.
            always_log: log this one in any case: a person waits for the answer.
        """
        before, after = self._count(reason, count, expected)
        # A camera that is wrong is wrong 30 times a second: the log must stay readable.
        if always_log or before == 0 or len(str(after)) > len(str(before)):
            times = "" if after == 1 else f" ({after} times by now)"
            if expected:
                self._logger.debug(f"dropped: {reason}{times}")
            else:
                self._logger.warning(f"dropped: {reason}{times}")

    def add_fault(self, error: Exception) -> None:
        """Count a drop for an error that nobody expected, and log its trace the first time."""
        where = traceback.extract_tb(error.__traceback__)
        line = f" in {where[-1].name}" if where else ""
        reason = f"internal error{line}: {type(error).__name__}: {error}"
        before, _ = self._count(reason, 1, False)
        if before == 0:
            trace = traceback.format_exception(type(error), error, error.__traceback__)
            self._logger.error(reason + "\n" + "".join(trace))

    def counts(self) -> Counter[str]:
        """Reason → how often, a copy."""
        with self._lock:
            return Counter({self._sentences[key]: count for key, count in self._counts.items()})

    @property
    def unexpected(self) -> int:
        """All drops together, without the expected ones."""
        with self._lock:
            return self._unexpected

    def _count(self, reason: str, count: int, expected: bool) -> tuple[int, int]:
        key = _NUMBER.sub("#", reason)
        with self._lock:
            if key not in self._counts and len(self._counts) >= _MAX_REASONS:
                key = reason = "other reasons"
            before = self._counts[key]
            self._counts[key] = before + count
            self._sentences[key] = reason
            self._unexpected += 0 if expected else count
            return before, before + count
