# SPDX-License-Identifier: Apache-2.0
"""The baseline: points found again by hand-crafted descriptors, without learned weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.detectors.base import not_enrolled
from tack_perception.detectors.confidence import confidence_of
from tack_perception.detectors.features import DenseFeatures
from tack_perception.detectors.matching import Found, find
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.detectors.template import Template, make_template
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint


class DenseDescriptorDetector:
    """Finds each label where the frame looks most like the surroundings of one of its clicks.

    How it works and how good it is: `docs/methods/baseline.md`.

    Args:
        config: settings; None takes the defaults.
    """

    def __init__(self, config: DenseDescriptorConfig | None = None) -> None:
        self.config = config or DenseDescriptorConfig()
        self._templates: dict[str, list[Template]] = {}
        self._described: tuple[RGBDFrame, DenseFeatures] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The enrolled labels, in the order of their first shot."""
        return tuple(self._templates)

    def enroll(self, shots: Sequence[Annotation]) -> None:
        """Add shots. Several of one label are used together; enrolling never forgets.

        Raises:
            InvalidInputError: the image around a click has no texture to recognise; none of the
                given shots is enrolled.
        """
        made = []
        for shot in shots:
            made.append((shot.label, make_template(shot, self._features(shot.frame), self.config)))
        for label, template in made:
            self._templates.setdefault(label, []).append(template)

    def detect(self, frame: RGBDFrame) -> list[Keypoint]:
        """Find every enrolled label in one frame.

        Returns:
            One `Keypoint` for each label, in the order of `labels`, in pixels and with
            `pixel_covariance`, not lifted. A label that is believed hidden or absent comes with
            `visible=False`, at its most likely pixel.
        """
        if not self._templates:
            return []
        features = self._features(frame)
        shots = [(label, one) for label, several in self._templates.items() for one in several]
        found: dict[str, list[Found]] = {label: [] for label, _ in shots}
        for (label, _), one in zip(shots, find(features, [t for _, t in shots]), strict=True):
            found[label].append(one)
        return [self._keypoint(label, several, frame) for label, several in found.items()]

    def forget(self, label: str | None = None) -> None:
        """Drop all shots of one label, or of all labels.

        Raises:
            InvalidInputError: the label is not enrolled; the message lists the enrolled ones.
        """
        if label is None:
            self._templates.clear()
        elif label in self._templates:
            del self._templates[label]
        else:
            raise not_enrolled(label, self._templates)

    def _features(self, frame: RGBDFrame) -> DenseFeatures:
        """The frame, described; the last one is kept for further clicks on it."""
        described = self._described  # one read: another thread may enrol meanwhile
        if described is None or described[0] is not frame:
            features = DenseFeatures(frame.color, 2 * self.config.step_px, self.config.cells_px)
            described = self._described = (frame, features)
        return described[1]

    def _keypoint(self, label: str, found: list[Found], frame: RGBDFrame) -> Keypoint:
        best = max(found, key=confidence_of)
        confidence = confidence_of(best)
        camera = frame.intrinsics
        u, v = np.clip(best.pixel, -0.5, (camera.width - 0.501, camera.height - 0.501))
        sigma = math.hypot(self.config.step_px / 3, best.spread_px / 2)
        visible = confidence >= self.config.visible_confidence
        return Keypoint(label, u, v, confidence, visible, np.eye(2) * sigma**2)
