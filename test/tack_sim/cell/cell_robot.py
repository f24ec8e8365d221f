# SPDX-License-Identifier: Apache-2.0
"""A whole robot in the cell for tests of the behaviour: eyes, arm, grasps, furniture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.bins import bin_walls
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.planning import PointPlanner, placer
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask, Planner
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.motion import MotionError
from tack_perception import geometry
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.faults import Fault, FaultKind
from tack_sim.cell.judge import PlaceVerdict, judge_place
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.places import places_in
from tack_sim.cell.trial import GRASPS, TrialSetup, place_spec
from tack_sim.cell.world import CellWorld
from tack_sim.planning.planner import MotionPlanner

_PLANNING = (FaultKind.PLAN_REFUSED, FaultKind.PLAN_ABORTED)


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
    parts: Robot

    @property
    def target(self) -> str:
        return self.world.layout.target.name

    def run(self) -> CycleRecord:
        record = self.tree.run()
        assert bool(record.reason) != record.success
        return record

    def again(self, task: PickPlaceTask, config: BehaviourConfig | None = None) -> BehaviourTree:
        """Another cycle of the same robot."""
        return BehaviourTree(task, self.parts, lambda: self.world.time, config, self.moments)

    def in_bin(self) -> list[str]:
        """Names of the target and its like that lie in the bin."""
        layout = self.world.layout
        assert layout.bin is not None
        return sorted(
            placed.name
            for placed in layout.wanted
            if judge_place(self.world, placed.name, layout.bin).success
        )

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


def grasp_planner(
    layout: CellLayout,
    label: str,
    place: str = "bin",
    reachable: Callable[[np.ndarray], float] | None = None,
) -> PointPlanner:
    """Grasps at a point from above, and the bin for a place."""
    into_bin, _ = place_spec(TrialSetup(CellSetup()), layout, label)
    where = placer(into_bin, places_in(layout)) if place else None
    return PointPlanner(layout.profile, place=where, reachable=reachable, config=GRASPS)


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
    places = places_in(layout)
    for wall in bin_walls(places.bins):
        motion.add_box(*wall)
    with CellEyes(world, TruePoints(world), wait=motion.wait) as eyes:
        moments = Moments()
        grasps = grasps or grasp_planner(layout, label, place, motion.reach)
        robot = Robot(layout.profile, motion, eyes, grasps, bins=places.bins)
        task = PickPlaceTask(label, place)
        # Time is the cell's alone, so that nothing hangs on how fast this machine is.
        tree = BehaviourTree(task, robot, lambda: world.time, config, moments)
        yield CellRobot(world, motion, eyes, tree, moments, robot)


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
