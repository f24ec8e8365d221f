# SPDX-License-Identifier: Apache-2.0
"""The pictures of a cycle: what was seen with the points in it, and how a failure looked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.sight import Sight, View
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry, overlay
from tack_perception.drawing import INK
from tack_perception.errors import TackError

Image = NDArray[np.uint8]

TRIED, NEXT = (150, 156, 168), (76, 217, 140)
"""RGB of the grasps that were given up, and of the one that came last."""

_TEXT = (150, 156, 168)
_NAMED = 12  # labels that can be told apart in one picture
_LINE_PX, _LETTER_PX, _MOST_LINES = 22, 8, 6
_QUALITY = 85


def look_picture(sight: Sight, goals: Sequence[PickPlaceGoal] = ()) -> Image:
    """The image with points, grasps that were tried on it, and why points have no position.

    Args:
        sight: what was found.
        goals: in the order in which they were tried.

    Returns:
        (H + captions, W, 3) uint8 RGB.
    """
    keypoints = [one for thing in sight.things for one in thing.keypoints.values()]
    canvas = overlay.enlarged(np.asarray(sight.frame.color), 1)
    _draw_goals(canvas, sight, goals)
    colors = overlay.palette([one.label for one in keypoints])
    overlay.mark_keypoints(canvas, keypoints, colors, labels=len(keypoints) <= _NAMED)
    return _captioned(canvas, _missing(sight))


def evidence_picture(stage: str, view: View, goal: PickPlaceGoal | None = None) -> Image:
    """The image after a stage had gone wrong, with the grasp that was meant.

    Returns:
        (H + caption, W, 3) uint8 RGB.
    """
    canvas = overlay.enlarged(np.asarray(view.frame.color), 1)
    _draw_goals(canvas, view, () if goal is None else (goal,))
    return _captioned(canvas, [f"after: {stage}"])


def encoded(picture: Image) -> bytes:
    """An (H, W, 3) uint8 RGB image as JPEG.

    Raises:
        TackError: it cannot be encoded.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise TackError(f"a picture of {picture.shape} could not be encoded")
    return bytes(data.tobytes())


def _missing(sight: Sight) -> list[str]:
    """Why points have no position; hidden ones together."""
    if not sight.things:
        return ["nothing was found"]
    hidden, refused = [], []
    for thing in sight.things:
        for label, keypoint in thing.keypoints.items():
            if not keypoint.visible:
                hidden.append(label)
            elif label not in thing.points:
                refused.append(thing.missing(label))
    told = [f"believed hidden or absent: {', '.join(dict.fromkeys(hidden))}"] if hidden else []
    return [*told, *dict.fromkeys(refused)]


def _draw_goals(canvas: Image, view: View, goals: Sequence[PickPlaceGoal]) -> None:
    camera_from_base = geometry.inverse(view.base_from_camera)
    frame = view.frame
    for goal in goals:
        last = goal is goals[-1]
        pose = goal.grasp if goal.frame_id == frame.frame_id else camera_from_base @ goal.grasp
        color = NEXT if last else TRIED
        overlay.draw_gripper(canvas, frame.intrinsics, pose, goal.width, color)
        if last:
            overlay.draw_axes(canvas, frame.intrinsics, pose, length=0.03)


def _captioned(canvas: Image, sentences: Sequence[str]) -> Image:
    """Sentences below the picture."""
    width = canvas.shape[1]
    letters = max(10, (width - 30) // _LETTER_PX)
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, letters)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"... and {len(lines) - _MOST_LINES + 1} lines more"]
    if not lines:
        return canvas
    tall = np.asarray(
        cv2.copyMakeBorder(
            canvas, 0, _LINE_PX * len(lines) + 4, 0, 0, cv2.BORDER_CONSTANT, value=INK
        ),
        dtype=np.uint8,
    )
    for i, line in enumerate(lines):
        middle = canvas.shape[0] + 2 + (i + 0.5) * _LINE_PX
        overlay.draw_label(tall, line, (-14.0, middle), _TEXT)
    return tall
