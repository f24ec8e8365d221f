# SPDX-License-Identifier: Apache-2.0
"""What a replay found, frame by frame, and what that comes to for each label."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from tack_grasping.candidates import GraspPlan
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.keypoint import Keypoint
from tack_perception.reasons import Reasons

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class FrameFindings:
    """What was found in one frame.

    Attributes:
        index: of the frame in the recording, from 0.
        stamp_ns: of the image, ns.
        frame_id: the camera's optical frame.
        keypoints: one for each label, in the order of enrolment.
        goal_frame: the frame of positions and goals.
        frame_from_camera: (4, 4) into that frame, m; None where TF had no answer.
        plans: label → goals or refusal.
    """

    index: int
    stamp_ns: int
    frame_id: str
    keypoints: tuple[Keypoint, ...]
    goal_frame: str
    frame_from_camera: FloatArray | None
    plans: dict[str, GraspPlan]

    def position(self, keypoint: Keypoint) -> FloatArray | None:
        """(3,) in the goal frame, m; None where it was refused or TF had no answer."""
        if keypoint.xyz is None or self.frame_from_camera is None:
            return None
        return geometry.apply(self.frame_from_camera, keypoint.xyz)

    def sigma(self, keypoint: Keypoint) -> FloatArray | None:
        """(3,) standard deviation along the axes of the goal frame, m; None as `position`."""
        if keypoint.xyz_covariance is None or self.frame_from_camera is None:
            return None
        covariance = geometry.rotate_covariance(self.frame_from_camera, keypoint.xyz_covariance)
        return np.sqrt(np.diag(covariance))

    def best_goal(self, label: str) -> PickPlaceGoal | None:
        """The candidate with the highest score, if there is one."""
        plan = self.plans.get(label)
        return plan.goals[0] if plan and plan.goals else None


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """One label over the whole recording; NaN where there is no value.

    Attributes:
        label: the point's name.
        seconds: (N,) since the first frame.
        confidence: (N,).
        visible: (N,) bool.
        depth: (N,) along the optical axis, m.
        position, sigma: (N, 3) in the goal frame, m.
        goals: number of candidates in all frames.
        best: the best candidate of all frames.
        refusals: why there is no 3D point or no goal, counted; refusals that differ in their
            numbers alone count together under the first of them.
    """

    label: str
    seconds: FloatArray
    confidence: FloatArray
    visible: NDArray[np.bool_]
    depth: FloatArray
    position: FloatArray
    sigma: FloatArray
    goals: int
    best: PickPlaceGoal | None
    refusals: Counter[str]

    @property
    def lifted(self) -> NDArray[np.bool_]:
        """(N,) whether there is a position."""
        return np.asarray(np.isfinite(self.position).all(axis=1))

    @property
    def median_position(self) -> FloatArray | None:
        """(3,) in the goal frame, m; None when it was never lifted."""
        if not self.lifted.any():
            return None
        return np.asarray(np.median(self.position[self.lifted], axis=0))

    def errors(self, truth: FloatArray) -> FloatArray:
        """(M,) distance of each position from a true one, m."""
        return np.asarray(np.linalg.norm(self.position[self.lifted] - truth, axis=1))


@dataclasses.dataclass(eq=False)
class Findings:
    """Everything that the report tells.

    Attributes:
        title: what was replayed (the name of the recording, without its folder).
        detector: name of the detector.
        shots: the clicks, with the frame index of each where it is known.
        goal_frame: the frame of positions and goals.
        goal_frame_note: why it is this frame, one sentence.
        place: what was asked for placing, in words; "" for a pick alone.
        frames: in the order of the recording.
        drops: inputs that the source dropped, by reason.
        truth: label → (3,) true position in the goal frame, m, where it is known.
    """

    title: str
    detector: str
    shots: list[tuple[int | None, Annotation]]
    goal_frame: str
    goal_frame_note: str = ""
    place: str = ""
    frames: list[FrameFindings] = dataclasses.field(default_factory=list)
    drops: Counter[str] = dataclasses.field(default_factory=Counter)
    truth: dict[str, FloatArray] = dataclasses.field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of their first click."""
        return tuple(dict.fromkeys(shot.label for _, shot in self.shots))

    @property
    def duration(self) -> float:
        """From the first to the last frame, s."""
        if not self.frames:
            return 0.0
        return (self.frames[-1].stamp_ns - self.frames[0].stamp_ns) * 1e-9

    def track(self, label: str) -> Track:
        """One label over the whole recording."""
        count = len(self.frames)
        confidence, depth = np.full(count, np.nan), np.full(count, np.nan)
        position, sigma = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
        visible = np.zeros(count, dtype=bool)
        refusals = Reasons()
        best: PickPlaceGoal | None = None
        goals = 0
        for i, frame in enumerate(self.frames):
            keypoint = next((k for k in frame.keypoints if k.label == label), None)
            if keypoint is None:
                continue
            confidence[i], visible[i] = keypoint.confidence, keypoint.visible
            if keypoint.xyz is not None:
                depth[i] = keypoint.xyz[2]
            if (place := frame.position(keypoint)) is not None:
                position[i] = place
            if (spread := frame.sigma(keypoint)) is not None:
                sigma[i] = spread
            plan = frame.plans.get(label, GraspPlan())
            goals += len(plan.goals)
            reason = plan.refusal or keypoint.refusal
            if reason:
                refusals.note(reason.removeprefix(f"{label}: "))
            candidate = frame.best_goal(label)
            if candidate and (best is None or candidate.score > best.score):
                best = candidate
        start = self.frames[0].stamp_ns if self.frames else 0
        seconds = np.array([(frame.stamp_ns - start) * 1e-9 for frame in self.frames])
        return Track(
            label, seconds, confidence, visible, depth, position, sigma, goals, best,
            refusals.counts,
        )  # fmt: skip
