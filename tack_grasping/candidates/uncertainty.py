# SPDX-License-Identifier: Apache-2.0
"""What is not known of the points, carried through to the pose, and what that does to a grasp.

Small motions of a pose are written in its own axes, as in `geometry.exp`: translation (m), then
rotation (rad). Their covariance is (6, 6), and is the same in whichever frame the pose is given.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry

FloatArray = NDArray[np.float64]

_STEP = 1e-5  # m, of the differences that make the Jacobian


def carried(
    construct: Callable[[FloatArray], FloatArray],
    positions: FloatArray,
    covariances: Sequence[FloatArray],
) -> FloatArray:
    """The covariance of a pose that is constructed from points, to first order.

    Args:
        construct: (k, 3) positions, m → (4, 4) pose.
        positions: (k, 3), m.
        covariances: k times (3, 3) m²; points are taken as independent of each other.

    Returns:
        (6, 6) in the axes of the pose.
    """
    from_frame = geometry.inverse(construct(positions))
    result = np.zeros((6, 6))
    for number, covariance in enumerate(covariances):
        slope = np.zeros((6, 3))
        for axis in range(3):
            step = np.zeros_like(positions)
            step[number, axis] = _STEP
            ahead, behind = construct(positions + step), construct(positions - step)
            slope[:, axis] = _small(from_frame @ ahead) - _small(from_frame @ behind)
        slope /= 2 * _STEP
        result += slope @ covariance @ slope.T
    symmetric: FloatArray = (result + result.T) / 2
    return symmetric


def moved_along(covariance: FloatArray, pose_from_other: FloatArray) -> FloatArray:
    """The (6, 6) covariance of a pose that is rigidly fixed to another one of known covariance."""
    other_from_pose = geometry.inverse(pose_from_other)
    rotation, (x, y, z) = other_from_pose[:3, :3], other_from_pose[:3, 3]
    adjoint = np.zeros((6, 6))
    adjoint[:3, :3] = adjoint[3:, 3:] = rotation
    adjoint[:3, 3:] = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation
    result = adjoint @ covariance @ adjoint.T
    symmetric: FloatArray = (result + result.T) / 2
    return symmetric


def largest_sigma(covariance: FloatArray) -> float:
    """The standard deviation in the least certain direction."""
    return math.sqrt(max(float(np.linalg.eigvalsh(covariance)[-1]), 0.0))


@dataclasses.dataclass(frozen=True)
class Slack:
    """How far the gripper may be off, m, until the fingers no longer close on the thing.

    Attributes:
        across: from the lowest to the highest x: the thing must stay before the fingers' width.
        closing: to each side along y: the fingers must not come down on the thing.
        depth: away from the thing along z: the tips must stay below its top.
    """

    across: tuple[float, float] = (-math.inf, math.inf)
    closing: float = math.inf
    depth: float = math.inf

    def chance(self, pose_covariance: FloatArray) -> float:
        """Of closing on the thing, 0 to 1.

        The three directions are taken one by one: exact where the gripper's axes are those of the
        covariance.

        Args:
            pose_covariance: (6, 6) of the gripper's pose, in its axes.
        """
        x, y, z = np.sqrt(np.clip(np.diag(pose_covariance)[:3], 0, None)).tolist()
        low, high = self.across
        return (
            (_below(high, x) - _below(low, x))
            * max(2 * _below(self.closing, y) - 1, 0.0)
            * _below(self.depth, z)
        )


def _below(limit: float, sigma: float) -> float:
    """The chance that a normal variable of mean 0 is below a limit."""
    if sigma == 0 or math.isinf(limit):
        return float(limit >= 0)
    return (1 + math.erf(limit / sigma / math.sqrt(2))) / 2


def _small(motion: FloatArray) -> FloatArray:
    """(6,) of a motion near none."""
    turn = motion[:3, :3] - motion[:3, :3].T
    return np.concatenate([motion[:3, 3], np.array([turn[2, 1], turn[0, 2], turn[1, 0]]) / 2])
