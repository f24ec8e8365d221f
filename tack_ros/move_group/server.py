# SPDX-License-Identifier: Apache-2.0
"""The services and actions of move_group, answered by the planner of the simulated cell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.msg import PlanningScene as SceneMessage
from moveit_msgs.srv import (
    ApplyPlanningScene,
    GetCartesianPath,
    GetMotionPlan,
    GetPlanningScene,
    GetPositionIK,
)
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import String

from tack_grasping.robot import RobotProfile
from tack_perception.errors import InvalidInputError, TackError
from tack_ros import qos
from tack_ros.actions import finish
from tack_ros.conversions.trajectories import from_joint_trajectory, to_robot_trajectory
from tack_ros.move_group import queries, scenes
from tack_ros.move_group.execution import TrajectoryRunner
from tack_ros.move_group.scene_keeper import SceneKeeper
from tack_ros.node import TackNode
from tack_sim.planning.change import apply_change
from tack_sim.planning.codes import MoveItError, MoveItErrorCode
from tack_sim.planning.planner import MotionPlanner
from tack_sim.planning.requests import PlanRequest, PlanResult, Trajectory
from tack_sim.planning.scene import PlanningScene

Handle = ServerGoalHandle[Any, Any, Any]


class MoveGroupServer:
    """Serves what clients of move_group use.

    Args:
        node: the servers are made here; it needs an executor of several threads.
        profile: the robot.
        runner: makes what sends trajectories to the arm, given the scene.
        abort, refuse: asked before each plan whether it shall fail (injected faults).
    """

    def __init__(
        self,
        node: TackNode,
        profile: RobotProfile,
        runner: Callable[[SceneKeeper], TrajectoryRunner],
        abort: Callable[[], bool],
        refuse: Callable[[], bool],
    ) -> None:
        self._node, self._profile = node, profile
        self._planner = MotionPlanner(profile)
        self._scene = SceneKeeper(node, self._planner)
        self._closed = threading.Event()
        self._runner = runner(self._scene)
        self._abort, self._refuse = abort, refuse
        group = ReentrantCallbackGroup()
        for kind, name, answer in (
            (ApplyPlanningScene, "apply_planning_scene", self._on_apply),
            (GetPlanningScene, "get_planning_scene", self._on_scene),
            (GetCartesianPath, "compute_cartesian_path", self._on_cartesian),
            (GetPositionIK, "compute_ik", self._on_ik),
            (GetMotionPlan, "plan_kinematic_path", self._on_plan),
        ):
            node.create_service(kind, name, answer, callback_group=group)
        self._servers = [
            ActionServer(
                node,
                kind,
                name,
                execute,
                callback_group=group,
                goal_callback=take,
                cancel_callback=lambda goal: CancelResponse.ACCEPT,
            )
            for kind, name, execute, take in (
                (MoveGroup, "move_action", self._move, self._take),
                (ExecuteTrajectory, "execute_trajectory", self._execute, _take_all),
            )
        ]
        node.create_subscription(
            String, "trajectory_execution_event", self._on_event, qos.RESULT, callback_group=group
        )

    def close(self) -> None:
        """Give up what is planned and stop what moves."""
        self._closed.set()
        self._runner.close()

    def _take(self, goal: MoveGroup.Goal) -> GoalResponse:
        return GoalResponse.REJECT if self._refuse() else GoalResponse.ACCEPT

    def _on_event(self, message: String) -> None:
        if message.data == "stop":
            self._runner.stop()

    def _on_apply(
        self, request: ApplyPlanningScene.Request, response: ApplyPlanningScene.Response
    ) -> ApplyPlanningScene.Response:
        try:
            response.success = not self._scene.apply(request.scene)
        except Exception as error:
            self._code_of(error)
        return response

    def _on_scene(
        self, request: GetPlanningScene.Request, response: GetPlanningScene.Response
    ) -> GetPlanningScene.Response:
        scene = self._scene.anything()
        response.scene = scenes.to_scene(scene, request.components.components)
        return response

    def _on_cartesian(
        self, request: GetCartesianPath.Request, response: GetCartesianPath.Response
    ) -> GetCartesianPath.Response:
        try:
            self._check_faults()
            wanted = queries.from_cartesian_request(request)
            answer = self._planner.cartesian_path(wanted, self._scene.now())
        except Exception as error:
            response.error_code = self._refused("straight way", error)
            return response
        self._log("straight way", answer.code, answer.message)
        response.start_state = queries.to_robot_state(answer.start)
        response.solution = to_robot_trajectory(answer.trajectory)
        response.fraction = answer.fraction
        response.error_code = queries.to_error_code(answer.code, answer.message)
        return response

    def _on_ik(
        self, request: GetPositionIK.Request, response: GetPositionIK.Response
    ) -> GetPositionIK.Response:
        try:
            wanted = queries.from_ik_request(request.ik_request)
            answer = self._planner.inverse_kinematics(wanted, self._scene.now())
        except Exception as error:
            response.error_code = self._refused("inverse kinematics", error)
            return response
        response.solution = queries.to_robot_state(answer.positions)
        response.error_code = queries.to_error_code(answer.code, answer.message)
        return response

    def _on_plan(
        self, request: GetMotionPlan.Request, response: GetMotionPlan.Response
    ) -> GetMotionPlan.Response:
        answer = response.motion_plan_response
        try:
            wanted = queries.from_plan_request(request.motion_plan_request)
            result = self._plan(wanted, self._scene.now(), self._closed.is_set)
        except Exception as error:
            answer.error_code = self._refused("plan", error)
            return response
        answer.group_name = wanted.group
        answer.trajectory_start = queries.to_robot_state(result.start)
        answer.trajectory = to_robot_trajectory(result.trajectory)
        answer.planning_time = result.planning_time
        answer.error_code = queries.to_error_code(result.code, result.message)
        return response

    def _move(self, handle: Handle) -> Any:
        """Plan and, unless only a plan is asked for, go."""
        result = MoveGroup.Result()
        try:
            self._say(handle, MoveGroup, "PLANNING")
            wanted = queries.from_plan_request(handle.request.request)
            scene = self._scene_for(handle.request.planning_options.planning_scene_diff)
            planned = self._plan(wanted, scene, lambda: self._given_up(handle))
            result.planning_time = planned.planning_time
            result.trajectory_start = scenes.attached_state(scene.with_positions(planned.start))
            if planned.trajectory is None:
                raise MoveItError(planned.code, planned.message)
            result.planned_trajectory = to_robot_trajectory(planned.trajectory)
            if not handle.request.planning_options.plan_only:
                self._say(handle, MoveGroup, "MONITOR")
                self._runner.run(planned.trajectory, lambda: self._given_up(handle))
                result.executed_trajectory = result.planned_trajectory
        except Exception as error:
            result.error_code = self._ended(handle, "motion", error)
            return result
        result.error_code = self._ended(handle, "motion", None)
        return result

    def _execute(self, handle: Handle) -> Any:
        result = ExecuteTrajectory.Result()
        try:
            self._say(handle, ExecuteTrajectory, "MONITOR")
            trajectory = _trajectory(handle.request)
            self._runner.run(trajectory, lambda: self._given_up(handle))
        except Exception as error:
            result.error_code = self._ended(handle, "trajectory", error)
        else:
            result.error_code = self._ended(handle, "trajectory", None)
        return result

    def _given_up(self, handle: Handle) -> bool:
        return bool(handle.is_cancel_requested) or self._closed.is_set()

    def _plan(
        self, wanted: PlanRequest, scene: PlanningScene, cancelled: Callable[[], bool]
    ) -> PlanResult:
        self._check_faults()
        result = self._planner.plan(wanted, scene, cancelled)
        self._log(f"plan in {result.planning_time:.2f} s", result.code, result.message)
        return result

    def _check_faults(self) -> None:
        if self._refuse():
            raise MoveItError(MoveItErrorCode.PLANNING_FAILED, "refused, as the fault demands")
        if self._abort():
            raise MoveItError(MoveItErrorCode.ABORT, "aborted, as the fault demands")

    def _scene_for(self, change: SceneMessage) -> PlanningScene:
        """The scene in force, with a change that holds for one request."""
        scene = self._scene.now()
        if not change.is_diff:
            return scene  # clients that leave it empty mean no change
        try:
            changed = apply_change(scene, scenes.from_scene(change))
        except InvalidInputError as error:
            raise MoveItError(MoveItErrorCode.FAILURE, f"planning scene: {error}") from error
        _raise_first(changed.problems)
        return changed.scene

    def _ended(self, handle: Handle, what: str, error: Exception | None) -> Any:
        """Put the goal into its final state; the message of the code."""
        if error is None:
            finish(self._node, handle.succeed)
            return queries.to_error_code(MoveItErrorCode.SUCCESS)
        code = self._code_of(error)
        if code is MoveItErrorCode.PREEMPTED and handle.is_cancel_requested:
            finish(self._node, handle.canceled)
        else:
            finish(self._node, handle.abort)
        self._log(what, code, str(error))
        return queries.to_error_code(code, str(error))

    def _refused(self, what: str, error: Exception) -> Any:
        """The message of the code for a request that failed."""
        code = self._code_of(error)
        self._log(what, code, str(error))
        return queries.to_error_code(code, str(error))

    def _code_of(self, error: Exception) -> MoveItErrorCode:
        """The code of an error; one that nobody expected is counted: a client always hears."""
        if isinstance(error, MoveItError):
            return error.code
        if not isinstance(error, TackError):
            self._node.drops.add_fault(error)
        return MoveItErrorCode.FAILURE

    def _say(self, handle: Handle, kind: Any, state: str) -> None:
        finish(self._node, lambda: handle.publish_feedback(kind.Feedback(state=state)))

    def _log(self, what: str, code: MoveItErrorCode, message: str) -> None:
        logger = self._node.get_logger()
        if code is MoveItErrorCode.SUCCESS:
            logger.debug(f"{what}: {message or 'done'}")
        elif self._node.context.ok():
            logger.warning(f"{what}: {message} ({code.name})")


def _take_all(goal: Any) -> GoalResponse:
    return GoalResponse.ACCEPT


def _trajectory(goal: ExecuteTrajectory.Goal) -> Trajectory:
    """The trajectory to execute.

    Raises:
        MoveItError: INVALID_MOTION_PLAN it is none.
    """
    try:
        return from_joint_trajectory(goal.trajectory.joint_trajectory)
    except InvalidInputError as error:
        raise MoveItError(MoveItErrorCode.INVALID_MOTION_PLAN, str(error)) from error


def _raise_first(problems: Iterable[str]) -> None:
    for problem in problems:
        raise MoveItError(MoveItErrorCode.FAILURE, f"planning scene: {problem}")
