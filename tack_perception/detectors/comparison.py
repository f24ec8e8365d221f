# SPDX-License-Identifier: Apache-2.0
"""Two windows side by side under a pose: what a network sees that tells right poses from wrong.

Each window's cells are carried to where a pose says that the other window shows them, and what both
show there is written into maps: whether there is a surface, how far it lies before or behind, how
both are turned, their colours, and how alike their descriptors are. A handle that one window shows
where the other looks at a smooth wall is then a spot in a picture.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.relief import GRID, Relief, facing, nearest
from tack_perception.similarity import Similarities
from tack_perception.vectors import dot

FloatArray = NDArray[np.float64]
FloatMaps = NDArray[np.float32]
_STEP = 2  # of the relief's cells, so many are one of the maps'
SIDE = GRID // _STEP
"""Cells along a side of the maps."""
CHANNELS = 16
"""Maps of a window, as `_side` lists them; each set of descriptors adds one."""
KNOWN, COLOR, CARRIED = 0, slice(9, 12), slice(12, 15)
"""Among them: where depth is known, the window's colours, and those carried there."""
_CELLS = (np.arange(1, GRID, _STEP)[:, None] * GRID + np.arange(1, GRID, _STEP)).reshape(-1)
# Lengths are in sizes of the object.
_FARTHEST = 0.5  # gap that is told: one that is wider says no more
_SURFACE = 0.05  # distance from the other surface at which a third of what is there still counts
_LEAP, _TURNED = 0.3, 0.2  # gap and cosine of normals from which it is another surface


@dataclasses.dataclass(frozen=True, eq=False)
class Sight:
    """What a window shows, cell by cell of its relief.

    Attributes:
        relief: its surface.
        described: one or more sets of descriptors, (G², D) float32 each, of unit length.
    """

    relief: Relief
    described: tuple[NDArray[np.float32], ...]


def on_grid(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(G², D) of the relief's cells from (D, h, w) of a window's."""
    rows, columns = (
        ((np.arange(GRID) + 0.5) * count / GRID).astype(np.intp) for count in descriptors.shape[1:]
    )
    spread = descriptors[:, rows[:, None], columns]
    return np.ascontiguousarray(spread.reshape(len(descriptors), -1).T)


def compare(first: Sight, second: Sight, poses: Similarities, size: float) -> FloatMaps:
    """Maps of both windows under H poses.

    Args:
        first, second: what the windows show.
        poses: from the first window's camera to the second's.
        size: of the object in the first, m.

    Returns:
        (H, 2, CHANNELS + sets of descriptors, SIDE, SIDE): the second window's cells looked for in
        the first, and the first's in the second.
    """
    here, there = first.relief, second.relief
    back = _side(
        second, first, poses.undo(there.points[_CELLS]), poses.unrotate(there.normals[_CELLS]),
        np.full(len(poses), size),
    )  # fmt: skip
    forth = _side(
        first, second, poses.apply(here.points[_CELLS]), poses.rotate(here.normals[_CELLS]),
        size * poses.scale,
    )  # fmt: skip
    return np.stack([back, forth], axis=1)


def _side(
    seen: Sight, other: Sight, points: FloatArray, normals: FloatArray, size: FloatArray
) -> FloatMaps:
    """(H, ·, SIDE, SIDE) of one window's cells, (H, N, 3) as they lie in the other."""
    mine, theirs = seen.relief, other.relief
    at, inside = nearest(theirs.places(points))
    known = mine.known[_CELLS]
    met = inside & theirs.known[at] & known
    surface = np.where(met[..., None], theirs.points[at] - points, 0) / size[:, None, None]
    across = theirs.normals[at]
    turned = np.where(met, dot(normals, across), 0)
    gap = surface[..., 2]
    near = met & (np.abs(gap) < _LEAP) & (turned > _TURNED)
    near = near * np.exp(-((dot(surface, across) / _SURFACE) ** 2))
    color, colors = mine.color[_CELLS], theirs.color[at]
    differ = color - colors
    alike = [
        np.einsum("nd,hnd->hn", one[_CELLS], two[at]) * near
        for one, two in zip(seen.described, other.described, strict=True)
    ]
    own = facing(mine.points[_CELLS], mine.normals[_CELLS])
    maps = np.stack(
        np.broadcast_arrays(
            known, mine.object[_CELLS], met, theirs.object[at] & met,
            np.clip(gap, -_FARTHEST, _FARTHEST) / _FARTHEST, near, turned,
            np.where(known, np.nan_to_num(facing(points, normals)), 0),
            np.where(known, np.nan_to_num(own), 0),
            *(color * known[:, None]).T, *np.moveaxis(colors * near[..., None], -1, 0),
            np.exp(-2 * dot(differ, differ)) * near, *alike,
        ),
        axis=1,
    ).astype(np.float32)  # fmt: skip
    return maps.reshape(*maps.shape[:2], SIDE, SIDE)
