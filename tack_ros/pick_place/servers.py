# SPDX-License-Identifier: Apache-2.0
"""MoveIt's Pickup, Place and GraspPlanning, and a pick-and-place on top of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from moveit_msgs.action import Pickup, Place
from moveit_msgs.srv import GraspPlanning
from numpy.typing import NDArray
from rclpy.action.server import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.bins import bin_walls
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.outlook import outlook, to_take
from tack_grasping.behaviour.pick_place import PickPlace
from tack_grasping.behaviour.planning import (
    UP,
    Placer,
    placer,
    placer_at,
)
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import Planner
from tack_grasping.behaviour.teaching import teach
from tack_grasping.candidates.plan import counted
from tack_grasping.error_codes import MoveItErrorCode, StageError
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.placing.goals import with_placement
from tack_grasping.placing.scene import Container
from tack_grasping.placing.solve import Placement
from tack_perception import geometry
from tack_perception.errors import TackError
from tack_perception.transforms import TransformError
from tack_ros import qos
from tack_ros.actions import finish
from tack_ros.conversions.goals import to_grasp
from tack_ros.conversions.stamps import to_ns
from tack_ros.moveit.requests import box, scene_change
from tack_ros.node import TackNode
from tack_ros.pick_place.messages import GivenGrasps, outcome_code, pose_of, to_error_code
from tack_ros.pick_place.parts import Parts
from tack_ros.pick_place.told import Handle, Told

FloatArray = NDArray[np.float64]


class PickPlaceServers:
    """Serves what the behaviour does, and how it is stopped.

    The actions `pickup`, `place` and `~/pick_and_place`, the services `plan_grasps` and `~/teach`,
    the topic `~/stop` and the service `~/rearm`; `~/stopped` says whether it is stopped.

    Args:
        node: they are made here; it needs an executor of several threads.
        parts: what they work with.
    """

    def __init__(self, node: TackNode, parts: Parts) -> None:
        self._node, self._parts = node, parts
        self._plan = node.create_publisher(MarkerArray, "~/plan", qos.LATCHED)
        self._stopped = node.create_publisher(Bool, "~/stopped", qos.LATCHED)
        self._stopped.publish(Bool(data=False))
        self._cancelled: set[bytes] = set()
        self._bins: Mapping[str, Container] = {}
        parts.motion.loss.restore = self._restore
        group = ReentrantCallbackGroup()
        for kind, name, execute in (
            (Pickup, "pickup", self._pickup),
            (Place, "place", self._place),
            (Place, "~/pick_and_place", self._pick_and_place),
        ):
            ActionServer(
                node, kind, name, execute, callback_group=group,
                goal_callback=lambda goal: GoalResponse.ACCEPT, cancel_callback=self._cancel,
            )  # fmt: skip
        node.create_service(GraspPlanning, "plan_grasps", self._plan_grasps, callback_group=group)
        node.create_service(Trigger, "~/rearm", self._rearm, callback_group=group)
        node.create_service(Trigger, "~/teach", self._teach, callback_group=group)
        node.create_subscription(Empty, "~/stop", self._stop, qos.RESULT, callback_group=group)

    # What comes in

    def _cancel(self, handle: Handle) -> CancelResponse:
        self._cancelled.add(_key(handle))
        self._parts.jobs.review()
        return CancelResponse.ACCEPT

    def _stop(self, message: Empty) -> None:
        self._parts.jobs.stop("a stop was asked for")
        self._stopped.publish(Bool(data=True))
        self._node.get_logger().warning("stopped; ~/rearm allows motions again")

    def _rearm(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        was = self._parts.jobs.rearm()
        self._stopped.publish(Bool(data=False))
        response.success = True
        response.message = f"armed again; it was stopped: {was}" if was else "it was not stopped"
        return response

    def _pickup(self, handle: Handle) -> Any:
        request, result = handle.request, Pickup.Result()
        label = request.target_name

        def job(witness: Told) -> CycleRecord:
            planner: Planner = self._parts.planner(label, None)
            if request.possible_grasps:
                parts = self._parts
                planner = GivenGrasps(request.possible_grasps, self._to_base, parts.profile)
            record = self._parts.jobs.run(
                self._parts.task(label), lambda: self._robot(planner), witness, witness.wanted
            )
            if witness.goal is not None:
                result.grasp = to_grasp(witness.goal, self._parts.profile.gripper)
            return record

        return self._serve(handle, Pickup, result, job)

    def _place(self, handle: Handle) -> Any:
        request, result = handle.request, Place.Result()

        def job(witness: Told) -> CycleRecord:
            jobs = self._parts.jobs
            asked = request.attached_object_name
            if asked and jobs.held and asked != jobs.held:
                raise StageError(
                    MoveItErrorCode.INVALID_OBJECT_NAME, f"'{jobs.held}' is held, not '{asked}'"
                )
            poses = [self._to_base(one.place_pose) for one in request.place_locations]
            if not poses:
                raise StageError(
                    MoveItErrorCode.INVALID_GOAL_CONSTRAINTS,
                    "place_locations is empty: give at least one place_pose",
                )
            return jobs.place(
                lambda stages: self._placed(stages, poses, request.place_eef),
                lambda: self._robot(self._parts.planner(jobs.held, None)),
                "pose", witness, witness.wanted,
            )  # fmt: skip

        return self._serve(handle, Place, result, job)

    def _pick_and_place(self, handle: Handle) -> Any:
        request = handle.request
        label = request.attached_object_name

        def job(witness: Told) -> CycleRecord:
            name, place = self._where(request, label)
            planner = self._parts.planner(label, place)
            return self._parts.jobs.run(
                self._parts.task(label, name), lambda: self._robot(planner), witness, witness.wanted
            )

        return self._serve(handle, Place, Place.Result(), job)

    def _plan_grasps(
        self, request: GraspPlanning.Request, response: GraspPlanning.Response
    ) -> GraspPlanning.Response:
        """What would be done now, and why; nothing moves."""
        label, parts = request.target.id, self._parts
        try:
            task, planner = self._parts.task(label), self._parts.planner(label, None)
            sight = to_take(parts.eyes.look(), task, parts.profile, parts.places().bins)
            near = None if task.near is None else np.array(task.near)
            things = sight.found(label, near)
            found = outlook(sight, things, task, planner, parts.profile)
        except TackError as error:
            response.error_code = to_error_code(_code_of(error), _sentence(error))
            return response
        response.grasps = [to_grasp(goal, parts.profile.gripper) for goal in found.goals]
        code = MoveItErrorCode.SUCCESS if found.goals else MoveItErrorCode.NO_IK_SOLUTION
        said = found.goals[0].why if found.goals else found.refusal
        rejected = counted(why for why in found.rejected if why != found.refusal)
        response.error_code = to_error_code(
            code, said + (f"; rejected: {rejected}" if rejected else "")
        )
        return response

    def _teach(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Look at what was clicked on from all sides: every view that shows the point is a shot."""
        label = self._parts.teach()
        try:
            self._parts.task(label)
            with self._parts.jobs.alone():
                robot = self._robot(self._parts.planner(label, None))
                response.message = teach(
                    label, robot.profile, robot.motion, robot.eyes, self._parts.carry,
                    robot.surroundings,
                )  # fmt: skip
            response.success = True
        except TackError as error:
            response.message = _sentence(error)
        return response

    # How it is done

    def _serve(
        self, handle: Handle, kind: Any, result: Any, job: Callable[[Told], CycleRecord]
    ) -> Any:
        """Do a job for a client, who hears of every stage and in the end."""
        log = self._parts.log
        key = _key(handle)
        told = Told(
            self._node, handle, kind, self._plan, log or Witness(),
            lambda: key not in self._cancelled,
        )  # fmt: skip
        try:
            record = job(told)
        except TackError as error:
            result.error_code = to_error_code(_code_of(error), _sentence(error))
            finish(self._node, handle.abort)
            self._node.get_logger().warning(str(error))
            return result
        finally:
            self._cancelled.discard(key)
        if log is not None:
            log.finish(record)
        result.error_code = outcome_code(record)
        if record.success:
            finish(self._node, handle.succeed)
        elif handle.is_cancel_requested:
            finish(self._node, handle.canceled)
        else:
            finish(self._node, handle.abort)
        return result

    def _robot(self, planner: Planner) -> Robot:
        """The robot for one job, with move_group told of the bins.

        Raises:
            TackError: the places cannot be read, or move_group does not answer.
        """
        parts = self._parts
        self._bins = parts.places().bins
        parts.surroundings.know(self._bins)
        parts.scene.resend()
        self._show_bins()
        return Robot(
            parts.profile, parts.motion, parts.eyes, planner, parts.surroundings, self._bins
        )

    def _show_bins(self) -> None:
        parts, frame = self._parts, self._parts.profile.base_frame
        walls = [box(name, frame, pose, size) for name, pose, size in bin_walls(self._bins)]
        if walls:
            parts.motion.change_scene(scene_change(walls))

    def _restore(self) -> None:
        """A move_group that was started again hears of all that is known."""
        self._show_bins()
        self._parts.scene.restore()

    def _where(self, request: Any, label: str) -> tuple[str, Placer]:
        """Name of the place, and what puts a thing there.

        Raises:
            StageError: there is none.
        """
        if request.place_locations:
            return "pose", placer_at(label, self._to_base(request.place_locations[0].place_pose))
        spec = self._parts.place()
        if spec is None:
            raise StageError(
                MoveItErrorCode.INVALID_GOAL_CONSTRAINTS,
                "where to? Set the parameter `place` to a specification, or give place_locations",
            )
        return spec.name, placer(spec, self._parts.places())

    def _placed(
        self, stages: PickPlace, poses: list[FloatArray], of_gripper: bool
    ) -> PickPlaceGoal:
        """The goal that was picked with the first of several places that the arm reaches.

        Args:
            stages: that hold something.
            poses: (4, 4) in the base frame, m: of the gripper, or of the point that was grasped,
                where a turn is one from how the thing stood.
            of_gripper: which of the two.
        """
        goal, standoff = stages.goal, self._parts.config().standoff
        assert goal is not None
        assert stages.point is not None
        before = goal.grasp if of_gripper else geometry.make_transform(np.eye(3), stages.point)
        made = [
            with_placement(
                goal, Placement("pose", pose @ geometry.inverse(before)), UP, standoff=standoff
            )
            for pose in poses
        ]
        for placed in made:
            if placed.place is not None and self._parts.motion.reach(placed.place) > 0:
                return placed
        return made[0]

    def _to_base(self, message: PoseStamped) -> FloatArray:
        """(4, 4) of a stamped pose in the base frame, m.

        Raises:
            StageError: its frame is not known now, or it is no pose.
        """
        base, header = self._parts.profile.base_frame, message.header
        try:
            pose = pose_of(message, "place_pose")
            if header.frame_id in ("", base):
                return pose
            base_from_frame = self._parts.lookup(base, header.frame_id, to_ns(header.stamp))
        except TransformError as error:
            raise StageError(MoveItErrorCode.FRAME_TRANSFORM_FAILURE, str(error)) from error
        result: FloatArray = base_from_frame @ pose
        return result


def _key(handle: Handle) -> bytes:
    """What tells a goal from all others."""
    return bytes(handle.goal_id.uuid)


def _code_of(error: TackError) -> MoveItErrorCode:
    return error.code if isinstance(error, StageError) else MoveItErrorCode.FAILURE


def _sentence(error: TackError) -> str:
    return error.sentence if isinstance(error, StageError) else str(error)
