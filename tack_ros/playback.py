# SPDX-License-Identifier: Apache-2.0
"""Recorded frames at the pace of their stamps, with the clock that goes with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from tack_perception.frame import RGBDFrame
from tack_perception.sources.base import FrameSource

CLOCK_PERIOD_S = 0.02
LEAD_S = 0.2
"""The clock starts this long before the first frame, so that it has arrived when the frame does.

As long it stands still at the end: the last frame must not arrive after the jump back."""


class Playback:
    """Iterates over a recorded source in real time, or at a multiple of it.

    A consumer that is slower than the pace delays the frames; none is left out.

    Args:
        source: entered already.
        rate: 2 plays twice as fast as it was recorded.
        loop: start again at the end.
        tick: called with the time of the recording, ns, at least every `CLOCK_PERIOD_S`.
        stop: set it to end the iteration at once.
    """

    def __init__(
        self,
        source: FrameSource,
        rate: float,
        loop: bool,
        tick: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._rate = rate
        self._loop = loop
        self._tick = tick
        self._stop = stop
        self.now_ns = 0
        """The time of the recording."""

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield each frame when its time has come.

        Raises:
            SourceError: as the source.
        """
        while not self._stop.is_set():
            played = 0
            started_s, first_ns = 0.0, 0
            for frame in self._source:
                if not played:
                    started_s, first_ns = time.monotonic() + LEAD_S, frame.stamp_ns
                if not self._wait(started_s, first_ns, frame.stamp_ns):
                    return
                yield frame
                played += 1
            if not self._loop or not played or self._stop.wait(LEAD_S):
                return

    def _wait(self, started_s: float, first_ns: int, stamp_ns: int) -> bool:
        due_s = started_s + (stamp_ns - first_ns) * 1e-9 / self._rate
        while not self._stop.is_set():
            now_s = time.monotonic()
            self.now_ns = max(first_ns + round((now_s - started_s) * self._rate * 1e9), 1)
            self._tick(min(self.now_ns, stamp_ns))
            if now_s >= due_s:
                return True
            self._stop.wait(min(due_s - now_s, CLOCK_PERIOD_S))
        return False
