# SPDX-License-Identifier: Apache-2.0
"""A frame in, named 3D points out: what the detector node and the offline replay both run."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterable

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import LiftingConfig, lift_keypoint


@dataclasses.dataclass
class StageTimes:
    """Seconds spent by stage, and how many frames they cover; for any number of threads."""

    frames: int = 0
    seconds: Counter[str] = dataclasses.field(default_factory=Counter)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)

    def add(self, stage: str, since: float) -> float:
        """Book the time since `since` (time.perf_counter) to a stage; return the time now."""
        now = time.perf_counter()
        with self._lock:
            self.seconds[stage] += now - since  # type: ignore[assignment]
        return now

    def count(self) -> None:
        """Count a frame."""
        with self._lock:
            self.frames += 1


class PerceptionPipeline:
    """Detects the enrolled points in a frame and lifts them into space.

    Args:
        detector: any detector behind the port.
        lifting: settings of the lift.
    """

    def __init__(self, detector: KeypointDetector, lifting: LiftingConfig | None = None) -> None:
        self.detector = detector
        self.lifting = lifting or LiftingConfig()
        self.times = StageTimes()

    def enroll(self, shots: Iterable[Annotation]) -> None:
        """Add shots.

        Raises:
            InvalidInputError: as the detector's `enroll`.
        """
        self.detector.enroll(list(shots))

    def perceive(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find and lift every enrolled label. Several threads may do so at once.

        Returns:
            One `Keypoint` for each label, in the order of enrolment: with `xyz`, covariance and
            normal in the camera's optical frame (m), or with the reason of the refusal. Points
            that the detector believes hidden or absent are not lifted.
        """
        start = time.perf_counter()
        detected = self.detector.detect(frame)
        lifting = self.times.add("detect", start)
        keypoints = [self._lift(frame, keypoint) for keypoint in detected]
        self.times.add("lift", lifting)
        self.times.count()
        return keypoints

    def _lift(self, frame: RGBDFrame, keypoint: Keypoint) -> Keypoint:
        if not keypoint.visible:
            return dataclasses.replace(
                keypoint, refusal=f"{keypoint.label}: the detector believes it hidden or absent"
            )
        return lift_keypoint(frame, keypoint, self.lifting)
