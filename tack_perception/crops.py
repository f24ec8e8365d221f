# SPDX-License-Identifier: Apache-2.0
"""A square window of an image, turned and scaled into a small picture that a network reads."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
OUTSIDE = (124, 116, 104)
"""Colour of what lies outside the image: a grey that no normalisation makes special."""


@dataclasses.dataclass(frozen=True)
class Crop:
    """A window on an image.

    Pixels of image and picture are (u, v) with integers at pixel centres.

    Attributes:
        u, v: its middle in the image, px.
        side: its side in the image, px.
        size: side of the picture that it becomes, px.
        angle: how far the window is turned against the image, rad.

    Raises:
        InvalidInputError: on construction, for numbers that are not finite or a side that is not
            positive.
    """

    u: float
    v: float
    side: float
    size: int
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.u, self.v, self.side, self.angle))):
            raise InvalidInputError(f"{self}: finite numbers are expected")
        if self.side <= 0 or self.size < 2:
            raise InvalidInputError(f"{self}: a positive side, and a size of 2 px or more")

    @property
    def scale(self) -> float:
        """Pixels of the image in one pixel of the picture."""
        return self.side / self.size

    @property
    def image_from_crop(self) -> FloatArray:
        """(2, 3) affine map of picture pixels to image pixels."""
        c, s = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        linear = np.array([[c, -s], [s, c]])
        middle = (self.size - 1) / 2
        offset = np.array([self.u, self.v]) - linear @ (middle, middle)
        return np.column_stack([linear, offset])

    def to_image(self, pixels: ArrayLike) -> FloatArray:
        """(..., 2) picture pixels → image pixels."""
        affine = self.image_from_crop
        placed: FloatArray = np.asarray(pixels, np.float64) @ affine[:, :2].T + affine[:, 2]
        return placed

    def to_crop(self, pixels: ArrayLike) -> FloatArray:
        """(..., 2) image pixels → picture pixels."""
        affine = self.image_from_crop
        local = np.asarray(pixels, np.float64) - affine[:, 2]
        placed: FloatArray = local @ np.linalg.inv(affine[:, :2]).T
        return placed

    def cut(self, image: NDArray[Any], *, nearest: bool = False, outside: Any = None) -> Any:
        """The picture: (size, size, ...) of the image's type.

        Args:
            image: (H, W) or (H, W, C).
            nearest: take pixels as they are (labels, depth) instead of mixing them.
            outside: value of what lies outside the image; None takes `OUTSIDE` for colour, else 0.
        """
        if outside is None:
            outside = OUTSIDE if image.ndim == 3 else 0
        affine = self.image_from_crop
        flags = cv2.INTER_NEAREST
        if not nearest:
            flags = cv2.INTER_LINEAR
            image, affine = _shrunk(image, affine, self.scale)
        return cv2.warpAffine(
            image, affine, (self.size, self.size), flags=flags | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=outside,
        )  # fmt: skip


def _shrunk(
    image: NDArray[Any], affine: FloatArray, scale: float
) -> tuple[NDArray[Any], FloatArray]:
    """The image averaged down first where the picture would skip pixels, and the map to it."""
    factor = int(scale)
    if factor < 2:
        return image, affine
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if not (height and width):
        return image, affine
    # Rows and columns that do not fill a block are cut off: block means stay exact.
    whole = image[: height * factor, : width * factor]
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    moved = affine.copy()
    moved[:, 2] += 0.5
    moved /= factor
    moved[:, 2] -= 0.5
    return small, moved
