# SPDX-License-Identifier: Apache-2.0
"""Dense gradient histograms: what SIFT measures, at any pixel, size and rotation."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

BINS = 8  # gradient directions
CELLS = 4  # cells along each side of a descriptor
LENGTH = CELLS * CELLS * BINS

_FLOOR = 20.0  # summed gradient (grey levels per px) below which a patch counts as textureless
_FIRST_BLUR = 1.0  # px, of the finest level
_LEVELS = 7
_NO_MAP = np.empty(0, np.float32)  # OpenCV's second map, not needed for joint coordinates


class GradientPyramid:
    """Gradient images of eight directions, blurred to half-octave levels.

    A descriptor is the 4 × 4 cells around a pixel with eight directions each, read out of the
    level whose blur fits the size of a cell. It is normalised as RootSIFT: the Euclidean distance
    of two descriptors is the Hellinger distance of their histograms.

    Args:
        color: (H, W, 3) uint8, RGB.
        angle: rotation of the first direction against the image's u axis towards v, rad.
    """

    def __init__(self, color: NDArray[np.uint8], angle: float = 0.0) -> None:
        self._angle = angle
        grey = _float(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY))
        grey = _float(cv2.GaussianBlur(grey, (0, 0), 0.8))
        across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1) / 2
        down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1) / 2
        # cv2.magnitude rounds differently with the alignment of its arrays in memory.
        magnitude = np.sqrt(across * across + down * down) + np.float32(1e-6)
        across, down = across / magnitude, down / magnitude
        layers = []
        for direction in angle + np.arange(BINS) * (2 * math.pi / BINS):
            cosine = np.maximum(across * math.cos(direction) + down * math.sin(direction), 0)
            layers.append((magnitude * cosine * cosine * cosine).astype(np.float32))
        # OpenCV's samplers take four channels at most.
        self._levels = _half_octaves([np.dstack(layers[:4]), np.dstack(layers[4:])])

    def describe(self, pixels: NDArray[np.float32], cell: float) -> FloatImage:
        """Descriptors at pixels, turned with the pyramid's angle.

        Args:
            pixels: (N, 2) pixels (u, v); what lies beyond the border is continued from it.
            cell: side of one cell, px.

        Returns:
            (N, 128) float32, of unit length where there is texture and shorter where there is none.
        """
        offsets = np.arange(CELLS) - (CELLS - 1) / 2
        x, y = np.meshgrid(offsets, offsets)
        cosine, sine = math.cos(self._angle), math.sin(self._angle)
        turned = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1).reshape(-1, 2)
        level = int(np.clip(round(2 * math.log2(cell / 2 / _FIRST_BLUR)), 0, _LEVELS - 1))
        scale, halves = self._levels[level]
        places = (pixels[:, None] + turned * cell + 0.5) * scale - 0.5
        places = np.ascontiguousarray(places, dtype=np.float32)
        histograms = np.empty((len(pixels), CELLS * CELLS, BINS), np.float32)
        rows = 16384  # the sampler counts rows in 16 bits
        for start in range(0, len(pixels), rows):
            block = slice(start, start + rows)
            for index, half in enumerate(halves):
                histograms[block, :, 4 * index : 4 * index + 4] = cv2.remap(
                    half, places[block], _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
                )
        flat = histograms.reshape(len(pixels), LENGTH)
        flat /= flat.sum(axis=1, keepdims=True) + _FLOOR
        return np.sqrt(flat)


def _half_octaves(halves: list[FloatImage]) -> list[tuple[NDArray[np.float64], list[FloatImage]]]:
    """Per level (pixels of the level per pixel of the image, the level), from fine to coarse."""
    levels = []
    full = np.array(halves[0].shape[1::-1], dtype=np.float64)
    blurred = 0.0
    for index in range(_LEVELS):
        blur = _FIRST_BLUR * 2 ** (index / 2)
        scale = halves[0].shape[1::-1] / full
        if blur * scale[0] > 2 and min(halves[0].shape[:2]) > 8:
            height, width = ((side + 1) // 2 for side in halves[0].shape[:2])
            halves = [
                _float(cv2.resize(half, (width, height), interpolation=cv2.INTER_AREA))
                for half in halves
            ]
            scale = (width, height) / full  # not exactly half where a side was odd
        more = math.sqrt(blur**2 - blurred**2) * float(scale[0])
        halves = [_float(cv2.GaussianBlur(half, (0, 0), more)) for half in halves]
        levels.append((scale, halves))
        blurred = blur
    return levels


def _float(image: NDArray[Any]) -> FloatImage:
    return image.astype(np.float32, copy=False)
