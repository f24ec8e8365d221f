# SPDX-License-Identifier: Apache-2.0
"""Spots of an object's texture that are found again in another picture: each proposes a pose.

A network that knows classes sees little of a print, and the print is what tells the sides of a box
apart. SIFT (Lowe 2004) finds it again on the same thing. Depth shows the surface that a spot lies
on: with its normal and the direction of its gradients one spot that is found again fixes a whole
pose (Wu et al., CVPR 2008), and a pose on which several agree is hardly ever wrong.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.relief import GRID, Relief, surface_at
from tack_perception.similarity import Similarities, distinct, from_pairs
from tack_perception.vectors import cross, dot, length

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
FEWEST = 3
"""Matches that speak for a pose: with fewer, chance agrees as well."""
_SIDE = 192  # px of the picture that spots are looked for in
_MOST_SPOTS = 400
_CONTRAST, _EDGE = (
    0.008,
    20.0,
)  # of `cv2.SIFT`: faint ones, and on edges, as with few spots all help
_ALIKE = 0.7  # cosine between descriptors of spots that may be the same
_POSES = 6
_TURNED, _MOVED = 20.0, 0.3  # degrees, and sizes of the object: nearer poses are the same
# Sizes of the object, and a cosine between normals, within which a match agrees with a pose: of one
# match alone, whose turn is only about right, and of several.
_LOOSE, _TIGHT, _FACING = 0.15, 0.08, 0.5
_ROUNDS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Texture:
    """N spots of a window's object, in the camera's frame.

    Attributes:
        points: (N, 3) m.
        axes: (N, 3, 3) columns: the direction of a spot's gradients along the surface, the one
            across, and the normal, towards the camera.
        descriptors: (N, 128) float32 of unit length: square roots of SIFT's (Arandjelović and
            Zisserman 2012).
    """

    points: FloatArray
    axes: FloatArray
    descriptors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)


@dataclasses.dataclass(frozen=True, eq=False)
class Matches:
    """M spots of one window that look like spots of another.

    Attributes:
        source, target: (M, 3) m, in the cameras of the first and the second window.
        facing: (M, 2, 3) the normals there.
        turns: (M, 3, 3) rotations from the first camera to the second that each speaks for.
    """

    source: FloatArray
    target: FloatArray
    facing: FloatArray
    turns: FloatArray

    def __len__(self) -> int:
        return len(self.source)


def texture_of(window: Window, relief: Relief) -> Texture:
    """The spots of a window's object."""
    crop = dataclasses.replace(window.crop, size=_SIDE)
    grey = cv2.cvtColor(crop.cut(window.frame.color), cv2.COLOR_RGB2GRAY)
    thing = cv2.dilate(relief.object.reshape(GRID, GRID).astype(np.uint8), np.ones((3, 3)))
    mask = cv2.resize(thing, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    sift = cv2.SIFT.create(_MOST_SPOTS, contrastThreshold=_CONTRAST, edgeThreshold=_EDGE)
    spots, said = sift.detectAndCompute(grey, mask)
    if not len(spots):
        return Texture(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 128), np.float32))
    pixels = np.array([spot.pt for spot in spots])
    angles = np.radians([spot.angle for spot in spots])
    ahead = crop.to_image(pixels + np.stack([np.cos(angles), np.sin(angles)], axis=-1))
    surface = surface_at(window, relief, window.crop.to_crop(crop.to_image(pixels)))
    axes = _axes(window.frame.intrinsics.rays(ahead), surface)
    known = np.isfinite(axes).all(axis=(1, 2))
    descriptors = np.sqrt(said / np.maximum(said.sum(axis=1, keepdims=True), 1e-9))
    return Texture(surface[known, 0], axes[known], descriptors[known].astype(np.float32))


def _axes(rays: FloatArray, surface: FloatArray) -> FloatArray:
    """(N, 3, 3) of spots on (N, 2, 3) points and normals, towards where rays meet the surface."""
    points, normals = surface[:, 0], surface[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = rays * (dot(points, normals) / dot(rays, normals))[:, None] - points
        along -= normals * dot(along, normals)[:, None]
        along /= length(along)[:, None]
    return np.stack([along, cross(normals, along), normals], axis=-1)


def matches_of(first: Texture, second: Texture) -> Matches:
    """Spots that are the likest to each other."""
    if not len(first) or not len(second):
        none = np.zeros((0, 3))
        return Matches(none, none, np.zeros((0, 2, 3)), np.zeros((0, 3, 3)))
    alike = first.descriptors @ second.descriptors.T
    there = alike.argmax(axis=1)
    here = np.arange(len(first))
    kept = (alike.argmax(axis=0)[there] == here) & (alike[here, there] > _ALIKE)
    here, there = here[kept], there[kept]
    one, two = first.axes[here], second.axes[there]
    return Matches(
        first.points[here], second.points[there], np.stack([one[..., 2], two[..., 2]], axis=1),
        two @ one.transpose(0, 2, 1),
    )  # fmt: skip


def poses_of(matches: Matches, size: float) -> Similarities:
    """Rigid poses on which matches agree, those with the most first.

    Args:
        matches: of an object's spots.
        size: of the object, m.
    """
    turned = (matches.turns @ matches.source[..., None])[..., 0]
    alone = Similarities(np.ones(len(matches)), matches.turns, matches.target - turned)
    agreeing = _agreeing(matches, alone, _LOOSE * size)
    counts = agreeing.sum(axis=1)
    middle = matches.source.mean(axis=0) if len(matches) else np.zeros(3)
    best = distinct(
        alone, counts, middle, degrees=_TURNED, metres=_MOVED * size, most=_POSES
    )  # fmt: skip
    best = best[counts[best] >= FEWEST]
    poses, agreeing = alone[best], agreeing[best]
    for _ in range(_ROUNDS if len(poses) else 0):
        poses = from_pairs(matches.source, matches.target, agreeing)
        closer = _agreeing(matches, poses, _TIGHT * size)
        enough = closer.sum(axis=1) >= FEWEST
        agreeing = np.where(enough[:, None], closer, agreeing)
    return poses


def backing(matches: Matches, poses: Similarities, size: float) -> FloatArray:
    """(H,) how many matches agree with poses."""
    return np.asarray(_agreeing(matches, poses, _TIGHT * size).sum(axis=1), np.float64)


def _agreeing(matches: Matches, poses: Similarities, reach: float) -> Mask:
    """(H, M) whether poses carry a spot to where it was found."""
    apart = length(poses.apply(matches.source) - matches.target)
    alike = dot(poses.rotate(matches.facing[:, 0]), matches.facing[:, 1])
    return np.asarray((apart < reach) & (alike > _FACING))
