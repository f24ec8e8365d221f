# SPDX-License-Identifier: Apache-2.0
"""How much of the workspace's table a camera has seen; what is behind things is not known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_grasping.scene.view import View

FloatArray = NDArray[np.float64]

_CELL = 0.025  # m
_STEP = 3  # px


def share_seen(view: View, profile: RobotProfile) -> float:
    """The share of the workspace, from above, in which the image has a point.

    The rest is out of the image, without depth, or in the shadow of something.

    Args:
        view: what was measured.
        profile: the robot, with its workspace.
    """
    points, _ = view.points(_STEP)
    low, high = profile.workspace
    inside = ((points[:, :2] >= low[:2]) & (points[:, :2] < high[:2])).all(axis=1)
    cells = np.floor((points[inside, :2] - low[:2]) / _CELL).astype(np.int64)
    nx, ny = np.ceil((high - low)[:2] / _CELL).astype(int).tolist()
    seen = np.zeros((nx, ny), dtype=np.bool_)
    seen[np.minimum(cells[:, 0], nx - 1), np.minimum(cells[:, 1], ny - 1)] = True
    return float(seen.mean())
