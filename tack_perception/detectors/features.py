# SPDX-License-Identifier: Apache-2.0
"""One frame, described: what every label is compared with."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.gradients import BINS, CELLS, LENGTH, GradientPyramid
from tack_perception.detectors.whitening import Whitening, unit
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float32]

_LEAST_SIDE = 4  # grid steps
_KEPT = 48  # dimensions of each cell size
_MOST_TURNED = 4  # pyramids kept for the next click on the picture: 25 MB each at 640 × 480
_SMOOTH = 16  # of them, that a rough comparison takes


class DenseFeatures:
    """Whitened descriptors of a picture on a regular grid, and at any other pixel.

    Args:
        color: (H, W, 3) uint8, RGB.
        step: distance of grid points, px.
        cells: cell sizes of the descriptors that are stacked, px.

    Attributes:
        step, cells: as given.
        pyramid: the gradients of the upright picture.
        whitening: the map from raw to whitened descriptors.
        pixels: (rows, columns, 2) grid points (u, v).

    Raises:
        InvalidInputError: the picture is smaller than four grid steps.
    """

    def __init__(self, color: NDArray[np.uint8], step: int, cells: tuple[float, ...]) -> None:
        height, width = color.shape[:2]
        if min(height, width) < _LEAST_SIDE * step:
            raise InvalidInputError(
                f"a picture of {width}×{height} px is too small to be searched; at least"
                f" {_LEAST_SIDE * step} px each way are needed"
            )
        self.step, self.cells = step, cells
        first = (step - 1) / 2
        u, v = np.meshgrid(np.arange(first, width, step), np.arange(first, height, step))
        self.pixels = np.stack([u, v], axis=-1).astype(np.float32)
        self.pyramid = GradientPyramid(color)
        self._color = color
        self._turned: dict[float, GradientPyramid] = {}
        raw = describe(self.pyramid, self.pixels.reshape(-1, 2), cells)
        self.whitening = Whitening(raw[::2])
        white = self.whitening(raw)
        self._fine = np.ascontiguousarray(white.T)
        self._rough_length = _SMOOTH * len(cells)
        rough = unit(white[:, : self._rough_length].copy()).reshape(*u.shape, -1)
        even = rough[: u.shape[0] // 2 * 2, : u.shape[1] // 2 * 2]
        diagonal = np.stack([even[i::2, i::2] for i in (0, 1)])
        self._rough = np.ascontiguousarray(diagonal.reshape(-1, self._rough_length).T)

    def similarity(self, white: FloatArray) -> FloatArray:
        """How alike the picture is to some descriptors.

        Args:
            white: (..., D) unit vectors out of this picture's `whitening`.

        Returns:
            (..., rows, columns) similarity to each grid point, −1 to 1.
        """
        flat: FloatArray = white.reshape(-1, white.shape[-1]) @ self._fine
        return flat.reshape(*white.shape[:-1], *self.pixels.shape[:2])

    def rough_similarity(self, raw: FloatArray) -> FloatArray:
        """The same by the smooth part of the descriptors, at every second grid point.

        Of each 2 × 2 grid points the upper left and the lower right one are compared.

        Args:
            raw: (..., D) descriptors before whitening.

        Returns:
            (..., rows // 2, columns // 2) the better similarity of the two, −1 to 1.
        """
        rows, columns = (side // 2 for side in self.pixels.shape[:2])
        white = self.whitening(raw[..., : self._rough_length]).reshape(-1, self._rough_length)
        each = (white @ self._rough).reshape(-1, 2, rows * columns)
        best: FloatArray = np.maximum(each[:, 0], each[:, 1])
        return best.reshape(*raw.shape[:-1], rows, columns)

    def turned(self, angle: float) -> GradientPyramid:
        """The gradients of the picture against axes turned by an angle, rad."""
        if angle == 0:
            return self.pyramid
        if angle not in self._turned:
            if len(self._turned) == _MOST_TURNED:
                self._turned.clear()
            self._turned[angle] = GradientPyramid(self._color, angle)
        return self._turned[angle]

    def near(self, pixels: FloatArray) -> FloatArray:
        """(..., D) whitened descriptors at (..., 2) pixels that need not be on the grid."""
        raw = describe(self.pyramid, pixels.reshape(-1, 2), self.cells)
        return self.whitening(raw).reshape(*pixels.shape[:-1], -1)


def best_of_four(similarity: FloatArray) -> FloatArray:
    """(..., rows, columns) to (..., rows // 2, columns // 2): the best of each 2 × 2."""
    rows, columns = (side // 2 * 2 for side in similarity.shape[-2:])
    upper, lower = similarity[..., :rows:2, :columns], similarity[..., 1:rows:2, :columns]
    tall = np.maximum(upper, lower)
    return np.maximum(tall[..., ::2], tall[..., 1::2])


def describe(
    pyramid: GradientPyramid, pixels: FloatArray, cells: tuple[float, ...], scale: float = 1.0
) -> FloatArray:
    """Descriptors of all cell sizes, reduced to their smoother patterns.

    Args:
        pyramid: of the picture.
        pixels: (N, 2) pixels.
        cells: cell sizes, px.
        scale: factor on them.

    Returns:
        (N, 48 · cells): the smoothest 16 of each cell size first, then the others of each.
    """
    count = len(cells)
    raw = np.empty((len(pixels), _KEPT * count), np.float32)
    smooth = raw[:, : _SMOOTH * count].reshape(len(pixels), count, -1)
    fine = raw[:, _SMOOTH * count :].reshape(len(pixels), count, -1)
    for index, cell in enumerate(cells):
        patterns = pyramid.describe(pixels, cell * scale) @ _patterns()
        smooth[:, index], fine[:, index] = patterns[:, :_SMOOTH], patterns[:, _SMOOTH:]
    return raw


def texture_of(raw: FloatArray, count: int) -> FloatArray:
    """(N, count) length of the raw descriptors of each of `count` cell sizes."""
    parts = np.split(raw, [_SMOOTH * count], axis=1)
    square = sum((part.reshape(len(raw), count, -1) ** 2).sum(axis=-1) for part in parts)
    return np.asarray(np.sqrt(square), dtype=np.float32)


@functools.cache
def _patterns() -> FloatArray:
    """(128, 48) the smoothest patterns that a descriptor can have, orthonormal, smoothest first.

    Cosines over the cells times waves over the directions: close to the principal axes of the
    descriptors of any picture, without a decomposition for each.
    """
    n = np.arange(CELLS)
    lines = np.cos(np.pi * (n + 0.5) * n[:, None] / CELLS)
    turns = 2 * np.pi * np.arange(BINS) / BINS
    waves = [np.cos(k * turns) for k in range(BINS // 2 + 1)]
    waves += [np.sin(k * turns) for k in range(1, BINS // 2)]
    orders = np.array([*range(BINS // 2 + 1), *range(1, BINS // 2)])
    halves = np.array(waves).reshape(BINS, 2, BINS // 2)
    patterns = np.einsum("iy,jx,khb->ijkhyxb", lines, lines, halves).reshape(LENGTH, LENGTH)
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    frequency = n[:, None, None] ** 2 + n[:, None] ** 2 + orders**2
    chosen = np.argsort(frequency.ravel(), kind="stable")[:_KEPT]
    return np.ascontiguousarray(patterns[chosen].T, dtype=np.float32)
