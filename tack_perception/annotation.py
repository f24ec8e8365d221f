# SPDX-License-Identifier: Apache-2.0
"""One click of a person, with the picture it was made on."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """A named point on a stamped frame: one shot for a few-shot detector.

    Attributes:
        label: the point's name, e.g. "mug_handle"; several annotations may share one label (shots).
        u, v: the pixel on `frame`, sub-pixel, (column, row).
        frame: the RGB-D image that the click was made on.

    Raises:
        InvalidInputError: on construction, for an empty label or a pixel that is not finite or not
            on the image.
    """

    label: str
    u: float
    v: float
    frame: RGBDFrame

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        u, v = float(self.u), float(self.v)
        if not (math.isfinite(u) and math.isfinite(v)):
            raise InvalidInputError(f"{self.label}: click ({u}, {v}) is not finite")
        if not self.frame.intrinsics.contains(u, v):
            raise InvalidInputError(
                f"{self.label}: click ({u:g}, {v:g}) is outside the"
                f" {self.frame.intrinsics.width}×{self.frame.intrinsics.height} image"
            )
        object.__setattr__(self, "u", u)
        object.__setattr__(self, "v", v)

    @property
    def pixel(self) -> NDArray[np.float64]:
        """(2,) the pixel (u, v)."""
        return np.array([self.u, self.v])


def check_label(label: str) -> str:
    """A label with its surrounding space removed.

    Raises:
        InvalidInputError: empty, longer than 64 characters, or with characters other than letters,
            digits, space, "_", "-" and "." (labels become file names and ROS identifiers).
    """
    stripped = label.strip() if isinstance(label, str) else ""
    if not stripped or len(stripped) > 64 or not all(c.isalnum() or c in " _-." for c in stripped):
        raise InvalidInputError(
            f"label {label!r}: 1 to 64 letters, digits, spaces, '_', '-' or '.' are expected"
        )
    return stripped
