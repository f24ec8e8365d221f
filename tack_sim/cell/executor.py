# SPDX-License-Identifier: Apache-2.0
"""Follows a joint trajectory in the cell, as a FollowJointTrajectory controller does on a robot."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
from numpy.typing import NDArray

from tack_perception.configuration import Configuration, setting
from tack_sim.cell.world import CellWorld
from tack_sim.planning.requests import Trajectory

FloatArray = NDArray[np.float64]


class ExecutionCode(enum.IntEnum):
    """The numbers of control_msgs/FollowJointTrajectory, and one for a goal that was stopped."""

    SUCCESSFUL = 0
    INVALID_GOAL = -1
    INVALID_JOINTS = -2
    PATH_TOLERANCE_VIOLATED = -4
    GOAL_TOLERANCE_VIOLATED = -5
    STOPPED = -100


@dataclasses.dataclass(frozen=True)
class ExecutionResult:
    """How a trajectory ended.

    Attributes:
        code: SUCCESSFUL or why not.
        message: one sentence for a person.
    """

    code: ExecutionCode
    message: str = ""


@dataclasses.dataclass(frozen=True)
class ExecutorConfig(Configuration):
    """Tolerances of the controller."""

    path_tolerance: float = setting(
        0.15, "largest distance of a joint from the trajectory on the way", unit="rad", low=0.001
    )
    goal_tolerance: float = setting(
        0.005, "largest distance of a joint from the goal at the end", unit="rad", low=0.0001
    )
    goal_time: float = setting(
        0.5, "time after the trajectory's end to come within it", unit="s", low=0, high=60
    )
    stopped_velocity: float = setting(
        0.02, "largest velocity of a joint at the end", unit="rad/s", low=0.0001
    )


class TrajectoryExecutor:
    """Moves the arm of a cell along one trajectory at a time. It lives on the cell's time.

    While a trajectory is followed, `result` is None; time passes by whoever calls `world.step`.

    Args:
        world: the cell.
        config: tolerances.
    """

    def __init__(self, world: CellWorld, config: ExecutorConfig | None = None) -> None:
        self._world = world
        self._config = config or ExecutorConfig()
        self._followed: _Spline | None = None
        self._started = 0.0
        self._result = ExecutionResult(ExecutionCode.SUCCESSFUL, "nothing was followed yet")
        self._finished = True
        world.add_controller(self._update)

    @property
    def active(self) -> bool:
        """Whether a trajectory is being followed."""
        return not self._finished

    @property
    def result(self) -> ExecutionResult | None:
        """How the latest trajectory ended; None while it is being followed."""
        return self._result if self._finished else None

    @property
    def desired(self) -> FloatArray | None:
        """(n,) where the arm should be now, rad; None while nothing is followed."""
        with self._world.lock:
            if self._finished or self._followed is None:
                return None
            return self._followed.at(self._world.time - self._started)[0]

    def start(self, trajectory: Trajectory) -> ExecutionResult | None:
        """Follow a trajectory from now on; one that is still followed is given up for it.

        Returns:
            None, or why the trajectory cannot be followed; the arm then goes on as before.
        """
        refused = self._refusal(trajectory)
        if refused is not None:
            return refused
        joints = tuple(self._world.profile.joints)
        order = [trajectory.joints.index(name) for name in joints]
        with self._world.lock:
            self._followed = _Spline(
                trajectory.times, trajectory.positions[:, order], trajectory.velocities[:, order]
            )
            self._started, self._finished = self._world.time, False
        return None

    def stop(self, reason: str = "stopped on request") -> None:
        """Stand still at once, and hold the position."""
        self._end(ExecutionCode.STOPPED, reason, hold=True)

    def run(self, trajectory: Trajectory) -> ExecutionResult:
        """Follow a trajectory to its end, letting the cell's time pass."""
        refused = self.start(trajectory)
        if refused is not None:
            return refused
        while not self._finished:
            self._world.step(0.01)
        return self._result

    def _update(self, time: float) -> None:
        if self._finished or self._followed is None:
            return
        elapsed = time - self._started
        positions, velocities = self._followed.at(elapsed)
        config, left = self._config, elapsed - self._followed.duration
        actual, speed = self._world.arm_motion()
        errors = np.abs(actual - positions)
        worst = int(errors.argmax())
        name = self._world.joint_names[worst]
        if left < 0 and errors[worst] > config.path_tolerance:
            self._end(
                ExecutionCode.PATH_TOLERANCE_VIOLATED,
                f"{name} is {errors[worst]:.3f} rad away from the trajectory after"
                f" {elapsed:.2f} s; {config.path_tolerance:g} rad are allowed",
                hold=True,
            )
            return
        self._world.command_arm(positions, velocities)
        if left < 0:
            return
        arrived = errors[worst] <= config.goal_tolerance
        if arrived and np.abs(speed).max() <= config.stopped_velocity:
            self._end(ExecutionCode.SUCCESSFUL, "the goal is reached", hold=False)
        elif left > config.goal_time:
            self._end(
                ExecutionCode.GOAL_TOLERANCE_VIOLATED,
                f"{name} is still {errors[worst]:.4f} rad away from the goal"
                f" {config.goal_time:g} s after the trajectory's end;"
                f" {config.goal_tolerance:g} rad are allowed",
                hold=True,
            )

    def _end(self, code: ExecutionCode, message: str, *, hold: bool) -> None:
        with self._world.lock:
            if self._finished:
                return
            if hold:
                self._world.hold_arm()
            self._result, self._finished = ExecutionResult(code, message), True

    def _refusal(self, trajectory: Trajectory) -> ExecutionResult | None:
        joints = set(self._world.profile.joints)
        if set(trajectory.joints) != joints:
            return ExecutionResult(
                ExecutionCode.INVALID_JOINTS,
                f"joints {', '.join(trajectory.joints)}; the arm has"
                f" {', '.join(self._world.profile.joints)}",
            )
        times, columns = trajectory.times, (len(trajectory.times), len(joints))
        values = (trajectory.positions, trajectory.velocities)
        if not len(times) or any(array.shape != columns for array in values):
            return ExecutionResult(ExecutionCode.INVALID_GOAL, "points are missing or incomplete")
        if not all(np.isfinite(array).all() for array in (times, *values)):
            return ExecutionResult(ExecutionCode.INVALID_GOAL, "the trajectory is not finite")
        if times[0] < 0 or (np.diff(times) <= 0).any():
            return ExecutionResult(ExecutionCode.INVALID_GOAL, "times must rise from 0 or more")
        return None


class _Spline:
    """Cubic between the points of a trajectory; it stands still before and after."""

    def __init__(self, times: FloatArray, positions: FloatArray, velocities: FloatArray) -> None:
        self._times, self._positions, self._velocities = times, positions, velocities
        self.duration = float(times[-1])
        self._still = np.zeros(positions.shape[1])

    def at(self, time: float) -> tuple[FloatArray, FloatArray]:
        """Positions and velocities (n,) at a time from the start, s."""
        index = int(np.searchsorted(self._times, time, side="right")) - 1
        if index < 0:
            return self._positions[0], self._still
        if index >= len(self._times) - 1:
            return self._positions[-1], self._still
        span = float(self._times[index + 1] - self._times[index])
        s = (time - float(self._times[index])) / span
        (p0, p1), (v0, v1) = self._positions[index : index + 2], self._velocities[index : index + 2]
        step = p1 - p0
        b = 3 * step - span * (2 * v0 + v1)
        c = span * (v0 + v1) - 2 * step
        return (
            p0 + s * (span * v0 + s * (b + s * c)),
            v0 + s / span * (2 * b + 3 * s * c),
        )
