# SPDX-License-Identifier: Apache-2.0
"""Where a thing may be grasped beside a point at which no grasp closes.

On another instance of a class a point is found to a centimetre or two: beside a cap's button there
is its dome, which no gripper holds, and the button is within that centimetre.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_grasping.points import NamedPoint

FloatArray = NDArray[np.float64]

_MOST = 16
_APART = 0.005  # m, between two places that are tried
_PATCH, _FEWEST = 0.006, 12  # m, and points, from which a normal is told


def beside(point: NamedPoint, surface: FloatArray, radius: float) -> list[NamedPoint]:
    """Places on the thing around a point, spread evenly, the nearest first.

    Each next one is that which is farthest from all before (Gonzalez 1985), so that they depend on
    the scene alone, and not on the axes of its frame.

    Args:
        point: in the frame.
        surface: (N, 3) of the thing alone, in the frame, m.
        radius: about the point, m.

    Returns:
        The point, moved there, with the normal of the surface there; its confidence is smaller the
        farther it was moved: by exp(-½ (2d / radius)²).
    """
    away = np.linalg.norm(surface - point.position, axis=1)
    near = surface[away <= radius]
    if not len(near):
        return []
    picked = [int(np.linalg.norm(near - point.position, axis=1).argmin())]
    left = np.linalg.norm(near - near[picked[0]], axis=1)
    while len(picked) < _MOST and left.max() > _APART:
        picked.append(int(left.argmax()))
        left = np.minimum(left, np.linalg.norm(near - near[picked[-1]], axis=1))
    moved = [_moved(point, surface, near[n], radius) for n in picked]
    return sorted(moved, key=lambda one: -one.confidence)


def _moved(point: NamedPoint, surface: FloatArray, to: FloatArray, radius: float) -> NamedPoint:
    share = math.exp(-2 * float(np.sum((to - point.position) ** 2)) / radius**2)
    normal = point.normal
    patch = surface[np.linalg.norm(surface - to, axis=1) <= _PATCH]
    if normal is not None and len(patch) >= _FEWEST:
        flat = np.linalg.eigh(np.cov(patch.T))[1][:, 0]
        normal = flat if flat @ normal >= 0 else -flat
    return dataclasses.replace(
        point, position=to, normal=normal, confidence=point.confidence * share
    )
