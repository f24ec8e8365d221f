# SPDX-License-Identifier: Apache-2.0
"""A video of the pictures that plays in a browser and comes out byte for byte the same."""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
from numpy.typing import NDArray

_TICKS = 1000  # time base: ms
_LONGEST_GAP_MS = 1000  # a pause of the recording need not be sat through
_LAST_FRAME_MS = 100


class VideoWriter:
    """Writes MP4 (H.264) into a seekable binary stream. A context manager.

    Frames are shown at the pace of their stamps. One thread and the bit-exact flags make the bytes
    depend on the pictures alone.

    Args:
        stream: where to write; stays open.
    """

    def __init__(self, stream: BinaryIO) -> None:
        options = {"fflags": "+bitexact", "movflags": "+negative_cts_offsets"}
        self._container = av.open(stream, "w", format="mp4", options=options)
        self._video: Any = None
        self._time_ms, self._last_stamp_ns = 0, 0

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._video is not None:
            self._container.mux(self._video.encode(None))
        self._container.close()

    def add(self, picture: NDArray[np.uint8], stamp_ns: int) -> None:
        """Append a picture.

        Args:
            picture: (H, W, 3) uint8 RGB, all of one size; an odd last row or column is cut.
            stamp_ns: increasing, ns.
        """
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        if self._video is None:
            self._video = self._open(width, height)
        else:
            step = round((stamp_ns - self._last_stamp_ns) * 1e-6)
            self._time_ms += min(max(step, 1), _LONGEST_GAP_MS)
        self._last_stamp_ns = stamp_ns
        planes = cv2.cvtColor(picture[:height, :width], cv2.COLOR_RGB2YUV_I420)
        image = av.VideoFrame.from_ndarray(np.asarray(planes, dtype=np.uint8), "yuv420p")
        image.pts, image.time_base = self._time_ms, Fraction(1, _TICKS)
        self._container.mux(self._video.encode(image))

    def _open(self, width: int, height: int) -> Any:
        video: Any = self._container.add_stream("libx264", rate=Fraction(30))
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, _TICKS)
        video.codec_context.thread_count = 1
        video.options = {
            "preset": "superfast", "crf": "25", "flags": "+bitexact", "threads": "1",
            "x264-params": "threads=1:lookahead-threads=1:bframes=0:me=dia:subme=0",
        }  # fmt: skip
        return video
