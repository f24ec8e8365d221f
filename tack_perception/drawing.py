# SPDX-License-Identifier: Apache-2.0
"""Pictures to draw on: enlarged copies, sub-pixel lines and circles, labels that find a free place.

Pixels always mean those of the original image; `scale` says by how much the canvas is enlarged.
Everything is drawn by OpenCV on one thread from rounded sub-pixel positions, so that the same input
gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

INK: Color = (16, 18, 22)
PAPER: Color = (244, 246, 250)
SHIFT = 4
"""Bits of OpenCV's sub-pixel positions: 1/16 px."""

_FONT = cv2.FONT_HERSHEY_DUPLEX


def enlarged(image: Image, scale: int) -> Image:
    """A writable copy of an (H, W, 3) uint8 RGB image, enlarged by a whole factor.

    Drawing on an enlarged image keeps lines and labels crisp; pass the same `scale` to the
    drawing functions, whose pixels and sizes always mean those of the original image.

    Raises:
        InvalidInputError: the image is not (H, W, 3) uint8, or the factor is not 1 to 8.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InvalidInputError(f"image is {image.dtype} {image.shape}: uint8 (H, W, 3) is needed")
    if not 1 <= scale <= 8:
        raise InvalidInputError(f"scale {scale}: 1 to 8 is expected")
    if scale == 1:
        return np.array(image, dtype=np.uint8, order="C")
    size = (image.shape[1] * scale, image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def draw_label(
    canvas: Image,
    text: str,
    anchor: tuple[float, float],
    color: Color,
    *,
    scale: int = 1,
    taken: list[tuple[int, int, int, int]] | None = None,
) -> None:
    """Write a label on a dark plate beside an anchor, in place, within the picture.

    Args:
        canvas: (H, W, 3) uint8 RGB, writable.
        text: what to write; characters outside ASCII are shown as "?".
        anchor: canvas position (x, y) of the thing that is named.
        color: RGB of the stripe that ties the label to its mark.
        scale: size of the letters: 1 for a 640 px wide picture.
        taken: (x0, y0, x1, y1) of what must stay uncovered (marks and the labels drawn so far);
            this label avoids them and is added.
    """
    text = text.encode("ascii", "replace").decode("ascii")
    size = 0.42 * scale
    stroke = max(1, scale - 1)
    (width, height), _ = cv2.getTextSize(text, _FONT, size, stroke)
    pad = 5 * scale
    box_width, box_height = width + 3 * pad, height + 2 * pad
    taken = [] if taken is None else taken
    left, top = _free_place(canvas, anchor, (box_width, box_height), 14.0 * scale, taken)
    right, bottom = left + box_width, top + box_height
    taken.append((left, top, right, bottom))
    plate = canvas[max(top, 0) : bottom, max(left, 0) : right]
    plate[:] = (0.28 * plate + 0.72 * np.array(INK)).astype(np.uint8)
    canvas[max(top, 0) : bottom, max(left, 0) : max(left, 0) + 3 * scale] = color
    origin = (left + 2 * pad, bottom - pad - scale)
    cv2.putText(canvas, text, origin, _FONT, size, PAPER, stroke, cv2.LINE_AA)


def _free_place(
    canvas: Image,
    anchor: tuple[float, float],
    size: tuple[int, int],
    gap: float,
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int]:
    """The first place around the anchor that is inside the picture and overlaps nothing taken."""
    x, y = anchor
    width, height = size
    middle = y - height / 2
    wishes = [(x + gap, middle), (x - gap - width, middle)]
    for step in range(4):
        for side in (x + gap, x - gap - width, x - width / 2):
            wishes += [(side, y - gap - (step + 1) * height), (side, y + gap + step * height)]
    fallback: tuple[int, int] | None = None
    for wish in wishes:
        left = round(min(max(wish[0], 0), canvas.shape[1] - width))
        top = round(min(max(wish[1], 0), canvas.shape[0] - height))
        fallback = fallback or (left, top)
        overlaps = any(
            left < box[2] and box[0] < left + width and top < box[3] and box[1] < top + height
            for box in taken
        )
        if not overlaps:
            return left, top
    return fallback or (0, 0)


def place(pixel: ArrayLike, scale: int) -> tuple[float, float]:
    """A pixel of the original image on the enlarged canvas (pixel centres are whole numbers)."""
    u, v = np.asarray(pixel, dtype=np.float64)
    return (float(u) + 0.5) * scale - 0.5, (float(v) + 0.5) * scale - 0.5


def inside(canvas: Image, position: tuple[float, float]) -> bool:
    """Whether a position is on the canvas."""
    height, width = int(canvas.shape[0]), int(canvas.shape[1])
    return -0.5 <= position[0] < width - 0.5 and -0.5 <= position[1] < height - 0.5


def fixed(value: float) -> int:
    """A canvas coordinate in OpenCV's fixed point."""
    return round(value * (1 << SHIFT))


def line(
    canvas: Image,
    start: tuple[float, float],
    end: tuple[float, float],
    color: Color,
    thickness: int,
) -> None:
    """Draw a smooth line between two canvas positions, in place."""
    limit = 16.0 * max(canvas.shape)
    if max(abs(value) for value in (*start, *end)) > limit:  # OpenCV's fixed point would overflow
        return
    first, second = ((fixed(x), fixed(y)) for x, y in (start, end))
    cv2.line(canvas, first, second, color, thickness, cv2.LINE_AA, SHIFT)


def circle(
    canvas: Image, centre: tuple[float, float], radius: float, color: Color, thickness: int
) -> None:
    """Draw a smooth circle around a canvas position, in place; thickness -1 fills it."""
    middle = (fixed(centre[0]), fixed(centre[1]))
    cv2.circle(canvas, middle, fixed(radius), color, thickness, cv2.LINE_AA, SHIFT)
