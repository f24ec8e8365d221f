# SPDX-License-Identifier: Apache-2.0
"""The whole job in the cell: one click, the object is moved, found again, picked and placed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.observer import Observer
from tack_cli.cell.outcome import CellOutcome, LookFailedError
from tack_grasping.extent import Extent, extent_around
from tack_grasping.fingers import cloud_around
from tack_grasping.goal import POSES, PickPlaceGoal
from tack_grasping.motion import MotionError
from tack_grasping.procedure import PickOutcome, pick_and_place
from tack_perception import geometry
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.frame import RGBDFrame
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup

FloatArray = NDArray[np.float64]
Say = Callable[[str], None]

LOG = "cell.npz"
ANNOTATIONS = "annotations"
CAMERA = "wrist"
_SETTLE_S = 0.4
_SEEN_NS = 300_000_000  # after which a node that is there has seen an image as well
_MOVES = 8
_HELD = "held"
_LARGEST = 0.2  # m, radius of the largest thing that is carried
_TRIES = 8
_BIN_DROP = 0.04  # above the bin's floor, the object is let go, m
_HIDDEN = 0.01  # m; a surface so much nearer than the point hides it
_RETRY_STAGES = {"pregrasp", "approach"}


@dataclasses.dataclass(frozen=True)
class CellJob:
    """What is to be done.

    Attributes:
        setup: the cell.
        output: folder for all that is written.
        point: name of the point to grasp; "" for the first one that can be grasped and is seen.
        click: (u, v) of a person's own click instead; then `point` is only its name.
        move: move and turn the object after the click.
    """

    setup: CellSetup
    output: Path
    point: str = ""
    click: tuple[float, float] | None = None
    move: bool = True


def run_cell_job(job: CellJob, say: Say, observer: Observer | None = None) -> CellOutcome:
    """Do it.

    Args:
        job: what is to be done.
        say: told in words what happens.
        observer: looks on, and may ask a person for the click.

    Raises:
        LookFailedError: the point was not found again.
        TackError: something is not there or does not answer; a failed pick is an outcome.
    """
    # Imported here: without ROS only this function cannot be used.
    from tack_cli.cell.nodes import cell_nodes
    from tack_ros.cell.probe import Probe

    layout = job.setup.layout()
    shutil.rmtree(job.output / ANNOTATIONS, ignore_errors=True)  # of an earlier run
    log = job.output / LOG
    observer = observer or Observer()
    clock = _Stages(observer)
    with cell_nodes(
        job.setup, layout, job.output / ANNOTATIONS, job.output, log, CAMERA
    ) as healthy:
        with Probe(f"/{CAMERA}", healthy) as probe, observer.watching(probe):
            outcome = _Director(job, layout, probe, clock, say, observer).run()
            observer.done(outcome)
        log_ends = time.perf_counter()
    clock.add("shut down", time.perf_counter() - log_ends)
    return dataclasses.replace(outcome, seconds=clock.seconds, log=log)


class _Stages:
    """How long each stage took."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.seconds: dict[str, float] = {}

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._observer.stage(name)
        began = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - began)


class _NotSeenError(TackError):
    """No point to click on is on the image."""


class _Director:
    def __init__(
        self,
        job: CellJob,
        layout: CellLayout,
        probe: Any,
        clock: _Stages,
        say: Say,
        observer: Observer,
    ) -> None:
        from tack_ros.moveit.client import MoveItMotion

        self._job, self._layout, self._probe, self._observer = job, layout, probe, observer
        self._clock, self._say = clock, say
        self._base = layout.profile.base_frame
        self._motion = MoveItMotion(layout.profile, probe.calls)
        self._moments: dict[str, float] = {}
        self._extent: Extent | None = None

    def run(self) -> CellOutcome:
        probe, clock = self._probe, self._clock
        with clock.stage("start"):
            probe.frame(seconds=60.0)
            probe.trigger("/annotation/list")  # it is there, so it sees what comes from now on
            self._add_scene()
        with clock.stage("click"):
            frame, label, pixel = self._click()
        self._observer.clicked(label, pixel, frame, self._base_from_camera(frame, frame.stamp_ns))
        self._say(f"2. One click on '{label}' at pixel ({pixel[0]:.0f}, {pixel[1]:.0f}).")
        if self._job.move:
            with clock.stage("move it"):
                self._move(label)
            self._say("   Then somebody moves the object and turns it.")
        with clock.stage("find again"):
            moved_ns = probe.now_ns()
            try:
                stamp_ns, keypoint = probe.keypoints(moved_ns, label)
            except TackError as failure:
                last = probe.frame(moved_ns)
                raise LookFailedError(str(failure), label, pixel, frame, last) from failure
            seen = probe.frame(stamp_ns - 1)
            base_from_camera = self._base_from_camera(seen, stamp_ns)
            xyz = geometry.apply(base_from_camera, keypoint.xyz)
            cloud = cloud_around(seen, keypoint.xyz, base_from_camera, _LARGEST)
            self._extent = extent_around(cloud, xyz, self._layout.profile.table_height)
        self._observer.detected(keypoint, base_from_camera)
        truth = probe.ask("/cell/truth")
        true_xyz = self._true(truth, label)
        error = None if true_xyz is None else float(np.linalg.norm(xyz - true_xyz))
        self._say(
            f"3. Found again at ({', '.join(f'{v:.3f}' for v in xyz)}) m"
            + ("" if error is None else f", {error * 1e3:.1f} mm from the truth")
            + f"; confidence {keypoint.confidence:.2f}."
        )
        with clock.stage("goal"):
            goal = self._goal(label, xyz, truth, stamp_ns)
        self._say("4. Pick and place through MoveIt:")
        outcome, held = self._carry_out(goal)
        time.sleep(_SETTLE_S)
        self._moments["end"] = float(probe.ask("/cell/truth")["time"])
        verdict = probe.ask("/cell/judge")
        return CellOutcome(
            setup=self._job.setup,
            target=truth["objects"][truth["target"]],
            label=label,
            click=pixel,
            click_frame=frame,
            seen_frame=seen,
            keypoint=keypoint,
            point_error=error,
            goal=goal,
            pick=outcome,
            held=held,
            verdict=verdict,
            base_from_camera=base_from_camera,
            moments=self._moments,
            seconds={},
            log=Path(),
        )

    def _base_from_camera(self, frame: RGBDFrame, stamp_ns: int) -> FloatArray:
        pose: FloatArray = self._probe.transform(self._base, frame.frame_id, stamp_ns)
        return pose

    def _click(self) -> tuple[RGBDFrame, str, tuple[float, float]]:
        """Click; returns the image, the label and the pixel.

        Raises:
            TackError: no point to click on is seen, or the click is refused.
        """
        problem, why = TackError("there is nothing to click on"), ""
        for _ in range(_TRIES):
            frame = self._probe.frame(self._probe.now_ns() + _SEEN_NS)
            asked = self._observer.choose(frame, why)
            try:
                if asked is not None:
                    label, (frame, pixel) = self._job.point or "point", asked
                else:
                    label, pixel = self._choose(frame, self._probe.ask("/cell/truth"))
            except _NotSeenError as error:
                problem = error
                self._probe.trigger("/cell/move_target")
                continue
            try:
                self._probe.annotate(label, pixel, frame.stamp_ns)
            except TackError as error:  # the node has only begun to see images
                problem, why = error, str(error)
                continue
            return frame, label, pixel
        raise problem

    def _add_scene(self) -> None:
        """The table and the bin, which a planner has to know of."""
        table = np.eye(4)
        table[:3, 3] = (0.45, 0.0, self._layout.profile.table_height - 0.055)
        self._motion.add_box("table", table, np.array([1.4, 1.6, 0.1]))
        if self._layout.bin is not None:
            for number, (pose, size) in enumerate(self._layout.bin.slabs()):
                self._motion.add_box(f"bin_{number}", pose, size)

    def _choose(self, frame: RGBDFrame, truth: dict[str, Any]) -> tuple[str, tuple[float, float]]:
        """Label and pixel of the click: the person's own, or on a true point that is seen."""
        job = self._job
        if job.click is not None:
            return job.point or "point", job.click
        model = self._layout.target.model
        grasps = [grasp.point for grasp in model.grasps if grasp.rest == model.rests[0].name]
        names = [job.point] if job.point else list(dict.fromkeys(grasps))
        base_from_camera = self._base_from_camera(frame, frame.stamp_ns)
        points = truth["objects"][truth["target"]]["points"]
        seen: dict[str, tuple[float, tuple[float, float]]] = {}
        for name in names:
            if name not in points:
                raise InvalidInputError(
                    f"{model.family} has no point {name!r}; it has {', '.join(points)}"
                )
            pixel = _visible(frame, base_from_camera, np.array(points[name]))
            if pixel is not None:
                seen[name] = (_depth_support(frame, pixel), pixel)
        if seen:
            # As a person would: where the camera measures depth, not on a thin shining shaft.
            name = max(seen, key=lambda known: seen[known][0])
            return name, seen[name][1]
        raise _NotSeenError(
            f"none of {', '.join(names)} can be seen from here: try another --seed or --grasp"
        )

    def _move(self, label: str) -> None:
        """Put the object elsewhere, where the camera still sees the point (if it is a known one).

        Raises:
            TackError: no such place was found.
        """
        for _ in range(_MOVES):
            self._probe.trigger("/cell/move_target")
            frame = self._probe.frame(self._probe.now_ns() + round(_SETTLE_S * 1e9))
            true_xyz = self._true(self._probe.ask("/cell/truth"), label)
            pose = self._base_from_camera(frame, frame.stamp_ns)
            if true_xyz is None or _visible(frame, pose, true_xyz) is not None:
                return
        raise TackError(f"'{label}' was hidden in each of {_MOVES} places: try another --seed")

    def _true(self, truth: dict[str, Any], label: str) -> FloatArray | None:
        points = truth["objects"][truth["target"]]["points"]
        return np.array(points[label]) if label in points else None

    def _goal(
        self, label: str, xyz: FloatArray, truth: dict[str, Any], stamp_ns: int
    ) -> PickPlaceGoal:
        """The goal of `pick_place`, with the bin as the place."""
        container, profile = self._layout.bin, self._layout.profile
        if container is not None:
            place = container.base_from_bin[:3, 3].copy()
            place[2] += xyz[2] - profile.table_height + container.thickness + _BIN_DROP
            if self._extent is not None:  # its middle comes into the bin's, not the point
                place[:2] += xyz[:2] - self._extent.middle
            self._probe.place_at(self._base, place)
        goal: PickPlaceGoal = self._probe.goal(stamp_ns, label, profile.gripper)
        return goal

    def _carry_out(self, goal: PickPlaceGoal) -> tuple[PickOutcome, bool]:
        """Pick and place; the same goal half a turn about the approach is as good."""
        held = False

        def on_stage(stage: str) -> None:
            nonlocal held
            self._moments[stage] = float(self._probe.ask("/cell/truth")["time"])
            if stage == "carry":
                held = bool(self._probe.ask("/cell/judge")["held"])
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
        return outcome, held

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


def _visible(
    frame: RGBDFrame, base_from_camera: FloatArray, point: FloatArray
) -> tuple[float, float] | None:
    """The pixel of a point, if it is on the image and nothing is in front of it."""
    in_camera = geometry.apply(geometry.inverse(base_from_camera), point)
    if in_camera[2] <= 0:
        return None
    u, v = np.rint(frame.intrinsics.project(in_camera)).tolist()
    margin = 8
    height, width = frame.depth.shape
    if not (margin <= u < width - margin and margin <= v < height - margin):
        return None
    patch = frame.depth[int(v) - 2 : int(v) + 3, int(u) - 2 : int(u) + 3]
    if not np.isfinite(patch).any() or np.nanmedian(patch) < in_camera[2] - _HIDDEN:
        return None
    return u, v


def _depth_support(frame: RGBDFrame, pixel: tuple[float, float]) -> float:
    """Share of the pixels around one that lie on the same surface."""
    u, v = map(int, pixel)
    patch = frame.depth[v - 6 : v + 7, u - 6 : u + 7]
    near = np.abs(patch - np.nanmedian(frame.depth[v - 1 : v + 2, u - 1 : u + 2])) < _HIDDEN
    return float(near.mean())


def record(outcome: CellOutcome) -> str:
    """The outcome as JSON, for programs."""
    return json.dumps(outcome.summary(), indent=2)
