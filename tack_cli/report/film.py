# SPDX-License-Identifier: Apache-2.0
"""Draws and encodes the frames beside the main work, in their order, on a thread of its own."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tack_cli.report import pictures
from tack_cli.report.findings import FrameFindings
from tack_cli.report.pictures import Image
from tack_cli.report.video import VideoWriter
from tack_perception.errors import SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.overlay import Color

_WAITING = 4  # frames that may wait to be drawn: memory stays bounded


class Clock:
    """Books wall time to stages; `seconds` holds the sums."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._since = time.perf_counter()

    def start(self) -> None:
        """Begin to count from now."""
        self._since = time.perf_counter()

    def stop(self, stage: str) -> None:
        """Book the time since the last start or stop to a stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._since  # type: ignore[assignment]
        self._since = now


class Film:
    """The video and the choice of pictures. A context manager; complete after its end.

    One thread does all drawing in the order of the frames, so the result does not depend on timing.

    Args:
        colors: label → RGB.

    Attributes:
        video: the MP4, after the end.
        pictures: frame index → overlay picture, an even choice.
        seconds: time spent, by stage.
    """

    def __init__(self, colors: Mapping[str, Color]) -> None:
        self.video = b""
        self._colors = colors
        self._selection = pictures.Selection()
        self._clock = Clock()
        self._stream = io.BytesIO()
        self._writer = VideoWriter(self._stream)
        self._thread = ThreadPoolExecutor(1, "film")
        self._waiting: list[Future[None]] = []
        self._start_ns: int | None = None
        self._size = (0, 0)

    @property
    def pictures(self) -> dict[int, Image]:
        """Frame index → overlay picture, (H, W, 3) uint8 RGB, in the order of the frames."""
        return self._selection.pictures

    @property
    def seconds(self) -> Counter[str]:
        """Time spent, by stage, s."""
        return self._clock.seconds

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        self._writer.__exit__(kind, error, trace)
        if kind is None:
            for future in self._waiting:
                future.result()
            self.video = self._stream.getvalue()

    def add(self, frame: RGBDFrame, found: FrameFindings) -> None:
        """Hand over a frame; waits while too many are under way.

        Raises:
            SourceError: the images change their size, which no video can show.
        """
        size = (frame.intrinsics.width, frame.intrinsics.height)
        if self._start_ns is None:
            self._start_ns, self._size = frame.stamp_ns, size
        if size != self._size:
            raise SourceError(
                f"frame {found.index}: the image is {size[0]}×{size[1]} px, those before it"
                f" {self._size[0]}×{self._size[1]} px; cut the recording there and replay each part"
            )
        while len(self._waiting) >= _WAITING:
            self._waiting.pop(0).result()
        seconds = (frame.stamp_ns - self._start_ns) * 1e-9
        self._waiting.append(self._thread.submit(self._draw, frame, found, seconds))

    def _draw(self, frame: RGBDFrame, found: FrameFindings, seconds: float) -> None:
        self._clock.start()
        picture = pictures.frame_picture(frame, found, self._colors, seconds)
        self._selection.offer(found.index, picture)
        self._clock.stop("draw")
        self._writer.add(picture, frame.stamp_ns)
        self._clock.stop("video")
