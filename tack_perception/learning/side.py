# SPDX-License-Identifier: Apache-2.0
"""One of the two pictures of an episode, and what is true of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.crops import Crop
from tack_perception.learning.augment import occluder
from tack_perception.learning.pack import Pack

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
STRIDE = 2
"""Pixels in a cell of what is told cell by cell."""


class Side:
    """One picture of an episode."""

    def __init__(self, pack: Pack, number: int, crop: Crop) -> None:
        self.pack, self.crop = pack, crop
        self.thing = pack.things[number]
        self.view = int(self.thing["view"])
        self.instance = int(self.thing["instance"])
        self._named = pack.named[number]
        self.picture: NDArray[np.uint8] = crop.cut(pack.color[self.view])
        self._ids: NDArray[np.uint8] = crop.cut(pack.instance[self.view], nearest=True)
        self._covered: Mask = np.zeros(self._ids.shape, np.bool_)

    def hide(
        self, texture: NDArray[np.uint8], rng: np.random.Generator, share: tuple[float, float]
    ) -> None:
        """Paste something before the object."""
        mine = self._ids == int(self.thing["object"]) + 1
        where, look = occluder(mine, texture, rng, share)
        self.picture = np.where(where[..., None], look, self.picture)
        self._covered = where
        self._ids = np.where(where & (self._ids != NOT_KNOWN), 0, self._ids).astype(np.uint8)

    def holds(self, pixels: NDArray[np.floating]) -> Mask:
        """(N,) whether pixels lie in the picture."""
        with np.errstate(invalid="ignore"):
            inside: Mask = np.all((pixels >= -0.5) & (pixels <= self.crop.size - 0.51), axis=-1)
        return inside

    def uncovered(self, pixels: NDArray[np.floating]) -> Mask:
        """(N,) whether nothing was pasted there; False outside."""
        inside = self.holds(pixels)
        cells = np.rint(np.where(inside[:, None], pixels, 0)).astype(np.int64)
        cells = np.clip(cells, 0, self.crop.size - 1)
        clear: Mask = inside & ~self._covered[cells[:, 1], cells[:, 0]]
        return clear

    def named(self) -> NDArray[np.float32]:
        """(K, 3) named points in the picture and whether they are seen."""
        placed = np.column_stack([self.crop.to_crop(self._named[:, :2]), self._named[:, 2]])
        seen = (placed[:, 2] > 0) & self.uncovered(placed[:, :2])
        placed[:, 2] = np.where(np.isfinite(placed[:, 0]), seen, np.nan)
        return np.asarray(placed, dtype=np.float32)

    def _cells(self) -> NDArray[np.uint8]:
        return self._ids[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]

    def mask(self) -> NDArray[np.float32]:
        """(S/2, S/2) where the object is seen."""
        return np.asarray(self._cells() == int(self.thing["object"]) + 1, dtype=np.float32)

    def things(self) -> NDArray[np.float32]:
        """(S/2, S/2) where any object is seen, NaN where it is not known."""
        cells = self._cells()
        return np.where(cells == NOT_KNOWN, np.nan, (cells > 0).astype(np.float32)).astype(
            np.float32
        )

    def votes(self) -> NDArray[np.float32]:
        """(2, S/2, S/2) px, from each cell to the middle of the object seen there; else NaN."""
        cells = self._cells()
        middles = np.vstack([np.full((1, 2), np.nan), self.pack.middles[self.view]])
        to = self.crop.to_crop(middles)[cells]
        rows, columns = np.mgrid[0 : cells.shape[0], 0 : cells.shape[1]]
        at = np.stack([columns, rows], axis=-1) * STRIDE + (STRIDE - 1) / 2
        return np.asarray(np.moveaxis(to - at, 2, 0), dtype=np.float32)

    def surface(self) -> NDArray[np.float32]:
        """(3, S/2, S/2) place on the object that each cell sees; NaN elsewhere."""
        cells = self._cells()
        nothing = np.full((3, *cells.shape), np.nan, np.float32)
        shape, thing = self.pack.shapes[self.instance], self.thing
        rows, columns = np.nonzero(cells == int(thing["object"]) + 1)
        if shape is None or not thing["posed"] or not len(rows):
            return nothing
        window = self.crop.cut(self.pack.depth[self.view], nearest=True)
        depth = window[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE][rows, columns]
        pixels = self.crop.to_image(np.column_stack([columns, rows]) * STRIDE + STRIDE // 2)
        fx, fy, cx, cy = self.pack.views[self.view]["intrinsics"]
        rays = np.column_stack([(pixels - (cx, cy)) / (fx, fy), np.ones(len(rows))])
        metres = np.where(depth > 0, depth * self.pack.depth_unit, np.nan)
        local = geometry.apply(
            geometry.inverse(thing["camera_from_object"]), rays * metres[:, None]
        )
        half = np.maximum((shape.vertices.max(axis=0) - shape.vertices.min(axis=0)) / 2, 1e-3)
        nothing[:, rows, columns] = ((local - shape.middle) / half).T
        return nothing

    def relative_depth(self, depth: FloatArray) -> NDArray[np.float32]:
        """(N,) depths (m) from the object's middle on, in window sides at its distance."""
        shape = self.pack.shapes[self.instance]
        if shape is None or not self.thing["posed"]:
            return np.full(len(depth), np.nan, np.float32)
        middle = geometry.apply(self.thing["camera_from_object"], shape.middle)[2]
        side = self.crop.side * middle / self.pack.views[self.view]["intrinsics"][0]
        return np.asarray((depth - middle) / side, dtype=np.float32)
