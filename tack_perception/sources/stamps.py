# SPDX-License-Identifier: Apache-2.0
"""Keeps wrong stamps out of a stream."""

from __future__ import annotations

_AGREEING = 10  # messages after which a jump counts as a clock that was set


class StampGate:
    """Tells a stamp that jumps from one that belongs to the stream.

    The stamp is compared with a second clock that goes with it: the time of recording or of
    arrival. Where both advance alike all is well, however far apart they are. One wrong stamp far
    in the future would otherwise make every later frame look old. If the clock was really set, the
    following stamps agree with each other, and after ten of them the stream goes on from there.

    Args:
        limit_ns: the farthest that stamp and clock may drift apart between two messages, ns.
        offset_ns: stamp minus clock, where it is known beforehand; else the first message sets it.
    """

    def __init__(self, limit_ns: int, offset_ns: int | None = None) -> None:
        self._limit_ns = limit_ns
        self._offset = offset_ns
        self._suspect = 0
        self._agreeing = 0

    def accepts(self, stamp_ns: int, clock_ns: int) -> bool:
        """Whether the stamp belongs to the stream."""
        offset = stamp_ns - clock_ns
        if self._offset is None or abs(offset - self._offset) <= self._limit_ns:
            self._offset, self._agreeing = offset, 0
            return True
        agrees = self._agreeing and abs(offset - self._suspect) <= self._limit_ns
        self._suspect, self._agreeing = offset, self._agreeing + 1 if agrees else 1
        if self._agreeing <= _AGREEING:
            return False
        self._offset, self._agreeing = offset, 0
        return True
