# SPDX-License-Identifier: Apache-2.0
"""Frame sets of a live camera, through its losses and returns."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tack_perception.errors import SourceError
from tack_perception.sources.realsense.devices import DeviceWatch, modes, start_pipeline
from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration

_SLICE_MS = 100  # the longest that closing the stream has to wait
_BACK_OFF_S = (0.1, 2.0)
_SILENT = "it is there, but silent"


class LiveStream:
    """Colour and depth of a camera, in pairs.

    Args:
        context: an `rs.context` to look for the camera in.
        settings: which camera, sizes and time limits.
        drops: where losses are counted.
    """

    live = True

    def __init__(self, context: Any, settings: RealSenseConfiguration, drops: Counter[str]) -> None:
        self._context = context
        self._settings = settings
        self._drops = drops
        self._watch = DeviceWatch(context)
        self._closing = threading.Event()
        self._pipeline: Any = None
        self._last_number: int | None = None
        self.name = settings.serial
        """The serial number, once it is known."""
        self.session = 0
        """Counts the starts: what filters remember must not outlive one."""

    def open(self) -> None:
        """Start the camera, or wait for it.

        Raises:
            SourceError: it does not come, or lacks what the settings ask for.
        """
        self._closing.clear()
        try:
            if self._start():
                return
        except RuntimeError as error:
            raise SourceError(self._refusal(error)) from error
        deadline = time.monotonic() + self._settings.give_up
        self._reconnect("camera not found", deadline, _SILENT)

    def close(self) -> None:
        """Stop the camera; may be called from any thread, and ends the iteration."""
        self._closing.set()

    def stop(self) -> None:
        """Let go of the camera."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            try:
                pipeline.stop()
            except RuntimeError as error:  # the device went away under it
                self._drops[f"stopping the stream: {error}"] += 1

    def frames(self) -> Iterator[Any]:
        """Yield frame sets whose colour is new and whose depth belongs to it.

        Raises:
            SourceError: no frame for `give_up` seconds.
        """
        while (frames := self._next()) is not None:
            yield frames

    def _next(self) -> Any:
        since = time.monotonic()
        deadline = since + self._settings.give_up
        patience, problem = self._settings.frame_timeout, _SILENT
        while not self._closing.is_set():
            try:
                arrived, frames = self._pipeline.try_wait_for_frames(_SLICE_MS)
            except RuntimeError as error:
                self._reconnect(f"stream broke: {error}", deadline, problem)
                continue
            if arrived:
                if self._fits(frames):
                    return frames
                problem = f"colour and depth lie more than {self._settings.slop:g} s apart"
            if time.monotonic() - since > patience:
                self._reconnect(f"no frame for {patience:g} s", deadline, problem)
                since = time.monotonic()
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
            lost = number - self._last_number - 1
            self._drops["colour frame lost, late or without depth"] += lost
        self._last_number = number
        return True

    def _start(self) -> bool:
        """Start the camera if it is there; say whether it is."""
        device = self._watch.find(self.name)
        if device is None:
            return False
        if device.supports(rs.camera_info.serial_number):
            self.name = device.get_info(rs.camera_info.serial_number)
        self._pipeline = start_pipeline(self._context, device, self._settings)
        self._last_number = None
        self.session += 1
        return True

    def _reconnect(self, reason: str, deadline: float, problem: str) -> None:
        """Stop, and start again as soon as the camera is there.

        Raises:
            SourceError: the deadline (of the monotonic clock) is over; it names the problem.
        """
        self.stop()
        self._drops[f"{reason}: stream restarted"] += 1
        delay, longest = _BACK_OFF_S
        while not self._closing.wait(delay):
            if time.monotonic() > deadline:
                raise self._lost(problem)
            try:
                if self._start():
                    return
                problem = "it is not connected"
            except RuntimeError as error:
                problem = str(error)
            delay = min(2 * delay, longest)

    def _refusal(self, error: RuntimeError) -> str:
        asked = self._settings
        return (
            f"RealSense {self.name}: {error}. Asked for are {asked.fps} Hz, colour"
            f" {asked.width}×{asked.height}, depth {asked.depth_width}×{asked.depth_height}; it has"
            f" {modes(self._watch.find(self.name))}"
        )

    def _lost(self, problem: str) -> SourceError:
        return SourceError(
            f"RealSense {self.name or '(any)'}: no frame for {self._settings.give_up:g} s:"
            f" {problem}. Connected are: {', '.join(self._watch.serials()) or 'none'}. Check the"
            " cable (USB 3) and the serial number; of several cameras one must be chosen by its"
            " serial number"
        )
