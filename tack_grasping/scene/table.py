# SPDX-License-Identifier: Apache-2.0
"""Finds the table in a depth image and holds it against what the robot's profile says."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_grasping.robot import RobotProfile
from tack_grasping.scene.settings import SceneConfig, SceneError
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_TRIALS = 200
_SAMPLE = 2500  # points that a plane is tried on
_STEEPEST = math.cos(math.radians(20))  # what is steeper is no table
_NEAR = 0.008  # m, from a plane, that counts as on it while planes are tried
_ROUNDS = 3  # of lower planes, and of least squares
_FEWEST = 200  # points, without which nothing is said of a table


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The plane that things stand on.

    Attributes:
        base_from_table: (4, 4), z up out of the table, x along the base's, the origin below or
            above the base's, m.
        height: of its top at the middle of the workspace, in the base frame, m.
        expected: the profile's table_height, m.
        tilt: from level, °.
        noise: standard deviation of the depth of one pixel on it as a height, at a distance of
            1 m, m; it grows with the square of the distance. NaN where it was not measured.
        measured: whether it was seen; otherwise it is the profile's.
    """

    base_from_table: FloatArray
    height: float
    expected: float
    tilt: float
    noise: float
    measured: bool

    @property
    def error(self) -> float:
        """How far above the profile's height it is, m."""
        return self.height - self.expected

    def heights(self, points: FloatArray) -> FloatArray:
        """(N,) heights of points (N, 3) of the base frame above it, m."""
        normal = self.base_from_table[:3, 2]
        return (points - self.base_from_table[:3, 3]) @ normal


def find_table(
    points: FloatArray, depths: FloatArray, profile: RobotProfile, config: SceneConfig
) -> Table:
    """The lowest large level surface near the profile's height.

    Args:
        points: (N, 3) of the region that is looked at, in the base frame, m.
        depths: (N,) of their pixels, m.
        profile: the robot.
        config: settings.

    Returns:
        The table; the profile's where too little of a table is to be seen.

    Raises:
        SceneError: it is farther from the profile's height, or more tilted, than allowed.
    """
    expected = profile.table_height
    near = np.abs(points[:, 2] - expected) < config.table_search
    candidates, distances = points[near], depths[near]
    least = max(_FEWEST, config.table_share * len(points))
    plane = _lowest_plane(candidates, least)
    if plane is None:
        return _as_expected(expected)
    on = np.abs(candidates @ plane[:3] + plane[3]) < _NEAR
    plane, noise = _refined(candidates, distances, plane, on)
    low, high = profile.workspace
    x, y = (low + high)[:2] / 2
    height = float(-(plane[3] + plane[0] * x + plane[1] * y) / plane[2])
    tilt = math.degrees(math.acos(min(float(plane[2]), 1.0)))
    off = height - expected
    if abs(off) > config.table_tolerance or tilt > config.table_tilt:
        raise SceneError(
            f"the table in the depth image is {abs(off) * 1e3:.0f} mm"
            f" {'above' if off > 0 else 'below'} table_height of {profile.name} and tilted by"
            f" {tilt:.1f}°; {config.table_tolerance * 1e3:.0f} mm and {config.table_tilt:g}° are"
            " allowed. Check the camera's calibration (parent_from_optical), table_height, and"
            " whether what fills the image is the table at all"
        )
    origin = np.array([0.0, 0.0, -plane[3] / plane[2]])
    base_from_table = geometry.frame_from_axes(plane[:3], (1, 0, 0), origin)
    return Table(base_from_table, height, expected, tilt, noise, measured=True)


def _as_expected(height: float) -> Table:
    pose = geometry.make_transform(np.eye(3), (0, 0, height))
    return Table(pose, height, height, 0.0, math.nan, measured=False)


def _lowest_plane(points: FloatArray, least: float) -> FloatArray | None:
    """(4,) the best level plane of at least so many points that has no other one below it."""
    found = None
    for _ in range(_ROUNDS):
        if len(points) < least:
            break
        plane = _best_plane(points)
        if plane is None:
            break
        distance = points @ plane[:3] + plane[3]
        if np.count_nonzero(np.abs(distance) < _NEAR) < least:
            break
        found = plane
        points = points[distance < -3 * _NEAR]
    return found


def _best_plane(points: FloatArray) -> FloatArray | None:
    """(4,) the nearly level plane with the most points; the same ones give the same."""
    rng = np.random.default_rng(0)
    sample = points[rng.permutation(len(points))[:_SAMPLE]]
    a, b, c = sample[rng.integers(len(sample), size=(3, _TRIALS))]
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    good = (length > 1e-6) & (np.abs(normals[:, 2]) > _STEEPEST * length)
    if not good.any():
        return None
    normals = normals[good] / (length[good] * np.sign(normals[good, 2]))[:, None]
    offsets = -np.einsum("nc,nc->n", normals, a[good])
    counts = (np.abs(sample @ normals.T + offsets) < _NEAR).sum(axis=0)
    best = int(counts.argmax())
    return np.append(normals[best], offsets[best])


def _refined(
    points: FloatArray, depths: FloatArray, plane: FloatArray, on: NDArray[np.bool_]
) -> tuple[FloatArray, float]:
    """The plane by least squares, far pixels counting less, and the noise at 1 m."""
    noise = math.nan
    for _ in range(_ROUNDS):
        mine, square = points[on], depths[on] ** 2
        design = np.column_stack([mine[:, :2], np.ones(len(mine))]) / square[:, None]
        a, b, c = np.linalg.lstsq(design, mine[:, 2] / square, rcond=None)[0]
        plane = np.array([-a, -b, 1.0, -c]) / math.sqrt(a * a + b * b + 1)
        relative = (points @ plane[:3] + plane[3]) / depths**2
        noise = 1.4826 * float(np.median(np.abs(relative[on])))
        on = np.abs(relative) < 2.5 * max(noise, 1e-4)
    return plane, noise
