# SPDX-License-Identifier: Apache-2.0
"""Frame sets of a file that librealsense recorded: all of them, and the same ones each time.

librealsense's own pipeline drops frames of a file when the reader is slow or starts late. Here its
threads wait instead until the reader has taken what they brought.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tack_perception.errors import SourceError
from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration
from tack_perception.synchroniser import ApproximateTimeSynchroniser

_WAITING = 8  # frames between librealsense's threads and the reader
_SLICE_S = 0.1
_COLOR, _DEPTH = "colour", "depth"


class Playback:
    """Colour and depth of a recorded file, in pairs.

    Args:
        context: an `rs.context`.
        file: a .db3, or a .bag of older versions.
        settings: how far colour and depth may lie apart, and the time limit.
        drops: where frames without a partner are counted.
    """

    live = False
    session = 0

    def __init__(
        self, context: Any, file: Path, settings: RealSenseConfiguration, drops: Counter[str]
    ) -> None:
        self._context = context
        self._file = file
        self._settings = settings
        self._drops = drops
        self._closing = threading.Event()
        self._arrived: queue.Queue[Any] = queue.Queue(_WAITING)
        self._device: Any = None
        self._sensors: list[Any] = []
        self._resuming: threading.Thread | None = None
        self._played = False
        self.name = file.name

    def open(self) -> None:
        """Open the file and start to play it, as fast as it is read.

        Raises:
            SourceError: there is no such file, or librealsense cannot play it.
        """
        if not self._file.exists():
            raise SourceError(f"{self._file}: there is no such file")
        self._closing.clear()
        self._played = False
        try:
            self._device = self._context.load_device(str(self._file))
            self._device.set_real_time(False)
            self._device.pause()  # so that no stream runs ahead while the others start
            for sensor in self._device.query_sensors():
                wanted = [p for p in sensor.get_stream_profiles() if _stream(p)]
                if wanted:
                    sensor.open(wanted)
                    self._sensors.append(sensor)
                    sensor.start(self._put)
            # It returns only after some frames have been taken, so it must not wait for itself.
            self._resuming = threading.Thread(target=self._device.resume)
            self._resuming.start()
        except RuntimeError as error:
            self.stop()
            raise SourceError(f"{self._file}: librealsense cannot play it: {error}") from error

    def close(self) -> None:
        """End the iteration; may be called from any thread."""
        self._closing.set()

    def stop(self) -> None:
        """Let go of the file."""
        self._closing.set()
        if self._resuming is not None:
            self._resuming.join()
            self._resuming = None
        # librealsense's thread that reads the file works with what the sensors own: let it stand
        # still before they close, and do what closing asked of it before the device goes. Else
        # the process is aborted now and then.
        self._stand_still()
        for sensor in self._sensors:
            with contextlib.suppress(RuntimeError):  # it stops by itself at the end of the file
                sensor.stop()
            with contextlib.suppress(RuntimeError):
                sensor.close()
        self._stand_still()
        self._sensors = []
        self._arrived = queue.Queue(_WAITING)
        if self._device is not None:
            self._device = None
            self._context.unload_device(str(self._file))

    def _stand_still(self) -> None:
        """Return when librealsense's reading thread has done all it was asked for, and waits."""
        if self._device is not None:
            with contextlib.suppress(RuntimeError):
                self._device.pause()

    def frames(self) -> Iterator[Any]:
        """Yield frame sets in the order of their stamps, to the end; then again from the start.

        Raises:
            SourceError: the file gives no frame for `give_up` seconds, and does not end.
        """
        if self._played:
            self.stop()
            self.open()
        self._played = True
        synchroniser = ApproximateTimeSynchroniser(
            (_COLOR, _DEPTH), slop_ns=round(self._settings.slop * 1e9)
        )
        combine = _Combiner()
        for frame in self._singles():
            stamp = round(frame.get_timestamp() * 1e6)
            for color, depth in synchroniser.add(_stream(frame.get_profile()), stamp, frame):
                yield combine(color, depth)
        for color, depth in synchroniser.flush():
            yield combine(color, depth)
        self._drops.update(synchroniser.drops)

    def _put(self, frame: Any) -> None:
        """Called in librealsense's threads, which wait here."""
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._arrived.put(frame, timeout=_SLICE_S)
                return

    def _singles(self) -> Iterator[Any]:
        since = time.monotonic()
        while not self._closing.is_set():
            ended = self._device.current_status() == rs.playback_status.stopped
            try:
                frame = self._arrived.get(timeout=_SLICE_S)
            except queue.Empty:
                if ended:
                    return
                if time.monotonic() - since > self._settings.give_up:
                    raise SourceError(
                        f"{self._file}: no frame for {self._settings.give_up:g} s, and no end"
                    ) from None
            else:
                yield frame
                since = time.monotonic()


class _Combiner:
    """Makes a frame set of single frames, which only a processing block may do."""

    def __init__(self) -> None:
        self._pair: list[Any] = []
        self._output = rs.frame_queue(1)
        self._block = rs.processing_block(
            lambda _, source: source.frame_ready(source.allocate_composite_frame(self._pair))
        )
        self._block.start(self._output)

    def __call__(self, color: Any, depth: Any) -> Any:
        self._pair = [depth, color]
        self._block.invoke(color)
        self._pair = []
        return self._output.wait_for_frame().as_frameset()


def _stream(profile: Any) -> str:
    names = {rs.stream.color: _COLOR, rs.stream.depth: _DEPTH}
    return names.get(profile.stream_type(), "")
