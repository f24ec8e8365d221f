# SPDX-License-Identifier: Apache-2.0
"""The controllers of the simulated robot, as ros2_control serves them."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from control_msgs.action import FollowJointTrajectory, GripperCommand, ParallelGripperCommand
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState

from tack_grasping.motion import GripperState
from tack_perception.errors import InvalidInputError
from tack_ros.actions import finish
from tack_ros.cell.tolerances import goal_tolerances
from tack_ros.conversions.stamps import to_header, to_ns
from tack_ros.conversions.trajectories import from_joint_trajectory
from tack_ros.node import TackNode
from tack_sim.cell.executor import (
    ExecutionCode,
    ExecutionResult,
    ExecutorConfig,
    Tolerances,
    TrajectoryExecutor,
)
from tack_sim.cell.world import CellWorld

_POLL_S = 0.005
_FEEDBACK_S = 0.1
_GRIPPER_S = 5.0  # of the world's time; an opening takes less than one
_Result = FollowJointTrajectory.Result
Handle = ServerGoalHandle[Any, Any, Any]


class ArmController:
    """Serves control_msgs/FollowJointTrajectory. A newer goal replaces the one under way.

    What cannot be followed is accepted and aborted with its code and a sentence, where ros2_control
    rejects it without a word; the goal under way then goes on.

    Args:
        node: the server is made here; it needs an executor of several threads.
        world: the cell.
        now_ns: the time on the clock of the stamps.
        alive: whether the cell still runs.
    """

    def __init__(
        self,
        node: TackNode,
        world: CellWorld,
        now_ns: Callable[[], int],
        alive: Callable[[], bool],
    ) -> None:
        self._node, self._world, self._now_ns, self._alive = node, world, now_ns, alive
        self._joints = tuple(world.profile.joints)
        self._executor = TrajectoryExecutor(world)
        self._lock = threading.Lock()
        self._newest: Any = None
        self._server = ActionServer(
            node,
            FollowJointTrajectory,
            world.profile.arm_controller,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def stop(self, reason: str) -> None:
        """Stand still at once; the goal under way is aborted."""
        self._executor.stop(reason)

    def _execute(self, handle: Handle) -> Any:
        refused = self._start(handle)
        if refused is not None:
            return self._ended(handle, refused)
        said = time.monotonic()
        while (result := self._result(handle)) is None:
            if time.monotonic() - said > _FEEDBACK_S:
                said = time.monotonic()
                handle.publish_feedback(self._feedback())
            time.sleep(_POLL_S)
        return self._ended(handle, result)

    def _start(self, handle: Handle) -> ExecutionResult | None:
        """Begin to follow the goal; why not, otherwise."""
        goal = handle.request
        try:
            trajectory = from_joint_trajectory(goal.trajectory)
            default = Tolerances.of(ExecutorConfig(), len(self._joints))
            tolerances = goal_tolerances(goal, self._joints, default)
        except InvalidInputError as error:
            return ExecutionResult(ExecutionCode.INVALID_GOAL, str(error))
        with self._lock:
            stamp_ns = to_ns(goal.trajectory.header.stamp)
            delay = (stamp_ns - self._now_ns()) * 1e-9 if stamp_ns else 0.0  # 0 means at once
            refused = self._executor.start(trajectory, tolerances, delay)
            if refused is None:
                self._newest = handle
            return refused

    def _result(self, handle: Handle) -> ExecutionResult | None:
        """How the goal ended; None while it is followed."""
        with self._lock:
            if self._newest is not handle:
                return ExecutionResult(ExecutionCode.STOPPED, "a newer goal has come")
            if handle.is_cancel_requested:
                self._executor.stop("cancelled; the arm stands still")
            elif not self._alive():
                self._executor.stop("the cell ends")
            return self._executor.result

    def _ended(self, handle: Handle, result: ExecutionResult) -> Any:
        if result.code is ExecutionCode.SUCCESSFUL:
            finish(self._node, handle.succeed)
        elif handle.is_cancel_requested:
            finish(self._node, handle.canceled)
        else:
            if self._alive():
                self._node.get_logger().warning(f"arm: {result.message}")
            finish(self._node, handle.abort)
        # ros2_control has no code for a goal that was replaced or stopped from outside.
        code = _Result.INVALID_GOAL if result.code is ExecutionCode.STOPPED else int(result.code)
        return _Result(error_code=code, error_string=result.message)

    def _feedback(self) -> Any:
        message = FollowJointTrajectory.Feedback(joint_names=list(self._joints))
        message.header = to_header(self._now_ns(), "")
        actual, _ = self._world.arm_motion()
        desired = self._executor.desired
        desired = actual if desired is None else desired
        message.actual.positions = actual.tolist()
        message.desired.positions = desired.tolist()
        message.error.positions = np.subtract(desired, actual).tolist()
        return message


class GripperServer:
    """Serves the gripper's action, of the type that the profile names.

    Args:
        node: the server is made here; it needs an executor of several threads.
        world: the cell.
        alive: whether the cell still runs.
    """

    def __init__(self, node: TackNode, world: CellWorld, alive: Callable[[], bool]) -> None:
        self._node, self._world, self._alive = node, world, alive
        self._gripper = world.profile.gripper
        self._parallel = self._gripper.action_type == "parallel_gripper_command"
        self._lock = threading.Lock()
        self._newest: Any = None
        self._server = ActionServer(
            node,
            ParallelGripperCommand if self._parallel else GripperCommand,
            self._gripper.action,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._check,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )

    def _check(self, goal: Any) -> GoalResponse:
        try:
            self._wanted(goal)
        except InvalidInputError as error:
            self._node.get_logger().error(f"gripper: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _wanted(self, goal: Any) -> tuple[float, float]:
        """Opening (m) within what the gripper has, and force (N), 0 meaning all it has.

        Raises:
            InvalidInputError: not finite, a negative force, or not one position.
        """
        command, gripper = goal.command, self._gripper
        if self._parallel:
            if len(command.position) != 1 or (set(command.name) - {gripper.joints[0]}):
                raise InvalidInputError(
                    f"{len(command.position)} positions of [{', '.join(command.name)}]; one of"
                    f" {gripper.joints[0]} is needed"
                )
            position, force = command.position[0], command.effort[0] if command.effort else 0.0
        else:
            position, force = command.position, command.max_effort
        if not np.isfinite([position, force]).all() or force < 0:
            raise InvalidInputError(
                f"position {position:g} with effort {force:g}; finite ones are needed, the effort"
                " 0 (all it has) or more"
            )
        opening = float(np.clip(gripper.opening(position), 0.0, gripper.stroke))
        return opening, min(float(force), gripper.force) or gripper.force

    def _execute(self, handle: Handle) -> Any:
        opening, force = self._wanted(handle.request)
        with self._lock:
            self._newest = handle
            self._world.command_gripper(opening, force)
        end = self._world.time + _GRIPPER_S
        said = time.monotonic()
        while True:
            time.sleep(_POLL_S)
            with self._lock:
                state = self._world.gripper_state()
                replaced = self._newest is not handle
                if handle.is_cancel_requested and not replaced:
                    held = float(np.clip(state.opening, 0, self._gripper.stroke))
                    self._world.command_gripper(held, force)
            if handle.is_cancel_requested:
                finish(self._node, handle.canceled)
                return self._result(state)
            if replaced or self._world.time > end or not self._alive():
                finish(self._node, handle.abort)
                return self._result(dataclasses.replace(state, reached=False))
            if state.reached or state.stalled:
                finish(self._node, handle.succeed)
                return self._result(state)
            if time.monotonic() - said > _FEEDBACK_S:
                said = time.monotonic()
                handle.publish_feedback(self._feedback(state))

    def _feedback(self, state: GripperState) -> Any:
        if self._parallel:
            return ParallelGripperCommand.Feedback(state=self._joint_state(state))
        return GripperCommand.Feedback(
            position=self._gripper.position(state.opening),
            effort=state.effort,
            stalled=state.stalled,
            reached_goal=state.reached,
        )

    def _joint_state(self, state: GripperState) -> JointState:
        position = self._gripper.position(state.opening)
        return JointState(
            name=[self._gripper.joints[0]], position=[position], effort=[state.effort]
        )

    def _result(self, state: GripperState) -> Any:
        if self._parallel:
            return ParallelGripperCommand.Result(
                state=self._joint_state(state), stalled=state.stalled, reached_goal=state.reached
            )
        return GripperCommand.Result(
            position=self._gripper.position(state.opening),
            effort=state.effort,
            stalled=state.stalled,
            reached_goal=state.reached,
        )
