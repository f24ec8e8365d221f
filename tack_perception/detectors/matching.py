# SPDX-License-Identifier: Apache-2.0
"""One shot looked for in one frame: coarse poses, votes, refined places."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.features import DenseFeatures
from tack_perception.detectors.refinement import Match, refine
from tack_perception.detectors.template import Template
from tack_perception.detectors.voting import peaks, vote

FloatArray = NDArray[np.float32]

_COARSE_ANCHORS = 16
_POSES_KEPT = 2
_PLACES_KEPT = 3
_RIVAL_PX = 16.0


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The best match, and how far its evidence is ahead of the best one elsewhere."""

    match: Match
    lead: float

    @property
    def pixel(self) -> NDArray[np.float64]:
        """(2,) pixel (u, v)."""
        return self.match.pixel


def find(features: DenseFeatures, template: Template) -> Found:
    """The best match of one shot over all poses and places."""
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
    matches.sort(key=lambda match: -match.evidence)
    best = matches[0]
    rivals = (
        match.evidence for match in matches if np.abs(match.pixel - best.pixel).max() > _RIVAL_PX
    )
    return Found(best, best.evidence - next(rivals, 0.0))


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
