# SPDX-License-Identifier: Apache-2.0
"""Codes on the way from one click to another: straight, or along the surface that codes form.

A code has four numbers and a surface has two dimensions: the codes of an object's points lie on a
bent sheet in the space of codes. A straight line leaves it, and a network has never been taught
what a code beside the sheet means. Along the sheet, every code on the way is nearly one that a
click has: the shortest way from point to point over the clicked picture's own codes (as Isomap
measures distances: Tenenbaum et al., Science 2000), with short steps preferred.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from torch import Tensor

from tack_perception.errors import InvalidInputError
from tack_perception.inspection.album import FloatArray
from tack_perception.inspection.look import Look

WAYS = ("surface", "straight")
_MOST = 600  # points of the picture whose codes stand for the sheet


def between(look: Look, number: int, ends: FloatArray, steps: int, way: str = WAYS[0]) -> Tensor:
    """Codes from that of one click to that of another on one picture, evenly spaced.

    Args:
        look: the album as the network sees it.
        number: of the picture.
        ends: (2, 2) px of the two clicks.
        steps: how many codes, both ends included.
        way: one of `WAYS`.

    Returns:
        (steps, K) codes.

    Raises:
        InvalidInputError: fewer than two steps, an unknown way, no such picture, or no TACK head.
    """
    if way not in WAYS:
        raise InvalidInputError(f"way {way!r}: {' or '.join(WAYS)}")
    stones = _stones(look, number, ends) if way == "surface" else look.codes(number, ends)
    return evenly(stones, steps)


def evenly(stones: Tensor, steps: int) -> Tensor:
    """(steps, K) codes on the line through (M, K) others, the first and the last included.

    Raises:
        InvalidInputError: fewer than two steps.
    """
    if steps < 2:
        raise InvalidInputError(f"steps = {steps}: 2 or more are expected")
    known = stones.double().cpu().numpy()
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(known, axis=0), axis=1))])
    wanted = np.linspace(0, gone[-1], steps)
    codes = np.stack([np.interp(wanted, gone, values) for values in known.T], axis=1)
    return torch.as_tensor(codes, dtype=stones.dtype, device=stones.device)


def _stones(look: Look, number: int, ends: FloatArray) -> Tensor:
    """(M, K) codes to step on, from that of the first click to that of the last."""
    rows, columns = np.nonzero(look.album.picture(number).mask)
    some = np.linspace(0, len(rows) - 1, min(_MOST, len(rows))).round().astype(np.int64)
    codes = look.codes(number, np.concatenate([ends, np.stack([columns, rows], axis=1)[some]]))
    known = codes.double().cpu().numpy()
    # Squares: two short steps are nearer than a long one, so that the way keeps to the sheet. A
    # distance of nothing would be no way at all in a dense graph.
    cost = np.maximum(cdist(known, known, "sqeuclidean"), 1e-12)
    before = dijkstra(cost, indices=0, return_predecessors=True)[1]
    way = [1]
    while way[-1] != 0:
        way.append(int(before[way[-1]]))
    return codes[way[::-1]]
