# SPDX-License-Identifier: Apache-2.0
"""Closed bodies lofted through rings of points, and what physics sees of them.

A loft's rings run around its axis counter-clockwise as seen from the axis' tip, so that faces look
outward, and print whose lines run along the axis reads from its start to its tip.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from tack_sim.objects import solids
from tack_sim.objects.model import Piece, RestPose, SurfacePoint
from tack_sim.objects.surfaces import Area, grid, superellipse
from tack_sim.objects.textures.noise import to_bytes
from tack_sim.shapes import Mesh, merged

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Loft:
    """A closed surface through rings of points.

    Attributes:
        mesh: the skin, then the two caps.
        rings: (R, C, 3) that it was made of, m.
    """

    mesh: Mesh
    rings: FloatArray

    def point(self, row: int, column: int, first_face: int = 0) -> SurfacePoint:
        """The surface point at a ring's corner; `first_face` is where the loft starts in a mesh."""
        rows, columns = self.rings.shape[:2]
        row, column = row % rows, column % columns
        last = row == rows - 1  # the last ring starts no quad: the one before it ends there
        face = 2 * (column * (rows - 1) + row - last)
        return SurfacePoint(first_face + face, (0.0, 0.0, 1.0) if last else (1.0, 0.0, 0.0))

    def tip(self, first_face: int = 0, *, start: bool = False) -> SurfacePoint:
        """The middle of the cap at the loft's end, or at its start."""
        rows, columns = self.rings.shape[:2]
        skin = 2 * (rows - 1) * columns
        return SurfacePoint(first_face + skin + (0 if start else columns), (1.0, 0.0, 0.0))


def sections(
    centres: FloatArray,
    first: ArrayLike,
    second: ArrayLike,
    sizes: ArrayLike,
    exponent: ArrayLike = 2.0,
    *,
    around: int,
) -> FloatArray:
    """Rings of superellipses; their seam lies at minus the second direction.

    Args:
        centres: (R, 3), m.
        first, second: (3,) or (R, 3) unit vectors; first x second points along the loft.
        sizes: (R, 2) half sizes along them, m.
        exponent: one or (R,); 2 is round, larger is squarer.
        around: corners of a ring.

    Returns:
        (R, around, 3), m.
    """
    power = np.broadcast_to(np.asarray(exponent, dtype=np.float64), (len(centres),))
    curve = superellipse(power[:, None], around, start=-np.pi / 2)[:, :-1]
    scaled = curve * np.asarray(sizes)[:, None]
    axes = [
        np.broadcast_to(np.asarray(a, dtype=np.float64), centres.shape) for a in (first, second)
    ]
    rings: FloatArray = centres[:, None] + sum(
        scaled[..., i, None] * axis[:, None] for i, axis in enumerate(axes)
    )
    return rings


def loft(
    rings: FloatArray,
    skin: Area,
    start_cap: Area | None,
    end_cap: Area | None,
    *,
    rows: FloatArray | None = None,
    columns: FloatArray | None = None,
) -> Loft:
    """A closed surface through rings, with a flat fan at each end.

    Args:
        rings: (R, C, 3), m; see the module for their sense.
        skin: where the skin lies in the atlas: s along the loft, t around it.
        start_cap, end_cap: where the caps lie, as discs. None leaves them out, for a loft whose
            last ring is its first.
        rows: (R,) place of each ring in the skin's s, 0 to 1; by the way along the first corners
            if None.
        columns: (C + 1,) place of each corner in the skin's t; even if None.
    """
    closed = np.concatenate([rings, rings[:, :1]], axis=1)
    if rows is None:
        steps = np.linalg.norm(np.diff(rings, axis=0), axis=2).mean(axis=1)
        rows = np.concatenate([[0.0], np.cumsum(steps)])
        rows = rows / rows[-1]
    parts = [grid(closed.transpose(1, 0, 2), skin, s=rows, t=columns)]
    if start_cap is not None:
        parts.append(_cap(rings[0], start_cap, flip=True))
    if end_cap is not None:
        parts.append(_cap(rings[-1], end_cap, flip=False))
    return Loft(merged(*parts), rings)


def _cap(ring: FloatArray, area: Area, *, flip: bool) -> Mesh:
    """A fan from the ring's middle; its vertices are its own, so that the edge is sharp."""
    around = len(ring)
    angles = -np.pi / 2 + 2 * np.pi * np.arange(around) / around
    disc = np.stack([np.cos(angles) * (-1 if flip else 1), -np.sin(angles)], axis=1)
    middle = np.array([area[0] + area[2], area[1] + area[3]]) / 2
    half = np.array([area[2] - area[0], area[3] - area[1]]) / 2
    here = 1 + np.arange(around)
    after = 1 + (np.arange(around) + 1) % around
    corners = (np.zeros(around, int), *((after, here) if flip else (here, after)))
    return Mesh(
        np.concatenate([ring.mean(axis=0, keepdims=True), ring]),
        np.concatenate([middle[None], middle + half * disc]),
        np.stack(corners, axis=1).astype(np.int32),
    )


def hulls(
    rings: FloatArray, breaks: Sequence[int], density: float = 1.0, *, step: int = 2
) -> tuple[Piece, ...]:
    """Convex pieces of a loft, one for each run of rings between two breaks.

    Args:
        rings: (R, C, 3), m.
        breaks: rising ring indices; neighbours share the ring between them.
        density: relative to the object's other pieces.
        step: take every so many corners of a ring.
    """
    return tuple(
        solids.hull(rings[first : last + 1, ::step].reshape(-1, 3), density)
        for first, last in itertools.pairwise(breaks)
    )


def smooth(controls: ArrayLike, per_step: int) -> FloatArray:
    """Control rows (K, D) with `per_step` - 1 more between each two, on monotone cubics.

    Returns:
        ((K - 1) * per_step + 1, D); a row of controls stays where it is.
    """
    knots = np.asarray(controls, dtype=np.float64)
    at = np.linspace(0, len(knots) - 1, (len(knots) - 1) * per_step + 1)
    curve: FloatArray = PchipInterpolator(np.arange(len(knots)), knots, axis=0)(at)
    return curve


class Atlas:
    """The texture of one object under construction: areas are painted one by one.

    Args:
        height, width: px.
    """

    def __init__(self, height: int, width: int) -> None:
        self._image = np.zeros((height, width, 3), np.uint8)

    def size(self, area: Area) -> tuple[int, int]:
        """Height and width of an area, px."""
        u0, v0, u1, v1 = self._pixels(area)
        return v1 - v0, u1 - u0

    def paint(self, area: Area, picture: NDArray[np.float32]) -> None:
        """Fill an area with a picture of its size, (H, W, 3) float32 from 0 to 1."""
        u0, v0, u1, v1 = self._pixels(area)
        self._image[v0:v1, u0:u1] = to_bytes(picture)

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return self._image

    def _pixels(self, area: Area) -> tuple[int, int, int, int]:
        height, width = self._image.shape[:2]
        s0, t0, s1, t1 = area
        return round(s0 * width), round(t0 * height), round(s1 * width), round(t1 * height)


def lying(name: str, rough: ArrayLike, mesh: Mesh, pieces: Sequence[Piece]) -> RestPose:
    """How hull pieces come to rest from a rough turn (3, 3), with the surface just on the table."""
    cloud = np.concatenate([piece.vertices for piece in pieces if piece.vertices is not None])
    pose = solids.settled(name, rough, cloud, pieces).table_from_object.copy()
    pose[2, 3] = -float((mesh.vertices @ pose[2, :3]).min())
    return RestPose(name, pose)
