# SPDX-License-Identifier: Apache-2.0
"""Brings messages of several streams together by their stamps: message_filters without ROS."""

from __future__ import annotations

import bisect
from collections import Counter, deque
from typing import Any

from tack_perception.errors import InvalidInputError


class ApproximateTimeSynchroniser:
    """Matches one message of each stream whose stamps lie close together.

    The first stream is the pivot (colour): each of its messages is matched with the nearest one of
    every other stream, as soon as it is certain that no nearer one can come (each other stream has
    moved past the pivot), or at `flush`. A message is used at most once, and matches come out in
    the order of the pivot's stamps. The same messages in the same order give the same matches.

    Args:
        streams: the names of the streams, pivot first.
        slop_ns: the farthest that two stamps of a match may lie apart, ns.
        capacity: how many messages of a stream may wait.

    Raises:
        InvalidInputError: fewer than two streams, names repeated, or limits that are not positive.
    """

    def __init__(
        self, streams: tuple[str, ...], slop_ns: int = 20_000_000, capacity: int = 30
    ) -> None:
        if len(streams) < 2 or len(set(streams)) != len(streams):
            raise InvalidInputError(f"streams {streams}: two or more different names are needed")
        if slop_ns < 0 or capacity < 1:
            raise InvalidInputError(f"slop {slop_ns} ns, capacity {capacity}: must be positive")
        self._pivot = streams[0]
        self._others = streams[1:]
        self._slop_ns = slop_ns
        self._capacity = capacity
        self._waiting: dict[str, _Queue] = {name: _Queue() for name in streams}
        self._last_matched_ns = -1
        self.drops: Counter[str] = Counter()
        """Dropped messages, by reason."""

    def add(self, stream: str, stamp_ns: int, message: Any) -> list[tuple[Any, ...]]:
        """Take one message; return the matches that it completes, each in the order of `streams`.

        Raises:
            InvalidInputError: the stream is not one of those named.
        """
        if stream not in self._waiting:
            raise InvalidInputError(
                f"stream {stream!r}: known are {', '.join(map(repr, self._waiting))}"
            )
        queue = self._waiting[stream]
        if stream == self._pivot and stamp_ns <= self._last_matched_ns:
            self.drops[f"{stream}: stamp not newer than the last one used"] += 1
            return []
        if not queue.insert(stamp_ns, message):
            self.drops[f"{stream}: stamp repeated"] += 1
            return []
        matches = self._settle(final=False)
        if len(queue.stamps) > self._capacity:
            queue.popleft()
            self.drops[f"{stream}: no partner within {self._slop_ns * 1e-6:g} ms"] += 1
        return matches

    def flush(self) -> list[tuple[Any, ...]]:
        """At the end of the streams: match what is left, and count the rest as drops."""
        matches = self._settle(final=True)
        for stream, queue in self._waiting.items():
            if queue.stamps:
                reason = f"{stream}: no partner within {self._slop_ns * 1e-6:g} ms"
                self.drops[reason] += len(queue.stamps)
            queue.clear()
        return matches

    def _settle(self, *, final: bool) -> list[tuple[Any, ...]]:
        matches: list[tuple[Any, ...]] = []
        pivot = self._waiting[self._pivot]
        while pivot.stamps:
            stamp_ns = pivot.stamps[0]
            if not final and not all(
                self._waiting[name].passed(stamp_ns, self._slop_ns) for name in self._others
            ):
                break
            indices = {name: self._waiting[name].nearest(stamp_ns) for name in self._others}
            message = pivot.popleft()
            if any(
                index is None or abs(self._waiting[name].stamps[index] - stamp_ns) > self._slop_ns
                for name, index in indices.items()
            ):
                self.drops[f"{self._pivot}: no partner within {self._slop_ns * 1e-6:g} ms"] += 1
                continue
            partners = []
            for name, index in indices.items():
                queue = self._waiting[name]
                for _ in range(index or 0):
                    queue.popleft()
                    self.drops[f"{name}: no partner within {self._slop_ns * 1e-6:g} ms"] += 1
                partners.append(queue.popleft())
            self._last_matched_ns = stamp_ns
            matches.append((message, *partners))
        return matches


class _Queue:
    """Messages that wait, ordered by stamp."""

    def __init__(self) -> None:
        self.stamps: deque[int] = deque()
        self._messages: deque[Any] = deque()

    def insert(self, stamp_ns: int, message: Any) -> bool:
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index < len(self.stamps) and self.stamps[index] == stamp_ns:
            return False
        self.stamps.insert(index, stamp_ns)
        self._messages.insert(index, message)
        return True

    def passed(self, stamp_ns: int, slop_ns: int) -> bool:
        """Whether nothing nearer to the stamp can still come (messages come nearly in order)."""
        if not self.stamps:
            return False
        if stamp_ns in self.stamps:
            return True
        nearest = self.nearest(stamp_ns)
        distance = slop_ns if nearest is None else abs(self.stamps[nearest] - stamp_ns)
        return self.stamps[-1] >= stamp_ns + min(distance, slop_ns)

    def nearest(self, stamp_ns: int) -> int | None:
        """Index of the message nearest in time, the earlier one of two equally near."""
        if not self.stamps:
            return None
        index = bisect.bisect_left(self.stamps, stamp_ns)
        if index == len(self.stamps):
            return index - 1
        if index and stamp_ns - self.stamps[index - 1] <= self.stamps[index] - stamp_ns:
            return index - 1
        return index

    def popleft(self) -> Any:
        self.stamps.popleft()
        return self._messages.popleft()

    def clear(self) -> None:
        self.stamps.clear()
        self._messages.clear()
