# SPDX-License-Identifier: Apache-2.0
"""Draw what was found onto the image it was found in: points, ellipses, axes, gripper, labels.

Pixels and sizes mean those of the original image, also on an enlarged canvas
(`tack_perception.drawing`). The same input gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tack_perception import drawing
from tack_perception.camera import CameraIntrinsics
from tack_perception.drawing import INK, PAPER, Color, Image, draw_label, enlarged
from tack_perception.keypoint import Keypoint

__all__ = [
    "AXIS_COLORS", "PALETTE", "Color", "Image", "draw_axes", "draw_click", "draw_gripper",
    "draw_keypoints", "draw_label", "draw_path", "enlarged", "mark_keypoints", "palette",
]  # fmt: skip

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

_ELLIPSE_SIGMAS = 2.0


def palette(labels: Sequence[str]) -> dict[str, Color]:
    """Label → RGB colour, in the order given; colours repeat after `len(PALETTE)` labels."""
    return {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(dict.fromkeys(labels))}


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
    seen = [k for k in keypoints if drawing.inside(canvas, drawing.place((k.u, k.v), scale))]
    for keypoint in seen:
        _draw_ellipse(canvas, keypoint, colors[keypoint.label], scale)
    for keypoint in seen:
        _draw_mark(canvas, keypoint, colors[keypoint.label], scale)
    if not labels:
        return
    taken = [_mark_box(keypoint, scale) for keypoint in seen]
    for keypoint in seen:
        text = f"{keypoint.label} {keypoint.confidence:.2f}"
        anchor = drawing.place((keypoint.u, keypoint.v), scale)
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
    u, v = drawing.place(np.asarray(pixel, dtype=np.float64), scale)
    unit = scale * size
    near, far = 5.0 * unit, 15.0 * unit
    for width, ink in ((3.2, INK), (1.4, color)):
        thickness = max(1, round(width * unit))
        for du, dv in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            drawing.line(
                canvas,
                (u + du * near, v + dv * near),
                (u + du * far, v + dv * far),
                ink,
                thickness,
            )
        drawing.circle(canvas, (u, v), 9.0 * unit, ink, thickness)
    drawing.circle(canvas, (u, v), 1.4 * unit, color, -1)


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
    for extra, ink in ((1.8, INK), (0.0, color)):
        thickness = max(1, round((width + extra) * scale))
        for start, end in itertools.pairwise(pixels):
            if np.isfinite(start).all() and np.isfinite(end).all():
                drawing.line(
                    canvas, drawing.place(start, scale), drawing.place(end, scale), ink, thickness
                )


def _draw_ellipse(canvas: Image, keypoint: Keypoint, color: Color, scale: int) -> None:
    """The covariance as a filled, translucent ellipse with a rim."""
    if keypoint.pixel_covariance is None:
        return
    values, vectors = np.linalg.eigh(keypoint.pixel_covariance)
    semi = _ELLIPSE_SIGMAS * scale * np.sqrt(np.clip(values[::-1], 0.0, None))
    if semi[0] > 4 * max(canvas.shape):  # says nothing any more, and would overflow OpenCV
        return
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    u, v = drawing.place((keypoint.u, keypoint.v), scale)
    x0, y0 = max(int(u - semi[0]) - 2, 0), max(int(v - semi[0]) - 2, 0)
    region = canvas[y0 : int(v + semi[0]) + 3, x0 : int(u + semi[0]) + 3]
    tinted = region.copy()
    arguments = (
        (drawing.fixed(u - x0), drawing.fixed(v - y0)),
        (drawing.fixed(semi[0]), drawing.fixed(semi[1])),
        angle,
        0.0,
        360.0,
        color,
    )
    cv2.ellipse(tinted, *arguments, -1, cv2.LINE_AA, drawing.SHIFT)
    region[:] = cv2.addWeighted(tinted, 0.28, region, 0.72, 0.0)
    cv2.ellipse(region, *arguments, max(1, scale), cv2.LINE_AA, drawing.SHIFT)


def _draw_mark(canvas: Image, keypoint: Keypoint, color: Color, scale: int) -> None:
    centre = drawing.place((keypoint.u, keypoint.v), scale)
    radius = 6.0 * scale
    if not keypoint.visible:
        box = (drawing.fixed(radius), drawing.fixed(radius))
        middle = (drawing.fixed(centre[0]), drawing.fixed(centre[1]))
        for width, ink in ((3 * scale, INK), (scale, color)):
            for start in range(0, 360, 60):
                cv2.ellipse(
                    canvas,
                    middle,
                    box,
                    0.0,
                    start,
                    start + 34.0,
                    ink,
                    width,
                    cv2.LINE_AA,
                    drawing.SHIFT,
                )
        return
    drawing.circle(canvas, centre, radius, INK, 4 * scale)
    drawing.circle(canvas, centre, radius, color, 2 * scale)
    if keypoint.refusal:
        arm = radius * math.sqrt(0.5)
        for sign in (-1, 1):
            low = (centre[0] - arm, centre[1] - sign * arm)
            high = (centre[0] + arm, centre[1] + sign * arm)
            drawing.line(canvas, low, high, color, 2 * scale)
        return
    drawing.circle(canvas, centre, 1.6 * scale, PAPER, -1)


def _mark_box(keypoint: Keypoint, scale: int) -> tuple[int, int, int, int]:
    u, v = drawing.place((keypoint.u, keypoint.v), scale)
    reach = 8 * scale
    return round(u) - reach, round(v) - reach, round(u) + reach, round(v) + reach
