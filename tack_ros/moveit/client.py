# SPDX-License-Identifier: Apache-2.0
"""Moves an arm through MoveIt's move_group and its gripper through ros2_control."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from action_msgs.msg import GoalStatus
from control_msgs.action import GripperCommand, ParallelGripperCommand
from moveit_msgs.action import ExecuteTrajectory, MoveGroup
from moveit_msgs.msg import (
    AttachedCollisionObject,
    CollisionObject,
    PlanningScene,
)
from numpy.typing import NDArray

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import GripperState, MotionConfig, MotionError
from tack_grasping.reach import LOST, TOUCHING, posture_score
from tack_grasping.robot import RobotProfile
from tack_grasping.scene.touching import Touching
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_ros.actions import servers_of
from tack_ros.calls import CallError, Calls, CallTimeoutError, Goal, GoalRefusedError
from tack_ros.moveit import requests
from tack_ros.moveit.loss import Loss
from tack_ros.moveit.queries import Queries, check

FloatArray = NDArray[np.float64]

_MOVE_GROUP, _EXECUTE = "move_action", "execute_trajectory"
HELD = "held"
"""Name of what hangs in the gripper."""


class MoveItMotion:
    """An arm behind move_group (the `Motion` of a pick-and-place). Blocks; not for callbacks.

    Args:
        profile: the robot.
        calls: makes the calls.
        config: speeds, tolerances, patience.
        namespace: of move_group, where it has one.

    Attributes:
        loss: brings the planning scene back to a move_group that was started again.
    """

    def __init__(
        self,
        profile: RobotProfile,
        calls: Calls,
        config: MotionConfig | None = None,
        namespace: str = "",
    ) -> None:
        self.config = config or MotionConfig()
        self._profile = profile
        self._calls = calls
        self._prefix = f"{namespace.rstrip('/')}/"
        self._tip_from_gripper = profile.gripper.tip_from_gripper
        self._goals: set[Goal] = set()
        self._stopped = threading.Event()
        server = self._prefix + _MOVE_GROUP
        self.loss = Loss(self._check_stopped, lambda: servers_of(calls.node, server))
        self._queries = Queries(profile, self.config, self._prefix, self._call)

    def move_to(self, base_from_gripper: FloatArray, *, onwards: FloatArray | None = None) -> None:
        """Plan around obstacles and go.

        Args:
            base_from_gripper: (4, 4), m.
            onwards: (4, 4), m: it comes in a posture from which it can go straight on to here.

        Raises:
            MotionError: with move_group's code, or there is no such posture.
        """
        if onwards is not None:
            self.loss.make_good()
            ends = self._tip(base_from_gripper), self._tip(onwards)
            self.move_joints(self._queries.posture(*ends))
            return
        goal = requests.pose_goal(self._profile, self._tip(base_from_gripper), self.config)
        self._plan_and_go(goal)

    def move_home(self) -> None:
        """Go to the home position.

        Raises:
            MotionError: with move_group's code.
        """
        self.move_joints(self._profile.home)

    def move_joints(self, positions: FloatArray) -> None:
        """Plan to joint positions, and go.

        Args:
            positions: (n,) rad, in the order of the profile's joints.

        Raises:
            MotionError: with move_group's code.
        """
        named = dict(zip(self._profile.joints, np.asarray(positions).tolist(), strict=True))
        self._plan_and_go(requests.joint_goal(self._profile, named, self.config))

    def move_straight(
        self, base_from_gripper: FloatArray, *, touching: Touching = Touching.NOTHING
    ) -> None:
        """Go in a straight line.

        Args:
            base_from_gripper: (4, 4), m.
            touching: what may be touched where there is no free way.

        Raises:
            MotionError: the line is possible only in part, or with move_group's code.
        """
        self._check_stopped()
        self.loss.make_good()
        tip = self._tip(base_from_gripper)
        try:
            trajectory = self._queries.straight(tip)
        except MotionError as error:
            if touching is Touching.NOTHING or error.code in LOST:
                raise
            with self._queries.may_touch(touching):
                trajectory = self._queries.straight(tip)
        points = trajectory.joint_trajectory.points
        if not points:
            return  # there already
        allowed_s = self.config.patience + requests.seconds(points[-1].time_from_start)
        goal = ExecuteTrajectory.Goal(trajectory=trajectory)
        _, result = self._run(ExecuteTrajectory, self._prefix + _EXECUTE, goal, allowed_s)
        check(result.error_code, "straight way")

    def move_gripper(self, opening: float, force: float) -> GripperState:
        """Open or close.

        Args:
            opening: between the fingers, m.
            force: at most this, N.

        Raises:
            MotionError: the gripper does not answer, or fails.
            InvalidInputError: an opening or a force that the gripper does not have.
        """
        gripper = self._profile.gripper
        if not 0 < force <= gripper.force + 1e-6:
            raise InvalidInputError(f"force {force} N: {gripper.name} has up to {gripper.force} N")
        if not 0 <= opening <= gripper.stroke + 1e-6:
            raise InvalidInputError(
                f"opening {opening} m: {gripper.name} opens 0 to {gripper.stroke} m"
            )
        parallel = gripper.action_type != "gripper_command"
        kind = ParallelGripperCommand if parallel else GripperCommand
        make = requests.parallel_gripper_goal if parallel else requests.gripper_goal
        goal = make(gripper, opening, force)
        sent, result = self._run(kind, gripper.action, goal, self.config.gripper_patience)
        # ros2_control aborts a goal whose fingers stall, where it was not told to allow that
        # (allow_stalling); for whoever grasps it is no failure.
        if not sent.succeeded and not result.stalled:
            raise MotionError(MoveItErrorCode.CONTROL_FAILED, f"{gripper.action} was aborted")
        if not parallel:
            position, effort = result.position, result.effort
        else:
            position = result.state.position[0] if result.state.position else float("nan")
            effort = result.state.effort[0] if result.state.effort else float("nan")
        return GripperState(gripper.opening(position), effort, result.stalled, result.reached_goal)

    def stop(self) -> None:
        """Cancel what is moving and refuse all that follows until `resume`. From any thread."""
        # First the latch: a goal that is being sent meanwhile sees it, or is seen here.
        self._stopped.set()
        for goal in tuple(self._goals):
            goal.cancel()

    def resume(self) -> None:
        """Allow motions again after `stop`."""
        self._stopped.clear()

    def add_box(self, name: str, base_from_box: FloatArray, size: FloatArray) -> None:
        """Put a box into the planning scene: full side lengths (3,), m.

        Raises:
            MotionError: move_group does not take it.
        """
        frame = self._profile.base_frame
        self.change_scene(requests.scene_change([requests.box(name, frame, base_from_box, size)]))

    def remove(self, name: str) -> None:
        """Take an object out of the planning scene.

        Raises:
            MotionError: move_group does not do it.
        """
        gone = CollisionObject(id=name, operation=CollisionObject.REMOVE)
        self.change_scene(requests.scene_change([gone]))

    def attach(self, name: str) -> None:
        """From now on an object of the planning scene moves with the gripper.

        Raises:
            MotionError: move_group does not do it.
        """
        self._attach(name, CollisionObject.ADD)

    def detach(self, name: str) -> None:
        """Put an attached object back into the world, where it is now.

        Raises:
            MotionError: move_group does not do it.
        """
        self._attach(name, CollisionObject.REMOVE)

    def reach(self, base_from_gripper: FloatArray) -> float:
        """How well the arm gets to a pose (4, 4), m: 0 (not at all) to 1.

        Raises:
            MotionError: move_group does not answer.
        """
        tip = self._tip(base_from_gripper)
        for ask, share in (
            (self._queries.free, 1.0),
            (self._queries.free_among_things, 1.0),
            (self._queries.anyhow, TOUCHING),
        ):
            try:
                found = ask(tip)
            except MotionError as error:
                if error.code in LOST:
                    raise
            else:
                positions = [found[joint] for joint in self._profile.joints]
                return share * posture_score(self._profile, positions)
        return 0.0

    def hold(self, gripper_from_box: FloatArray, size: FloatArray) -> None:
        """From now on a box moves with the gripper, and is kept clear of all else.

        Args:
            gripper_from_box: (4, 4), m.
            size: (3,) full side lengths, m.

        Raises:
            MotionError: move_group does not do it.
        """
        tip_from_box = self._tip_from_gripper @ gripper_from_box
        held = requests.attached_box(HELD, self._profile, tip_from_box, size)
        self.change_scene(requests.scene_change(attached=[held]))

    def let_go(self) -> None:
        """Nothing is held any more.

        Raises:
            MotionError: move_group does not do it.
        """
        self.detach(HELD)
        self.remove(HELD)

    def change_scene(self, scene: PlanningScene) -> None:
        """Apply a change of the planning scene.

        Raises:
            MotionError: move_group does not take it.
        """
        self._queries.change_scene(scene)

    def _attach(self, name: str, operation: bytes) -> None:
        attached = AttachedCollisionObject(
            link_name=self._profile.tip_frame,
            object=CollisionObject(id=name, operation=operation),
            touch_links=list(self._profile.gripper.held_by),
        )
        self.change_scene(requests.scene_change(attached=[attached]))

    def _tip(self, base_from_gripper: FloatArray) -> FloatArray:
        tip: FloatArray = base_from_gripper @ geometry.inverse(self._tip_from_gripper)
        return tip

    def _plan_and_go(self, goal: MoveGroup.Goal) -> None:
        allowed_s = self.config.patience + self.config.planning_time * self.config.attempts
        self.loss.make_good()
        _, result = self._run(MoveGroup, self._prefix + _MOVE_GROUP, goal, allowed_s)
        check(result.error_code, "motion")

    def _call(self, kind: Any, name: str, request: Any, timeout_s: float) -> Any:
        try:
            return self._calls.call(kind, name, request, timeout_s=timeout_s, wanted=self._goes_on)
        except CallError as error:
            raise self._no_answer(error) from error

    def _run(self, kind: Any, name: str, goal: Any, allowed_s: float) -> tuple[Goal, Any]:
        """Send a goal and wait for its result message; `stop` interrupts.

        Raises:
            MotionError: no server, refused, too late, or stopped.
        """
        self._check_stopped()
        sent: Goal | None = None
        try:
            patience = self.config.server_patience
            sent = self._calls.send(kind, name, goal, wait_s=patience, wanted=self._goes_on)
            self._goals.add(sent)
            if self._stopped.is_set():
                sent.cancel()
            result = sent.result(allowed_s)
        except CallTimeoutError as error:
            raise MotionError(MoveItErrorCode.TIMED_OUT, str(error)) from error
        except GoalRefusedError as error:
            raise MotionError(MoveItErrorCode.FAILURE, str(error)) from error
        except CallError as error:
            raise self._no_answer(error) from error
        finally:
            if sent is not None:
                self._goals.discard(sent)
        if sent.status == GoalStatus.STATUS_CANCELED:
            raise MotionError(MoveItErrorCode.PREEMPTED, f"{name} was cancelled")
        return sent, result

    def _goes_on(self) -> bool:
        return not self._stopped.is_set()

    def _no_answer(self, error: CallError) -> MotionError:
        self.loss.happened = True
        stopped = self._stopped.is_set()
        code = MoveItErrorCode.PREEMPTED if stopped else MoveItErrorCode.COMMUNICATION_FAILURE
        return MotionError(code, str(error))

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise MotionError(MoveItErrorCode.PREEMPTED, "stopped; `resume` allows motions again")
