# SPDX-License-Identifier: Apache-2.0
"""Similarities of space: rotation, translation and one scale, between two sets of 3D points."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
_FLAT = 1e-6  # of the second singular value to the first: points on a line have no rotation
_TRIALS = 256
_REFINEMENTS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Similarity:
    """target = scale · rotation @ source + translation.

    Attributes:
        scale: positive.
        rotation: (3, 3), right-handed.
        translation: (3,) m.
    """

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: ArrayLike) -> FloatArray:
        """(..., 3) points of the source in the target."""
        moved: FloatArray = self.scale * np.asarray(points, np.float64) @ self.rotation.T
        return moved + self.translation

    def rotate(self, vectors: ArrayLike) -> FloatArray:
        """(..., 3) directions of the source in the target."""
        turned: FloatArray = np.asarray(vectors, np.float64) @ self.rotation.T
        return turned


@dataclasses.dataclass(frozen=True, eq=False)
class Consensus:
    """A similarity that many pairs of points agree on.

    Attributes:
        similarity: the map.
        weights: (N,) how far each pair agrees, 0 to 1.
        distances: (N,) of the mapped sources to their targets, m.
        share: of the pairs that agree, 0 to 1, each counted by its weight.
    """

    similarity: Similarity
    weights: FloatArray
    distances: FloatArray
    share: float


def fit_similarity(
    source: ArrayLike,
    target: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    scales: tuple[float, float] = (0.0, np.inf),
) -> Similarity:
    """The similarity that brings points nearest to others, in the sense of weighted least squares.

    Umeyama 1991, equations 34 to 43 (Kabsch 1976 with a scale).

    Args:
        source, target: (N, 3) m, finite.
        weights: (N,) not negative; None: all alike.
        scales: between which the scale must lie; equal ones fix it.

    Raises:
        InvalidInputError: fewer than three points, or all of them on a line: no one rotation.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    weight = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    total = weight.sum()
    if np.count_nonzero(weight) < 3 or total <= 0:
        raise InvalidInputError("a similarity needs three pairs of points or more")
    weight = weight / total
    from_middle, to_middle = weight @ source, weight @ target
    a, b = source - from_middle, target - to_middle
    left, singular, right = np.linalg.svd((b * weight[:, None]).T @ a)
    if singular[1] <= _FLAT * max(singular[0], 1e-300):
        raise InvalidInputError("the points lie on a line: their rotation is not determined")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = (left * signs) @ right
    spread = float(weight @ (a**2).sum(1))
    scale = float(np.clip((singular * signs).sum() / spread, *scales))
    return Similarity(scale, rotation, to_middle - scale * rotation @ from_middle)


def agree(
    source: ArrayLike,
    target: ArrayLike,
    tolerance: float,
    *,
    scales: tuple[float, float] = (0.0, np.inf),
    trials: int = _TRIALS,
    seed: int = 0,
) -> Consensus | None:
    """The similarity that most pairs of points agree on, however wrong the others are.

    Random sample consensus (Fischler and Bolles 1981) over triples, scored by a truncated square
    (MSAC, Torr and Zisserman 2000), then weighted least squares on what agrees.

    Args:
        source, target: (N, 3) m, finite; pairs by their number, some of them wrong.
        tolerance: distance from which a pair no longer agrees, m.
        scales: between which the scale must lie.
        trials: triples that are tried.
        seed: of the triples.

    Returns:
        What the pairs agree on; None where no three of them agree.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    count = len(source)
    if count < 3:
        return None
    rng = np.random.default_rng(seed)
    triples = rng.random((trials, count)).argpartition(2, axis=1)[:, :3]
    scale, rotation, translation = _from_triples(source[triples], target[triples], scales)
    if not len(scale):
        return None
    mapped = np.einsum("tij,nj->tni", scale[:, None, None] * rotation, source)
    squared = ((mapped + translation[:, None] - target) ** 2).sum(-1)
    score = np.maximum(1 - squared / tolerance**2, 0).sum(1)
    first = int(score.argmax())
    best = _weigh(
        Similarity(float(scale[first]), rotation[first], translation[first]),
        source, target, tolerance,
    )  # fmt: skip
    for _ in range(_REFINEMENTS):
        try:
            refined = fit_similarity(source, target, best.weights, scales=scales)
        except InvalidInputError:
            break
        better = _weigh(refined, source, target, tolerance)
        if better.share <= best.share:
            break
        best = better
    return best if np.count_nonzero(best.weights) >= 3 else None


def _weigh(
    similarity: Similarity, source: FloatArray, target: FloatArray, tolerance: float
) -> Consensus:
    distances = np.linalg.norm(similarity.apply(source) - target, axis=1)
    weights = np.maximum(1 - (distances / tolerance) ** 2, 0)
    return Consensus(similarity, weights, distances, float(weights.mean()))


def _from_triples(
    source: FloatArray, target: FloatArray, scales: tuple[float, float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scales (K,), rotations (K, 3, 3), translations (K, 3) of the (T, 3, 3) triples that fit."""
    sides = [np.linalg.norm(p - np.roll(p, 1, axis=1), axis=2) for p in (source, target)]
    ratio = sides[1].sum(1) / np.maximum(sides[0].sum(1), 1e-12)
    # The triangles must be alike, and not so flat that their plane is noise.
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = sides[1] / (sides[0] * ratio[:, None])
    fits = (bent > 0.7).all(1) & (bent < 1.4).all(1)
    fits &= (ratio >= scales[0] * 0.9) & (ratio <= scales[1] * 1.1)
    frames = []
    for points, lengths in zip((source, target), sides, strict=True):
        one, two = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
        normal = np.cross(one, two)
        area = np.linalg.norm(normal, axis=1)
        fits &= area > 0.1 * lengths.max(1) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            x, z = one / np.linalg.norm(one, axis=1, keepdims=True), normal / area[:, None]
        frames.append(np.stack([x, np.cross(z, x), z], -1))
    rotation = frames[1][fits] @ frames[0][fits].transpose(0, 2, 1)
    scale = np.clip(ratio[fits], *scales)
    middle = scale[:, None] * np.einsum("kij,kj->ki", rotation, source[fits].mean(1))
    return scale, rotation, target[fits].mean(1) - middle
