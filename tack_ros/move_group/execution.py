# SPDX-License-Identifier: Apache-2.0
"""Sends trajectories to the arm's controller and watches over them, as MoveIt does."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping

from control_msgs.action import FollowJointTrajectory
from rclpy.clock import Clock
from std_msgs.msg import Header

from tack_perception.configuration import Configuration, setting
from tack_ros.calls import CallError, Calls, Goal
from tack_ros.conversions.trajectories import to_robot_trajectory
from tack_sim.planning import execution
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.requests import Trajectory

_POLL_S = 0.005
_STOP_S = 5.0
_LOOK_S = 0.5


@dataclasses.dataclass(frozen=True)
class ExecutionConfig(Configuration):
    """MoveIt's trajectory_execution, with its names and defaults."""

    allowed_start_tolerance: float = setting(
        execution.START_TOLERANCE,
        "largest distance of a joint from the start of a trajectory; 0 switches the check off",
        unit="rad",
        low=0.0,
        high=1.0,
    )
    allowed_execution_duration_scaling: float = setting(
        execution.DURATION_SCALING, "a motion may take so many times its duration", low=1.0
    )
    allowed_goal_duration_margin: float = setting(
        execution.DURATION_MARGIN, "and so much more", unit="s", low=0.0
    )


class TrajectoryRunner:
    """Runs one trajectory at a time. From any thread.

    Args:
        calls: makes the call to the controller.
        controller: name of the FollowJointTrajectory action.
        clock: of the node; time-outs follow simulated time.
        positions: returns joint → current position, rad.
        config: returns the settings in force.
    """

    def __init__(
        self,
        calls: Calls,
        controller: str,
        clock: Clock,
        positions: Callable[[], Mapping[str, float]],
        config: Callable[[], ExecutionConfig],
    ) -> None:
        self._calls, self._controller, self._clock = calls, controller, clock
        self._positions, self._config = positions, config
        self._busy = threading.Lock()
        self._stopped = threading.Event()
        self._closed = threading.Event()

    def close(self) -> None:
        """Stop what is under way, for good, and wait until the controller has done so."""
        self._closed.set()
        if self._busy.acquire(timeout=_STOP_S):
            self._busy.release()

    def stop(self) -> None:
        """Stop what is under way; its caller gets PREEMPTED."""
        self._stopped.set()

    def run(self, trajectory: Trajectory, cancelled: Callable[[], bool]) -> None:
        """Carry a trajectory out.

        Args:
            trajectory: from where the arm is.
            cancelled: asked often; once it says True the arm is stopped.

        Raises:
            MoveItError: INVALID_MOTION_PLAN it starts elsewhere; CONTROL_FAILED the controller
                failed or is busy; TIMED_OUT it took too long, and was stopped; PREEMPTED.
        """
        if not self._busy.acquire(blocking=False):
            raise MoveItError(
                MoveItErrorCode.CONTROL_FAILED, "another motion is under way: wait, or cancel it"
            )
        try:
            self._stopped.clear()
            config = self._config()
            execution.check_start(trajectory, self._positions(), config.allowed_start_tolerance)
            allowed_s = (
                config.allowed_execution_duration_scaling * trajectory.duration
                + config.allowed_goal_duration_margin
            )
            self._follow(trajectory, allowed_s, cancelled)
        finally:
            self._busy.release()

    def _follow(
        self, trajectory: Trajectory, allowed_s: float, cancelled: Callable[[], bool]
    ) -> None:
        goal = FollowJointTrajectory.Goal(
            trajectory=to_robot_trajectory(trajectory).joint_trajectory
        )
        goal.trajectory.header = Header()  # stamp 0: at once
        started_ns = self._clock.now().nanoseconds
        try:
            sent = self._calls.send(FollowJointTrajectory, self._controller, goal)
            looked = time.monotonic()
            while not sent.over:
                if cancelled() or self._stopped.is_set() or self._closed.is_set():
                    _stopped(sent)
                    raise MoveItError(MoveItErrorCode.PREEMPTED, "cancelled; the arm was stopped")
                if (self._clock.now().nanoseconds - started_ns) * 1e-9 > allowed_s:
                    _stopped(sent)
                    raise MoveItError(
                        MoveItErrorCode.TIMED_OUT,
                        f"the motion took longer than {allowed_s:.1f} s and was stopped",
                    )
                # Simulated time stands still when its source has gone: then only this ends it.
                if time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    if sent.abandoned:
                        raise CallError(f"action {self._controller}: the controller has gone")
                time.sleep(_POLL_S)
            result = sent.result(_STOP_S)
        except CallError as error:
            raise MoveItError(MoveItErrorCode.CONTROL_FAILED, str(error)) from error
        if not sent.succeeded or result.error_code != FollowJointTrajectory.Result.SUCCESSFUL:
            said = result.error_string or f"error code {result.error_code}"
            raise MoveItError(MoveItErrorCode.CONTROL_FAILED, f"{self._controller}: {said}")


def _stopped(goal: Goal) -> None:
    """Ask the controller to stop and wait until it says that it did.

    Raises:
        CallError: it does not.
    """
    goal.cancel()
    goal.result(_STOP_S)
