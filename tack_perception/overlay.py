# SPDX-License-Identifier: Apache-2.0
"""Draw what was found onto the image it was found in: points, ellipses, axes, gripper, labels.

Everything is drawn by OpenCV on one thread from rounded sub-pixel positions, so that the same input
gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

PALETTE: tuple[Color, ...] = (
    (255, 176, 32),
    (84, 190, 255),
    (255, 104, 160),
    (76, 217, 140),
    (178, 140, 255),
    (255, 122, 74),
    (90, 224, 220),
    (232, 220, 90),
)
"""RGB colours of labels, in the order of their enrolment; distinct for colour-blind eyes too."""

AXIS_COLORS: tuple[Color, Color, Color] = ((240, 72, 72), (72, 208, 96), (72, 136, 255))
"""RGB colours of the x, y and z axes, as in RViz."""

_INK: Color = (16, 18, 22)
_PAPER: Color = (244, 246, 250)
_SHIFT = 4  # OpenCV's sub-pixel positions: 1/16 px
_FONT = cv2.FONT_HERSHEY_DUPLEX
_ELLIPSE_SIGMAS = 2.0


def palette(labels: Sequence[str]) -> dict[str, Color]:
    """Label → RGB colour, in the order given; colours repeat after `len(PALETTE)` labels."""
    return {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(dict.fromkeys(labels))}


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


def draw_keypoints(
    image: Image,
    keypoints: Sequence[Keypoint],
    *,
    colors: Mapping[str, Color] | None = None,
    scale: int = 1,
    labels: bool = True,
) -> Image:
    """Mark keypoints: a ring at the pixel, the 2-sigma ellipse of its covariance, a label.

    A point that is believed hidden is drawn as a thin dashed ring, a point that could not be
    lifted as a ring with a cross.

    Args:
        image: (H, W, 3) uint8, RGB; left unchanged.
        keypoints: what to draw; points off the image are left out.
        colors: label → RGB; default: the palette in the order of `keypoints`.
        scale: enlarge the result by this whole factor, so that marks stay crisp.
        labels: write "label 0.93" (name and confidence) beside each point.

    Returns:
        A new (H·scale, W·scale, 3) uint8 RGB image.

    Raises:
        InvalidInputError: as `enlarged`.
    """
    canvas = enlarged(image, scale)
    used = palette([k.label for k in keypoints]) | dict(colors or {})
    mark_keypoints(canvas, keypoints, used, scale=scale, labels=labels)
    return canvas


def mark_keypoints(
    canvas: Image,
    keypoints: Sequence[Keypoint],
    colors: Mapping[str, Color],
    *,
    scale: int = 1,
    labels: bool = True,
) -> None:
    """As `draw_keypoints`, in place.

    Args:
        canvas: (H·scale, W·scale, 3) uint8 RGB, writable.
        keypoints: what to draw, in pixels of the original image.
        colors: label → RGB, one for each label.
        scale: the factor by which `canvas` is enlarged.
        labels: write name and confidence.
    """
    seen = [k for k in keypoints if _inside(canvas, _place((k.u, k.v), scale))]
    for keypoint in seen:
        _draw_ellipse(canvas, keypoint, colors[keypoint.label], scale)
    for keypoint in seen:
        _draw_mark(canvas, keypoint, colors[keypoint.label], scale)
    if not labels:
        return
    taken = [_mark_box(keypoint, scale) for keypoint in seen]
    for keypoint in seen:
        text = f"{keypoint.label} {keypoint.confidence:.2f}"
        anchor = _place((keypoint.u, keypoint.v), scale)
        draw_label(canvas, text, anchor, colors[keypoint.label], scale=scale, taken=taken)


def draw_click(
    canvas: Image, pixel: ArrayLike, color: Color, *, scale: int = 1, size: float = 1.0
) -> None:
    """Draw a cross-hair where a person clicked, in place.

    Args:
        canvas: (H·scale, W·scale, 3) uint8 RGB, writable.
        pixel: (2,) pixel (u, v) of the original image.
        color: RGB.
        scale: the factor by which `canvas` is enlarged.
        size: of the mark; 1 is about 30 px of the original image.
    """
    u, v = _place(np.asarray(pixel, dtype=np.float64), scale)
    unit = scale * size
    near, far = 5.0 * unit, 15.0 * unit
    for width, ink in ((3.2, _INK), (1.4, color)):
        thickness = max(1, round(width * unit))
        for du, dv in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            _line(
                canvas,
                (u + du * near, v + dv * near),
                (u + du * far, v + dv * far),
                ink,
                thickness,
            )
        _circle(canvas, (u, v), 9.0 * unit, ink, thickness)
    _circle(canvas, (u, v), 1.4 * unit, color, -1)


def draw_axes(
    canvas: Image,
    intrinsics: CameraIntrinsics,
    camera_from_pose: ArrayLike,
    *,
    length: float = 0.04,
    scale: int = 1,
) -> None:
    """Draw the axes of a pose (x red, y green, z blue) in place; nothing when it is behind.

    Args:
        canvas: (H·scale, W·scale, 3) uint8 RGB, writable.
        intrinsics: the camera of the original image.
        camera_from_pose: (4, 4) pose in the camera frame, m.
        length: of each axis, m.
        scale: the factor by which `canvas` is enlarged.
    """
    pose = np.asarray(camera_from_pose, dtype=np.float64)
    ends = pose[:3, 3] + length * pose[:3, :3].T
    order = np.argsort(-ends[:, 2], kind="stable")  # the farthest first, the nearest on top
    for axis in order:
        segment = np.stack([pose[:3, 3], ends[axis]])
        draw_path(canvas, intrinsics, segment, AXIS_COLORS[axis], width=2.2, scale=scale)


def draw_gripper(
    canvas: Image,
    intrinsics: CameraIntrinsics,
    camera_from_gripper: ArrayLike,
    opening: float,
    color: Color,
    *,
    finger: float = 0.045,
    scale: int = 1,
) -> None:
    """Draw the outline of an open parallel gripper in place.

    Args:
        canvas: (H·scale, W·scale, 3) uint8 RGB, writable.
        intrinsics: the camera of the original image.
        camera_from_gripper: (4, 4), m; the origin is between the finger tips, z is the approach
            direction and y the closing direction.
        opening: distance between the fingers, m.
        color: RGB.
        finger: length of the fingers, m.
        scale: the factor by which `canvas` is enlarged.
    """
    pose = np.asarray(camera_from_gripper, dtype=np.float64)
    half = opening / 2
    fingers = np.array([(0, -half, 0), (0, -half, -finger), (0, half, -finger), (0, half, 0)])
    wrist = np.array([(0, 0, -finger), (0, 0, -1.8 * finger)])
    for outline in (fingers, wrist):
        points = outline @ pose[:3, :3].T + pose[:3, 3]
        draw_path(canvas, intrinsics, points, color, width=2.4, scale=scale)


def draw_path(
    canvas: Image,
    intrinsics: CameraIntrinsics,
    points: ArrayLike,
    color: Color,
    *,
    width: float = 1.6,
    scale: int = 1,
) -> None:
    """Draw a polyline in space with a dark rim, in place; parts behind the camera are left out.

    Args:
        canvas: (H·scale, W·scale, 3) uint8 RGB, writable.
        intrinsics: the camera of the original image.
        points: (N, 3) in the camera frame, m.
        color: RGB.
        width: of the line, px of the original image.
        scale: the factor by which `canvas` is enlarged.
    """
    pixels = intrinsics.project(np.asarray(points, dtype=np.float64))
    for extra, ink in ((1.8, _INK), (0.0, color)):
        thickness = max(1, round((width + extra) * scale))
        for start, end in itertools.pairwise(pixels):
            if np.isfinite(start).all() and np.isfinite(end).all():
                _line(canvas, _place(start, scale), _place(end, scale), ink, thickness)


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
    plate[:] = (0.28 * plate + 0.72 * np.array(_INK)).astype(np.uint8)
    canvas[max(top, 0) : bottom, max(left, 0) : max(left, 0) + 3 * scale] = color
    origin = (left + 2 * pad, bottom - pad - scale)
    cv2.putText(canvas, text, origin, _FONT, size, _PAPER, stroke, cv2.LINE_AA)


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


def _draw_ellipse(canvas: Image, keypoint: Keypoint, color: Color, scale: int) -> None:
    """The covariance as a filled, translucent ellipse with a rim."""
    if keypoint.pixel_covariance is None:
        return
    values, vectors = np.linalg.eigh(keypoint.pixel_covariance)
    semi = _ELLIPSE_SIGMAS * scale * np.sqrt(np.clip(values[::-1], 0.0, None))
    if semi[0] > 4 * max(canvas.shape):  # says nothing any more, and would overflow OpenCV
        return
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    u, v = _place((keypoint.u, keypoint.v), scale)
    x0, y0 = max(int(u - semi[0]) - 2, 0), max(int(v - semi[0]) - 2, 0)
    region = canvas[y0 : int(v + semi[0]) + 3, x0 : int(u + semi[0]) + 3]
    tinted = region.copy()
    arguments = (
        (_fixed(u - x0), _fixed(v - y0)),
        (_fixed(semi[0]), _fixed(semi[1])),
        angle,
        0.0,
        360.0,
        color,
    )
    cv2.ellipse(tinted, *arguments, -1, cv2.LINE_AA, _SHIFT)
    region[:] = cv2.addWeighted(tinted, 0.28, region, 0.72, 0.0)
    cv2.ellipse(region, *arguments, max(1, scale), cv2.LINE_AA, _SHIFT)


def _draw_mark(canvas: Image, keypoint: Keypoint, color: Color, scale: int) -> None:
    centre = _place((keypoint.u, keypoint.v), scale)
    radius = 6.0 * scale
    if not keypoint.visible:
        box = (_fixed(radius), _fixed(radius))
        middle = (_fixed(centre[0]), _fixed(centre[1]))
        for width, ink in ((3 * scale, _INK), (scale, color)):
            for start in range(0, 360, 60):
                cv2.ellipse(
                    canvas, middle, box, 0.0, start, start + 34.0, ink, width, cv2.LINE_AA, _SHIFT
                )
        return
    _circle(canvas, centre, radius, _INK, 4 * scale)
    _circle(canvas, centre, radius, color, 2 * scale)
    if keypoint.refusal:
        arm = radius * math.sqrt(0.5)
        for sign in (-1, 1):
            low = (centre[0] - arm, centre[1] - sign * arm)
            high = (centre[0] + arm, centre[1] + sign * arm)
            _line(canvas, low, high, color, 2 * scale)
        return
    _circle(canvas, centre, 1.6 * scale, _PAPER, -1)


def _mark_box(keypoint: Keypoint, scale: int) -> tuple[int, int, int, int]:
    u, v = _place((keypoint.u, keypoint.v), scale)
    reach = 8 * scale
    return round(u) - reach, round(v) - reach, round(u) + reach, round(v) + reach


def _place(pixel: ArrayLike, scale: int) -> tuple[float, float]:
    """A pixel of the original image on the enlarged canvas (pixel centres are whole numbers)."""
    u, v = np.asarray(pixel, dtype=np.float64)
    return (float(u) + 0.5) * scale - 0.5, (float(v) + 0.5) * scale - 0.5


def _inside(canvas: Image, place: tuple[float, float]) -> bool:
    height, width = int(canvas.shape[0]), int(canvas.shape[1])
    return -0.5 <= place[0] < width - 0.5 and -0.5 <= place[1] < height - 0.5


def _fixed(value: float) -> int:
    return round(value * (1 << _SHIFT))


def _line(
    canvas: Image,
    start: tuple[float, float],
    end: tuple[float, float],
    color: Color,
    thickness: int,
) -> None:
    limit = 16.0 * max(canvas.shape)
    if max(abs(value) for value in (*start, *end)) > limit:  # OpenCV's fixed point would overflow
        return
    first, second = ((_fixed(x), _fixed(y)) for x, y in (start, end))
    cv2.line(canvas, first, second, color, thickness, cv2.LINE_AA, _SHIFT)


def _circle(
    canvas: Image, centre: tuple[float, float], radius: float, color: Color, thickness: int
) -> None:
    middle = (_fixed(centre[0]), _fixed(centre[1]))
    cv2.circle(canvas, middle, _fixed(radius), color, thickness, cv2.LINE_AA, _SHIFT)
