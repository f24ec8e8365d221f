# SPDX-License-Identifier: Apache-2.0
"""One frame, described: what every label is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.gradients import GradientPyramid
from tack_perception.detectors.whitening import Whitening
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float32]

_LEAST_SIDE = 8  # grid steps


class DenseFeatures:
    """Whitened descriptors of a picture on a regular grid.

    Args:
        color: (H, W, 3) uint8, RGB.
        step: distance of grid points, px.
        cells: cell sizes of the descriptors that are stacked, px.

    Attributes:
        pyramid: the gradients of the upright picture.
        whitening: the map from raw to whitened descriptors.
        first: u of the first column and v of the first row, px.
        pixels: (rows, columns, 2) grid points (u, v).
        descriptors: (rows, columns, D) unit vectors.

    Raises:
        InvalidInputError: the picture is smaller than eight grid steps.
    """

    def __init__(self, color: NDArray[np.uint8], step: int, cells: tuple[float, ...]) -> None:
        height, width = color.shape[:2]
        if min(height, width) < _LEAST_SIDE * step:
            raise InvalidInputError(
                f"a picture of {width}×{height} px is too small to be searched; at least"
                f" {_LEAST_SIDE * step} px each way are needed"
            )
        self.step, self.cells = step, cells
        self.first = (step - 1) / 2
        u, v = np.meshgrid(np.arange(self.first, width, step), np.arange(self.first, height, step))
        self.pixels = np.stack([u, v], axis=-1).astype(np.float32)
        self.pyramid = GradientPyramid(color)
        raw = describe(self.pyramid, self.pixels.reshape(-1, 2), cells)
        self.whitening = Whitening(raw[::3])
        self.descriptors = self.whitening(raw).reshape(*u.shape, -1)
        self._coarse = np.ascontiguousarray(self.descriptors[::2, ::2])

    def similarity(self, white: FloatArray, coarse: bool = False) -> FloatArray:
        """How alike the picture is to some descriptors.

        Args:
            white: (M, D) unit vectors out of this picture's `whitening`.
            coarse: take every second row and column of the grid only.

        Returns:
            (M, rows, columns) similarity, −1 to 1.
        """
        grid = self._coarse if coarse else self.descriptors
        similarity: FloatArray = white @ grid.reshape(-1, grid.shape[-1]).T
        return similarity.reshape(len(white), *grid.shape[:2])


def describe(
    pyramid: GradientPyramid, pixels: FloatArray, cells: tuple[float, ...], scale: float = 1.0
) -> FloatArray:
    """(N, 128 · cells) descriptors of all cell sizes side by side, for (N, 2) pixels."""
    return np.hstack([pyramid.describe(pixels, cell * scale) for cell in cells])
