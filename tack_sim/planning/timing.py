# SPDX-License-Identifier: Apache-2.0
"""When the arm is where: the time-optimal motion along a path within the joints' limits."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.robot import RobotProfile
from tack_perception.errors import DependencyError
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.requests import Trajectory

FloatArray = NDArray[np.float64]

_PERIOD = 0.01  # s between the points of a trajectory
_SAME = 1e-6  # rad; way-points closer than this are one
_SLOWEST = 1e-3  # s, of a motion that goes nowhere
_LIMIT_SHARE = 0.99  # of the limits for toppra, which keeps them at grid points only


def scaling(factor: float) -> float:
    """A velocity or acceleration scaling factor as MoveIt reads it: outside (0, 1] it is 1."""
    return factor if math.isfinite(factor) and 0 < factor <= 1 else 1.0


def timed(
    profile: RobotProfile,
    path: ArrayLike,
    velocity_scaling: float = 1.0,
    acceleration_scaling: float = 1.0,
) -> Trajectory:
    """The fastest motion along a path, from rest to rest.

    Three and more way-points are joined by a cubic spline, two by a straight line.

    Args:
        profile: gives the limits.
        path: (N, n) way-points, rad; at least one. Repeated ones are left out.
        velocity_scaling, acceleration_scaling: shares of the limits; outside (0, 1] they are 1.

    Returns:
        Points at most 10 ms apart, none of which exceeds a limit. A path of no length gives two
        equal points.

    Raises:
        MoveItError: INVALID_MOTION_PLAN: the path is empty or not finite, or toppra finds no
            motion along it.
        DependencyError: toppra is missing.
    """
    joints = tuple(profile.joints)
    points = np.asarray(path, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(joints) or not len(points):
        raise MoveItError(
            MoveItErrorCode.INVALID_MOTION_PLAN,
            f"path of shape {points.shape}: way-points of {len(joints)} joints are needed",
        )
    if not np.isfinite(points).all():
        raise MoveItError(MoveItErrorCode.INVALID_MOTION_PLAN, "path with NaN or infinite values")
    limits = [profile.joints[name] for name in joints]
    velocity = np.array([limit.velocity for limit in limits]) * scaling(velocity_scaling)
    acceleration = np.array([limit.acceleration for limit in limits])
    acceleration *= scaling(acceleration_scaling)
    distinct = _distinct(points)
    if len(distinct) < 2:
        still = np.zeros((2, len(joints)))
        ends = np.repeat(points[:1], 2, axis=0)
        return Trajectory(joints, np.array([0.0, _SLOWEST]), ends, still, still)
    motion = _fastest(distinct, velocity, acceleration)
    return _sampled(joints, motion, velocity, acceleration)


def _distinct(points: FloatArray) -> FloatArray:
    """The path without way-points that repeat the one before; its end is always kept."""
    kept = [points[0]]
    for point in points[1:]:
        if np.abs(point - kept[-1]).max() > _SAME:
            kept.append(point)
    if len(kept) > 1:
        kept[-1] = points[-1]
    return np.array(kept)


def import_toppra() -> Any:
    """The toppra module, which takes a second to import.

    Raises:
        DependencyError: it is missing; says what to install.
    """
    try:
        import toppra
    except ImportError as error:
        raise DependencyError(
            f"time parameterisation needs toppra ({error}): pip install 'tack[sim]'"
        ) from error
    logging.getLogger("toppra").setLevel(logging.ERROR)
    return toppra


def _fastest(points: FloatArray, velocity: FloatArray, acceleration: FloatArray) -> Any:
    toppra = import_toppra()
    constraint = toppra.constraint
    steps = np.abs(np.diff(points, axis=0))
    # A path parameter that runs about as fast as time keeps toppra's small linear programs well
    # conditioned, however short the path is.
    lengths = steps.sum(axis=0)
    duration = float(np.maximum(lengths / velocity, 2 * np.sqrt(lengths / acceleration)).max())
    shares = np.linalg.norm(steps, axis=1)
    at = np.concatenate([[0.0], np.cumsum(shares / shares.sum())]) * duration
    spline = toppra.SplineInterpolator(at, points)
    bounds = [
        constraint.JointVelocityConstraint(np.column_stack([-velocity, velocity]) * _LIMIT_SHARE),
        constraint.JointAccelerationConstraint(
            np.column_stack([-acceleration, acceleration]) * _LIMIT_SHARE,
            discretization_scheme=constraint.DiscretizationType.Interpolation,
        ),
    ]
    grid = np.unique(np.concatenate([np.linspace(0, at[-1], max(101, 4 * len(points))), at]))
    solver = toppra.algorithm.TOPPRA(
        bounds, spline, gridpoints=grid, parametrizer="ParametrizeConstAccel"
    )
    motion = solver.compute_trajectory(0, 0)
    if motion is None:
        raise MoveItError(
            MoveItErrorCode.INVALID_MOTION_PLAN,
            f"no motion within the limits along a path of {len(points)} way-points",
        )
    return motion


def _sampled(
    joints: tuple[str, ...], motion: Any, velocity: FloatArray, acceleration: FloatArray
) -> Trajectory:
    duration, slower = float(motion.duration), 1.0
    # Between its grid points toppra may exceed a limit a little: slow all of it down by that, and
    # look again, as there are more points then.
    for _ in range(2):
        times = np.linspace(0, duration, max(2, math.ceil(duration * slower / _PERIOD) + 1))
        speeds = np.asarray(motion(times, 1), dtype=np.float64)
        rates = np.asarray(motion(times, 2), dtype=np.float64)
        slower = max(
            slower,
            float((np.abs(speeds) / velocity).max()),
            math.sqrt(float((np.abs(rates) / acceleration).max())),
        )
    positions = np.asarray(motion(times), dtype=np.float64)
    speeds[[0, -1]] = 0.0
    return Trajectory(joints, times * slower, positions, speeds / slower, rates / slower**2)
