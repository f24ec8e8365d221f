# SPDX-License-Identifier: Apache-2.0
"""What is common in a picture tells little: descriptors weighed by how rare they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_SHRINKAGE = 0.1  # of the mean variance, added to each: keeps noise from being blown up


class Whitening:
    """The linear map that makes the descriptors of one picture uncorrelated.

    After it a long straight edge, of which the picture has many, weighs little and a rare corner
    much. Nothing is learned beforehand: the statistics are those of the searched picture itself.

    Args:
        descriptors: (N, D) a sample of the picture's descriptors.
        keep: number of dimensions to keep, those of largest variance.
    """

    def __init__(self, descriptors: FloatArray, keep: int = 128) -> None:
        self._mean = descriptors.mean(axis=0)
        centred = descriptors - self._mean
        variance, axes = np.linalg.eigh(centred.T @ centred / len(centred))
        variance, axes = variance[::-1][:keep], axes[:, ::-1][:, :keep]
        scale = np.sqrt(np.maximum(variance, 0) + _SHRINKAGE * variance.mean() + 1e-9)
        self._map = (axes / scale).astype(np.float32)

    def __call__(self, descriptors: FloatArray) -> FloatArray:
        """(N, D) descriptors to (N, keep) unit vectors; their dot product is the similarity."""
        white: FloatArray = (descriptors - self._mean) @ self._map
        white /= np.linalg.norm(white, axis=1, keepdims=True) + np.float32(1e-6)
        return white
