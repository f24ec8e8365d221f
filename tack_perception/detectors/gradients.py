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
        self._size = np.array(color.shape[1::-1], dtype=np.float64)
        self._sizes = [_directions(color, angle)]
        self._levels: dict[int, tuple[NDArray[np.float64], list[FloatImage]]] = {}

    def describe(self, pixels: NDArray[np.float32], cell: float) -> FloatImage:
        """Descriptors at pixels, turned with the pyramid's angle.

        Args:
            pixels: (N, 2) pixels (u, v); what lies beyond the border is continued from it.
            cell: side of one cell, px.

        Returns:
            (N, 128) float32, of unit length where there is texture and shorter where there is none;
            as (N, 2, 4, 4, 4): half turn, row and column of the cell, direction in the half turn.
        """
        level = int(np.clip(round(2 * math.log2(cell / 2 / _FIRST_BLUR)), 0, _LEVELS - 1))
        scale, halves = self._level(level)
        cells = (_cell_centres(self._angle) * cell * scale).astype(np.float32)
        places = ((pixels + np.float32(0.5)) * scale.astype(np.float32) - np.float32(0.5))[:, None]
        places = places + cells
        histograms = np.empty((len(pixels), LENGTH), np.float32)
        split = histograms.reshape(-1, 2, CELLS * CELLS, BINS // 2)
        rows = 16384  # the sampler counts rows in 16 bits
        for start in range(0, len(pixels), rows):
            block = slice(start, start + rows)
            for index, half in enumerate(halves):
                cv2.remap(
                    half, places[block], _NO_MAP, cv2.INTER_LINEAR,
                    dst=split[block, index], borderMode=cv2.BORDER_REPLICATE,
                )  # fmt: skip
        total = histograms @ np.ones((LENGTH, 1), np.float32)  # far quicker than sum(axis=1)
        histograms /= total + np.float32(_FLOOR)
        return np.sqrt(histograms, out=histograms)

    def _level(self, index: int) -> tuple[NDArray[np.float64], list[FloatImage]]:
        """Pixels of a level per pixel of the picture, and its directions in two halves."""
        if index not in self._levels:
            planes, halvings = self._halved(index // 2)
            scale = np.array(planes[0].shape[::-1]) / self._size
            blur, done = _FIRST_BLUR**2 * 2**index, (4**halvings - 1) / 12  # by the averaging
            sigma = math.sqrt(blur - done) * float(scale[0])
            # OpenCV's samplers take four channels at most.
            halves = [cv2.merge(planes[: BINS // 2]), cv2.merge(planes[BINS // 2 :])]
            blurred = [_float(cv2.GaussianBlur(half, (0, 0), sigma)) for half in halves]
            self._levels[index] = scale, blurred
        return self._levels[index]

    def _halved(self, times: int) -> tuple[list[FloatImage], int]:
        """The directions at half the size, and how often: as asked, while pixels are left."""
        while len(self._sizes) <= times and min(self._sizes[-1][0].shape) > 8:
            height, width = ((side + 1) // 2 for side in self._sizes[-1][0].shape)
            self._sizes.append(
                [
                    _float(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA))
                    for plane in self._sizes[-1]
                ]
            )
        halvings = min(times, len(self._sizes) - 1)
        return self._sizes[halvings], halvings


def _cell_centres(angle: float) -> NDArray[np.float64]:
    """(16, 2) centres of the cells around a pixel, in cells."""
    line = np.arange(CELLS) - (CELLS - 1) / 2
    x, y = np.meshgrid(line, line)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1).reshape(-1, 2)


def _directions(color: NDArray[np.uint8], angle: float) -> list[FloatImage]:
    """Eight (H, W) images: the gradient's length times the cubed cosine towards each direction."""
    grey = _float(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY))
    grey = _float(cv2.GaussianBlur(grey, (0, 0), 0.8))
    across = _float(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, scale=0.5))
    down = _float(cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1, scale=0.5))
    # cv2.magnitude rounds differently with the alignment of its arrays in memory.
    inverse = across * across
    inverse += down * down
    inverse += np.float32(1e-6)
    np.reciprocal(inverse, out=inverse)
    planes, opposite = [], []
    for direction in angle + np.arange(BINS // 2) * (2 * math.pi / BINS):
        part = across * np.float32(math.cos(direction))
        part += down * np.float32(math.sin(direction))
        cube = part * part
        cube *= part
        cube *= inverse
        forward = np.maximum(cube, 0)
        planes.append(forward)
        opposite.append(forward - cube)
    return planes + opposite


def _float(image: NDArray[Any]) -> FloatImage:
    return image.astype(np.float32, copy=False)
