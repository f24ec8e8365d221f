# SPDX-License-Identifier: Apache-2.0
"""One texture for a whole object: where each surface's picture lies in it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from tack_sim.objects.surfaces import Area
from tack_sim.objects.textures.noise import Image


@dataclasses.dataclass(frozen=True)
class Cell:
    """A rectangle of the atlas, px: columns u0 to u1 and rows v0 to v1.

    Attributes:
        inset: margin that the surface does not use, so that filtering never reads a neighbour; 0
            across where the picture closes on itself.
    """

    u0: int
    v0: int
    u1: int
    v1: int
    inset: tuple[float, float] = (3.0, 3.0)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its picture, px."""
        return self.v1 - self.v0, self.u1 - self.u0


@dataclasses.dataclass(frozen=True)
class Atlas:
    """The size of an object's texture, px, and its cells by name."""

    height: int
    width: int
    cells: dict[str, Cell]

    def area(self, name: str) -> Area:
        """The texture coordinates (s0, t0, s1, t1) of a cell, without its margin."""
        cell = self.cells[name]
        across, down = cell.inset
        return (
            (cell.u0 + across) / self.width,
            (cell.v0 + down) / self.height,
            (cell.u1 - across) / self.width,
            (cell.v1 - down) / self.height,
        )

    def texture(self, pictures: dict[str, Image]) -> Image:
        """The cells' pictures put together; a picture of another size is scaled to its cell."""
        texture = np.full((self.height, self.width, 3), 128, np.uint8)
        for name, picture in pictures.items():
            cell = self.cells[name]
            height, width = cell.size
            if picture.shape[:2] != (height, width):
                scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
                picture = np.asarray(scaled, dtype=np.uint8)
            texture[cell.v0 : cell.v1, cell.u0 : cell.u1] = picture
        return texture
