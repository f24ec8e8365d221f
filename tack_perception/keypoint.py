# SPDX-License-Identifier: Apache-2.0
"""A named point found in a frame: first in pixels, then in space."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import check_label
from tack_perception.errors import InvalidInputError


@dataclasses.dataclass(frozen=True, eq=False)
class Keypoint:
    """One detection of one label in one frame.

    Attributes:
        label: the name given at annotation.
        u, v: pixel (column, row), sub-pixel.
        confidence: estimate of the probability that the pixel is right, 0 to 1.
        visible: whether the detector believes that the point itself is seen (not hidden or absent).
        seen: estimate of the probability of that, 0 to 1, which `visible` is decided by; None where
            the detector has only its confidence for it.
        pixel_covariance: (2, 2) px², or None where the detector gives none.
        xyz: (3,) in the camera's optical frame, m, or None before lifting or where it was refused.
        xyz_covariance: (3, 3) m², present exactly when `xyz` is.
        normal: (3,) unit surface normal towards the camera, camera frame, or None.
        refusal: why there is no `xyz` ("" when there is one, or before lifting).
        instance: which of several things of its kind in the frame it is on; 0 is the surest.

    Raises:
        InvalidInputError: on construction, for non-finite pixels, a confidence outside 0 to 1,
            arrays of wrong shape, covariances that are not symmetric positive semi-definite.
    """

    label: str
    u: float
    v: float
    confidence: float
    visible: bool = True
    pixel_covariance: NDArray[np.float64] | None = None
    xyz: NDArray[np.float64] | None = None
    xyz_covariance: NDArray[np.float64] | None = None
    normal: NDArray[np.float64] | None = None
    refusal: str = ""
    instance: int = 0
    seen: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        for name in ("u", "v", "confidence"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InvalidInputError(f"{self.label}: {name} = {value} is not finite")
            object.__setattr__(self, name, value)
        for name in ("confidence", "seen"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InvalidInputError(f"{self.label}: {name} {value} is not in 0 to 1")
        for name, shape in (
            ("pixel_covariance", (2, 2)),
            ("xyz", (3,)),
            ("xyz_covariance", (3, 3)),
            ("normal", (3,)),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            array = np.array(value, dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise InvalidInputError(
                    f"{self.label}: {name} {array.tolist()}: finite values of shape {shape} needed"
                )
            if name.endswith("covariance"):
                check_covariance(array, f"{self.label}: {name}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if (self.xyz is None) != (self.xyz_covariance is None):
            raise InvalidInputError(f"{self.label}: xyz and xyz_covariance come together")
        if self.normal is not None and abs(np.linalg.norm(self.normal) - 1) > 1e-6:
            raise InvalidInputError(f"{self.label}: normal {self.normal} is not of unit length")
        if self.xyz is not None and self.refusal:
            raise InvalidInputError(f"{self.label}: a lifted point cannot carry a refusal")


def check_covariance(matrix: NDArray[np.float64], what: str) -> None:
    """Refuse a matrix that is not symmetric positive semi-definite.

    Raises:
        InvalidInputError: naming `what` and the smallest eigenvalue.
    """
    if matrix.shape == (2, 2):  # there are many of these, and NumPy and LAPACK take their time
        (a, b), (other, c) = matrix.tolist()
        scale = max(abs(a), abs(b), abs(other), abs(c))
        symmetric = abs(b - other) <= 1e-9 * scale
        smallest = (a + c) / 2 - math.hypot((a - c) / 2, b)
    else:
        scale = float(np.abs(matrix).max(initial=0.0))
        symmetric = bool((np.abs(matrix - matrix.T) <= 1e-9 * scale).all())
        smallest = float(np.linalg.eigvalsh(matrix)[0])
    if not symmetric:
        raise InvalidInputError(f"{what} is not symmetric")
    if smallest < -1e-9 * scale:
        raise InvalidInputError(f"{what} has a negative eigenvalue ({smallest:g})")
