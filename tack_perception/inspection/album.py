# SPDX-License-Identifier: Apache-2.0
"""Pictures of one class of objects, each a window around one of them, and what is true of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.crops import Crop
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
SHARP = 384
"""Side of the pictures for eyes, px; a network sees fewer pixels of the same window."""

_SAME_PLACE = 0.02  # of the box's diagonal: a pixel's own width at a usual size of the object


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A window around one object.

    Pixels of it are (u, v) with integers at pixel centres, of the S × S px that the network sees.

    Attributes:
        instance: name of the object; of a recording that of the frame.
        view: number of the view or frame.
        crop: the window in the whole image; its size is S.
        small: (S, S, 3) uint8 RGB, as the network sees it.
        sharp: (SHARP, SHARP, 3) uint8 RGB of the same window.
        mask: (S, S) bool, pixels that show the object.
        places: (S, S, 3) float32, the surface point that a pixel shows: its canonical coordinate on
            the album's reference instance, m; NaN where it is not known.
        named: name → (2,) px of the named points that are seen.
    """

    instance: str
    view: int
    crop: Crop
    small: Image
    sharp: Image
    mask: NDArray[np.bool_]
    places: NDArray[np.float32]
    named: Mapping[str, FloatArray]

    @property
    def size(self) -> int:
        """S, px."""
        return self.crop.size

    def check(self, pixel: ArrayLike) -> FloatArray:
        """(2,) a pixel that lies in the picture.

        Raises:
            InvalidInputError: it does not.
        """
        place = np.asarray(pixel, np.float64)
        limit = self.size - 0.5
        if place.shape != (2,) or not ((place >= -0.5) & (place <= limit)).all():
            raise InvalidInputError(
                f"pixel {np.round(place, 1).tolist()}: two numbers from -0.5 to {limit} are"
                f" expected, in this picture of {self.size} px"
            )
        return place

    def place_at(self, pixel: ArrayLike, reach: float = 0.0) -> FloatArray | None:
        """(3,) the surface point that a pixel shows, m; None where none is known.

        Args:
            pixel: (2,) px.
            reach: how far beside it a pixel of the object may lie instead, px.
        """
        u, v = np.asarray(pixel, np.float64)
        column, row = (int(np.clip(np.rint(x), 0, self.size - 1)) for x in (u, v))
        if np.isfinite(self.places[row, column]).all():
            return np.asarray(self.places[row, column], np.float64)
        rows, columns = np.nonzero(self.known)
        if not (reach > 0 and len(rows)):
            return None
        distance = np.hypot(columns - u, rows - v)
        nearest = int(distance.argmin())
        if distance[nearest] > reach:
            return None
        return np.asarray(self.places[rows[nearest], columns[nearest]], np.float64)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(S, S) whether the surface point that a pixel shows is known."""
        return np.asarray(np.isfinite(self.places).all(axis=-1))


@dataclasses.dataclass(frozen=True, eq=False)
class Album:
    """Pictures of one class.

    Attributes:
        name: of the class, or of a recording.
        pictures: those of one instance stand together.
        box: (2, 3) low and high corner of the reference instance, m; None where none is known.
        symmetric: whether turned places of the class look the same.
        anchors: names of points that look like no other all the same, as a mug's handle.
    """

    name: str
    pictures: tuple[Picture, ...]
    box: FloatArray | None = None
    symmetric: bool = False
    anchors: frozenset[str] = frozenset()

    @property
    def instances(self) -> tuple[str, ...]:
        """Names, in the order of the pictures."""
        return tuple(dict.fromkeys(picture.instance for picture in self.pictures))

    @property
    def diagonal(self) -> float:
        """Of the reference instance's box, m; NaN where none is known."""
        return (
            float("nan") if self.box is None else float(np.linalg.norm(self.box[1] - self.box[0]))
        )

    def picture(self, number: int) -> Picture:
        """One of them.

        Raises:
            InvalidInputError: there is none of that number.
        """
        if not 0 <= number < len(self.pictures):
            raise InvalidInputError(
                f"picture {number}: there are 0 to {len(self.pictures) - 1} of {self.name}"
            )
        return self.pictures[number]

    def colors(self, places: NDArray[np.floating]) -> Image:
        """(..., 3) uint8 RGB of places (..., 3), m: x, y, z in the box as red, green and blue.

        Grey where a place is not known.
        """
        if self.box is None:
            return np.full(places.shape, 128, np.uint8)
        low, high = self.box
        share = (places - low) / np.maximum(high - low, 1e-9)
        levels = np.where(np.isfinite(share), 30 + 225 * np.clip(share, 0, 1), 128)
        return np.asarray(levels, np.uint8)

    def truth(self, number: int, pixel: ArrayLike) -> list[FloatArray | None]:
        """Where each picture shows the surface point that one of them shows at a pixel.

        Args:
            number: of the picture.
            pixel: (2,) px.

        Returns:
            For each picture (2,) px; None where it is hidden, or nothing is known. By the canonical
            coordinate: the equal places of a symmetric object are others.
        """
        place = self.picture(number).place_at(pixel)
        if place is None:
            return [None] * len(self.pictures)
        found: list[FloatArray | None] = []
        for other, picture in enumerate(self.pictures):
            rows, columns = np.nonzero(picture.known)
            distance = np.linalg.norm(picture.places[rows, columns] - place, axis=1)
            near = int(distance.argmin()) if len(rows) else 0
            if other == number:
                found.append(np.asarray(pixel, np.float64))
            elif len(rows) and distance[near] <= _SAME_PLACE * self.diagonal:
                found.append(np.array([columns[near], rows[near]], np.float64))
            else:
                found.append(None)
        return found
