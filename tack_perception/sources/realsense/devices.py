# SPDX-License-Identifier: Apache-2.0
"""Which cameras are plugged in, what they can do, and how they are started."""

from __future__ import annotations

import threading
from typing import Any

from tack_perception.sources.realsense.sdk import rs
from tack_perception.sources.realsense.settings import RealSenseConfiguration

_COLOR, _DEPTH = rs.format.rgb8, rs.format.z16


class DeviceWatch:
    """Follows the devices of a librealsense context. Thread-safe.

    Args:
        context: an `rs.context`; its callback for changes is taken over.
    """

    def __init__(self, context: Any) -> None:
        self._lock = threading.Lock()
        self._devices = {_serial(device): device for device in context.query_devices()}
        context.set_devices_changed_callback(self._changed)

    def find(self, serial: str) -> Any | None:
        """The device of that serial number ("" for the only one), or None."""
        with self._lock:
            if serial:
                return self._devices.get(serial)
            return next(iter(self._devices.values())) if len(self._devices) == 1 else None

    def serials(self) -> tuple[str, ...]:
        """The serial numbers of all devices, sorted."""
        with self._lock:
            return tuple(sorted(self._devices))

    def _changed(self, event: Any) -> None:
        with self._lock:
            gone = [key for key, device in self._devices.items() if event.was_removed(device)]
            for key in gone:
                del self._devices[key]
            self._devices.update({_serial(device): device for device in event.get_new_devices()})


def start_pipeline(context: Any, device: Any, settings: RealSenseConfiguration | None) -> Any:
    """Start colour and depth of a device, in the sizes of the settings (None: in any).

    Raises:
        RuntimeError: librealsense refuses, e.g. because the device has no such size.
    """
    config = rs.config()
    if settings is None:
        config.enable_stream(rs.stream.depth)
        config.enable_stream(rs.stream.color)
    else:
        fps = settings.fps
        config.enable_stream(
            rs.stream.depth, settings.depth_width, settings.depth_height, _DEPTH, fps
        )
        config.enable_stream(rs.stream.color, settings.width, settings.height, _COLOR, fps)
    pipeline = rs.pipeline(context)
    pipeline.set_device(device)
    pipeline.start(config)
    return pipeline


def modes(device: Any) -> str:
    """The sizes and rates of a device's colour and depth, in words."""
    found: dict[str, set[tuple[int, int, int]]] = {"colour": set(), "depth": set()}
    for sensor in device.query_sensors() if device is not None else ():
        for profile in sensor.get_stream_profiles():
            what = {_COLOR: "colour", _DEPTH: "depth"}.get(profile.format())
            if what is not None:
                video = profile.as_video_stream_profile()
                found[what].add((video.width(), video.height(), video.fps()))
    lists = (
        f"{what} " + (", ".join(f"{w}×{h} at {fps} Hz" for w, h, fps in sorted(sizes)) or "none")
        for what, sizes in found.items()
    )
    return "; ".join(lists)


def _serial(device: Any) -> str:
    if not device.supports(rs.camera_info.serial_number):
        return ""
    return str(device.get_info(rs.camera_info.serial_number))
