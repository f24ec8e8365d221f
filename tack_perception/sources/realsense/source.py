# SPDX-License-Identifier: Apache-2.0
"""Frames out of a RealSense camera, or out of a file that librealsense recorded."""

from __future__ import annotations

import threading
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
from tack_perception.sources.realsense.devices import DeviceWatch, modes, start_pipeline
from tack_perception.sources.realsense.filters import DepthFilters
from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration

_SLICE_MS = 100  # the longest that closing the source has to wait
_BACK_OFF_S = (0.1, 2.0)
_SILENT = "it is there, but silent"
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
    A file (.db3, or .bag of older versions) is played as fast as it is read, and ends.

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
        self._file = None if file is None else Path(file)
        self._context = context if context is not None else rs.context()
        self._watch = DeviceWatch(self._context) if file is None else None
        self._serial = self._settings.serial
        self._device: Any = None
        self._pipeline: Any = None
        self._filters: DepthFilters | None = None
        self._closing = threading.Event()
        self._drops: Counter[str] = Counter()
        self._intrinsics: tuple[str, CameraIntrinsics] | None = None
        self._clock_offset_ns: int | None = None
        self._last_number: int | None = None
        self._last_stamp_ns = -1

    @property
    def name(self) -> str:
        """The serial number of the camera, or the name of the file."""
        return self._file.name if self._file else self._serial or "RealSense"

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
        self._closing.clear()
        if self._file is not None:
            self._open_file(self._file)
        else:
            try:
                started = self._start_camera()
            except RuntimeError as error:
                raise SourceError(self._refusal(error)) from error
            if not started:
                deadline = time.monotonic() + self._settings.give_up
                self._reconnect("camera not found", deadline, _SILENT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._stop()
        if self._file is not None:
            self._device = None
            self._context.unload_device(str(self._file))

    def close(self) -> None:
        """End the iteration; may be called from any thread."""
        self._closing.set()

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield frames, the newest one each time; what a slow reader missed is counted.

        Raises:
            SourceError: the camera is lost, or the source has not been entered.
        """
        if self._pipeline is None:
            raise SourceError(f"{self.name}: open the source first: `with source: …`")
        while (frames := self._next()) is not None:
            try:
                frame = self._frame(frames)
            except InvalidInputError as error:
                self._drops[str(error)] += 1
            else:
                yield frame

    def _open_file(self, file: Path) -> None:
        if not file.exists():
            raise SourceError(f"{file}: there is no such file")
        try:
            self._device = self._context.load_device(str(file))
            self._device.set_real_time(False)
            self._start(self._device, streams=False)
        except RuntimeError as error:
            raise SourceError(f"{file}: librealsense cannot play it: {error}") from error

    def _start_camera(self) -> bool:
        """Start the camera if it is there; say whether it is."""
        device = self._watch.find(self._serial) if self._watch else None
        if device is None:
            return False
        if device.supports(rs.camera_info.serial_number):
            self._serial = device.get_info(rs.camera_info.serial_number)
        self._start(device, streams=True)
        return True

    def _start(self, device: Any, *, streams: bool) -> None:
        settings = self._settings if streams else None
        self._pipeline = start_pipeline(self._context, device, settings)
        # Both remember what came before: the temporal filter pixels, alignment the calibration.
        self._filters = DepthFilters(self._settings)
        self._last_number = self._clock_offset_ns = None

    def _stop(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            try:
                pipeline.stop()
            except RuntimeError as error:  # the device went away under it
                self._drops[f"stopping the stream: {error}"] += 1

    def _next(self) -> Any:
        """The next frame set whose colour is new and whose depth belongs to it; None at the end."""
        restarted = time.monotonic()
        deadline = restarted + self._settings.give_up
        patience, problem = self._settings.frame_timeout, _SILENT
        while not self._closing.is_set():
            try:
                arrived, frames = self._pipeline.try_wait_for_frames(_SLICE_MS)
            except RuntimeError as error:
                self._reconnect(f"stream broke: {error}", deadline, _SILENT)
                continue
            if arrived and self._fits(frames):
                return frames
            if arrived:
                problem = f"colour and depth lie more than {self._settings.slop:g} s apart"
            elif self._file and self._device.current_status() == rs.playback_status.stopped:
                return None
            if self._file and time.monotonic() > deadline:
                raise SourceError(f"{self._file}: no frame for {self._settings.give_up:g} s")
            if not self._file and time.monotonic() - restarted > patience:
                self._reconnect(f"no frame for {patience:g} s", deadline, problem)
                restarted = time.monotonic()
        return None

    def _fits(self, frames: Any) -> bool:
        # librealsense repeats a colour frame with the depth frames before and after it.
        color, depth = frames.get_color_frame(), frames.get_depth_frame()
        if not color or not depth:
            return False
        number = color.get_frame_number()
        apart_s = abs(color.get_timestamp() - depth.get_timestamp()) * 1e-3
        if number == self._last_number or apart_s > self._settings.slop:
            return False
        if self._last_number is not None and number > self._last_number + 1:
            self._drops["colour frame lost, late or without depth"] += (
                number - self._last_number - 1
            )
        self._last_number = number
        return True

    def _reconnect(self, reason: str, deadline: float, problem: str) -> None:
        """Stop, and start again as soon as the camera is there.

        Raises:
            SourceError: the deadline (of the monotonic clock) is over; it names the problem.
        """
        self._stop()
        self._drops[f"{reason}: stream restarted"] += 1
        delay, longest = _BACK_OFF_S
        while not self._closing.wait(delay):
            if time.monotonic() > deadline:
                raise self._lost(problem)
            try:
                if self._start_camera():
                    return
                problem = "it is not connected"
            except RuntimeError as error:
                problem = str(error)
            delay = min(2 * delay, longest)

    def _refusal(self, error: RuntimeError) -> str:
        asked = self._settings
        device = self._watch.find(self._serial) if self._watch else None
        return (
            f"RealSense {self._serial}: {error}. Asked for are {asked.fps} Hz, colour"
            f" {asked.width}×{asked.height}, depth {asked.depth_width}×{asked.depth_height}; it has"
            f" {modes(device)}"
        )

    def _lost(self, problem: str) -> SourceError:
        found = ", ".join(self._watch.serials()) if self._watch else ""
        return SourceError(
            f"RealSense {self._serial or '(any)'}: no frame for {self._settings.give_up:g} s:"
            f" {problem}. Connected are: {found or 'none'}. Check the cable (USB 3) and the serial"
            " number; of several cameras one must be chosen by its serial number"
        )

    def _frame(self, frames: Any) -> RGBDFrame:
        assert self._filters is not None
        stamp = self._stamp(frames.get_color_frame())
        if stamp <= self._last_stamp_ns:
            raise InvalidInputError("stamp is not newer than that of the frame before")
        aligned = self._filters.process(frames)
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
        if self._settings.stamps == "host" and self._file is None:
            return now
        whole, part = divmod(color.get_timestamp(), 1.0)
        stamp: int = int(whole) * 1_000_000 + round(part * 1e6)
        hardware = color.get_frame_timestamp_domain() == rs.timestamp_domain.hardware_clock
        if not hardware or self._file is not None:
            return stamp
        # The camera's own counter has another zero: the first frame ties it to the host's clock.
        if self._clock_offset_ns is None:
            self._clock_offset_ns = now - stamp
        return stamp + self._clock_offset_ns
