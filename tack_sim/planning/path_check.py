# SPDX-License-Identifier: Apache-2.0
"""Whether a whole path is free, checked in steps so fine that nothing fits between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

STEP = 1e-3
"""No point of the robot, or of what it carries, moves farther than this between two checks, m."""

TURN = math.radians(0.2)
"""No joint moves farther than this between two checks, rad."""


def fine_states(
    path: ArrayLike, reaches: FloatArray, step: float = STEP, turn: float = TURN
) -> Iterator[FloatArray]:
    """States along the straight lines between way-points, both ends of each included.

    Args:
        path: (N, n) way-points, rad.
        reaches: (n,) how far any point of the robot can be from each joint's axis, m.
        step: bound on the distance that any point of the robot moves between two states, m.
        turn: bound on what any joint moves between two states, rad.

    Yields:
        (n,) rad.
    """
    points = np.asarray(path, dtype=np.float64)
    yield points[0]
    for first, second in itertools.pairwise(points):
        change = np.abs(second - first)
        # The sum over the joints bounds the motion of every point.
        count = max(1, math.ceil(max(float(change @ reaches) / step, float(change.max()) / turn)))
        yield from first + (second - first) * (np.arange(1, count + 1) / count)[:, None]


def first_bad(
    states: Iterator[FloatArray],
    is_good: Callable[[FloatArray], bool],
    stop: Callable[[], bool] = lambda: False,
) -> FloatArray | None:
    """The first state that is not good; None if all are, or once `stop` says so."""
    for index, state in enumerate(states):
        if not is_good(state):
            return state
        if index % 64 == 0 and stop():
            return None
    return None
