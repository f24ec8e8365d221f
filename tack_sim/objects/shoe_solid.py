# SPDX-License-Identifier: Apache-2.0
"""What physics sees of a shoe: a wall around the foot's opening, a solid front, a sole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects.model import Piece
from tack_sim.objects.shoe_parts import RIM, TIP_ROWS, ShoeGrids
from tack_sim.objects.shoe_shape import COLUMNS, ROWS
from tack_sim.objects.solids import hull

FloatArray = NDArray[np.float64]

# Columns from the heel on either side: the wall reaches to where the throat begins.
_WALL = (3, 8, 13, 18, 23, 28, 33)
_FRONT = (33, 38, 43, 48, 52, 56)
_SOLE = (0, 7, 14, 24, 34, 42, 49, 56)
_THROAT = (np.array([0.295, 0.355, 0.415, 0.465, 0.5]), np.array([0.0, 0.3, 0.66, 0.93, 1.12]))
_WALL_ROWS = (0, 11, ROWS)
_FRONT_DENSITY, _SOLE_DENSITY = 0.3, 1.3


def shoe_pieces(grids: ShoeGrids) -> tuple[Piece, ...]:
    """Convex pieces of a shoe; those of the front are light, since a shoe is hollow there."""
    return (*_wall(grids), *_front(grids), _tip(grids), *_sole(grids))


def _wall(grids: ShoeGrids) -> list[Piece]:
    """Around the opening, each segment in an upper and a lower half."""
    spans = [(-_WALL[0], _WALL[0])]
    for first, last in pairwise(_WALL):
        spans += [(first, last), (-last, -first)]
    pieces = []
    for first, last in spans:
        columns = np.arange(first, last + 1) % COLUMNS
        for top, bottom in pairwise(_WALL_ROWS):
            start = 0 if top == 0 else top + RIM - 1
            outside = grids.outer[start : bottom + RIM, columns]
            inside = grids.lining[start : min(bottom, ROWS - 3) + RIM, columns]
            pieces.append(hull(np.concatenate([outside.reshape(-1, 3), inside.reshape(-1, 3)])))
    return pieces


def _front(grids: ShoeGrids) -> list[Piece]:
    """From the throat to the toe, with what of the tongue lies in each slice."""
    pieces = []
    under = len(grids.tongue) - 2 - TIP_ROWS  # rows between the eyelets and the vamp
    for first, last in pairwise(_FRONT):
        columns = np.arange(first, last + 1)
        columns = np.concatenate([columns, COLUMNS - columns])
        cloud = [grids.outer[: ROWS + RIM, columns].reshape(-1, 3)]
        q = np.interp(np.array([first, last]) / COLUMNS, *_THROAT) / 1.12
        rows = 1 + TIP_ROWS + np.rint(q * (under - 1)).astype(int)
        if q[0] < 0.85:
            cloud.append(grids.tongue[rows[0] : rows[1] + 1].reshape(-1, 3))
        pieces.append(hull(np.concatenate(cloud), _FRONT_DENSITY))
    return pieces


def _tip(grids: ShoeGrids) -> Piece:
    """The tongue where it stands over the eyelets."""
    return hull(grids.tongue[1 : TIP_ROWS + 2].reshape(-1, 3))


def _sole(grids: ShoeGrids) -> list[Piece]:
    pieces = []
    for first, last in pairwise(_SOLE):
        columns = np.arange(first, last + 1)
        columns = np.concatenate([columns, COLUMNS - columns])
        cloud = np.concatenate([grids.side[:, columns], grids.lining[-2:-1, columns]])  # and insole
        pieces.append(hull(cloud.reshape(-1, 3), _SOLE_DENSITY))
    return pieces
