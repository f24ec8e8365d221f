# SPDX-License-Identifier: Apache-2.0
"""The other points of a clicked object: found in another picture, they say where the click must be.

A network finds many points of an object as cheaply as one, and is often wrong about a single one.
But on one thing all of them move together. So from the object that was clicked some anchors are
kept, with their places in space; their heat maps in another picture propose similarities of space
(rigid, for the same thing), the surfaces that depth shows in both make them exact and tell the
right from the wrong, and they carry the click along: also to where it is hidden.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.alignment import SCALES, Pairs, align, fit_of
from tack_perception.detectors.relief import GRID, Relief, facing, nearest, relief_of
from tack_perception.frame import RGBDFrame
from tack_perception.similarity import Similarities, distinct, from_triples
from tack_perception.vectors import within

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
FloatMaps = NDArray[np.float32]
Weigh = Callable[[Similarities, FloatArray], FloatArray]
"""From H poses and their facts (H,) logarithms of how much likelier each is than none of them."""
ANCHORS = 64
FEWEST = 12
"""Anchors: with fewer, chance agrees as well."""
FACTS = ("posed", "exposed", "facing", "covered", "beyond")
"""What is said of a point that an object carries along."""
FLOOR = -8.0
"""Logarithm of the probability below which a heat map says only: not here."""
_TRIALS = 512
_DRAWS = 48  # places that are drawn from each heat map
_PROPOSALS = 12
_TURNED, _MOVED = 20.0, 0.5  # degrees, and sizes of the object: nearer proposals are the same
_SAME_TURNED, _SAME_MOVED = 10.0, 0.15  # and nearer poses
# How likely a pose is, from how well it fits, where no network judges it: a choice between poses,
# and none of them, was fitted (docs/methods/fused.md).
_BY_FACTS = np.array([2.25, -2.3, 1.2, 0.0])
_NONE = -7.4
_FACING = 0.05  # cosine of the flattest angle at which a surface is taken to be seen
_LEVEL = 0.06  # sizes of the object: a point that is less far before or behind a surface is on it


@dataclasses.dataclass(frozen=True, eq=False)
class Anchors:
    """Points of an object in a window.

    Attributes:
        pixels: (M, 2) px of the window's picture.
        points: (M, 3) m, in the camera's frame.
        size: root of their mean squared distance from their middle, m.
        relief: the surface that the window shows.
    """

    pixels: FloatArray
    points: FloatArray
    size: float
    relief: Relief


@dataclasses.dataclass(frozen=True, eq=False)
class Proposals:
    """Poses that the heat maps of an object's anchors speak for; the best first.

    Attributes:
        poses: H from the anchors' camera frame to the window's.
        heat: (H,) mean logarithm of the probability of the anchors' places, `FLOOR` to 0.
        maps: (M, h, w) the anchors' logarithms of probability.
    """

    poses: Similarities
    heat: FloatArray
    maps: FloatMaps


@dataclasses.dataclass(frozen=True, eq=False)
class Posed:
    """Poses that surfaces have made exact.

    Attributes:
        poses: H from the anchors' camera frame to the window's; the likeliest first.
        weights: (H,) their probabilities; what is missing to 1 belongs to none of them.
    """

    poses: Similarities
    weights: FloatArray

    def likeliest(self, count: int) -> Posed:
        """The first of them; the others are taken for none of them."""
        return Posed(self.poses[:count], self.weights[:count])


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Where H poses carry L points, and what the depth image says there.

    Attributes:
        pixels: (H, L, 2) px of the window's picture.
        weights: (H, L) probabilities; what is missing to 1 belongs to no pose.
        facts: by name (L,), sums over poses by weight: of 1 (posed), of whether the depth image
            shows the point (exposed), of the cosine between its surface's normal and the way to the
            camera (facing), of how far something lies before it in sizes of the object (covered),
            or the surface behind it (beyond).
    """

    pixels: FloatArray
    weights: FloatArray
    facts: Mapping[str, FloatArray]


def choose_anchors(window: Window, stride: int) -> Anchors | None:
    """Points all over the object in the middle of a window, where depth is known.

    Returns:
        The anchors, the same for the same window; None where no object was found or too few of its
        points have a depth.
    """
    if not window.found:
        return None
    rows, columns = np.nonzero(_shown(window))
    order = np.random.default_rng(0).permutation(len(rows))
    cells = np.column_stack([columns, rows])[order].astype(np.float64)
    pixels = (cells + 0.5) * stride - 0.5
    points = points_of(window.frame, window.crop.to_image(pixels))
    known = np.asarray(np.isfinite(points).all(axis=1))
    known[np.flatnonzero(known)[ANCHORS:]] = False
    if known.sum() < FEWEST:
        return None
    points = points[known]
    size = float(np.sqrt(((points - np.median(points, axis=0)) ** 2).sum(1).mean()))
    return Anchors(pixels[known], points, size, relief_of(window)) if size > 0 else None


def _shown(window: Window) -> NDArray[np.uint8]:
    """(h, w) 1 where the object is seen; without its outline, where depth is poor."""
    mask: NDArray[np.uint8] = (window.shown > 0.5).astype(np.uint8)
    inner = np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)), np.uint8)
    return inner if inner.sum() >= 2 * ANCHORS else mask


def points_of(frame: RGBDFrame, pixels: FloatArray) -> FloatArray:
    """(N, 3) what pixels (N, 2) of a frame show, m, camera frame; NaN where depth is unknown."""
    height, width = frame.depth.shape
    inside = within(pixels, -0.5, (width - 0.5, height - 0.5))
    at = np.rint(np.where(inside[:, None], pixels, 0)).astype(np.int64)
    depth = np.where(inside, frame.depth[at[:, 1], at[:, 0]], np.nan)
    return frame.intrinsics.deproject(pixels, depth)


def surface_at(window: Window, relief: Relief, pixels: FloatArray) -> FloatArray:
    """(L, 2, 3) points and normals (towards the camera) at pixels (L, 2) of a window; NaN: unknown.

    Where a pixel has no depth, as along outlines, its cell of the relief may have one.
    """
    image = window.crop.to_image(pixels)
    points = points_of(window.frame, image)
    cell, inside = nearest((pixels + 0.5) * (GRID / window.crop.size) - 0.5)
    known = (inside & relief.known[cell])[:, None]
    with np.errstate(invalid="ignore"):
        near = window.frame.intrinsics.deproject(image, relief.points[cell, 2])
    points = np.where(np.isfinite(points), points, np.where(known, near, np.nan))
    return np.stack([points, np.where(known, relief.normals[cell], np.nan)], axis=1)


def propose(anchors: Anchors, window: Window, maps: FloatMaps) -> Proposals | None:
    """Poses under which the anchors lie where their heat maps are high.

    Random sample consensus (Fischler and Bolles 1981) over triples whose places are drawn from the
    heat maps, scored by the heat of all anchors, so that a map with two peaks speaks for both.

    Args:
        anchors: of the clicked object.
        window: that they are looked for in.
        maps: (M, h, w) the anchors' logarithms of probability there.

    Returns:
        The best that differ, always the same ones; None where no triple fits.
    """
    triples, draws, which = _lots(len(maps))
    cells = _drawn(maps, draws)[triples, which]
    targets = _lifted(window, cells, maps.shape[2])
    known = np.isfinite(targets).all(axis=(1, 2))
    poses = from_triples(anchors.points[triples[known]], targets[known], SCALES)
    if not len(poses):
        return None
    heat = heat_of(anchors, window, maps, poses)
    best = distinct(
        poses, heat, anchors.points.mean(axis=0), degrees=_TURNED, metres=_MOVED * anchors.size,
        most=_PROPOSALS,
    )  # fmt: skip
    return Proposals(poses[best], heat[best], maps)


@functools.lru_cache(maxsize=ANCHORS)
def _lots(count: int) -> tuple[NDArray[np.intp], FloatArray, NDArray[np.intp]]:
    """Always the same: triples of maps, draws from each map (0 to 1), which draw a triple takes."""
    rng = np.random.default_rng(0)
    triples = rng.random((_TRIALS, count)).argpartition(2, axis=1)[:, :3]
    draws = rng.random((count, _DRAWS))
    return triples, draws, rng.integers(0, _DRAWS, triples.shape)


def _drawn(maps: FloatMaps, draws: FloatArray) -> NDArray[np.intp]:
    """(M, D) cells of (M, h, w) maps to draws, by the sum of probabilities before each cell."""
    count = len(maps)
    sums = np.exp(maps).reshape(-1).cumsum(dtype=np.float64)  # over all maps: one search for all
    ends = sums.reshape(count, -1)[:, -1:]
    begins = np.concatenate([[[0.0]], ends[:-1]])
    found = np.searchsorted(sums, begins + draws * (ends - begins)).reshape(draws.shape)
    size = maps[0].size
    cells: NDArray[np.intp] = (found - size * np.arange(count)[:, None]).clip(0, size - 1)
    return cells


def _lifted(window: Window, cells: NDArray[np.intp], width: int) -> FloatArray:
    """(..., 3) what cells of a window's heat maps show, by their numbers (...); NaN: unknown."""
    places = np.stack([cells % width, cells // width], -1).reshape(-1, 2)
    pixels = (places + 0.5) * (window.crop.size / width) - 0.5
    return points_of(window.frame, window.crop.to_image(pixels)).reshape(*cells.shape, 3)


def heat_of(anchors: Anchors, window: Window, maps: FloatMaps, poses: Similarities) -> FloatArray:
    """(H,) mean logarithm of the probability of the anchors' places."""
    count, height, width = maps.shape
    places = window.frame.intrinsics.project(poses.apply(anchors.points))
    cells = (window.crop.to_crop(places) + 0.5) * (width / window.crop.size) - 0.5
    inside = within(cells, -0.5, (width - 0.5, height - 0.5))
    at = np.rint(np.where(inside[..., None], cells, 0)).astype(np.intp)
    there = maps[np.arange(count), at[..., 1], at[..., 0]]
    mean: FloatArray = np.where(inside, np.maximum(there, FLOOR), FLOOR).mean(axis=1)
    return mean


def by_facts(poses: Similarities, facts: FloatArray) -> FloatArray:
    """How likely poses are by `facts_of` alone; a `Weigh`."""
    score: FloatArray = facts @ _BY_FACTS - _NONE
    return score


def pose(
    anchors: Anchors, window: Window, relief: Relief, proposals: Proposals, weigh: Weigh = by_facts
) -> Posed:
    """Make poses exact by the surfaces that both windows show, and weigh them.

    Args:
        anchors: of the clicked object.
        window: in which it may lie.
        relief: of that window.
        proposals: how.
        weigh: how likely poses are.
    """
    poses = aligned(anchors, window, relief, proposals)
    scores = weigh(poses, facts_of(anchors, window, relief, proposals.maps, poses))
    best = differing(poses, scores, anchors.points.mean(axis=0), anchors.size)
    powers = np.exp(np.r_[scores[best], 0.0] - max(scores.max(), 0.0))
    return Posed(poses[best], powers[:-1] / powers.sum())


def facts_of(
    anchors: Anchors, window: Window, relief: Relief, maps: FloatMaps, poses: Similarities
) -> FloatArray:
    """(H, 4) of poses: met and through (`alignment.Fit`), heat, logarithm of the scale."""
    fit = fit_of(anchors.relief, relief, poses, anchors.size)
    heat = heat_of(anchors, window, maps, poses)
    return np.column_stack([fit.met, fit.through, heat, np.log(poses.scale)])


def differing(
    poses: Similarities, scores: FloatArray, middle: FloatArray, size: float
) -> NDArray[np.intp]:
    """Numbers of poses of which none has become nearly the same as a better one; the best first.

    Args:
        poses: H of them.
        scores: (H,) larger is better.
        middle: (3,) of the object's anchors, m.
        size: of the object, m.
    """
    return distinct(
        poses, scores, middle, degrees=_SAME_TURNED, metres=_SAME_MOVED * size, most=len(poses)
    )


def aligned(anchors: Anchors, window: Window, relief: Relief, proposals: Proposals) -> Similarities:
    """Poses brought to where the surfaces of both windows meet; `relief` is the window's."""
    width = proposals.maps.shape[2]
    top = proposals.maps.reshape(len(proposals.maps), -1).argmax(axis=1)
    targets = _lifted(window, top, width)
    known = np.isfinite(targets).all(axis=1)
    if not known.any():
        return proposals.poses
    pairs = Pairs(anchors.points[known], targets[known])
    return align(anchors.relief, relief, proposals.poses, pairs, anchors.size)


def predict(anchors: Anchors, window: Window, posed: Posed, surfaces: FloatArray) -> Prediction:
    """Carry points along with the object.

    Args:
        anchors: of the clicked object.
        window: in which it was found.
        posed: how it may lie there.
        surfaces: (L, 2, 3) points and normals, in the anchors' camera frame; NaN: unknown.
    """
    frame, crop, poses = window.frame, window.crop, posed.poses
    carried = poses.apply(surfaces[:, 0])
    image = frame.intrinsics.project(carried)
    known = np.asarray(np.isfinite(image).all(axis=-1))
    surface = points_of(frame, np.where(known[..., None], image, -1e3).reshape(-1, 2))
    size = anchors.size * poses.scale
    gap = (surface[:, 2].reshape(known.shape) - carried[..., 2]) / size[:, None]
    gap = np.clip(np.nan_to_num(gap), -1, 1)
    away = np.nan_to_num(facing(carried, poses.rotate(surfaces[:, 1])))
    seen = (away > _FACING) & (np.abs(gap) < _LEVEL)
    weights = posed.weights[:, None] * known
    each = (known, seen, away, np.maximum(-gap, 0), np.maximum(gap, 0))
    facts = {name: (weights * one).sum(axis=0) for name, one in zip(FACTS, each, strict=True)}
    return Prediction(np.where(known[..., None], crop.to_crop(image), 0.0), weights, facts)
