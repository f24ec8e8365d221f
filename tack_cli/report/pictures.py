# SPDX-License-Identifier: Apache-2.0
"""The pictures of a replay: the frame with what was found, the click, and a choice of frames."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_cli.report.findings import FrameFindings
from tack_perception import geometry, overlay
from tack_perception.annotation import Annotation
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame
from tack_perception.overlay import Color

Image = NDArray[np.uint8]

MOST_PICTURES = 9
_ZOOM, _ZOOM_RADIUS = 4, 24


def drawing_scale(width: int) -> int:
    """By how much a picture of this width is enlarged before it is drawn on."""
    return 2 if width <= 800 else 1


def frame_picture(
    frame: RGBDFrame, found: FrameFindings, colors: Mapping[str, Color], seconds: float
) -> Image:
    """The colour image with points, ellipses, the best goal of each label, and the time.

    Returns:
        (H·s, W·s, 3) uint8 RGB with s = `drawing_scale(W)`.
    """
    scale = drawing_scale(frame.intrinsics.width)
    canvas = overlay.enlarged(np.asarray(frame.color), scale)
    if found.frame_from_camera is not None:
        camera_from_frame = geometry.inverse(found.frame_from_camera)
        for label in found.plans:
            if goal := found.best_goal(label):
                pose = camera_from_frame @ goal.grasp
                overlay.draw_gripper(
                    canvas, frame.intrinsics, pose, goal.width, colors[label], scale=scale
                )
                overlay.draw_axes(canvas, frame.intrinsics, pose, length=0.03, scale=scale)
    overlay.mark_keypoints(canvas, found.keypoints, colors, scale=scale)
    text = f"{seconds:.2f} s   frame {found.index}"
    corner = (-14.0 * scale, canvas.shape[0] - 1.0)
    overlay.draw_label(canvas, text, corner, (150, 156, 168), scale=scale)
    return canvas


def click_picture(shot: Annotation, color: Color) -> Image:
    """The image that was clicked on, a cross-hair, and an enlarged view in the farthest corner."""
    image = np.asarray(shot.frame.color)
    scale = drawing_scale(shot.frame.intrinsics.width)
    canvas = overlay.enlarged(image, scale)
    overlay.draw_click(canvas, shot.pixel, color, scale=scale)
    add_zoom(canvas, image, (shot.u, shot.v), color)
    return canvas


def add_zoom(canvas: Image, image: Image, pixel: tuple[float, float], color: Color) -> None:
    """Put an enlarged view around a pixel, with a cross-hair, into the farthest corner, in place.

    Args:
        canvas: (H·s, W·s, 3) uint8 RGB, writable, with s = `drawing_scale(W)`.
        image: (H, W, 3) uint8 RGB, what is enlarged.
        pixel: (u, v) on the image.
        color: RGB of cross-hair and frame.
    """
    scale = drawing_scale(image.shape[1])
    u, v = round(pixel[0]), round(pixel[1])
    radius = min(_ZOOM_RADIUS, min(image.shape[:2]) // 6)
    padded = cv2.copyMakeBorder(image, *(radius,) * 4, cv2.BORDER_REPLICATE)
    patch = np.asarray(padded[v : v + 2 * radius + 1, u : u + 2 * radius + 1], dtype=np.uint8)
    zoom = overlay.enlarged(np.ascontiguousarray(patch), _ZOOM * scale)
    local = (radius + pixel[0] - u, radius + pixel[1] - v)
    overlay.draw_click(zoom, local, color, scale=_ZOOM * scale, size=1.3 / _ZOOM)
    edge = 2 * scale
    zoom = np.asarray(
        cv2.copyMakeBorder(zoom, *(edge,) * 4, cv2.BORDER_CONSTANT, value=color), dtype=np.uint8
    )
    side, margin = zoom.shape[0], 8 * scale
    left = margin if pixel[0] > image.shape[1] / 2 else canvas.shape[1] - side - margin
    top = margin if pixel[1] > image.shape[0] / 2 else canvas.shape[0] - side - margin
    canvas[top : top + side, left : left + side] = zoom


def grid_picture(frame: RGBDFrame, step: int = 40) -> Image:
    """The colour image under a grid with pixel numbers, to read off a click without a mouse."""
    scale = drawing_scale(frame.intrinsics.width)
    canvas = overlay.enlarged(np.asarray(frame.color), scale)
    lines = canvas.copy()
    for place in range(step * scale, max(canvas.shape), step * scale):
        lines[place : place + 1, :] = 255
        lines[:, place : place + 1] = 255
    canvas = np.asarray(cv2.addWeighted(lines, 0.45, canvas, 0.55, 0.0), dtype=np.uint8)
    for u in range(2 * step, frame.intrinsics.width, 2 * step):
        anchor = ((u - 14.0) * scale, 0.0)
        overlay.draw_label(canvas, str(u), anchor, overlay.PALETTE[0], scale=scale)
    for v in range(2 * step, frame.intrinsics.height, 2 * step):
        anchor = (-14.0 * scale, v * scale)
        overlay.draw_label(canvas, str(v), anchor, overlay.PALETTE[1], scale=scale)
    return canvas


class Selection:
    """Keeps an even choice of pictures from a stream whose length is not known.

    Args:
        most: how many are kept at most; at least about half as many are, where there were so many.
    """

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self._most, self._step = most, 1
        self.pictures: dict[int, Image] = {}

    def offer(self, index: int, picture: Image) -> None:
        """Keep the picture of a frame if it is one of the even choice."""
        if index % self._step:
            return
        self.pictures[index] = picture
        if len(self.pictures) > self._most:
            self._step *= 2
            self.pictures = {i: p for i, p in self.pictures.items() if i % self._step == 0}


def png(picture: Image) -> bytes:
    """Encode an (H, W, 3) uint8 RGB image as PNG."""
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def jpeg(picture: Image) -> bytes:
    """Encode an (H, W, 3) uint8 RGB image as JPEG, its colours as sharp as its brightness."""
    full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    return _encoded(
        ".jpg",
        picture,
        [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full],
    )


def jpeg_uri(picture: Image, width: int, quality: int = 86) -> str:
    """An (H, W, 3) uint8 RGB image as a JPEG data URI, no wider than `width` px."""
    if picture.shape[1] > width:
        size = (width, round(picture.shape[0] * width / picture.shape[1]))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = _encoded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _encoded(suffix: str, picture: Image, options: list[int]) -> bytes:
    ok, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise TackError(f"a picture of {picture.shape} could not be encoded as {suffix}")
    return data.tobytes()
