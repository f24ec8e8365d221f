# SPDX-License-Identifier: Apache-2.0
"""The other points of a clicked object: found in another picture, they say where the click must be.

A network finds many points of an object as cheaply as one, and is often wrong about a single one.
But on one thing all of them move together. So from the object that was clicked some anchors are
kept, with their places in space; their heat maps in another picture propose similarities of space
(rigid, for the same thing), and so does a texture that is found again; the surfaces that depth
shows in both make them exact, and they carry the click along: also to where it is hidden.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.alignment import SCALES, Pairs, align, fit_of
from tack_perception.detectors.relief import Relief, facing, points_of, relief_of
from tack_perception.detectors.texture import Matches, backing, poses_of
from tack_perception.similarity import Similarities, distinct, from_triples, joined
from tack_perception.vectors import within

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
FloatMaps = NDArray[np.float32]
Weigh = Callable[[Similarities, FloatArray], FloatArray]
"""From H poses and their facts (`candidates`): (H,) logarithms of how much likelier than none each
is."""
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
_OF_EACH = 8  # of them, where both the anchors and the named points propose
_TURNED, _MOVED = 20.0, 0.5  # degrees, and sizes of the object: nearer proposals are the same
_SAME_TURNED, _SAME_MOVED = 10.0, 0.15  # and nearer poses, once they are exact
# Deviation and reach of pairs of points, in sizes of the object: of the places where heat maps are
# highest, and of spots of texture.
_BY_HEAT, _BY_TEXTURE = (0.4, 0.5), (0.05, 0.15)
# How likely a pose is, from how well it fits, where no network judges it: a choice between poses,
# and none of them, was fitted (docs/methods/fused.md).
_BY_FACTS = np.array([1.44, -1.88, 1.13, 0.54, 0.0, 0.0])
_NONE = -5.64
_UNNAMED = -6.0  # heat of named points where none are known: the median of wrong and right poses
_SPOTS = 3  # which of the facts tells how many spots agree
_CERTAIN = np.log1p(12)  # so many never agreed on a wrong pose (docs/methods/fused.md)
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
        anchors: the points.
        poses: H from the anchors' camera frame to the window's.
        heat: (H,) mean logarithm of the probability of the anchors' places, `FLOOR` to 0.
        maps: (M, h, w) the anchors' logarithms of probability.
    """

    anchors: Anchors
    poses: Similarities
    heat: FloatArray
    maps: FloatMaps

    def heat_in(self, window: Window, poses: Similarities) -> FloatArray:
        """(G,) the same of other poses."""
        return heat_of(self.anchors, window, self.maps, poses)


@dataclasses.dataclass(frozen=True, eq=False)
class Posed:
    """Poses, each with what speaks for it.

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
    return Proposals(anchors, poses[best], heat[best], maps)


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
    """How likely poses are by their facts alone; a `Weigh`."""
    score: FloatArray = facts @ _BY_FACTS - _NONE
    return score


def pose(
    window: Window, relief: Relief, proposals: Sequence[Proposals], matches: Matches,
    weigh: Weigh = by_facts,
) -> Posed:  # fmt: skip
    """Choose between the poses that an object may have in a window.

    Args:
        window: in which it may lie.
        relief: of that window.
        proposals: how, by the heat maps of its anchors, and of its named points if it has any.
        matches: of its texture.
        weigh: how likely poses are.
    """
    poses, facts = candidates(window, relief, proposals, matches)
    scores = weigh(poses, facts)
    order = np.argsort(-scores, kind="stable")
    powers = np.exp(np.r_[scores[order], 0.0] - max(scores.max(), 0.0))
    return Posed(poses[order], powers[:-1] / powers.sum())


def candidates(
    window: Window, relief: Relief, proposals: Sequence[Proposals], matches: Matches
) -> tuple[Similarities, FloatArray]:
    """Poses that an object may have in a window, and their facts; arguments as for `pose`.

    Returns:
        What texture proposes, and, unless that is beyond doubt, what heat maps do without what
        becomes nearly the same; both made exact by the surfaces that the windows show.
        (H, 6) met and through (`alignment.Fit`), heat of the anchors, logarithm of one more than
        the spots of texture that agree, logarithm of the scale, heat of the named points.
    """
    anchors = proposals[0].anchors
    tell = functools.partial(_facts_of, window, relief, proposals, matches)
    printed = _printed(anchors, relief, matches)
    facts = tell(printed)
    if facts[:, _SPOTS].max(initial=0) >= _CERTAIN:
        return printed, facts
    exact = aligned(window, relief, proposals)
    told = tell(exact)
    best = distinct(
        exact, by_facts(exact, told), anchors.points.mean(axis=0), degrees=_SAME_TURNED,
        metres=_SAME_MOVED * anchors.size, most=len(exact),
    )  # fmt: skip
    return joined(printed, exact[best]), np.concatenate([facts, told[best]])


def _printed(anchors: Anchors, relief: Relief, matches: Matches) -> Similarities:
    """Poses by texture, made exact."""
    poses = poses_of(matches, anchors.size)
    if not len(poses):
        return poses
    pairs = Pairs(matches.source, matches.target, *_BY_TEXTURE)
    return align(anchors.relief, relief, poses, pairs, anchors.size)


def _facts_of(
    window: Window, relief: Relief, proposals: Sequence[Proposals], matches: Matches,
    poses: Similarities,
) -> FloatArray:  # fmt: skip
    """(H, 6) as `candidates` returns them."""
    anchors = proposals[0].anchors
    fit = fit_of(anchors.relief, relief, poses, anchors.size)
    spots = backing(matches, poses, anchors.size)
    heat, *further = (one.heat_in(window, poses) for one in proposals)
    named = further[0] if further else np.full(len(poses), _UNNAMED)
    return np.column_stack(
        [fit.met, fit.through, heat, np.log1p(spots), np.log(poses.scale), named]
    )


def aligned(window: Window, relief: Relief, proposals: Sequence[Proposals]) -> Similarities:
    """All proposed poses, brought to where the surfaces of both windows meet."""
    anchors = proposals[0].anchors
    most = _PROPOSALS if len(proposals) == 1 else _OF_EACH
    poses = joined(*(one.poses[:most] for one in proposals))
    sources = np.concatenate([one.anchors.points for one in proposals])
    targets = np.concatenate([_tops(window, one.maps) for one in proposals])
    known = np.isfinite(targets).all(axis=1)
    if not known.any():
        return poses
    pairs = Pairs(sources[known], targets[known], *_BY_HEAT)
    return align(anchors.relief, relief, poses, pairs, anchors.size)


def _tops(window: Window, maps: FloatMaps) -> FloatArray:
    """(M, 3) where heat maps are highest, m; NaN: unknown."""
    return _lifted(window, maps.reshape(len(maps), -1).argmax(axis=1), maps.shape[2])


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
