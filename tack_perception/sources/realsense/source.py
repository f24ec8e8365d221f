# SPDX-License-Identifier: Apache-2.0
"""Frames out of a RealSense camera, or out of a file that librealsense recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import RawImage, decode_color
from tack_perception.encodings.raw import metres
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.realsense.calibration import camera_intrinsics
from tack_perception.sources.realsense.filters import DepthFilters
from tack_perception.sources.realsense.live import LiveStream
from tack_perception.sources.realsense.playback import Playback
from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration

_ENCODINGS = {
    rs.format.rgb8: "rgb8",
    rs.format.bgr8: "bgr8",
    rs.format.rgba8: "rgba8",
    rs.format.bgra8: "bgra8",
    rs.format.yuyv: "yuyv",
    rs.format.uyvy: "uyvy",
    rs.format.y8: "mono8",
}


class RealSenseSource:
    """The frames of a RealSense camera, depth aligned to colour.

    A camera that gives no frames is restarted; one that was unplugged is waited for. Each loss is
    counted in `drops`, and after `give_up` seconds without a frame the source ends with an error.
    A live camera gives its newest frame each time. A file (.db3, or .bag of older versions) gives
    all of its frames, as fast as they are read, and ends.

    Args:
        settings: which camera, how it streams, filters and time limits.
        file: a recording to play in place of a camera.
        context: an `rs.context` to look for the camera in; by default a new one.

    Raises:
        SourceError: on entering, if the camera or the file cannot be opened; while iterating, if
            the camera is lost.
    """

    def __init__(
        self,
        settings: RealSenseConfiguration | None = None,
        *,
        file: Path | str | None = None,
        context: Any = None,
    ) -> None:
        self._settings = settings or RealSenseConfiguration()
        context = context if context is not None else rs.context()
        self._drops: Counter[str] = Counter()
        self._stream: LiveStream | Playback = (
            LiveStream(context, self._settings, self._drops)
            if file is None
            else Playback(context, Path(file), self._settings, self._drops)
        )
        self._entered = False
        self._intrinsics: tuple[str, CameraIntrinsics] | None = None
        self._clock_offset_ns: int | None = None
        self._last_stamp_ns = -1

    @property
    def name(self) -> str:
        """The serial number of the camera, or the name of the file."""
        return self._stream.name or "RealSense"

    @property
    def drops(self) -> Counter[str]:
        """Frames that were dropped and restarts of the stream, by reason."""
        return self._drops

    @property
    def transforms(self) -> None:
        """A camera does not know where it is."""
        return

    def __len__(self) -> int:
        """0: a camera does not end, and a file does not tell."""
        return 0

    def __enter__(self) -> RealSenseSource:
        self._stream.open()
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._entered = False
        self._stream.close()
        self._stream.stop()

    def close(self) -> None:
        """End the iteration; may be called from any thread."""
        self._stream.close()

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield frames; what a slow reader of a live camera missed is counted.

        Raises:
            SourceError: the camera is lost, or the source has not been entered.
        """
        if not self._entered:
            raise SourceError(f"{self.name}: open the source first: `with source: …`")
        session, filters = -1, None
        for frames in self._stream.frames():
            if filters is None or session != self._stream.session:
                # Both remember what came before: temporal filtering pixels, alignment calibration.
                session, filters = self._stream.session, DepthFilters(self._settings)
                self._clock_offset_ns = None
            try:
                frame = self._frame(frames, filters)
            except InvalidInputError as error:
                self._drops[str(error)] += 1
            else:
                yield frame

    def _frame(self, frames: Any, filters: DepthFilters) -> RGBDFrame:
        stamp = self._stamp(frames.get_color_frame())
        if stamp <= self._last_stamp_ns and self._stream.live:
            raise InvalidInputError("stamp is not newer than that of the frame before")
        aligned = filters.process(frames)
        color, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        profile = color.get_profile()
        encoding = _ENCODINGS.get(profile.format())
        if encoding is None:
            raise InvalidInputError(f"colour format {profile.format().name} is not supported")
        height, width = color.get_height(), color.get_width()
        step = color.get_stride_in_bytes()
        data = np.asanyarray(color.get_data()).reshape(-1).view(np.uint8)
        pixels = decode_color(RawImage(height, width, encoding, step, data))
        if np.shares_memory(pixels, data):
            pixels = pixels.copy()  # librealsense reuses its buffers
        units = np.asanyarray(depth.get_data())
        intrinsics = self._camera(profile)
        frame = RGBDFrame(
            pixels, metres(units, depth.get_units()), intrinsics, stamp, self._settings.frame_id
        )
        self._last_stamp_ns = stamp
        return frame

    def _camera(self, profile: Any) -> CameraIntrinsics:
        source = profile.as_video_stream_profile().get_intrinsics()
        key = str(source)
        if self._intrinsics is None or self._intrinsics[0] != key:
            self._intrinsics = key, camera_intrinsics(source)
        return self._intrinsics[1]

    def _stamp(self, color: Any) -> int:
        """When the colour frame was taken, ns."""
        now = time.time_ns()
        if self._settings.stamps == "host" and self._stream.live:
            return now
        whole, part = divmod(color.get_timestamp(), 1.0)
        stamp: int = int(whole) * 1_000_000 + round(part * 1e6)
        hardware = color.get_frame_timestamp_domain() == rs.timestamp_domain.hardware_clock
        if not hardware or not self._stream.live:
            return stamp
        # The camera's own counter has another zero: the first frame ties it to the host's clock.
        if self._clock_offset_ns is None:
            self._clock_offset_ns = now - stamp
        return stamp + self._clock_offset_ns
