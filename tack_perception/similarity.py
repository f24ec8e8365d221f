# SPDX-License-Identifier: Apache-2.0
"""Similarities of space, many at once: each a rotation, a translation and one scale."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from tack_perception.vectors import cross, dot, length

FloatArray = NDArray[np.float64]
_BENT = (0.7, 1.4)  # sides of two triangles that are taken to be alike, as ratios
_FLAT = 0.1  # area of a triangle, in squares of its longest side, below which its plane is noise


@dataclasses.dataclass(frozen=True, eq=False)
class Similarities:
    """H maps: target = scale · rotation @ source + translation.

    Attributes:
        scale: (H,) positive.
        rotation: (H, 3, 3), right-handed.
        translation: (H, 3) m.
    """

    scale: FloatArray
    rotation: FloatArray
    translation: FloatArray

    def __len__(self) -> int:
        return len(self.scale)

    def __getitem__(self, which: Any) -> Similarities:
        """Some of them: a slice, or an array of numbers or of truths."""
        return Similarities(self.scale[which], self.rotation[which], self.translation[which])

    def apply(self, points: ArrayLike) -> FloatArray:
        """(N, 3) or (H, N, 3) points of the source in the target, (H, N, 3)."""
        turned = self.rotate(points)
        turned *= self.scale[:, None, None]
        turned += self.translation[:, None]
        return turned

    def undo(self, points: ArrayLike) -> FloatArray:
        """(N, 3) or (H, N, 3) points of the target in the source, (H, N, 3)."""
        moved = np.asarray(points, np.float64) - self.translation[:, None]
        back: FloatArray = moved @ self.rotation / self.scale[:, None, None]
        return back

    def rotate(self, vectors: ArrayLike) -> FloatArray:
        """(N, 3) or (H, N, 3) directions of the source in the target, (H, N, 3)."""
        turned: FloatArray = np.asarray(vectors, np.float64) @ self.rotation.transpose(0, 2, 1)
        return turned

    def unrotate(self, vectors: ArrayLike) -> FloatArray:
        """(N, 3) or (H, N, 3) directions of the target in the source, (H, N, 3)."""
        turned: FloatArray = np.asarray(vectors, np.float64) @ self.rotation
        return turned

    def moved(self, steps: FloatArray, middles: FloatArray) -> Similarities:
        """Each followed by a small one around a point.

        Args:
            steps: (H, 7) rotation vector (rad), translation (m), logarithm of the scale.
            middles: (H, 3) in the target, m: what stays where it is under rotation and scale.
        """
        turn = Rotation.from_rotvec(steps[:, :3]).as_matrix()
        grown = np.exp(steps[:, 6])
        arm = np.einsum("hij,hj->hi", turn, self.translation - middles)
        return Similarities(
            self.scale * grown,
            turn @ self.rotation,
            grown[:, None] * arm + middles + steps[:, 3:6],
        )


def from_triples(
    source: ArrayLike, target: ArrayLike, scales: tuple[float, float] = (0.0, np.inf)
) -> Similarities:
    """The similarities of pairs of triangles that are alike; of the others, none.

    Args:
        source, target: (T, 3, 3) m, finite: T triangles each.
        scales: between which the scale must lie.

    Returns:
        H ≤ T of them, in the order of the triangles. Middles go onto middles, planes onto planes,
        first sides onto first sides.
    """
    corners = [np.asarray(one, np.float64) for one in (source, target)]
    sides = [length(p - np.roll(p, 1, axis=1)) for p in corners]
    ratio = sides[1].sum(1) / np.maximum(sides[0].sum(1), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = sides[1] / (sides[0] * ratio[:, None])
    fits = (bent > _BENT[0]).all(1) & (bent < _BENT[1]).all(1)
    fits &= (ratio >= scales[0] * 0.9) & (ratio <= scales[1] * 1.1)
    for points, lengths in zip(corners, sides, strict=True):
        area = length(cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]))
        fits &= area > _FLAT * lengths.max(1) ** 2
    one, two = (_frames(points[fits]) for points in corners)
    rotation = two @ one.transpose(0, 2, 1)
    scale = np.clip(ratio[fits], *scales)
    middles = [points[fits].mean(1) for points in corners]
    arm = scale[:, None] * np.einsum("hij,hj->hi", rotation, middles[0])
    return Similarities(scale, rotation, middles[1] - arm)


def from_pairs(source: ArrayLike, target: ArrayLike, weights: ArrayLike) -> Similarities:
    """Rigid motions (their scale is 1) that bring points near their partners: Kabsch (1976).

    Args:
        source, target: (M, 3) m.
        weights: (H, M) of the pairs, for H motions; each needs three pairs or more.
    """
    one, two = (np.asarray(points, np.float64) for points in (source, target))
    shares = np.asarray(weights, np.float64)
    shares = shares / shares.sum(axis=1, keepdims=True)
    middles = shares @ one, shares @ two
    spread = np.einsum(
        "hm,hmi,hmj->hij", shares, two - middles[1][:, None], one - middles[0][:, None]
    )
    left, _, right = np.linalg.svd(spread)
    left[:, :, 2] *= np.linalg.det(left @ right)[:, None]  # no mirror
    rotation = left @ right
    moved = middles[1] - (rotation @ middles[0][..., None])[..., 0]
    return Similarities(np.ones(len(shares)), rotation, moved)


def joined(*several: Similarities) -> Similarities:
    """All of them, in their order."""
    return Similarities(*(np.concatenate(part) for part in zip(*map(_parts, several), strict=True)))


def _parts(some: Similarities) -> tuple[FloatArray, FloatArray, FloatArray]:
    return some.scale, some.rotation, some.translation


def _frames(points: FloatArray) -> FloatArray:
    """(H, 3, 3) with columns x along the first side, z across the triangle's plane."""
    x = points[:, 1] - points[:, 0]
    z = cross(x, points[:, 2] - points[:, 0])
    x, z = (one / length(one)[:, None] for one in (x, z))
    return np.stack([x, cross(z, x), z], -1)


def distinct(
    several: Similarities,
    scores: ArrayLike,
    middle: ArrayLike,
    *,
    degrees: float,
    metres: float,
    most: int,
) -> NDArray[np.intp]:
    """Numbers of the best that are not nearly the same as a better one; the best first.

    Args:
        several: H similarities.
        scores: (H,) larger is better.
        middle: (3,) in the source, m: where the distance between two of them is measured.
        degrees, metres: two that are nearer than both are nearly the same.
        most: how many at the most.
    """  # fmt: skip
    left = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    middles = several.apply(np.asarray(middle, np.float64)[None])[:, 0]
    turns = several.rotation.reshape(-1, 9)
    least = 1 + 2 * np.cos(np.radians(degrees))  # the trace of a rotation by that angle
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        apart = middles[left] - middles[best]
        same = (turns[left] @ turns[best] > least) & (dot(apart, apart) < metres**2)
        left = left[~same]
    return np.array(kept, np.intp)
