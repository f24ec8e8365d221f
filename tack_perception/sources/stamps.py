# SPDX-License-Identifier: Apache-2.0
"""Keeps single wrong stamps out of a stream."""

from __future__ import annotations


class StampGate:
    """Tells a stamp that jumps from one that belongs to the stream.

    The stamp is compared with a second clock that goes with it: the time of recording or of
    arrival. Where both advance alike all is well, however far apart they are. One wrong stamp far
    in the future would otherwise make every later frame look old. If the clock was really set, the
    next stamp agrees with the one that jumped, and the stream goes on from there.

    Args:
        limit_ns: the farthest that stamp and clock may drift apart between two messages, ns.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._offset: int | None = None
        self._suspect: int | None = None

    def accepts(self, stamp_ns: int, clock_ns: int) -> bool:
        """Whether the stamp belongs to the stream."""
        offset = stamp_ns - clock_ns
        if self._near(offset, self._offset) or self._near(offset, self._suspect):
            self._offset, self._suspect = offset, None
            return True
        if self._offset is None and self._suspect is None:
            self._offset = offset
            return True
        self._suspect = offset
        return False

    def _near(self, offset: int, other: int | None) -> bool:
        return other is not None and abs(offset - other) <= self._limit_ns
