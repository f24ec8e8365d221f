# SPDX-License-Identifier: Apache-2.0
"""A click carried along: where the same point of a thing that stands still is in other images.

One click is one shot. A camera whose place is known sees the same point from other sides without
another click, and each of these views is a shot as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import lift_keypoint

FloatArray = NDArray[np.float64]

_CLICK_PX2 = 0.25  # variance of a click
_MARGIN_PX = 8  # a point nearer to the border than this shows too little around it
_PATCH_PX = 2
_APART = 0.015  # of the depth: what is measured farther from the point than this is not the point


class NotSeenError(InvalidInputError):
    """The point cannot be told in an image: out of view, hidden, moved, or without depth."""


def place_of(click: Annotation, fixed_from_camera: FloatArray) -> FloatArray:
    """Where a click is in space.

    Args:
        click: on a frame of a camera,
        fixed_from_camera: (4, 4) whose optical frame was there at its stamp, m.

    Returns:
        (3,) in the fixed frame, m.

    Raises:
        NotSeenError: the depth image does not tell; the message says why.
    """
    pixel = Keypoint(
        click.label, click.u, click.v, 1.0, True, pixel_covariance=np.eye(2) * _CLICK_PX2
    )
    lifted = lift_keypoint(click.frame, pixel)
    if lifted.xyz is None:
        raise NotSeenError(f"{click.label}: {lifted.refusal}")
    return geometry.apply(fixed_from_camera, lifted.xyz)


def carried(
    label: str, point: FloatArray, frame: RGBDFrame, fixed_from_camera: FloatArray
) -> Annotation:
    """The click that a person would make on another image of the same point.

    Args:
        label: its name.
        point: (3,) in the fixed frame, m; the thing has not moved since.
        frame: the other image.
        fixed_from_camera: (4, 4) of its optical frame at its stamp, m.

    Raises:
        NotSeenError: it is out of view, hidden, no longer there, or its depth is unknown.
    """
    seen = geometry.apply(geometry.inverse(fixed_from_camera), np.asarray(point, np.float64))
    height, width = frame.depth.shape
    u, v = frame.intrinsics.project(seen) if seen[2] > 0 else (np.nan, np.nan)
    if not (_MARGIN_PX <= u < width - _MARGIN_PX and _MARGIN_PX <= v < height - _MARGIN_PX):
        raise NotSeenError(f"{label}: out of view, or at the border of the image")
    row, column = round(float(v)), round(float(u))
    patch = frame.depth[
        row - _PATCH_PX : row + _PATCH_PX + 1, column - _PATCH_PX : column + _PATCH_PX + 1
    ]
    behind = patch[np.isfinite(patch)].astype(np.float64) - seen[2]
    if not behind.size:
        raise NotSeenError(f"{label}: no depth is measured there")
    apart = float(behind[np.abs(behind).argmin()])
    if apart > _APART * seen[2]:
        raise NotSeenError(
            f"{label}: what is seen there lies {1e3 * apart:.0f} mm behind it: the thing has been"
            " moved since it was clicked on, or its edge is seen"
        )
    if apart < -_APART * seen[2]:
        raise NotSeenError(f"{label}: hidden by something {-1e3 * apart:.0f} mm before it")
    return Annotation(label, float(u), float(v), frame)
