# SPDX-License-Identifier: Apache-2.0
"""Frames of a source by number, forwards and backwards, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from tack_perception.errors import SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.base import FrameSource


class FrameReel:
    """Gives any frame of an opened source; those read last are kept.

    A frame that is no longer kept is found by reading the source again from its start.

    Args:
        source: an opened source that can be iterated again.
        keep: how many frames stay in memory; 640×480 takes 2.2 MB each.
    """

    def __init__(self, source: FrameSource, keep: int = 64) -> None:
        self._source = source
        self._keep = max(keep, 1)
        self._kept: OrderedDict[int, RGBDFrame] = OrderedDict()
        self._frames: Iterator[RGBDFrame] = iter(source)
        self._next = 0
        self._length: int | None = None

    @property
    def name(self) -> str:
        """What a person calls the source."""
        return self._source.name

    @property
    def length(self) -> int:
        """Number of frames; 0 while it is not known."""
        return self._length if self._length is not None else len(self._source)

    def get(self, index: int) -> tuple[int, RGBDFrame]:
        """The frame of a number, or the last one where there are fewer.

        Args:
            index: from 0; negative counts as 0.

        Returns:
            The number of the frame that was found, and the frame.

        Raises:
            SourceError: the source holds no frame at all, or ended for another reason.
        """
        index = max(index, 0)
        if self._length is not None:
            index = min(index, self._length - 1)
        if index in self._kept:
            self._kept.move_to_end(index)
            return index, self._kept[index]
        if index < self._next:
            self._frames, self._next = iter(self._source), 0
        while self._next <= index:
            frame = next(self._frames, None)
            if frame is None:
                self._length = self._next
                if not self._length:
                    dropped = "; ".join(f"{n} {why}" for why, n in self._source.drops.items())
                    raise SourceError(f"{self.name} holds no frame. {dropped}".strip())
                return self.get(self._length - 1)
            self._kept[self._next] = frame
            self._next += 1
            if len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        return index, self._kept[index]
