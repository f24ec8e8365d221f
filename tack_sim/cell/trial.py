# SPDX-License-Identifier: Apache-2.0
"""One trial of the whole product in the cell: a click on one instance, a pick of another.

A person clicks once on a training instance, and the robot looks at it from more sides by itself.
Then another instance that nobody has seen stands somewhere else in a cell of its own, and the
behaviour picks and places it. Physics judges.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.bins import bin_walls
from tack_grasping.behaviour.cycle import CycleRecord, Work
from tack_grasping.behaviour.planning import PointPlanner, placer
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.search import look_around
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.surroundings import DepthSurroundings
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.candidates import SurfacePlannerConfig
from tack_grasping.placing.reading import read_place_spec
from tack_grasping.placing.spec import PlaceSpec
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.annotations.carrying import NotSeenError, carried
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.pipeline import PerceptionPipeline
from tack_sim.cell.bin import Bin
from tack_sim.cell.contacts import Collision
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.furniture import BIN as BIN_BODY
from tack_sim.cell.furniture import FLOOR, TABLE
from tack_sim.cell.judge import judge_place
from tack_sim.cell.layout import CellLayout, with_target_moved
from tack_sim.cell.log import CellSetup
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.pick import top_grasps
from tack_sim.cell.places import BIN, places_in
from tack_sim.cell.world import CellWorld
from tack_sim.objects.model import SPLITS
from tack_sim.planning.planner import MotionPlanner

FloatArray = NDArray[np.float64]

SPOT = "spot"
LOOKS = 6
_SETTLE_S, _REST_S = 0.3, 1.5
_CLICKS = 20  # places of the training instance until a point that can be grasped is seen
_INTO_BIN = """
name: bin
constraints:
  - in: {bin: bin, drop: 60 mm, margin: 10 mm}
costs:
  - near: {point: LABEL, at: {position: [0, 0, 0], frame: bin}, level: true, tolerance: 30 mm}
"""
_TO_SPOT = """
name: spot
constraints:
  - point_at: {point: LABEL, at: {position: [X, Y, Z], frame: BASE}, tolerance: 5 mm}
"""
GRASPS = SurfacePlannerConfig(approach="down", insertion=0.02)


@dataclasses.dataclass(frozen=True)
class TrialSetup:
    """What is tried.

    Attributes:
        cell: with the instance that is picked.
        place: "bin", or "spot": a place on the table, as it stood.
        true_points: the points are given; the detector is not asked.
        looks: from how many more sides the robot looks at what was clicked on.
    """

    cell: CellSetup
    place: str = BIN
    true_points: bool = False
    looks: int = LOOKS


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """How it ended.

    Attributes:
        setup: what was tried.
        label: the point that was clicked on and grasped.
        success: it lies where it should be, says the judge, and so says the behaviour.
        verdict: of the judge, in words.
        record: the account of the behaviour.
        place_error: distance of the point from the spot, m; NaN for the bin.
        place_turn: how much it turned from how it stood, rad; NaN for the bin.
        point_error: distance of the point, as it was seen when it was grasped, from the truth
            then, m; NaN where nothing was grasped.
        collisions: of the robot with anything that it should not touch, and of the target with
            what stands around.
        objects: names of what is no robot.
        seconds: of the computer.
    """

    setup: TrialSetup
    label: str
    success: bool
    verdict: str
    record: CycleRecord
    place_error: float
    place_turn: float
    point_error: float
    collisions: tuple[Collision, ...]
    objects: tuple[str, ...]
    seconds: float

    def of_robot(self, collision: Collision) -> bool:
        """Whether the robot itself met something."""
        others = {*self.objects, BIN_BODY, TABLE, FLOOR}
        return not {collision.first, collision.second} <= others

    @property
    def overhead(self) -> float:
        """Time of the cycle beyond motions of arm and gripper, s."""
        return self.record.seconds_of(set(Work) - {Work.EXECUTION, Work.GRIPPER})


class Trials:
    """Runs trials, one after the other, with what they can share.

    Args:
        detector: finds points; None where all trials are given the true ones.
        config: patience of the behaviour.
        witness: makes who looks on at a trial.
    """

    def __init__(
        self,
        detector: KeypointDetector | None = None,
        config: BehaviourConfig | None = None,
        witness: Callable[[TrialSetup], Witness] = lambda setup: Witness(),
    ) -> None:
        self._detector, self._config, self._witness = detector, config, witness
        self._planners: dict[str, MotionPlanner] = {}

    def run(self, setup: TrialSetup) -> TrialResult:
        """Do one.

        Raises:
            InvalidInputError: there is no such cell, or no point in it that can be grasped.
        """
        began = time.perf_counter()
        layout = setup.cell.layout()
        world = CellWorld(layout)
        world.step(_SETTLE_S)
        graspable = {grasp.point for grasp in top_grasps(layout.target.model, _pose(world))}
        planner = self._planners.get(setup.cell.robot)
        if planner is None:
            planner = self._planners[setup.cell.robot] = MotionPlanner(layout.profile)
        looks = 0 if setup.true_points else setup.looks
        shots = click(setup.cell, graspable, planner, looks)
        label = shots[0].label
        perceive: Any = TruePoints(world) if setup.true_points else self._enrolled(shots)
        motion = CellMotion(world, planner=planner)
        places = places_in(layout)
        for wall in bin_walls(places.bins):
            motion.add_box(*wall)
        spec, spot = place_spec(setup, layout, label)
        before = _pose(world)
        with CellEyes(world, perceive, wait=motion.wait, seed=setup.cell.seed) as eyes:
            robot = Robot(
                layout.profile, motion, eyes,
                PointPlanner(
                    layout.profile, place=placer(spec, places), reachable=motion.reach,
                    config=GRASPS,
                ),
                DepthSurroundings(layout.profile, motion.show, places.bins),
                places.bins,
            )  # fmt: skip
            task = PickPlaceTask(label, setup.place)
            tree = BehaviourTree(task, robot, motion.clock, self._config, self._witness(setup))
            record = tree.run()
        true = geometry.apply(before, layout.target.model.position(label))
        seen = tree.stages.point
        point_error = math.nan if seen is None else float(np.linalg.norm(seen - true))
        return self._judged(setup, label, world, record, before, spot, point_error, began)

    def _enrolled(
        self, shots: Sequence[Annotation]
    ) -> Callable[[RGBDFrame, FloatArray], list[Keypoint]]:
        if self._detector is None:
            raise InvalidInputError("a detector is needed where the true points are not given")
        self._detector.forget()
        pipeline = PerceptionPipeline(self._detector)
        pipeline.enroll(shots)
        return lambda frame, base_from_camera: pipeline.perceive(frame)

    def _judged(
        self,
        setup: TrialSetup,
        label: str,
        world: CellWorld,
        record: CycleRecord,
        before: FloatArray,
        spot: FloatArray | None,
        point_error: float,
        began: float,
    ) -> TrialResult:
        name = world.layout.target.name
        where: Bin | FloatArray = before
        error = turn = math.nan
        if spot is None:
            assert world.layout.bin is not None
            where = world.layout.bin
        verdict = judge_place(world, name, where, settle=_REST_S)
        there = verdict.there
        if spot is not None:
            after = _pose(world)
            point = geometry.apply(after, world.layout.target.model.position(label))
            error = float(np.linalg.norm(point - spot))
            turn = geometry.rotation_angle(
                geometry.nearest_transform(after @ geometry.inverse(before))
            )
            # Where it should be, within what a person would call that.
            there = error < _THERE_M
        told = {"there": there, "at rest": verdict.at_rest, "let go": verdict.released}
        words = ", ".join(name if holds else f"not {name}" for name, holds in told.items())
        success = all(told.values()) and record.success
        return TrialResult(
            setup, label, success, words, record, error, turn, point_error,
            verdict.collisions, tuple(placed.name for placed in world.layout.objects),
            time.perf_counter() - began,
        )  # fmt: skip


_THERE_M = 0.03


def click(
    cell: CellSetup, graspable: set[str], planner: MotionPlanner, looks: int = 0
) -> list[Annotation]:
    """The click of a person on a training instance that lies in view: a point that can be grasped.

    Args:
        cell: whose seed decides which instance, and where it lies.
        graspable: names of the points to choose from.
        planner: of the cell's robot.
        looks: from how many more sides the robot looks at it afterwards.

    Returns:
        The click, then what it becomes in the other views that show the point.

    Raises:
        InvalidInputError: none of them is seen, wherever it lies.
    """
    rng = np.random.default_rng([cell.seed, 1])
    train = SPLITS["train"]
    for _ in range(_CLICKS):
        instance, seed = int(rng.integers(train.start, train.stop)), int(rng.integers(2**31))
        world = CellWorld(CellSetup(cell.robot, cell.object_class, seed, instance).layout())
        world.step(_SETTLE_S)
        motion = CellMotion(world, planner=planner)
        true = TruePoints(world, sorted(graspable))
        with CellEyes(world, true, wait=motion.wait, seed=seed) as eyes:
            sight = eyes.look()
            [thing] = sight.things
            seen = [label for label in sorted(graspable) if label in thing.points]
            if not seen:
                continue
            label = seen[int(rng.integers(len(seen)))]
            keypoint, point = thing.keypoints[label], thing.points[label].position
            shots = [Annotation(label, keypoint.u, keypoint.v, sight.frame)]
            DepthSurroundings(world.profile, motion.show).update(sight, None)
            views = look_around(world.profile, motion, eyes, point, lambda why: None)
            for view in itertools.islice(views, looks):
                with contextlib.suppress(NotSeenError):
                    shots.append(carried(label, point, view.frame, view.base_from_camera))
            return shots
    raise InvalidInputError(
        f"{cell.object_class}: none of {', '.join(sorted(graspable)) or 'no point'} is seen"
    )


def place_spec(
    setup: TrialSetup, layout: CellLayout, label: str
) -> tuple[PlaceSpec, FloatArray | None]:
    """Where it goes, and (3,) the spot of its point in the base frame, m; None for the bin."""
    if setup.place == BIN:
        return read_place_spec(_INTO_BIN.replace("LABEL", label)), None
    moved = with_target_moved(layout, setup.cell.seed + 1).target
    model = layout.target.model
    # The same way round as it stands, elsewhere: its middle goes where the moved one's is.
    shift = moved.base_from_object[:3, 3] - layout.target.base_from_object[:3, 3]
    spot = geometry.apply(layout.target.base_from_object, model.position(label)) + shift
    x, y, z = (f"{value:.6f}" for value in spot)
    text = _TO_SPOT.replace("LABEL", label).replace("BASE", layout.profile.base_frame)
    return read_place_spec(text.replace("X", x).replace("Y", y).replace("Z", z)), spot


def _pose(world: CellWorld) -> FloatArray:
    return world.object_pose(world.layout.target.name)
