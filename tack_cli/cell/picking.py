# SPDX-License-Identifier: Apache-2.0
"""The pick-and-place in the cell: the behaviour of a robot on the graph, and who tells of it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.looking import Say, Stages, true_position
from tack_cli.cell.observer import Observer
from tack_grasping.behaviour.account import Witness
from tack_grasping.behaviour.bins import bin_walls
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord
from tack_grasping.behaviour.planning import PointPlanner, placer
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.runs import RunWriter, read_run
from tack_grasping.behaviour.settings import PickPlaceTask
from tack_grasping.behaviour.sight import Sight
from tack_grasping.behaviour.surroundings import DepthSurroundings
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import MotionConfig
from tack_perception.errors import TackError
from tack_perception.keypoint import Keypoint
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup
from tack_sim.cell.places import BIN, places_in
from tack_sim.cell.trial import GRASPS, TrialSetup, place_spec

FloatArray = NDArray[np.float64]

_MADE_BY = "tack demo"
_AGAIN = {
    "wait": "the same once more, after a moment",
    "view": "once more from the beginning: looking from elsewhere …",
}
"""Stage that is only there because another one failed → what is said of it."""


class Teller(Witness):
    """Tells the page and the terminal how it goes, and keeps what the report shows.

    Args:
        label: of the point.
        probe: asks the cell what is true.
        clock: times the stages.
        say: told in words what happens.
        observer: looks on.

    Attributes:
        give_up: stops the arm for good.
        start: when the first stage began, s of the cell's time.
        goal: that was tried last; None before the first.
        tried_from: how many stages were over when it was chosen.
        sight: that it was planned on.
        keypoint: the point in that image.
        point_error: its distance from the true point then, m; None where that is not known.
        looked: what was seen last.
        lifted: what the judge said of the grasp after the lift.
    """

    def __init__(self, label: str, probe: Any, clock: Stages, say: Say, observer: Observer) -> None:
        self._label, self._probe, self._clock = label, probe, clock
        self._say, self._observer = say, observer
        self.give_up: Callable[[], None] = lambda: None
        self.start = float("nan")
        self.goal: PickPlaceGoal | None = None
        self.tried_from = self._over = 0
        self.sight: Sight | None = None
        self.looked: Sight | None = None
        self.keypoint: Keypoint | None = None
        self.point_error: float | None = None
        self.lifted: dict[str, Any] = {}

    def began(self, stage: str) -> None:
        """A stage begins."""
        self._observer.stage(stage)
        self._say(f"   {_AGAIN.get(stage, f'{stage} …')}")
        if not np.isfinite(self.start):
            self.start = float(self._probe.ask("/cell/truth")["time"])
        if stage == "carry":
            judged = self._probe.ask("/cell/judge")
            self.lifted = {name: judged[name] for name in ("held", "grasp", "lifted")}

    def seen(self, sight: Sight) -> tuple[str, ...]:
        """This is what was seen."""
        self.looked = sight
        for thing in sight.having(self._label)[:1]:
            self._observer.detected(thing.keypoints[self._label], sight.base_from_camera)
        return ()

    def planned(self, goal: PickPlaceGoal) -> None:
        """This is tried next."""
        self.goal, self.tried_from = goal, self._over
        self._observer.planned(goal)
        if self.sight is self.looked:
            self._say("   the next grasp:")
            return
        self.sight = self.looked
        assert self.sight is not None
        thing = min(
            self.sight.having(self._label),
            key=lambda one: np.linalg.norm(one.points[self._label].position - goal.grasp[:3, 3]),
        )
        self.keypoint = thing.keypoints[self._label]
        truly = true_position(self._probe.ask("/cell/truth"), self._label)
        if truly is not None:
            away = thing.points[self._label].position - truly
            self.point_error = float(np.linalg.norm(away))

    def ended(self, record: StageRecord) -> None:
        """A stage is over."""
        self._over += 1
        self._clock.add(record.name, record.seconds)
        if record.success:
            return
        self._say(f"   {record.name} failed: {record.reason}")
        try:
            self._probe.check()
        except TackError:  # a node has ended: all that follows would be in vain
            self.give_up()


def pick_and_place(
    label: str,
    near: FloatArray,
    setup: CellSetup,
    layout: CellLayout,
    probe: Any,
    teller: Teller,
    writer: RunWriter,
) -> CycleRecord:
    """Find the point, pick the thing there and put it into the bin; try again where that fails.

    Ctrl-C stops the arm before it is raised.

    Args:
        label: of the point.
        near: (3,) where it was seen last, in the base frame, m.
        setup, layout: of the cell.
        probe: a `tack_ros.cell.probe.Probe`.
        teller: looks on.
        writer: of the account.

    Raises:
        TackError: the planner does not answer, or a node has ended.
    """
    # Imported here: without ROS only this function cannot be used.
    from tack_ros.moveit.client import MoveItMotion
    from tack_ros.moveit.scene_messages import MoveItScene
    from tack_ros.pick_place.jobs import Witnesses

    profile, places = layout.profile, places_in(layout)
    # All of it on one computer: where that is busy, a plan takes its time.
    motion = MoveItMotion(profile, probe.calls, MotionConfig(planning_time=20.0))
    for wall in bin_walls(places.bins):
        motion.add_box(*wall)
    into_bin, _ = place_spec(TrialSetup(setup), layout, label)
    robot = Robot(
        profile,
        motion,
        probe.eyes(profile.base_frame),
        PointPlanner(
            profile, place=placer(into_bin, places), reachable=motion.reach, config=GRASPS
        ),
        DepthSurroundings(profile, MoveItScene(motion).show, places.bins),
        places.bins,
    )
    x, y, z = near.tolist()
    with (
        RunWitness(writer) as log,
        concurrent.futures.ThreadPoolExecutor(1, "pick and place") as worker,
    ):
        tree = BehaviourTree(
            PickPlaceTask(label, BIN, (x, y, z)),
            robot,
            lambda: probe.now_ns() / 1e9,
            witness=Witnesses((teller, log)),
            executor=worker,
        )
        teller.give_up = tree.stop
        record = tree.run()
        if not record.success:
            probe.check()
        log.finish(record)
    return record


def run_writer(run: Path, setup: CellSetup) -> RunWriter:
    """Of a run folder, for `tack report`, from which what an earlier demo wrote has gone.

    Raises:
        TackError: there is one that is not of a demo, or it cannot be written.
    """
    with contextlib.suppress(TackError):
        if read_run(run).about.get("made by") == _MADE_BY:
            shutil.rmtree(run, ignore_errors=True)
    return RunWriter(run, {"made by": _MADE_BY, **dataclasses.asdict(setup)})
