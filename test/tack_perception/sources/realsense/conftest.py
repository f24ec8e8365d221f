# SPDX-License-Identifier: Apache-2.0
"""A camera of librealsense's own making: `software_device`, fed by the tests."""

from __future__ import annotations

import threading

import numpy as np
import pytest

WIDTH, HEIGHT = 64, 48
BASELINE = 0.015  # colour camera to the right of the depth camera, m


class SoftCamera:
    """Depth (z16) and colour (rgb8), depth camera to the left of the colour camera."""

    def __init__(self, rs, serial="soft-1", color_model=None, coefficients=(0,) * 5, units=0.001):
        self.rs = rs
        self.serial = serial
        self.units = units
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Soft D435")
        self.device.register_info(rs.camera_info.serial_number, serial)
        self._depth_sensor = self.device.add_sensor("Stereo Module")
        self._color_sensor = self.device.add_sensor("RGB Camera")
        self._depth_sensor.add_read_only_option(rs.option.depth_units, units)
        self._depth_sensor.add_read_only_option(rs.option.stereo_baseline, 50.0)
        model = color_model or rs.distortion.none
        self._depth = self._depth_sensor.add_video_stream(
            self._stream(rs.stream.depth, 1, 2, rs.format.z16, 40.0, rs.distortion.none, (0,) * 5),
            True,
        )
        self._color = self._color_sensor.add_video_stream(
            self._stream(rs.stream.color, 2, 3, rs.format.rgb8, 60.0, model, coefficients), True
        )
        # librealsense needs both directions.
        self._depth.register_extrinsics_to(self._color, self._extrinsics(-BASELINE))
        self._color.register_extrinsics_to(self._depth, self._extrinsics(BASELINE))
        self.device.create_matcher(rs.matchers.default)
        self._alive = []  # librealsense reads the arrays later, so they must live on
        self.number = 0

    def _stream(self, kind, uid, bytes_per_pixel, layout, focal, model, coefficients):
        stream = self.rs.video_stream()
        stream.type, stream.index, stream.uid = kind, 0, uid
        stream.width, stream.height, stream.fps = WIDTH, HEIGHT, 30
        stream.bpp, stream.fmt = bytes_per_pixel, layout
        intrinsics = self.rs.intrinsics()
        intrinsics.width, intrinsics.height = WIDTH, HEIGHT
        intrinsics.fx = intrinsics.fy = focal
        intrinsics.ppx, intrinsics.ppy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
        intrinsics.model, intrinsics.coeffs = model, list(coefficients)
        stream.intrinsics = intrinsics
        return stream

    def _extrinsics(self, shift):
        extrinsics = self.rs.extrinsics()
        extrinsics.rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1]
        extrinsics.translation = [shift, 0, 0]
        return extrinsics

    def send(self, depth=None, color=None, *, skip=0, domain=None, depth_late_ms=0.0):
        """One frame of each stream; `skip` leaves frame numbers out."""
        self.number += 1 + skip
        if depth is None:
            depth = np.full((HEIGHT, WIDTH), 1000, np.uint16)
        if color is None:
            color = np.full((HEIGHT, WIDTH, 3), self.number % 256, np.uint8)
        self._alive = [*self._alive[-60:], depth, color]
        stamp = 1_700_000_000_000.0 + self.number * 33.25
        domain = domain or self.rs.timestamp_domain.global_time
        frame = self._frame(self._depth, depth, 2, stamp + depth_late_ms, domain)
        frame.depth_units = self.units
        self._depth_sensor.on_video_frame(frame)
        self._color_sensor.on_video_frame(self._frame(self._color, color, 3, stamp, domain))

    def _frame(self, profile, pixels, bytes_per_pixel, stamp, domain):
        frame = self.rs.software_video_frame()
        frame.pixels = pixels
        frame.stride, frame.bpp = WIDTH * bytes_per_pixel, bytes_per_pixel
        frame.timestamp, frame.frame_number, frame.domain = stamp, self.number, domain
        frame.profile = profile.as_video_stream_profile()
        return frame


class Pump:
    """Sends frames from a thread of its own, as a camera does, until told to stop."""

    def __init__(self, camera, period=0.01, **frame):
        self._camera, self._period, self._frame = camera, period, frame
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.wait(self._period):
            self._camera.send(**self._frame)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def rs():
    return pytest.importorskip("pyrealsense2", reason="needs pyrealsense2 and libusb-1.0-0")


@pytest.fixture
def soft_camera(rs):
    return lambda **options: SoftCamera(rs, **options)


@pytest.fixture
def pump():
    return Pump
