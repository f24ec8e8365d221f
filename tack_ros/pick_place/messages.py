# SPDX-License-Identifier: Apache-2.0
"""MoveIt's messages about grasps and places, and what they mean here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped
from moveit_msgs.msg import Grasp, GripperTranslation, MoveItErrorCodes
from numpy.typing import NDArray

from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.candidates import GraspPlan
from tack_grasping.candidates.planning import moved
from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.robot import RobotProfile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_ros.conversions.transforms import from_pose

FloatArray = NDArray[np.float64]
ToBase = Callable[[PoseStamped], FloatArray]
"""A stamped pose → (4, 4) in the base frame, m; raises StageError."""

_LIFT = (0.0, 0.0, 0.10)  # m, where a grasp does not say how to retreat
_STANDOFF = 0.10  # m, likewise how to approach


def to_error_code(code: MoveItErrorCode, message: str) -> MoveItErrorCodes:
    """A code with its sentence; versions of MoveIt without a place for it carry the number."""
    answer = MoveItErrorCodes(val=int(code))
    if hasattr(answer, "message"):
        answer.message, answer.source = message, "tack"
    return answer


def outcome_code(record: CycleRecord) -> MoveItErrorCodes:
    """What came of a cycle."""
    return to_error_code(record.code, record.reason)


class GivenGrasps:
    """The grasps of a message, as the planner of a behaviour.

    Args:
        grasps: with the gripper frame of `PickPlaceGoal` as their pose.
        to_base: brings their poses into the base frame.
        profile: of the robot.
    """

    def __init__(self, grasps: Sequence[Grasp], to_base: ToBase, profile: RobotProfile) -> None:
        self._grasps, self._to_base = grasps, to_base
        self._gripper, self._base_frame = profile.gripper, profile.base_frame

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        """The grasps as they were given, the best first."""
        goals = [self._goal(grasp, sight, thing, task) for grasp in self._grasps]
        return GraspPlan(tuple(sorted(goals, key=lambda goal: -goal.score)))

    def _goal(self, grasp: Grasp, sight: Sight, thing: Thing, task: PickPlaceTask) -> PickPlaceGoal:
        pose = self._to_base(grasp.grasp_pose)
        before, after = grasp.pre_grasp_approach, grasp.post_grasp_retreat
        approach = self._vector(before, pose[:3, 2] * _STANDOFF, pose)
        return PickPlaceGoal(
            label=task.label,
            frame_id=self._base_frame,
            stamp_ns=sight.frame.stamp_ns,
            pregrasp=moved(pose, -approach),
            grasp=pose,
            lift=moved(pose, self._vector(after, np.array(_LIFT), pose)),
            position_covariance=thing.points[task.label].covariance,
            width=self._width(grasp),
            score=float(np.clip(grasp.grasp_quality, 0.0, 1.0)),
            terms={},
            why=f"a grasp that was given{f' ({grasp.id})' if grasp.id else ''}",
        )

    def _width(self, grasp: Grasp) -> float:
        points = grasp.pre_grasp_posture.points
        if not points or not points[0].positions:
            return self._gripper.stroke
        opening = self._gripper.opening(points[0].positions[0])
        if not 0 < opening <= self._gripper.stroke + 1e-6:
            raise InvalidInputError(
                f"grasp {grasp.id!r}: opening {opening:.4f} m; {self._gripper.name} opens up to"
                f" {self._gripper.stroke} m"
            )
        return opening

    def _vector(
        self, translation: GripperTranslation, default: FloatArray, pose: FloatArray
    ) -> FloatArray:
        """(3,) in the base frame, m; where the message leaves it empty the default.

        A direction in another frame than the base's is taken in the gripper's own.
        """
        vector = translation.direction.vector
        direction = np.array([vector.x, vector.y, vector.z])
        length = float(np.linalg.norm(direction))
        if not (np.isfinite(length) and length > 0 and translation.desired_distance > 0):
            return default
        direction = direction / length * float(translation.desired_distance)
        in_base = translation.direction.header.frame_id == self._base_frame
        return direction if in_base else geometry.rotate(pose, direction)


def pose_of(message: PoseStamped, what: str) -> FloatArray:
    """(4, 4) of a pose in its own frame, m.

    Raises:
        InvalidInputError: it is not finite, or its quaternion has no length.
    """
    try:
        return from_pose(message.pose)
    except InvalidInputError as error:
        raise InvalidInputError(f"{what}: {error}") from error
