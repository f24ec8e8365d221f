# SPDX-License-Identifier: Apache-2.0
"""Features of views that are found again in others: SIFT (Lowe, 2004), with their depth."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.frame import RGBDFrame
from tack_perception.recording.volume import usable_depth

FloatArray = NDArray[np.float64]
_MOST = 1500
_CONTRAST = 0.004  # faint grain of wood is what many tables have
_RATIO = 0.8  # of the distances to the best and the second-best match


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Features of a view.

    Attributes:
        pixels: (N, 2).
        points: (N, 3) in the camera, m; NaN without depth.
        descriptors: (N, 128) float32.
    """

    pixels: FloatArray
    points: FloatArray
    descriptors: NDArray[np.float32]


def describe(frame: RGBDFrame, reach_m: float, ignore: NDArray[np.bool_] | None = None) -> Features:
    """Find the features of a view.

    Args:
        frame: the view.
        reach_m: larger depths are not used.
        ignore: (H, W) pixels that are not used.
    """
    grey = cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY)
    mask = None if ignore is None else np.where(ignore, 0, 255).astype(np.uint8)
    sift = cv2.SIFT.create(_MOST, contrastThreshold=_CONTRAST)
    found, said = sift.detectAndCompute(grey, mask)
    if not len(found):
        return Features(np.zeros((0, 2)), np.zeros((0, 3)), np.zeros((0, 128), np.float32))
    pixels = np.array([one.pt for one in found])
    cells = np.clip(np.rint(pixels), 0, np.array(grey.shape[::-1]) - 1).astype(int)
    depth = usable_depth(frame, reach_m, ignore)[cells[:, 1], cells[:, 0]]
    known = np.where(depth > 0, depth, np.nan)
    descriptors = np.asarray(said, np.float32)
    return Features(pixels, frame.intrinsics.deproject(pixels, known), descriptors)


def matches(first: Features, second: Features) -> NDArray[np.int64]:
    """(M, 2) numbers of features that are each other's nearest, and clearly so."""
    if len(first.pixels) < 2 or len(second.pixels) < 2:
        return np.zeros((0, 2), np.int64)
    # One product of matrices: OpenCV's matcher takes five times as long.
    one, two = first.descriptors, second.descriptors
    away = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2 * (one @ two.T)
    best = away.argmin(axis=1)
    rows = np.arange(len(one))
    nearest = away[rows, best]
    away[rows, best] = np.inf
    clear = nearest < _RATIO**2 * away.min(axis=1)
    away[rows, best] = nearest
    mutual = away.argmin(axis=0)[best] == rows
    kept = np.flatnonzero(clear & mutual)
    return np.column_stack([kept, best[kept]]).astype(np.int64)
