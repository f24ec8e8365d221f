# SPDX-License-Identifier: Apache-2.0
"""Shots looked for in one frame: rough votes for pose and place, then refined places."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.features import DenseFeatures, best_of_four
from tack_perception.detectors.refinement import Matches, refine, sharpen
from tack_perception.detectors.template import Template
from tack_perception.detectors.voting import peaks, vote

FloatArray = NDArray[np.float32]

_ROUGH_ANCHORS = 24
_FINE_ANCHORS = 12
_POSES_KEPT = 3
_PLACES_KEPT = 3
_RIVAL_PX = 16.0


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The best match of a shot.

    Attributes:
        pixel: (2,) where the click would be, px.
        own: similarity of the click itself there.
        agreement: weighted mean similarity of the anchors that are where they should be.
        spread_px: RMS residual of the agreeing anchors.
        lead: how far the evidence was ahead of the best one elsewhere, before the last refinement.
    """

    pixel: NDArray[np.float64]
    own: float
    agreement: float
    spread_px: float
    lead: float


@dataclasses.dataclass(frozen=True, eq=False)
class _Poses:
    """The H likely poses of all shots, with M anchors each; weight 0 fills up those with fewer.

    Attributes:
        owner: (H,) index of the shot.
        weights: (H, M).
        offsets: (H, M, 2) anchors relative to the click, px.
        white: (H, M, D) whitened descriptors.
    """

    owner: NDArray[np.intp]
    weights: FloatArray
    offsets: FloatArray
    white: FloatArray


def find(features: DenseFeatures, templates: Sequence[Template]) -> list[Found]:
    """The best match of each shot over all poses and places.

    Shots are searched together because many small steps cost more than a few large ones.
    """
    poses = _likely_poses(features, templates)
    similarity = features.similarity(poses.white)
    which, starts = _places(features, poses, similarity)
    matches = refine(similarity, which, poses.offsets, poses.weights[which], starts, features.step)
    owner = poses.owner[which]
    best = [_strongest(matches, owner == shot) for shot in range(len(templates))]
    kept, few = which[best], slice(_FINE_ANCHORS)
    last = sharpen(
        features, poses.white[kept, few], poses.offsets[kept, few], poses.weights[kept, few],
        matches.affine[best],
    )  # fmt: skip
    return [
        Found(
            last.pixel[shot],
            float(last.own[shot]),
            float(last.agreement[shot]),
            float(last.spread_px[shot]),
            _lead(matches, index, owner == shot),
        )
        for shot, index in enumerate(best)
    ]


def _likely_poses(features: DenseFeatures, templates: Sequence[Template]) -> _Poses:
    """For each shot the poses with the strongest rough votes."""
    kept = [_promising(features, template) for template in templates]
    owner = np.repeat(np.arange(len(templates)), [len(poses) for poses in kept])
    most = max(len(template.weights) for template in templates)
    length = templates[0].raw.shape[-1]
    weights = np.zeros((len(owner), most), np.float32)
    offsets = np.zeros((len(owner), most, 2), np.float32)
    white = np.zeros((len(owner), most, length), np.float32)
    for shot, (template, poses) in enumerate(zip(templates, kept, strict=True)):
        mine, anchors = owner == shot, slice(len(template.weights))
        weights[mine, anchors] = template.weights
        offsets[mine, anchors] = template.offsets[poses]
        white[mine, anchors] = features.whitening(template.raw[poses])
    return _Poses(owner, weights, offsets, white)


def _promising(features: DenseFeatures, template: Template) -> NDArray[np.intp]:
    """The poses with the strongest votes of the first anchors, compared roughly."""
    few = slice(_ROUGH_ANCHORS)
    similarity = features.rough_similarity(template.raw[:, few])
    votes = vote(similarity, template.offsets[:, few], template.weights[few], 2 * features.step)
    return np.argsort(-votes.max(axis=(1, 2)), kind="stable")[:_POSES_KEPT]


def _places(
    features: DenseFeatures, poses: _Poses, similarity: FloatArray
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Where to start: (B,) index of the pose and (B, 2) pixel of the click."""
    votes = vote(best_of_four(similarity), poses.offsets, poses.weights, 2 * features.step)
    which, starts = [], []
    for pose, (height, own) in enumerate(zip(votes, similarity[:, 0], strict=True)):
        bins = peaks(height, _PLACES_KEPT)
        places = [features.pixels[2 * row, 2 * column] + features.step / 2 for row, column in bins]
        places.append(features.pixels.reshape(-1, 2)[own.argmax()])
        which += [pose] * len(places)
        starts += places
    return np.array(which), np.array(starts, dtype=np.float64)


def _strongest(matches: Matches, mine: NDArray[np.bool_]) -> int:
    return int(np.where(mine, matches.evidence, -np.inf).argmax())


def _lead(matches: Matches, best: int, mine: NDArray[np.bool_]) -> float:
    away = np.abs(matches.pixel - matches.pixel[best]).max(axis=1) > _RIVAL_PX
    rival = matches.evidence[mine & away].max(initial=0.0)
    return float(matches.evidence[best] - rival)
