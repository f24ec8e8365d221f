# SPDX-License-Identifier: Apache-2.0
"""A person's click in the page: on the camera's image, held up in the scene, or on the cloud."""

from __future__ import annotations

import math
import queue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.observer import Pixel
from tack_cli.cell.viewer.cloud import Cloud
from tack_perception import geometry
from tack_perception.frame import RGBDFrame

if TYPE_CHECKING:
    import viser

FloatArray = NDArray[np.float64]

_PATH = "/screen"
_HEIGHT = 0.75  # of the screen, m
_MIDDLE = (-1.2, 0.0, 1.6)  # behind the robot and above it: nothing hides it, and it hides nothing
_FILLED = 0.92  # share of the window that the image fills
_JPEG_QUALITY = 92
_REACHED = 0.01  # m
_CORRECTIONS = 20


class ClickScreen:
    """Asks for a click. Methods may be called from any thread.

    Args:
        server: of the page.
    """

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._clicks: queue.Queue[tuple[RGBDFrame, Pixel]] = queue.Queue()
        self._image: Any = None
        self._frame: RGBDFrame | None = None
        self._cloud: Cloud | None = None
        self._aims: dict[int, _Aim] = {}

    @property
    def is_open(self) -> bool:
        """Whether a click is awaited."""
        return self._image is not None

    def open(self, frame: RGBDFrame) -> None:
        """Hold up an image in front of everybody who looks, and let it be clicked on."""
        height, width = frame.depth.shape
        self._frame = frame
        self._image = self._server.scene.add_image(
            _PATH, np.asarray(frame.color), _HEIGHT * width / height, _HEIGHT, format="jpeg",
            jpeg_quality=_JPEG_QUALITY, cast_shadow=False, receive_shadow=False,
            position=_MIDDLE, wxyz=_turned(_facing()),
        )  # fmt: skip
        self._server.scene.on_click()(self._on_click)
        self._server.on_client_connect(self._look)
        for client in self._server.get_clients().values():
            self._look(client)

    def update(self, frame: RGBDFrame, cloud: Cloud | None) -> None:
        """A newer image, and its cloud where that is known."""
        self._frame, self._cloud = frame, cloud
        if self._image is not None:
            self._image.image = np.asarray(frame.color)

    def poll(self, seconds: float) -> tuple[RGBDFrame, Pixel] | None:
        """The first click, as image and pixel; None if none came in that time, s."""
        try:
            return self._clicks.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Put the image away; everybody looks at the cell again, as at the beginning."""
        if self._image is None:
            return
        self._server.scene.remove_click_callback()
        self._image.remove()
        self._image = None
        view = self._server.initial_camera
        for client in self._server.get_clients().values():
            self._aim(client, view.position, view.look_at)

    def _look(self, client: Any) -> None:
        """Put a person in front of the image, so that it fills the window."""
        if self._image is None or self._frame is None:
            return
        camera, frame = client.camera, self._frame
        aspect = frame.depth.shape[1] / frame.depth.shape[0]
        wide = max(1.0, aspect * camera.image_height / max(1, camera.image_width))
        distance = _HEIGHT * wide / _FILLED / 2 / math.tan(camera.fov / 2)
        middle = np.array(_MIDDLE)
        self._aim(client, middle - distance * _facing()[:3, 2], middle)

    def _aim(self, client: Any, position: FloatArray, look_at: FloatArray) -> None:
        if client.client_id in self._aims:
            self._aims[client.client_id].stop()
        self._aims[client.client_id] = _Aim(client, position, look_at)

    def _on_click(self, event: Any) -> None:
        frame, cloud = self._frame, self._cloud
        if self._image is None or frame is None:
            return
        origin, direction = np.array(event.ray_origin), np.array(event.ray_direction)
        pixel = screen_pixel(frame.depth.shape, origin, direction)
        if pixel is None and cloud is not None:
            frame, pixel = cloud.frame, cloud.pixel(origin, direction)
        if pixel is not None:
            self._clicks.put((frame, pixel))


class _Aim:
    """Turns a person's view, and sees to it that it stays turned.

    The page moves its camera itself when it has just been opened, and what it reports may be older
    than what it was asked for.

    Args:
        client: the person's page.
        position: (3,) of the camera, m.
        look_at: (3,) m.
    """

    def __init__(self, client: Any, position: FloatArray, look_at: FloatArray) -> None:
        self._client, self._wanted = client, (position, look_at)
        self._left = _CORRECTIONS
        client.camera.on_update(self._check)
        self._set()

    def stop(self) -> None:
        """Leave the view to the person."""
        self._left = 0

    def _set(self) -> None:
        camera = self._client.camera
        with self._client.atomic():
            camera.position, camera.look_at = self._wanted

    def _check(self, camera: Any) -> None:
        if self._left <= 0:
            return
        reached = np.allclose((camera.position, camera.look_at), self._wanted, atol=_REACHED)
        self._left = 0 if reached else self._left - 1
        if not reached:
            self._set()


def screen_pixel(shape: tuple[int, ...], origin: FloatArray, direction: FloatArray) -> Pixel | None:
    """The pixel (u, v) of the held-up image that a ray meets; None where it misses it.

    Args:
        shape: (height, width) of the image, px.
        origin: (3,) of the ray in the base frame, m.
        direction: (3,) in the base frame.
    """
    height, width = shape
    screen_from_base = geometry.inverse(_facing())
    start = geometry.apply(screen_from_base, origin)
    ahead = geometry.rotate(screen_from_base, direction)
    if start[2] * ahead[2] >= 0:  # away from it, or along it
        return None
    x, y, _ = start - start[2] / ahead[2] * ahead
    per_metre = height / _HEIGHT
    u, v = x * per_metre + width / 2 - 0.5, y * per_metre + height / 2 - 0.5
    inside = -0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5
    return (float(u), float(v)) if inside else None


def _facing() -> FloatArray:
    """(4, 4) base_from_screen: x right and y down in the image, z away from who looks at it."""
    pose: FloatArray = geometry.frame_from_axes((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), _MIDDLE)
    return pose


def _turned(pose: FloatArray) -> FloatArray:
    x, y, z, w = geometry.to_quaternion(pose)
    return np.array([w, x, y, z])
