# SPDX-License-Identifier: Apache-2.0
"""What a lift ends in: a point, or a refusal with its reason."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class RefusalReason(enum.Enum):
    """Why a pixel has no 3D point. The values are stable: logs and messages carry them."""

    PIXEL_NOT_FINITE = "pixel_not_finite"
    OUTSIDE_IMAGE = "outside_image"
    NO_RAY = "no_ray"
    NO_DEPTH = "no_depth"
    SCATTERED_DEPTH = "scattered_depth"
    OUT_OF_RANGE = "out_of_range"
    AMBIGUOUS_SURFACE = "ambiguous_surface"
    UNLIKE_SURFACE = "unlike_surface"
    ONE_SIDED_SURFACE = "one_sided_surface"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """No point: the reason for programs and a sentence for people."""

    reason: RefusalReason
    message: str


@dataclasses.dataclass(frozen=True, eq=False)
class Lifted:
    """A point on a surface, in the camera's optical frame.

    Attributes:
        xyz: (3,) float64, m.
        covariance: (3, 3) float64, m²: sensor noise, fit and pixel uncertainty together.
        normal: (3,) unit normal of the surface, towards the camera.
        support: number of depth pixels that the surface was fitted to.
        gap_px: distance from the pixel to the nearest of them, px: 0.7 at most where the depth
            was measured at the pixel itself, more where it was filled in from around it.
    """

    xyz: FloatArray
    covariance: FloatArray
    normal: FloatArray
    support: int
    gap_px: float
