# SPDX-License-Identifier: Apache-2.0
"""The last frames of a camera by stamp, so that a click can be taken back to its picture."""

from __future__ import annotations

import bisect
import threading

from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame


class FrameHistory:
    """A ring buffer of one camera's frames, ordered by stamp. Thread-safe.

    Args:
        capacity: how many frames are kept; the oldest goes first. 640×480 takes 2.2 MB each.

    Raises:
        InvalidInputError: a capacity below 1.
    """

    def __init__(self, capacity: int = 60) -> None:
        if capacity < 1:
            raise InvalidInputError(f"frame history of {capacity} frames: at least 1 is expected")
        self._capacity = capacity
        self._frames: list[RGBDFrame] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._frames)

    def add(self, frame: RGBDFrame) -> bool:
        """Keep a frame. Stamps may come out of order; a stamp that is known is replaced.

        Returns:
            False where the frame is older than all of a full buffer, and so was not kept.
        """
        with self._lock:
            stamps = [kept.stamp_ns for kept in self._frames]
            index = bisect.bisect_left(stamps, frame.stamp_ns)
            if index < len(stamps) and stamps[index] == frame.stamp_ns:
                self._frames[index] = frame
                return True
            if len(stamps) == self._capacity:
                if index == 0:
                    return False
                del self._frames[0]
                index -= 1
            self._frames.insert(index, frame)
            return True

    def clear(self) -> None:
        """Forget all frames (e.g. when simulated time jumps back)."""
        with self._lock:
            self._frames.clear()

    def newest(self) -> RGBDFrame:
        """The frame with the newest stamp.

        Raises:
            InvalidInputError: no frame has arrived yet.
        """
        with self._lock:
            if not self._frames:
                raise InvalidInputError("no picture has arrived yet; check the camera topics")
            return self._frames[-1]

    def nearest(self, stamp_ns: int, tolerance_s: float) -> RGBDFrame:
        """The frame whose stamp is nearest (of two as near, the older).

        Args:
            stamp_ns: the time that is asked for, ns.
            tolerance_s: how far the frame's stamp may be from it, s.

        Raises:
            InvalidInputError: no frame has arrived yet, or none is near enough; the message says
                whether the stamp is too old, too new or in a gap, and by how much.
        """
        newest = self.newest()
        with self._lock:
            frames = list(self._frames) or [newest]
        frame = min(frames, key=lambda kept: abs(kept.stamp_ns - stamp_ns))
        distance_s = abs(frame.stamp_ns - stamp_ns) * 1e-9
        if distance_s <= tolerance_s:
            return frame
        if stamp_ns > frames[-1].stamp_ns:
            where = "after the newest picture; check that all computers share one clock and that"
            where += " use_sim_time is the same everywhere"
        elif stamp_ns < frames[0].stamp_ns:
            where = (
                f"before the oldest of the {len(frames)} pictures kept; keep more, or click sooner"
            )
        else:
            where = "from the nearest picture: there is a gap in the stream"
        raise InvalidInputError(
            f"stamp {stamp_ns} ns is {distance_s:.3f} s {where} (allowed are {tolerance_s:g} s)"
        )
