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

    The map is triangular: the first k dimensions whiten the first k of the descriptors alone.

    Args:
        descriptors: (N, D) a sample of the picture's descriptors.
    """

    def __init__(self, descriptors: FloatArray) -> None:
        mean = descriptors.mean(axis=0)
        centred = descriptors - mean
        covariance = (centred.T @ centred).astype(np.float64) / len(centred)
        ridge = _SHRINKAGE * np.trace(covariance) / len(covariance) + 1e-9
        covariance[np.diag_indices_from(covariance)] += ridge
        root = np.linalg.inv(np.linalg.cholesky(covariance))
        self._map = np.ascontiguousarray(root.T, dtype=np.float32)
        self._shift = mean @ self._map

    def __call__(self, descriptors: FloatArray) -> FloatArray:
        """(..., k) descriptors to (..., k) unit vectors, whose dot product is the similarity."""
        kept = descriptors.shape[-1]
        white: FloatArray = descriptors.reshape(-1, kept) @ self._map[:kept, :kept]
        white -= self._shift[:kept]
        return unit(white).reshape(descriptors.shape)


def unit(vectors: FloatArray) -> FloatArray:
    """(N, D) vectors scaled to unit length, in place; zeros stay zeros."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    vectors /= (length + np.float32(1e-6))[:, None]
    return vectors
