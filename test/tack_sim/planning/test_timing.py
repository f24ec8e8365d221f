# SPDX-License-Identifier: Apache-2.0
"""Motions along paths: within the limits, and sound for paths of any length."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planning_scenes import planner

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_sim.planning.codes import MoveItError
from tack_sim.planning.execution import allowed_duration, check_start
from tack_sim.planning.requests import Trajectory
from tack_sim.planning.timing import timed

PROFILE = planner().robot.profile
HOME = np.array(PROFILE.home)
VELOCITY = np.array([limit.velocity for limit in PROFILE.joints.values()])
ACCELERATION = np.array([limit.acceleration for limit in PROFILE.joints.values()])


def check(trajectory: Trajectory, velocity: float = 1.0, acceleration: float = 1.0) -> None:
    assert trajectory.times[0] == 0
    assert (np.diff(trajectory.times) > 0).all()
    assert np.diff(trajectory.times).max() < 0.0101
    assert (np.abs(trajectory.velocities) <= VELOCITY * velocity * 1.0001).all()
    assert (np.abs(trajectory.accelerations) <= ACCELERATION * acceleration * 1.0001).all()
    assert not trajectory.velocities[[0, -1]].any()
    # Positions, velocities and times tell the same story (trapezoidal rule at 10 ms).
    mean = (trajectory.velocities[1:] + trajectory.velocities[:-1]) / 2
    moved = mean * np.diff(trajectory.times)[:, None]
    assert np.allclose(moved, np.diff(trajectory.positions, axis=0), atol=1e-3)


@pytest.mark.parametrize("distance", [1e-5, 1e-3, 0.1, 0.5])
def test_a_straight_line_of_any_length(distance: float) -> None:
    trajectory = timed(PROFILE, [HOME, HOME + distance])
    check(trajectory)
    assert np.array_equal(trajectory.positions[0], HOME)
    assert np.allclose(trajectory.positions[-1], HOME + distance, atol=1e-9)
    along = (trajectory.positions - HOME) / distance
    assert np.allclose(along, along[:, :1], atol=1e-9)


def test_a_straight_line_is_as_fast_as_the_limits_let_it() -> None:
    target = HOME.copy()
    target[0] += 1.0
    trajectory = timed(PROFILE, [HOME, target])
    fastest = 1.0 / VELOCITY[0] + VELOCITY[0] / ACCELERATION[0]
    assert fastest <= trajectory.duration < 1.03 * fastest


@pytest.mark.parametrize("count", [3, 5, 12, 80])
def test_a_path_of_many_way_points(count: int) -> None:
    rng = np.random.default_rng(count)
    path = HOME + np.cumsum(rng.normal(0, 0.4 / count, (count, 7)), axis=0)
    trajectory = timed(PROFILE, path, 0.5, 0.3)
    check(trajectory, 0.5, 0.3)
    for point in path:
        assert np.abs(trajectory.positions - point).max(axis=1).min() < 0.02


def test_repeated_way_points_are_left_out() -> None:
    path = [HOME, HOME, HOME + 0.1, HOME + 0.1 + 1e-9, HOME + 0.3, HOME + 0.3]
    check(timed(PROFILE, path))


@pytest.mark.parametrize("path", [[HOME], [HOME, HOME], [HOME, HOME + 1e-9, HOME]])
def test_a_path_of_no_length_stays(path: list[np.ndarray]) -> None:
    trajectory = timed(PROFILE, path)
    check(trajectory)
    assert np.array_equal(trajectory.positions, [HOME, HOME])


def test_there_and_back() -> None:
    check(timed(PROFILE, [HOME, HOME + 0.2, HOME]))


@pytest.mark.parametrize(
    "path", [[], [[0.0, 1.0]], [HOME, HOME * np.nan], np.zeros((2, 3, 7)), HOME]
)
def test_paths_that_are_none(path: list[np.ndarray]) -> None:
    with pytest.raises(MoveItError, match="path") as caught:
        timed(PROFILE, path)
    assert caught.value.code is Code.INVALID_MOTION_PLAN


def test_execution_starts_only_where_the_arm_is() -> None:
    trajectory = timed(PROFILE, [HOME, HOME + 0.2])
    here = dict(zip(PROFILE.joints, HOME, strict=True))
    check_start(trajectory, {**here, "panda_joint3": HOME[2] + 0.0099})
    with pytest.raises(MoveItError, match="panda_joint3 at") as caught:
        check_start(trajectory, {**here, "panda_joint3": HOME[2] + 0.0101})
    assert caught.value.code is Code.INVALID_MOTION_PLAN
    with pytest.raises(MoveItError, match="panda_joint3"):
        check_start(trajectory, {**here, "panda_joint3": float("nan")})
    check_start(trajectory, {**here, "panda_joint3": 1.0}, tolerance=0)
    with pytest.raises(MoveItError, match="no current position of panda_joint3") as caught:
        check_start(trajectory, {k: v for k, v in here.items() if k != "panda_joint3"})
    assert caught.value.code is Code.INVALID_ROBOT_STATE
    empty = dataclasses.replace(trajectory, times=np.empty(0), positions=np.empty((0, 7)))
    with pytest.raises(MoveItError, match="without points"):
        check_start(empty, here)


def test_execution_has_a_tenth_and_half_a_second_to_spare() -> None:
    trajectory = timed(PROFILE, [HOME, HOME + 0.2])
    assert allowed_duration(trajectory) == pytest.approx(1.1 * trajectory.duration + 0.5)
