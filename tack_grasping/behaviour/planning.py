# SPDX-License-Identifier: Apache-2.0
"""Goals for a thing that is seen: how it is grasped, and where it goes, by their specifications."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.candidates import (
    AtPoint,
    GraspConfig,
    GraspPlan,
    GraspSpec,
    Rejected,
    SurfacePlannerConfig,
    plan_grasps,
)
from tack_grasping.candidates.beside import beside
from tack_grasping.candidates.proposals import is_free
from tack_grasping.extent import Extent, down_to, extent_around
from tack_grasping.fingers import Surroundings, cloud_around
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.placing.goals import with_placement
from tack_grasping.placing.scene import Container, Support
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import PlaceSpec
from tack_grasping.points import NamedPoint
from tack_grasping.robot import RobotProfile
from tack_perception import geometry

FloatArray = NDArray[np.float64]
Placer = Callable[[Sight, Thing, FloatArray | None, FloatArray], Placement]
"""What was seen, the thing, (N, 3) its surface in the base frame, m, and the (4, 4) motion from
which turning and moving are counted, m → where it goes."""

UP = (0.0, 0.0, 1.0)
TABLE = "table"

_TIP_CLEARANCE = 0.004  # of the finger tips above the table, m
_LARGEST = 0.2  # m, radius of the largest thing
_TURNS = (0.0, math.pi / 2, -math.pi / 2, math.pi)  # rad, of a thing that may be put down any way
_TALL = 0.03  # m above a point: so much higher neighbours may be in the arm's way
_LEAST, _ASIDE = 0.015, 4  # m, and places aside that the arm is asked about
_BESIDE = 2  # places beside a point that the arm is asked about
_TRIED = 8  # goals whose places are looked at


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """What a place specification may name besides the thing, in the base frame.

    Attributes:
        supports, bins: by name.
        frames: name → (4, 4) base_from_named, m.
    """

    supports: Mapping[str, Support] = dataclasses.field(default_factory=dict)
    bins: Mapping[str, Container] = dataclasses.field(default_factory=dict)
    frames: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)


def places_of(profile: RobotProfile, bins: Mapping[str, Container] | None = None) -> Places:
    """The places of a robot: the support `table`, its workspace; each place is a frame as well."""
    low, high = profile.workspace
    middle = (low + high) / 2
    table = geometry.make_transform(np.eye(3), (middle[0], middle[1], profile.table_height))
    size = (float(high[0] - low[0]), float(high[1] - low[1]))
    bins = bins or {}
    frames = {name: container.pose for name, container in bins.items()}
    return Places(
        {TABLE: Support(table, size)},
        bins,
        {**frames, TABLE: table, profile.base_frame: np.eye(4)},
    )


def placer(spec: PlaceSpec, places: Places) -> Placer:
    """Puts things where a specification wants; other things are `other`, `other_2` and so on."""

    def place(sight: Sight, thing: Thing, cloud: FloatArray | None, start: FloatArray) -> Placement:
        rest = [other.points for other in sight.things if other is not thing and other.points]
        others = {f"other_{n}" if n > 1 else "other": points for n, points in enumerate(rest, 1)}
        return solve_placement(
            spec, thing.points, up=UP, cloud=cloud, supports=places.supports, bins=places.bins,
            others=others, frames=places.frames, start=start,
        )  # fmt: skip

    return place


def placer_at(label: str, base_from_wanted: FloatArray) -> Placer:
    """Puts a point of a thing at a pose, whose turn is that from how the thing stands now."""

    def place(sight: Sight, thing: Thing, cloud: FloatArray | None, start: FloatArray) -> Placement:
        base_from_point = geometry.make_transform(np.eye(3), thing.points[label].position)
        return Placement("pose", base_from_wanted @ geometry.inverse(base_from_point))

    return place


class PointPlanner:
    """Plans for things by their named points (the `Planner` of a behaviour).

    Args:
        profile: the robot.
        grasp: how to grasp; None: at the task's point.
        place: where the thing goes; None for a pick alone.
        reachable: says how well the arm gets to a (4, 4) base_from_gripper, 0 to 1; None: unknown.
        config: of the grasps, and the approach to a point.
    """

    def __init__(
        self,
        profile: RobotProfile,
        grasp: GraspSpec | None = None,
        place: Placer | None = None,
        reachable: Callable[[FloatArray], float] | None = None,
        config: SurfacePlannerConfig | None = None,
    ) -> None:
        self._profile, self._grasp, self._place = profile, grasp, place
        self._reachable, self._config = reachable, config or SurfacePlannerConfig()

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        """Goals in the base frame, the best first, or why there are none."""
        spec = self._grasp or AtPoint(task.label, self._config.approach)
        profile, config = self._profile, self._config
        if task.doubtful is not None:
            least = min(config.min_confidence, task.doubtful)
            config = dataclasses.replace(config, min_confidence=least)
        known = [thing.points[label].position for label in spec.labels if label in thing.points]
        surroundings, extent, cloud = None, None, None
        if known:
            middle = np.mean(known, axis=0)
            seen = geometry.apply(geometry.inverse(sight.base_from_camera), middle)
            wide = cloud_around(sight.frame, seen, sight.base_from_camera, _LARGEST)
            extent = extent_around(wide, middle, profile.table_height)
            if extent is not None:
                cloud = extent.points
                columns = down_to(profile.table_height, extent.neighbours)
                wide = np.concatenate([wide, columns])
            reach = _reach(known, middle) + config.aside
            near = wide[np.linalg.norm(wide - middle, axis=1) <= reach]
            floor = profile.table_height + _TIP_CLEARANCE
            surroundings = Surroundings(near, profile.gripper, floor)

        def grasps(
            points: Mapping[str, NamedPoint], config: GraspConfig, reached: bool
        ) -> GraspPlan:
            return plan_grasps(
                points, spec, profile.base_frame, sight.frame.stamp_ns, up=UP,
                surroundings=surroundings, reachable=self._reachable if reached else None,
                config=config,
            )  # fmt: skip

        plan = grasps(thing.points, config, True)
        if not plan.goals and cloud is not None and isinstance(spec, AtPoint):
            plan = _beside(plan, thing.points[spec.point], cloud, grasps, config)
        if self._reachable is not None and extent is not None and isinstance(spec, AtPoint):
            plan = _aside(plan, thing.points[spec.point], extent, grasps, config)
        if self._place is None or not plan.goals:
            return plan
        return self._placed(plan, sight, thing, cloud, np.mean(known, axis=0))

    def _placed(
        self,
        plan: GraspPlan,
        sight: Sight,
        thing: Thing,
        cloud: FloatArray | None,
        middle: FloatArray,
    ) -> GraspPlan:
        """The plan with places that the arm reaches; where it may, the thing is turned for that."""
        assert self._place is not None
        rejected, seen = list(plan.rejected), list[FloatArray]()
        for turn in _TURNS:
            about = geometry.make_transform(np.eye(3), middle)
            start = about @ geometry.from_axis_angle(UP, turn) @ geometry.inverse(about)
            placement = self._place(sight, thing, cloud, start)
            if placement.motion is None:
                return dataclasses.replace(plan, goals=(), refusal=placement.refusal)
            if any(np.allclose(placement.motion, one, atol=1e-3) for one in seen):
                continue  # how it is put down is not open
            seen.append(placement.motion)
            goals = []
            for goal in plan.goals[:_TRIED]:
                standoff = self._config.standoff
                placed = with_placement(goal, placement, UP, standoff=standoff)
                beyond = self._beyond_reach(placed)
                if beyond:
                    assert placed.place is not None
                    rejected.append(Rejected(f"{beyond}; {placed.why}", placed.place))
                else:
                    goals.append(placed)
            if goals:
                return dataclasses.replace(plan, goals=tuple(goals), rejected=tuple(rejected))
        refusal = f"the arm does not reach the place '{placement.name}' with any of the grasps"
        return GraspPlan(rejected=tuple(rejected), refusal=refusal)

    def _beyond_reach(self, goal: PickPlaceGoal) -> str:
        """Which pose of the place the arm does not reach, in words; "" for none."""
        if self._reachable is None:
            return ""
        # What comes straight from above goes straight back up.
        same = np.allclose(goal.poses["retreat"], goal.poses["preplace"], atol=1e-6)
        for name in ("place", "preplace") if same else ("place", "preplace", "retreat"):
            pose = goal.poses[name]
            if self._reachable(pose) <= 0:
                x, y, z = pose[:3, 3]
                return f"{name} cannot be reached: ({x:.2f}, {y:.2f}, {z:.2f}) m"
        return ""


def _beside(
    plan: GraspPlan,
    point: NamedPoint,
    surface: FloatArray,
    grasps: Callable[[Mapping[str, NamedPoint], GraspConfig, bool], GraspPlan],
    config: SurfacePlannerConfig,
) -> GraspPlan:
    """Grasps beside a point at which none closes; the same refusal where there are none either.

    A point that is refused for itself (it is not sure enough), or that the arm does not reach, is
    not grasped beside it. Whether the arm gets to a place takes longest to tell: it is asked last.
    """
    if not plan.rejected or grasps({point.label: point}, config, False).goals:
        return plan
    anywhere = dataclasses.replace(config, min_confidence=0.0)
    places = [
        (goals[0].score, moved)
        for moved in (beside(point, surface, config.beside) if config.beside > 0 else ())
        if (goals := grasps({point.label: moved}, anywhere, False).goals)
    ]
    places.sort(key=lambda place: -round(place[0], 9))
    for _, moved in places[:_BESIDE]:
        away = float(np.linalg.norm(moved.position - point.position))
        words = f"; {away * 1e3:.0f} mm beside the point, where none closes"
        goals = grasps({point.label: moved}, anywhere, True).goals
        if goals:
            told = tuple(dataclasses.replace(goal, why=goal.why + words) for goal in goals)
            return dataclasses.replace(plan, goals=told, refusal="")
    return plan


def _aside(
    plan: GraspPlan,
    point: NamedPoint,
    extent: Extent,
    grasps: Callable[[Mapping[str, NamedPoint], GraspConfig, bool], GraspPlan],
    config: SurfacePlannerConfig,
) -> GraspPlan:
    """The plan, begun by grasps farther aside, where the arm touches something with all of it.

    So it is right beside something tall: they are looked for where there is the most room.
    """
    tall = extent.neighbours[extent.neighbours[:, 2] > point.position[2] + _TALL]
    if not plan.goals or any(map(is_free, plan.goals)) or not len(tall) or config.aside <= 0:
        return plan
    away = [
        (float(np.linalg.norm(moved.position - point.position)), moved)
        for moved in beside(point, extent.points, config.aside)
    ]
    tree = cKDTree(tall[:, :2])
    here = tree.query(point.position[:2])[0]
    room = [
        (tree.query(moved.position[:2])[0] - here, far, moved)
        for far, moved in away
        if far > _LEAST
    ]
    room.sort(key=lambda place: -round(place[0], 9))
    anywhere = dataclasses.replace(config, min_confidence=0.0)
    for _, far, moved in sorted(room[:_ASIDE], key=lambda place: place[1]):
        words = f"; {far * 1e3:.0f} mm beside the point, where the arm touches something"
        free = [
            dataclasses.replace(goal, why=goal.why + words)
            for goal in grasps({point.label: moved}, anywhere, True).goals
            if is_free(goal)
        ]
        if free:
            return dataclasses.replace(plan, goals=(*free, *plan.goals))
    return plan


def _reach(known: list[FloatArray], middle: FloatArray) -> float:
    """Radius of the cloud that matters: of the points, and the gripper around them, m."""
    return 0.12 + max(float(np.linalg.norm(point - middle)) for point in known)
