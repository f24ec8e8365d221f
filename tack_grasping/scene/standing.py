# SPDX-License-Identifier: Apache-2.0
"""Which pixels stand out of the table, in spite of the noise of depth."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_grasping.scene.settings import SceneConfig

FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]

_WINDOW = (5, 5)  # px, over which heights are averaged against noise
_FLAT = 0.02  # m, from the table, within which a pixel tells how noisy the mean is
_CLIP = 0.03  # m; higher pixels count no more, so that their neighbours are not lifted
_SURE = 5.0  # standard deviations of one pixel that need no neighbours


def standing_pixels(
    heights: FloatImage, depth: FloatImage, noise: float, config: SceneConfig
) -> Mask:
    """(H, W) the pixels of things.

    A low thing far away drowns in the noise of single pixels. The mean over a window has less of
    it; how much less is measured on the table itself.

    Args:
        heights: (H, W) above the table, m; NaN where unknown.
        depth: (H, W) m.
        noise: of one pixel's height at 1 m, m; NaN where not known.
        config: settings.
    """
    known = np.isfinite(heights)
    share = cv2.boxFilter(known.astype(np.float32), -1, _WINDOW)
    clipped = np.where(known, np.clip(heights, -_CLIP, _CLIP), np.float32(0))
    mean = cv2.boxFilter(clipped, -1, _WINDOW) / np.maximum(share, np.float32(1e-3))
    square = depth * depth
    some = (slice(None, None, 4), slice(None, None, 4))
    flat = known[some] & (np.abs(mean[some]) < _FLAT)
    mean_noise = 0.0
    if flat.any():
        mean_noise = 1.4826 * float(np.median(np.abs(mean[some][flat]) / square[some][flat]))
    least = np.maximum(np.float32(config.above), np.float32(config.sigmas * mean_noise) * square)
    sure = np.float32(_SURE * (0.0 if math.isnan(noise) else noise)) * square
    with np.errstate(invalid="ignore"):
        low = (mean > least) & (heights > least / 2)
        standing: Mask = low | (heights > np.maximum(np.float32(2 * config.above), sure))
    return standing
