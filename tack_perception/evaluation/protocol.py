# SPDX-License-Identifier: Apache-2.0
"""Runs a detector through a plan: enrol the clicks, detect in whole frames, forget."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.memory import PeakMemory
from tack_perception.evaluation.pictures import QUERIES
from tack_perception.evaluation.plan import Plan
from tack_perception.evaluation.probe import ClickedPoint, Probe, Query, Target
from tack_perception.evaluation.trials import PointTrial
from tack_perception.evaluation.truth import State
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig, lift_keypoint

Box = tuple[float, float, float, float]

_LARGEST_SIGMA_PX = 20.0  # beyond it no place is stated, and a lift would look all over


@runtime_checkable
class Told(Protocol):
    """A detector that is told where the object is: no real one, but a yardstick of chance."""

    def tell(self, box: Box | None) -> None:
        """The object's box in the frame that is searched next, px; None: it is not there."""


@dataclasses.dataclass(frozen=True)
class Speed:
    """Times of a run.

    Attributes:
        enroll_s: for each click view.
        detect_s: for each frame that was searched.
        labels: enrolled during that.
        peak_bytes: most memory of the process during the run; NaN where the system cannot say.
        added_bytes: how much of it was not there before.
        gpu_bytes: most memory of the GPU, 0 without one.
    """

    enroll_s: tuple[float, ...]
    detect_s: tuple[float, ...]
    labels: tuple[int, ...]
    peak_bytes: float
    added_bytes: float
    gpu_bytes: float


def run(
    plan: Plan,
    make: Callable[[], KeypointDetector],
    name: str,
    progress: Callable[[int], object] | None = None,
    *,
    alone: bool = False,
) -> tuple[list[PointTrial], Speed]:
    """All trials of one detector.

    The points of one click view are enrolled together, each under a label of its own, and forgotten
    before the next.

    Args:
        plan: what to ask.
        make: a detector without shots; called once.
        name: of the detector, for the records.
        progress: called with the number of frames searched since the last call.
        alone: enrol every point without the others. A detector may use several labels of one object
            to tell which object is meant; so it cannot.
    """
    with PeakMemory() as memory:
        detector = make()
        runner = _Runner(plan, detector, name, progress or (lambda _: None))
        for probe in plan.probes:
            runner.ask(probe, alone)
    speed = Speed(
        tuple(runner.enroll_s), tuple(runner.detect_s), tuple(runner.labels),
        memory.peak_bytes, memory.added_bytes, memory.gpu_bytes,
    )  # fmt: skip
    return runner.trials, speed


class _Runner:
    def __init__(
        self,
        plan: Plan,
        detector: KeypointDetector,
        name: str,
        progress: Callable[[int], object],
    ) -> None:
        self._plan, self._detector, self._name = plan, detector, name
        self._progress = progress
        unit = plan.pictures.data(QUERIES).manifest.depth_unit
        self._lifting = LiftingConfig(depth_unit_m=unit)
        self.trials: list[PointTrial] = []
        self.enroll_s: list[float] = []
        self.detect_s: list[float] = []
        self.labels: list[int] = []

    def ask(self, probe: Probe, alone: bool) -> None:
        """Enrol a probe's clicks, search its queries, forget."""
        count = len(probe.points)
        frame, further = self._plan.pictures.click(probe), self._plan.pictures.further(probe)
        for chosen in [(i,) for i in range(count)] if alone else [tuple(range(count))]:
            points = [probe.points[i] for i in chosen]
            if self._detector.labels:
                self._detector.forget()
            start = time.perf_counter()
            refused = self._enroll(frame, points, further)
            self.enroll_s.append(time.perf_counter() - start)
            for query in probe.queries:
                targets = [query.targets[i] for i in chosen]
                if any(target is not None for target in targets):
                    self._search(probe, query, frame, points, targets, refused)
        self._progress(len(probe.queries))

    def _search(
        self,
        probe: Probe,
        query: Query,
        frame: RGBDFrame,
        points: Sequence[ClickedPoint],
        targets: Sequence[Target | None],
        refused: dict[str, str],
    ) -> None:
        if probe.relation != "self":
            frame = self._plan.pictures.query(probe, query.occlusion)
        if isinstance(self._detector, Told):
            self._detector.tell(probe.box if probe.query_thing >= 0 else None)
        start = time.perf_counter()
        found = {keypoint.label: keypoint for keypoint in self._detector.detect(frame)}
        self.detect_s.append(time.perf_counter() - start)
        self.labels.append(len(found))
        for point, target in zip(points, targets, strict=True):
            if target is not None:
                answer, reason = found.get(point.label), refused.get(point.label, "")
                self.trials.append(self._trial(probe, query, point, target, answer, reason, frame))

    def _enroll(
        self, frame: RGBDFrame, points: Sequence[ClickedPoint], further: Mapping[int, RGBDFrame]
    ) -> dict[str, str]:
        """Label → why it was refused: its click, whatever became of further shots."""
        shots = [Annotation(point.label, *point.pixel, frame) for point in points]
        refused = self._taken(shots)
        for view, other in further.items():
            more = [
                Annotation(point.label, *pixel, other)
                for point in points
                for there, pixel in point.further
                if there == view and point.label not in refused
            ]
            if more:
                self._taken(more)
        return refused

    def _taken(self, shots: Sequence[Annotation]) -> dict[str, str]:
        """Enrol what can be; label → why it was refused."""
        try:
            self._detector.enroll(shots)
            return {}
        except InvalidInputError:
            refused = {}  # none was enrolled: find out which can be
        for shot in shots:
            try:
                self._detector.enroll([shot])
            except InvalidInputError as error:
                refused[shot.label] = str(error)
        return refused

    def _trial(
        self,
        probe: Probe,
        query: Query,
        point: ClickedPoint,
        target: Target,
        found: Keypoint | None,
        reason: str,
        frame: RGBDFrame,
    ) -> PointTrial:
        answer = (math.nan, math.nan) if found is None else (found.u, found.v)
        places = np.vstack([target.pixel[None], target.equivalents])
        distances = np.linalg.norm(places - answer, axis=1)
        if found is None and target.state is not State.ABSENT:
            distances = np.full(1, math.inf)
        error_m, refusal = math.nan, f"the click was refused: {reason}"
        if found is not None:
            error_m, refusal = self._lifted(frame, found, target)
        covariance = None if found is None else found.pixel_covariance
        return PointTrial(
            detector=self._name,
            probe=probe.number,
            relation=probe.relation,
            natural=probe.natural,
            category=probe.category,
            label=point.label,
            kind=point.kind,
            clicked=probe.clicked,
            click_view=probe.click_view,
            query_view=probe.query_view,
            occlusion=query.occlusion,
            state=target.state.value,
            working=probe.working,
            angle_deg=probe.angle_deg,
            clutter=probe.clutter,
            box_px=probe.box_px,
            truth=(float(target.pixel[0]), float(target.pixel[1])),
            answer=answer,
            confidence=0.0 if found is None else found.confidence,
            accepted=found is not None and found.visible,
            believed=_believed(found),
            covariance=None
            if covariance is None
            else (float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])),
            error_px=float(distances[0]),
            equivalent_px=float(distances.min()),
            error_m=error_m,
            refusal=refusal,
        )

    def _lifted(self, frame: RGBDFrame, found: Keypoint, target: Target) -> tuple[float, str]:
        """3D error of a seen point, m, or why there is none."""
        if target.state is not State.SEEN:
            return math.nan, ""
        if not found.visible:
            return math.nan, "believed hidden or absent"
        if not frame.intrinsics.contains(found.u, found.v):
            return math.nan, "outside the image"
        spread = found.pixel_covariance
        if spread is not None and np.linalg.eigvalsh(spread)[-1] > _LARGEST_SIGMA_PX**2:
            return math.nan, f"uncertain by more than {_LARGEST_SIGMA_PX:g} px"
        lifted = lift_keypoint(frame, found, self._lifting)
        if lifted.xyz is None:
            return math.nan, lifted.refusal
        return float(np.linalg.norm(lifted.xyz - target.xyz)), ""


def _believed(found: Keypoint | None) -> float:
    """How probable it is to the detector that the point is seen."""
    if found is None:
        return 0.0
    return found.confidence if found.seen is None else found.seen
