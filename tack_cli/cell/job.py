# SPDX-License-Identifier: Apache-2.0
"""The whole job in the cell: a click, the object is moved, found again, picked and placed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tack_cli.cell.looking import ClickPlan, Looker, Say, Sighting, Stages, true_position
from tack_cli.cell.observer import Observer
from tack_cli.cell.outcome import CellOutcome, JobFailedError
from tack_cli.cell.picking import Teller, pick_and_place, run_writer
from tack_grasping.behaviour.runs import RunWriter
from tack_sim.cell.faults import Fault
from tack_sim.cell.layout import CellLayout
from tack_sim.cell.log import CellSetup

LOG = "cell.npz"
ANNOTATIONS = "annotations"
RUN = "run"
CAMERA = "wrist"
_SETTLE_S = 0.4


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
        JobFailedError: the point was not found again, or there was no grasp to try.
        TackError: something is not there or does not answer; a failed pick is an outcome.
    """
    # Imported here: without ROS only this function cannot be used.
    from tack_cli.cell.nodes import cell_nodes
    from tack_ros.cell.probe import Probe

    layout = job.setup.layout()
    shutil.rmtree(job.output / ANNOTATIONS, ignore_errors=True)  # of an earlier run
    log, writer = job.output / LOG, run_writer(job.output / RUN, job.setup)
    observer = observer or Observer()
    clock = Stages(observer)
    with cell_nodes(
        job.setup,
        layout,
        job.output / ANNOTATIONS,
        job.output,
        log,
        CAMERA,
        job.faults,
        without=("pick_place",),  # the director does its work itself
    ) as healthy:
        with Probe(f"/{CAMERA}", healthy) as probe, observer.watching(probe):
            outcome = _Director(job, layout, probe, clock, say, observer).run(writer)
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
        self._job, self._layout, self._probe, self._observer = job, layout, probe, observer
        self._clock, self._say = clock, say
        self._looker = Looker(job.click, layout, probe, clock, say, observer)

    def run(self, writer: RunWriter) -> CellOutcome:
        probe = self._probe
        with self._clock.stage("start"):
            probe.frame(seconds=60.0)
            probe.trigger("/annotation/list")  # it is there, so it sees what comes from now on
        sighting = self._looker.look()
        truth = probe.ask("/cell/truth")
        self._tell_of(sighting, truth)
        self._say("4. Pick and place through MoveIt:")
        teller = Teller(sighting.label, probe, self._clock, self._say, self._observer)
        pick = pick_and_place(
            sighting.label, sighting.xyz, self._job.setup, self._layout, probe, teller,
            writer,
        )  # fmt: skip
        if teller.goal is None or teller.sight is None or teller.keypoint is None:
            seen = sighting.frame if teller.looked is None else teller.looked.frame
            raise JobFailedError(pick.failed_stage, pick.reason, sighting.clicks, seen, pick)
        time.sleep(_SETTLE_S)
        return CellOutcome(
            setup=self._job.setup,
            target=truth["objects"][truth["target"]],
            clicks=sighting.clicks,
            seen_frame=teller.sight.frame,
            keypoint=teller.keypoint,
            point_error=teller.point_error,
            goal=teller.goal,
            tried_from=teller.tried_from,
            pick=pick,
            began=teller.start,
            verdict={**probe.ask("/cell/judge"), **teller.lifted},
            base_from_camera=teller.sight.base_from_camera,
            seconds={},
            log=Path(),
        )

    def _tell_of(self, sighting: Sighting, truth: dict[str, Any]) -> None:
        """Say what was found, and its distance from the truth where that is known."""
        xyz, truly = sighting.xyz, true_position(truth, sighting.label)
        error = None if truly is None else float(np.linalg.norm(xyz - truly))
        self._say(
            f"3. Found again at ({', '.join(f'{v:.3f}' for v in xyz)}) m"
            + ("" if error is None else f", {error * 1e3:.1f} mm from the truth")
            + f"; confidence {sighting.keypoint.confidence:.2f}."
        )


def record(outcome: CellOutcome) -> str:
    """The outcome as JSON, for programs."""
    return json.dumps(outcome.summary(), indent=2)
