# SPDX-License-Identifier: Apache-2.0
"""The whole job in the cell: a click, the object is moved, found again, picked and placed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.looking import ClickPlan, Looker, Say, Sighting, Stages, true_position
from tack_cli.cell.observer import Observer
from tack_cli.cell.outcome import CellOutcome, JobFailedError
from tack_grasping.extent import Extent, extent_around
from tack_grasping.fingers import cloud_around
from tack_grasping.goal import POSES, PickPlaceGoal
from tack_grasping.motion import MotionConfig, MotionError
from tack_grasping.procedure import PickOutcome, pick_and_place
from tack_perception import geometry
from tack_sim.cell.faults import Fault
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup

FloatArray = NDArray[np.float64]

LOG = "cell.npz"
ANNOTATIONS = "annotations"
CAMERA = "wrist"
_SETTLE_S = 0.4
_HELD = "held"
_LARGEST = 0.2  # m, radius of the largest thing that is carried
_BIN_DROP = 0.04  # above the bin's floor, the object is let go, m
_RETRY_STAGES = {"pregrasp", "approach"}


@dataclasses.dataclass(frozen=True)
class CellJob:
    """What is to be done.

    Attributes:
        setup: the cell.
        output: folder for all that is written.
        click: how the point is clicked on, and whether the object is then moved.
        faults: what shall go wrong.
    """

    setup: CellSetup
    output: Path
    click: ClickPlan = dataclasses.field(default_factory=ClickPlan)
    faults: tuple[Fault, ...] = ()


def run_cell_job(job: CellJob, say: Say, observer: Observer | None = None) -> CellOutcome:
    """Do it.

    Args:
        job: what is to be done.
        say: told in words what happens.
        observer: looks on, and may ask a person for the click.

    Raises:
        JobFailedError: the point was not found again, or there is no grasp of it.
        TackError: something is not there or does not answer; a failed pick is an outcome.
    """
    # Imported here: without ROS only this function cannot be used.
    from tack_cli.cell.nodes import cell_nodes
    from tack_ros.cell.probe import Probe

    layout = job.setup.layout()
    shutil.rmtree(job.output / ANNOTATIONS, ignore_errors=True)  # of an earlier run
    log = job.output / LOG
    observer = observer or Observer()
    clock = Stages(observer)
    with cell_nodes(
        job.setup, layout, job.output / ANNOTATIONS, job.output, log, CAMERA, job.faults
    ) as healthy:
        with Probe(f"/{CAMERA}", healthy) as probe, observer.watching(probe):
            outcome = _Director(job, layout, probe, clock, say, observer).run()
            observer.done(outcome)
        log_ends = time.perf_counter()
    clock.add("shut down", time.perf_counter() - log_ends)
    return dataclasses.replace(outcome, seconds=clock.seconds, log=log)


class _Director:
    def __init__(
        self,
        job: CellJob,
        layout: CellLayout,
        probe: Any,
        clock: Stages,
        say: Say,
        observer: Observer,
    ) -> None:
        from tack_ros.moveit.client import MoveItMotion

        self._job, self._layout, self._probe, self._observer = job, layout, probe, observer
        self._clock, self._say = clock, say
        self._looker = Looker(job.click, layout, probe, clock, say, observer)
        # All of it on one computer: where that is busy, a plan takes its time.
        self._motion = MoveItMotion(layout.profile, probe.calls, MotionConfig(planning_time=20.0))
        self._moments: dict[str, float] = {}
        self._lifted: dict[str, Any] = {}  # what the judge says of the grasp after the lift
        self._extent: Extent | None = None

    def run(self) -> CellOutcome:
        probe, clock = self._probe, self._clock
        with clock.stage("start"):
            probe.frame(seconds=60.0)
            probe.trigger("/annotation/list")  # it is there, so it sees what comes from now on
            self._add_scene()
        sighting = self._looker.look()
        truth = probe.ask("/cell/truth")
        error = self._tell_of(sighting, truth)
        with clock.stage("goal"):
            goal = self._goal(sighting)
        self._say("4. Pick and place through MoveIt:")
        outcome = self._carry_out(goal)
        time.sleep(_SETTLE_S)
        self._moments["end"] = float(probe.ask("/cell/truth")["time"])
        verdict = {**probe.ask("/cell/judge"), **self._lifted}
        return CellOutcome(
            setup=self._job.setup,
            target=truth["objects"][truth["target"]],
            clicks=sighting.clicks,
            seen_frame=sighting.frame,
            keypoint=sighting.keypoint,
            point_error=error,
            goal=goal,
            pick=outcome,
            verdict=verdict,
            base_from_camera=sighting.base_from_camera,
            moments=self._moments,
            seconds={},
            log=Path(),
        )

    def _tell_of(self, sighting: Sighting, truth: dict[str, Any]) -> float | None:
        """Say what was found; its distance from the truth, m, where that is known."""
        xyz, truly = sighting.xyz, true_position(truth, sighting.label)
        error = None if truly is None else float(np.linalg.norm(xyz - truly))
        self._say(
            f"3. Found again at ({', '.join(f'{v:.3f}' for v in xyz)}) m"
            + ("" if error is None else f", {error * 1e3:.1f} mm from the truth")
            + f"; confidence {sighting.keypoint.confidence:.2f}."
        )
        return error

    def _add_scene(self) -> None:
        """The table and the bin, which a planner has to know of."""
        table = np.eye(4)
        table[:3, 3] = (0.45, 0.0, self._layout.profile.table_height - 0.055)
        self._motion.add_box("table", table, np.array([1.4, 1.6, 0.1]))
        if self._layout.bin is not None:
            for number, (pose, size) in enumerate(self._layout.bin.slabs()):
                self._motion.add_box(f"bin_{number}", pose, size)

    def _goal(self, sighting: Sighting) -> PickPlaceGoal:
        """The goal of `pick_place`, with the bin as the place.

        Raises:
            JobFailedError: it makes none.
        """
        from tack_ros.cell.probe import NotFoundError

        container, profile, xyz = self._layout.bin, self._layout.profile, sighting.xyz
        assert sighting.keypoint.xyz is not None
        cloud = cloud_around(
            sighting.frame, sighting.keypoint.xyz, sighting.base_from_camera, _LARGEST
        )
        self._extent = extent_around(cloud, xyz, profile.table_height)
        if container is not None:
            place = container.base_from_bin[:3, 3].copy()
            place[2] += xyz[2] - profile.table_height + container.thickness + _BIN_DROP
            if self._extent is not None:  # its middle comes into the bin's, not the point
                place[:2] += xyz[:2] - self._extent.middle
            self._probe.place_at(profile.base_frame, place)
        stamp_ns = sighting.frame.stamp_ns
        try:
            goal: PickPlaceGoal = self._probe.goal(stamp_ns, sighting.label, profile.gripper)
        except NotFoundError as failure:
            raise JobFailedError("goal", str(failure), sighting.clicks, sighting.frame) from failure
        return goal

    def _carry_out(self, goal: PickPlaceGoal) -> PickOutcome:
        """Pick and place; the same goal half a turn about the approach is as good."""

        def on_stage(stage: str) -> None:
            self._moments[stage] = float(self._probe.ask("/cell/truth")["time"])
            if stage == "carry":
                judged = self._probe.ask("/cell/judge")
                self._lifted = {name: judged[name] for name in ("held", "grasp", "lifted")}
                self._attach(candidate)
            if stage == "place":
                self._detach()
            self._observer.stage(stage)
            self._say(f"   {stage} …")

        candidate = goal
        turned = geometry.from_axis_angle((0, 0, 1), np.pi)
        half_turn = {name: getattr(goal, name) @ turned for name in POSES}
        gripper = self._layout.profile.gripper
        for candidate in (goal, dataclasses.replace(goal, **half_turn)):
            self._observer.planned(candidate)
            outcome = pick_and_place(candidate, self._motion, gripper, on_stage=on_stage)
            for stage, seconds in outcome.seconds.items():
                self._clock.add(stage, seconds)
            if outcome.success or outcome.stage not in _RETRY_STAGES:
                break
            self._say(f"   {outcome.reason}; once more with the gripper turned by half a turn")
        if outcome.success:
            with self._clock.stage("home"), contextlib.suppress(MotionError):
                self._motion.move_home()
        else:
            self._say(f"   {outcome.reason}")
        return outcome

    def _attach(self, goal: PickPlaceGoal) -> None:
        """What is held is carried past the bin's walls: the planner has to know its size."""
        from tack_ros.moveit import requests

        if self._extent is None:
            return
        profile = self._layout.profile
        gripper_from_box, size = self._extent.box(goal.grasp)
        tip_from_box = profile.gripper.tip_from_gripper @ gripper_from_box
        held = requests.attached_box(_HELD, profile, tip_from_box, size)
        self._motion.change_scene(requests.scene_change(attached=[held]))

    def _detach(self) -> None:
        if self._extent is not None:
            self._motion.detach(_HELD)
            self._motion.remove(_HELD)


def record(outcome: CellOutcome) -> str:
    """The outcome as JSON, for programs."""
    return json.dumps(outcome.summary(), indent=2)
