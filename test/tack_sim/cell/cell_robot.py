# SPDX-License-Identifier: Apache-2.0
"""A whole robot in the cell for tests of the behaviour: eyes, arm, grasps, furniture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tack_grasping.surface_planner import GraspPlan, SurfacePlannerConfig, plan_surface_grasps

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.pick_place import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask, Planner
from tack_grasping.behaviour.sight import Sight, Thing
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.extent import extent_around
from tack_grasping.fingers import Surroundings, cloud_around
from tack_grasping.motion import MotionError
from tack_perception import geometry
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.judge import PlaceVerdict, judge_place
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.world import CellWorld
from tack_sim.planning.planner import MotionPlanner

_PLANNING = (FaultKind.PLAN_REFUSED, FaultKind.PLAN_ABORTED)


class SurfaceGrasps:
    """Grasps at one point from above, and the middle of the bin for a place."""

    def __init__(self, layout: CellLayout) -> None:
        self._layout = layout

    def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
        profile, view = self._layout.profile, sight.base_from_camera
        keypoint, point = thing.keypoints[task.label], thing.points[task.label].position
        assert keypoint.xyz is not None
        place = None
        if task.place:
            place = self._place(point)
            cloud = cloud_around(sight.frame, keypoint.xyz, view, 0.2)
            extent = extent_around(cloud, point, profile.table_height)
            if extent is not None:
                place[:2] += point[:2] - extent.middle
        plan = plan_surface_grasps(
            keypoint, view, profile.base_frame, sight.frame.stamp_ns,
            up=(0, 0, 1), place_at=place,
            surroundings=Surroundings(
                cloud_around(sight.frame, keypoint.xyz, view), profile.gripper,
                profile.table_height + 0.004,
            ),
            config=SurfacePlannerConfig(approach="down", insertion=0.02),
        )  # fmt: skip
        half = geometry.from_axis_angle((0, 0, 1), np.pi)
        goals = []
        for goal in plan.goals:
            turned = {name: pose @ half for name, pose in goal.poses.items()}
            goals += [goal, dataclasses.replace(goal, **turned)]
        return dataclasses.replace(plan, goals=tuple(goals))

    def _place(self, point: np.ndarray) -> np.ndarray:
        bin_ = self._layout.bin
        assert bin_ is not None
        place = bin_.base_from_bin[:3, 3].copy()
        place[2] += point[2] - self._layout.profile.table_height + bin_.thickness + 0.04
        return place


class Moments(Witness):
    """Calls a function when a stage has begun or ended for the nth time."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def when(self, what: str, stage: str, act: Callable[[], None], nth: int = 1) -> None:
        """What: began or ended."""
        self._at[what, stage, nth] = act

    def began(self, stage: str) -> None:
        self._now("began", stage)

    def ended(self, record: object) -> None:
        self._now("ended", record.name)  # type: ignore[attr-defined]

    def _now(self, what: str, stage: str) -> None:
        nth = self._seen[what, stage] = self._seen.get((what, stage), 0) + 1
        self._at.get((what, stage, nth), lambda: None)()


@dataclasses.dataclass
class CellRobot:
    """The robot of a cell, ready to work. Made by `cell_robot`."""

    world: CellWorld
    motion: CellMotion
    eyes: CellEyes
    tree: BehaviourTree
    moments: Moments

    @property
    def target(self) -> str:
        return self.world.layout.target.name

    def run(self) -> CycleRecord:
        record = self.tree.run()
        assert bool(record.reason) != record.success
        return record

    def fault_from_now(self, kind: FaultKind, duration: float) -> None:
        """A fault of the world or of planning."""
        faults = self.motion._faults if kind in _PLANNING else self.world.faults
        faults.append(Fault(kind, self.world.time, duration))

    def judge(self) -> PlaceVerdict:
        assert self.world.layout.bin is not None
        return judge_place(self.world, self.target, self.world.layout.bin)

    def lies_still(self) -> bool:
        """The target lies at rest outside the fingers."""
        self.world.step(0.5)
        pads = self.world.pads_on(self.target)
        return self.world.object_speed(self.target)[0] < 0.01 and not any(pads)


@contextmanager
def cell_robot(
    layout: CellLayout,
    planner: MotionPlanner,
    label: str,
    *,
    faults: Iterable[Fault] = (),
    place: str = "bin",
    config: BehaviourConfig | None = None,
    grasps: Planner | None = None,
) -> Iterator[CellRobot]:
    """A robot that has stood in its cell for 0.3 s; faults of planning and of the world alike."""
    faults = list(faults)
    world = CellWorld(
        layout, faults=[fault for fault in faults if fault.kind not in _PLANNING], meshes=False
    )
    world.step(0.3)
    motion = CellMotion(
        world, planner=planner, faults=[fault for fault in faults if fault.kind in _PLANNING]
    )
    table = geometry.make_transform(np.eye(3), (0.45, 0, layout.profile.table_height - 0.055))
    motion.add_box("table", table, np.array([1.4, 1.6, 0.1]))
    assert layout.bin is not None
    for index, (pose, size) in enumerate(layout.bin.slabs()):
        motion.add_box(f"bin_{index}", pose, size)
    with CellEyes(world, TruePoints(world), wait=motion.wait) as eyes:
        moments = Moments()
        robot = Robot(layout.profile, motion, eyes, grasps or SurfaceGrasps(layout))
        task = PickPlaceTask(label, place)
        # Time is the cell's alone, so that nothing hangs on how fast this machine is.
        tree = BehaviourTree(task, robot, lambda: world.time, config, moments)
        yield CellRobot(world, motion, eyes, tree, moments)


STILL = 0.002
"""By which a held arm settles, rad."""


def down(x: float, y: float, z: float) -> np.ndarray:
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = (x, y, z)
    return pose


def missing(world: CellWorld, pose: np.ndarray) -> tuple[float, float]:
    """m and rad between the gripper and a pose."""
    change = geometry.inverse(pose) @ geometry.nearest_transform(world.base_from_gripper())
    return float(np.linalg.norm(change[:3, 3])), geometry.rotation_angle(change)


def failing(act: Callable[[], object]) -> MotionError:
    with pytest.raises(MotionError) as raised:
        act()
    return raised.value


def wall(motion: CellMotion) -> None:
    middle = geometry.make_transform(np.eye(3), (0.5, 0, 0.15))
    motion.add_box("wall", middle, np.array([0.5, 0.02, 0.3]))


def failed(record: object) -> list[str]:
    return [s.name for s in record.stages if not s.success]  # type: ignore[attr-defined]


def reason(record: object, stage: str) -> str:
    """Of the first failure of a stage."""
    stages = record.stages  # type: ignore[attr-defined]
    return next(s.reason for s in stages if s.name == stage and not s.success)


def assert_placed(robot: CellRobot) -> None:
    verdict = robot.judge()
    assert verdict.success, verdict
    assert verdict.collisions == (), [str(c) for c in verdict.collisions]
