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
    OLD_HEADER_TIMESTAMP = -3
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


@dataclasses.dataclass(frozen=True, eq=False)
class Tolerances:
    """Tolerances of one goal, each (n,) in the order of the profile's joints; infinite for none.

    Attributes:
        path, path_velocity: largest distance from the trajectory on the way, rad and rad/s.
        goal, goal_velocity: largest distance from the end, rad, and velocity there, rad/s.
        goal_time: s after the trajectory's end to come within the last two.
    """

    path: FloatArray
    path_velocity: FloatArray
    goal: FloatArray
    goal_velocity: FloatArray
    goal_time: float

    @classmethod
    def of(cls, config: ExecutorConfig, joints: int) -> Tolerances:
        """The same for every joint."""
        return cls(
            np.full(joints, config.path_tolerance),
            np.full(joints, np.inf),
            np.full(joints, config.goal_tolerance),
            np.full(joints, config.stopped_velocity),
            config.goal_time,
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
        self._tolerances = Tolerances.of(self._config, len(world.profile.joints))
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

    def start(
        self, trajectory: Trajectory, tolerances: Tolerances | None = None, delay: float = 0.0
    ) -> ExecutionResult | None:
        """Follow a trajectory from now on; one that is still followed is given up for it.

        Where its first point lies in the future, the arm goes there from where it is.

        Args:
            trajectory: of all joints of the arm.
            tolerances: of this goal only; None for those of the controller.
            delay: s from now to the trajectory's time 0; negative when that has passed.

        Returns:
            None, or why the trajectory cannot be followed; the arm then goes on as before.
        """
        refused = self._refusal(trajectory, delay)
        if refused is not None:
            return refused
        joints = tuple(self._world.profile.joints)
        order = [trajectory.joints.index(name) for name in joints]
        times, values = trajectory.times, (trajectory.positions, trajectory.velocities)
        with self._world.lock:
            positions, velocities = (array[:, order] for array in values)
            if times[0] + delay > 0:
                here, speed = self._world.arm_motion()
                times = np.concatenate(([-delay], times))
                positions, velocities = np.vstack((here, positions)), np.vstack((speed, velocities))
            self._followed = _Spline(times, positions, velocities)
            self._tolerances = tolerances or Tolerances.of(self._config, len(joints))
            self._started, self._finished = self._world.time + delay, False
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
        actual, speed = self._world.arm_motion()
        errors = np.abs(actual - positions)
        if elapsed < self._followed.duration:
            off = self._off_path(errors, np.abs(speed - velocities))
            if off:
                code = ExecutionCode.PATH_TOLERANCE_VIOLATED
                self._end(code, f"after {elapsed:.2f} s {off}", hold=True)
                return
            self._world.command_arm(positions, velocities)
            return
        self._world.command_arm(positions, velocities)
        self._arrive(errors, np.abs(speed), elapsed - self._followed.duration)

    def _off_path(self, errors: FloatArray, velocity_errors: FloatArray) -> str:
        """Which joint is too far away from the trajectory, in words; "" for none."""
        allowed = self._tolerances
        for off, limit, unit in (
            (errors, allowed.path, "rad"),
            (velocity_errors, allowed.path_velocity, "rad/s"),
        ):
            worst = int((off - limit).argmax())
            if off[worst] > limit[worst]:
                return (
                    f"{self._world.joint_names[worst]} is {off[worst]:.3f} {unit} away from the"
                    f" trajectory; {limit[worst]:g} {unit} are allowed"
                )
        return ""

    def _arrive(self, errors: FloatArray, speed: FloatArray, late: float) -> None:
        """End well once the arm is there and still; after the time for it has passed, badly."""
        allowed = self._tolerances
        if (errors <= allowed.goal).all() and (speed <= allowed.goal_velocity).all():
            self._end(ExecutionCode.SUCCESSFUL, "the goal is reached", hold=False)
        elif late > allowed.goal_time:
            worst = int((errors - allowed.goal).argmax())
            self._end(
                ExecutionCode.GOAL_TOLERANCE_VIOLATED,
                f"{self._world.joint_names[worst]} is still {errors[worst]:.4f} rad away from the"
                f" goal, at {speed[worst]:.3f} rad/s, {allowed.goal_time:g} s after the"
                f" trajectory's end; {allowed.goal[worst]:g} rad and"
                f" {allowed.goal_velocity[worst]:g} rad/s are allowed",
                hold=True,
            )

    def _end(self, code: ExecutionCode, message: str, *, hold: bool) -> None:
        with self._world.lock:
            if self._finished:
                return
            if hold:
                self._world.hold_arm()
            self._result, self._finished = ExecutionResult(code, message), True

    def _refusal(self, trajectory: Trajectory, delay: float) -> ExecutionResult | None:
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
        if delay + times[-1] < 0:
            return ExecutionResult(
                ExecutionCode.OLD_HEADER_TIMESTAMP,
                f"the trajectory ended {-delay - times[-1]:.2f} s ago",
            )
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
