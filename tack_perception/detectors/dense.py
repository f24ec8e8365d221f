# SPDX-License-Identifier: Apache-2.0
"""The baseline: points found again by hand-crafted descriptors, without learned weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import Annotation
from tack_perception.detectors.features import DenseFeatures
from tack_perception.detectors.refinement import Match, refine
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.detectors.template import Template, make_template
from tack_perception.detectors.voting import peaks, vote
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

FloatArray = NDArray[np.float32]

_COARSE_ANCHORS = 16
_POSES_KEPT = 2
_PLACES_KEPT = 3


class DenseDescriptorDetector:
    """Finds each label where the frame looks most like the surroundings of one of its clicks.

    How it works and how good it is: `docs/methods/baseline.md`.

    Args:
        config: settings; None takes the defaults.
    """

    def __init__(self, config: DenseDescriptorConfig | None = None) -> None:
        self.config = config or DenseDescriptorConfig()
        self._templates: dict[str, list[Template]] = {}

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
        features: dict[int, DenseFeatures] = {}  # of the frames, which several shots may share
        made = []
        for shot in shots:
            if id(shot.frame) not in features:
                features[id(shot.frame)] = self._features(shot.frame)
            template = make_template(shot, features[id(shot.frame)], self.config)
            made.append((shot.label, template))
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
        return [
            self._keypoint(label, [_find(features, template) for template in templates], frame)
            for label, templates in self._templates.items()
        ]

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
            known = ", ".join(self._templates) or "none"
            raise InvalidInputError(f"label {label!r} is not enrolled; enrolled are: {known}")

    def _features(self, frame: RGBDFrame) -> DenseFeatures:
        return DenseFeatures(frame.color, self.config.step_px, self.config.cells_px)

    def _keypoint(self, label: str, matches: list[Match], frame: RGBDFrame) -> Keypoint:
        best = max(matches, key=lambda match: match.evidence)
        confidence = _confidence(best)
        camera = frame.intrinsics
        u, v = np.clip(best.pixel, -0.5, (camera.width - 0.501, camera.height - 0.501))
        sigma = math.hypot(self.config.step_px / 3, best.spread_px / 2)
        visible = confidence >= self.config.visible_confidence
        return Keypoint(label, u, v, confidence, visible, np.eye(2) * sigma**2)


def _find(features: DenseFeatures, template: Template) -> Match:
    """The best match of one shot over all poses."""
    poses, anchors = template.raw.shape[:2]
    white = features.whitening(template.raw.reshape(poses * anchors, -1))
    white = white.reshape(poses, anchors, -1)
    matches = []
    for pose in _promising(features, template, white):
        offsets = template.offsets[pose]
        similarity = features.similarity(white[pose])
        votes = vote(similarity, offsets, template.weights, features.step)
        places = peaks(votes, _PLACES_KEPT, apart=16 // features.step)
        places += peaks(similarity[0], 1, apart=0)
        for row, column in places:
            start: NDArray[np.float64] = features.pixels[row, column].astype(np.float64)
            matches.append(refine(similarity, offsets, template.weights, start, features.step))
    return max(matches, key=lambda match: match.evidence)


def _promising(features: DenseFeatures, template: Template, white: FloatArray) -> list[int]:
    """The poses with the strongest votes on a coarser grid and with the first anchors only."""
    few = white[:, :_COARSE_ANCHORS]
    similarity = features.similarity(few.reshape(-1, few.shape[-1]), coarse=True)
    similarity = similarity.reshape(*few.shape[:2], *similarity.shape[1:])
    weights = template.weights[:_COARSE_ANCHORS]
    heights = [
        float(vote(alike, offsets[:_COARSE_ANCHORS], weights, 2 * features.step).max())
        for alike, offsets in zip(similarity, template.offsets, strict=True)
    ]
    order = np.argsort(-np.array(heights), kind="stable")[:_POSES_KEPT]
    return [int(index) for index in order]


def _confidence(match: Match) -> float:
    return 1 / (1 + math.exp(-(12 * (match.evidence - 0.7))))
