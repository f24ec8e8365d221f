# SPDX-License-Identifier: Apache-2.0
"""The controllers of the simulated robot, as ros2_control serves them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from control_msgs.action import FollowJointTrajectory, GripperCommand, ParallelGripperCommand
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState

from tack_grasping.motion import GripperState
from tack_perception.errors import InvalidInputError
from tack_ros.conversions.trajectories import from_joint_trajectory
from tack_ros.moveit.requests import joint_position, opening_of
from tack_ros.node import TackNode
from tack_sim.cell.executor import ExecutionCode, ExecutionResult, TrajectoryExecutor
from tack_sim.cell.world import CellWorld

_POLL_S = 0.005
_FEEDBACK_S = 0.1
_GRIPPER_S = 5.0  # of the world's time; an opening takes less than one
_Result = FollowJointTrajectory.Result
_CODES = {
    ExecutionCode.INVALID_GOAL: _Result.INVALID_GOAL,
    ExecutionCode.INVALID_JOINTS: _Result.INVALID_JOINTS,
    ExecutionCode.PATH_TOLERANCE_VIOLATED: _Result.PATH_TOLERANCE_VIOLATED,
    ExecutionCode.GOAL_TOLERANCE_VIOLATED: _Result.GOAL_TOLERANCE_VIOLATED,
}


class ArmController:
    """Serves control_msgs/FollowJointTrajectory. A newer goal replaces the one under way.

    Args:
        node: the server is made here; it needs an executor of several threads.
        world: the cell.
    """

    def __init__(self, node: TackNode, world: CellWorld) -> None:
        self._node, self._world = node, world
        self._executor = TrajectoryExecutor(world)
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

    def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Any:
        self._newest = handle
        try:
            trajectory = from_joint_trajectory(handle.request.trajectory)
        except InvalidInputError as error:
            return self._aborted(handle, ExecutionResult(ExecutionCode.INVALID_GOAL, str(error)))
        refused = self._executor.start(trajectory)
        if refused is not None:
            return self._aborted(handle, refused)
        said = time.monotonic()
        while (result := self._executor.result) is None and self._newest is handle:
            if handle.is_cancel_requested:
                self._executor.stop("cancelled")
                handle.canceled()
                return _Result(error_string="cancelled; the arm stands still")
            if not self._node.context.ok():
                self._executor.stop("the cell ends")
            if time.monotonic() - said > _FEEDBACK_S:
                said = time.monotonic()
                handle.publish_feedback(self._feedback())
            time.sleep(_POLL_S)
        if self._newest is not handle or result is None:
            stopped = ExecutionResult(ExecutionCode.STOPPED, "a newer goal has come")
            return self._aborted(handle, stopped)
        if result.code is not ExecutionCode.SUCCESSFUL:
            return self._aborted(handle, result)
        handle.succeed()
        return _Result(error_code=_Result.SUCCESSFUL, error_string=result.message)

    def _aborted(self, handle: ServerGoalHandle[Any, Any, Any], result: ExecutionResult) -> Any:
        self._node.get_logger().warning(f"arm: {result.message}")
        handle.abort()
        # ros2_control has no code for a goal that was replaced or stopped from outside.
        code = _CODES.get(result.code, _Result.INVALID_GOAL)
        return _Result(error_code=code, error_string=result.message)

    def _feedback(self) -> Any:
        joints = tuple(self._world.profile.joints)
        message = FollowJointTrajectory.Feedback(joint_names=list(joints))
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
    """

    def __init__(self, node: TackNode, world: CellWorld) -> None:
        self._node, self._world = node, world
        self._gripper = world.profile.gripper
        self._parallel = self._gripper.action_type == "parallel_gripper_command"
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
        opening, force = self._wanted(goal)
        if np.isfinite([opening, force]).all():
            return GoalResponse.ACCEPT
        self._node.get_logger().error(f"gripper: opening {opening} m, force {force} N refused")
        return GoalResponse.REJECT

    def _wanted(self, goal: Any) -> tuple[float, float]:
        """Opening (m) within what the gripper has, and force (N), 0 meaning all it has."""
        command, gripper = goal.command, self._gripper
        if self._parallel:
            position = command.position[0] if command.position else float("nan")
            force = command.effort[0] if command.effort else 0.0
        else:
            position, force = command.position, command.max_effort
        opening = float(np.clip(opening_of(gripper, position), 0.0, gripper.stroke))
        return opening, float(min(force, gripper.force)) if force != 0 else gripper.force

    def _execute(self, handle: ServerGoalHandle[Any, Any, Any]) -> Any:
        self._newest = handle
        opening, force = self._wanted(handle.request)
        try:
            self._world.command_gripper(opening, force)
        except InvalidInputError as error:
            self._node.get_logger().error(str(error))
            handle.abort()
            return self._result(self._world.gripper_state())
        end = self._world.time + _GRIPPER_S
        while True:
            time.sleep(_POLL_S)
            state = self._world.gripper_state()
            if handle.is_cancel_requested:
                self._world.command_gripper(float(np.clip(state.opening, 0, self._gripper.stroke)))
                handle.canceled()
                return self._result(state)
            if state.reached or state.stalled:
                handle.succeed()
                return self._result(state)
            late = self._world.time > end
            if late or self._newest is not handle or not self._node.context.ok():
                handle.abort()
                return self._result(state)

    def _result(self, state: GripperState) -> Any:
        position = joint_position(self._gripper, state.opening)
        if not self._parallel:
            return GripperCommand.Result(
                position=position,
                effort=state.effort,
                stalled=state.stalled,
                reached_goal=state.reached,
            )
        joints = JointState(
            name=[self._gripper.joints[0]], position=[position], effort=[state.effort]
        )
        return ParallelGripperCommand.Result(
            state=joints, stalled=state.stalled, reached_goal=state.reached
        )
