# SPDX-License-Identifier: Apache-2.0
"""What physics sees of a cap: a shell of patches, a brim of strips, button and strap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tack_sim.objects.cap_shape import BACK, COLUMNS, ROWS, SIDES, CapGrids
from tack_sim.objects.model import Piece
from tack_sim.objects.solids import hull
from tack_sim.shapes import Mesh

_ROWS = (8, 13, 19, ROWS)  # of the crown, from the cap on top down to the lower edge
_STRIPS = 8
_BRIM_DENSITY = 1.3  # a plastic sheet between two cloths


def cap_pieces(grids: CapGrids, button: Mesh, strap: Mesh) -> tuple[Piece, ...]:
    """Convex pieces of a cap."""
    inner = grids.inner[::-1]  # both from the top down, the last row shared
    half = BACK // 2
    sides = np.linspace(half, half + SIDES, 17).astype(int)
    behind = np.array([0, half // 2, half])
    breaks = np.concatenate([behind, sides[1:], COLUMNS - behind[-2::-1]])
    pieces = [
        hull(
            np.concatenate([grids.outer[: _ROWS[0] + 1 : 2], inner[: _ROWS[0] + 1 : 4]]).reshape(
                -1, 3
            )
        )
    ]
    for top, bottom in pairwise(_ROWS):
        spans = breaks if bottom == ROWS else breaks[::2]
        last = bottom + (2 if bottom == ROWS else 1)
        for first, second in pairwise(spans):
            columns = slice(first, second + 1)
            cloud = np.concatenate([grids.outer[top:last, columns], inner[top:last, columns]])
            pieces.append(hull(cloud.reshape(-1, 3)))
    return (*pieces, *_brim(grids), hull(button.vertices), *_strap(strap))


def _brim(grids: CapGrids) -> list[Piece]:
    """Strips from the crown to the edge: the brim bends across them, hardly along them."""
    columns = grids.brim.shape[1] - 2
    breaks = np.linspace(1, columns, _STRIPS + 1).astype(int)
    return [
        hull(grids.brim[:, first : last + 1].reshape(-1, 3), _BRIM_DENSITY)
        for first, last in pairwise(breaks)
    ]


def _strap(strap: Mesh) -> list[Piece]:
    rings = strap.vertices.reshape(-1, 17, 3)[1:-1]
    breaks = np.linspace(0, len(rings) - 1, 4).astype(int)
    return [hull(rings[first : last + 1].reshape(-1, 3)) for first, last in pairwise(breaks)]
