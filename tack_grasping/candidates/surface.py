# SPDX-License-Identifier: Apache-2.0
"""From one lifted keypoint to goals with a place: what a click alone gives."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.candidates.plan import GraspPlan
from tack_grasping.candidates.planning import moved, plan_grasps
from tack_grasping.candidates.proposals import Reachable
from tack_grasping.candidates.settings import GraspConfig
from tack_grasping.candidates.spec import AtPoint
from tack_grasping.fingers import Surroundings
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.points import named_point
from tack_perception import geometry
from tack_perception.configuration import setting
from tack_perception.errors import InvalidInputError
from tack_perception.keypoint import Keypoint

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class SurfacePlannerConfig(GraspConfig):
    """Settings of the one-point planner."""

    approach: str = setting(
        "normal",
        "come in against the surface normal, or straight down",
        choices=("normal", "down"),
    )
    aside: float = setting(
        0.06,
        "how far beside the point a pick may grasp where the arm would touch something with all"
        " grasps at the point; 0: only there",
        unit="m",
        low=0.0,
        high=0.2,
    )
    beside: float = setting(
        0.02,
        "how far beside the point a pick may grasp where no grasp closes at the point itself; 0:"
        " only there",
        unit="m",
        low=0.0,
        high=0.1,
    )


def plan_surface_grasps(
    keypoint: Keypoint,
    frame_from_camera: FloatArray,
    frame_id: str,
    stamp_ns: int,
    *,
    up: ArrayLike | None = None,
    place_at: ArrayLike | None = None,
    surroundings: Surroundings | None = None,
    reachable: Reachable | None = None,
    config: SurfacePlannerConfig | None = None,
) -> GraspPlan:
    """Candidates for grasping at one lifted keypoint.

    Args:
        keypoint: with `xyz` and `normal` in the camera's optical frame.
        frame_from_camera: (4, 4), takes the camera's optical frame to the frame of the goals, m.
        frame_id: the frame of the goals.
        stamp_ns: stamp of the image, ns.
        up: (3,) direction against gravity in the frame of the goals; None where it is unknown:
            then the lift goes back along the approach and the tilt is not judged.
        place_at: (3,) where the grasped point shall come to rest, in the frame of the goals, m;
            the gripper keeps the orientation of the grasp. None: a pick without a place.
        surroundings: the cloud around the point and the gripper that has to fit; None where they
            are not known.
        reachable: as for `plan_grasps`; None: the less the wrist turns away from the frame's own
            x axis, the better.
        config: settings.

    Returns:
        Goals, best first, or the reason why there are none.

    Raises:
        InvalidInputError: the transform or a vector is not valid, or `approach` is "down" and
            `up` is unknown.
    """
    config = config or SurfacePlannerConfig()
    geometry.check_transform(frame_from_camera, f"{frame_id} ← camera")
    target = None if place_at is None else _point(place_at, "place target")
    up_axis = None if up is None else geometry.unit(up, "up direction")
    if config.approach == "down" and up_axis is None:
        raise InvalidInputError("approach 'down' needs a frame in which up is known (a base frame)")
    if not keypoint.visible:
        return GraspPlan(
            refusal=f"{keypoint.label}: the detector believes that it is hidden or absent"
        )
    point = named_point(keypoint, frame_from_camera)
    if point is None:
        return GraspPlan(refusal=keypoint.refusal or f"{keypoint.label}: has no 3D position")
    plan = plan_grasps(
        {point.label: point},
        AtPoint(point.label, config.approach),
        frame_id,
        stamp_ns,
        up=up_axis,
        surroundings=surroundings,
        reachable=reachable or _wrist_untwisted,
        config=config,
    )
    if target is None:
        return plan
    shift = target - point.position
    goals = (_placed(goal, shift, up_axis, config) for goal in plan.goals)
    return dataclasses.replace(plan, goals=tuple(goals))


def _wrist_untwisted(frame_from_gripper: FloatArray) -> float:
    return 0.9 + 0.1 * min(abs(float(frame_from_gripper[0, 0])), 1.0)


def _placed(
    goal: PickPlaceGoal, shift: FloatArray, up: FloatArray | None, config: GraspConfig
) -> PickPlaceGoal:
    """The goal with a place: everything moves by the same shift."""
    upwards = -goal.grasp[:3, 2] if up is None else up
    place = moved(goal.grasp, shift)
    return dataclasses.replace(
        goal,
        preplace=moved(place, upwards * config.standoff),
        place=place,
        retreat=moved(goal.pregrasp, shift),
    )


def _point(value: ArrayLike, what: str) -> FloatArray:
    point = np.asarray(value, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InvalidInputError(f"{what} {point.tolist()}: three finite numbers (m) are expected")
    return point
