# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a shot: the click and a constellation of anchors around it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import Annotation
from tack_perception.detectors.features import DenseFeatures, describe, texture_of
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float32]

_SPACING = 9  # anchors from the click to the rim of the support, before the best are chosen
_NEAR_PX = 12  # what is further away is not the surface that was clicked on
_STEP_M = 0.03  # in depth, between two surfaces
_FEWEST = 6  # pixels of a surface
_BEHIND_PX = 8.0  # closer to the click than a surface in front of it, one behind is meant after all
_AROUND_PX = 3.0  # beyond its first pixels, where a surface's depth is read
OWN_PX = 16.0
"""What is this close to an anchor is the anchor itself, not a rival."""
_ROLL_STEP_DEG = 15.0  # descriptors bear half of it without loss
_SCALE_STEP = math.sqrt(2)
_LEAST_TEXTURE = 0.4  # at the best cell size; 1 is full texture, 0 a blank wall


@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """A shot as it is looked for: under P in-plane rotations and sizes, with M anchors.

    The click itself is the first anchor, upright at its original size the first pose.

    Attributes:
        weights: (M,) of the anchors: high if distinctive and close to the click; they sum to 1.
        offsets: (P, M, 2) anchors relative to the click, px.
        raw: (P, M, D) descriptors before whitening.
    """

    weights: FloatArray
    offsets: FloatArray
    raw: FloatArray


def make_template(
    shot: Annotation, features: DenseFeatures, config: DenseDescriptorConfig
) -> Template:
    """Remember a shot.

    Args:
        shot: the click.
        features: of the shot's frame.
        config: settings.

    Raises:
        InvalidInputError: there is no texture around the click.
    """
    pixels, radius = support(shot.frame, shot.pixel, config)
    raw = describe(features.pyramid, pixels, features.cells)
    texture = texture_of(raw, len(features.cells)).max(axis=1)
    if texture.max() < _LEAST_TEXTURE:
        raise InvalidInputError(
            f"{shot.label}: the image around ({shot.u:.0f}, {shot.v:.0f}) has no texture that could"
            " be recognised; click nearer to a corner, a print or an edge"
        )
    at = (pixels - features.pixels[0, 0]) / features.step
    similarity = features.similarity(features.whitening(raw))
    distinct = rarity(similarity, at, OWN_PX / features.step) * np.minimum(texture, 1)
    chosen, offsets, weights = anchors_of(pixels, distinct, radius, config.anchors)
    poses = _poses(pixels[chosen], offsets, features, config)
    return Template(weights, *poses)


def anchors_of(
    pixels: FloatArray, rare: FloatArray, radius: float, count: int
) -> tuple[NDArray[np.intp], FloatArray, FloatArray]:
    """The click and the rarest of what surrounds it, at most so many.

    Args:
        pixels: (N, 2), the click first; px.
        rare: (N,) how unlike all else each is, to 1.
        radius: that they are in, px.
        count: M, at most.

    Returns:
        (M,) which they are; (M, 2) offsets from the click, px; (M,) weights, which sum to 1.
    """
    rare[0] = max(rare[0], 0.1)
    chosen = np.concatenate([[0], 1 + np.argsort(-rare[1:], kind="stable")])[:count]
    offsets = pixels[chosen] - pixels[0]
    closeness = 1 / (1 + (np.linalg.norm(offsets, axis=1) / radius) ** 2)
    weights = np.maximum(rare[chosen], 0.02) * closeness
    return chosen, offsets, (weights / weights.sum()).astype(np.float32)


def rarity(similarity: FloatArray, cells: NDArray[np.floating], reach: float) -> FloatArray:
    """(N,) one minus the similarity of the best rival elsewhere in the shot's own picture.

    Args:
        similarity: (N, rows, columns) to each cell; what is near the points themselves is erased.
        cells: (N, 2) of the points, counted from 0.
        reach: how near that is, cells.
    """
    low = np.maximum(np.ceil(cells - reach), 0).astype(np.intp)
    high = np.maximum(np.floor(cells + reach), -1).astype(np.intp) + 1
    for own, (left, top), (right, bottom) in zip(similarity, low, high, strict=True):
        own[top:bottom, left:right] = -1
    return np.asarray(1 - similarity.max(axis=(1, 2)), dtype=np.float32)


def support(
    frame: RGBDFrame, pixel: NDArray[np.float64], config: DenseDescriptorConfig
) -> tuple[FloatArray, float]:
    """What surrounds a click on its surface: (N, 2) pixels, the click first, and their radius, px.

    Args:
        frame: the frame.
        pixel: (2,) of the click, px.
        config: how far it reaches.
    """
    depth = _depth_of_click(frame, *pixel)
    radius = config.support_px
    if depth is not None:
        radius = float(np.clip(frame.intrinsics.fx * config.support_m / depth, 24, 128))
    line = np.linspace(-radius, radius, 2 * _SPACING + 1)
    x, y = np.meshgrid(line, line)
    offsets = np.stack([x, y], axis=-1).reshape(-1, 2)
    away = np.linalg.norm(offsets, axis=1)
    offsets = offsets[(away > 1) & (away <= radius)]
    around = pixel + offsets
    limit = np.array([frame.intrinsics.width, frame.intrinsics.height]) - 5
    around = around[((around > 4) & (around < limit)).all(axis=1)]
    if depth is not None:
        # NaN compares false, so that what has no depth (a gripper close to the lens) is left out.
        same = np.abs(_depths(frame, around) - depth) < config.support_depth_m
        around = around[same] if np.count_nonzero(same) >= config.anchors // 4 else around
    return np.vstack([pixel, around]).astype(np.float32), radius


def _depth_of_click(frame: RGBDFrame, u: float, v: float) -> float | None:
    """Depth of the surface that a click means, m; None where none is known near it.

    At a silhouette the surface in front is meant, though the stereo shadow beside its edge, in
    which no depth is known, may leave more of what is behind. Lifting asks the same more strictly
    and may refuse (`lifting.choose`); something has to be remembered of every click.
    """
    left, top = max(round(u) - _NEAR_PX, 0), max(round(v) - _NEAR_PX, 0)
    near = frame.depth[top : round(v) + _NEAR_PX + 1, left : round(u) + _NEAR_PX + 1]
    row, column = np.nonzero(np.isfinite(near))
    away = np.hypot(column + left - u, row + top - v)
    inside = away <= _NEAR_PX
    depth, away = near[row, column][inside], away[inside]
    order = np.argsort(depth, kind="stable")
    depth, away = depth[order], away[order]
    cuts = np.flatnonzero(np.diff(depth) > _STEP_M) + 1
    best, chosen = math.inf, None
    surfaces = zip(np.split(depth, cuts), np.split(away, cuts), strict=True)
    large = ((some, far) for some, far in surfaces if len(some) >= _FEWEST)
    for behind, (some, far) in enumerate(large):
        edge = float(np.partition(far, _FEWEST - 1)[_FEWEST - 1])
        if edge + behind * _BEHIND_PX < best:
            best = edge + behind * _BEHIND_PX
            chosen = float(np.median(some[far <= edge + _AROUND_PX]))
    return chosen


def _depths(frame: RGBDFrame, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median depth in the 7 × 7 pixels around each, m, NaN where none is known."""
    height, width = frame.depth.shape
    near = np.arange(-3, 4)
    columns = np.clip(np.rint(pixels[:, 0, None, None]).astype(int) + near, 0, width - 1)
    rows = np.clip(np.rint(pixels[:, 1, None, None]).astype(int) + near[:, None], 0, height - 1)
    patches = frame.depth[rows, columns].reshape(len(pixels), -1).astype(np.float64)
    known = np.isfinite(patches).any(axis=1)
    result = np.full(len(pixels), np.nan)
    result[known] = np.nanmedian(patches[known], axis=1)
    return result


def _poses(
    pixels: FloatArray,
    offsets: FloatArray,
    features: DenseFeatures,
    config: DenseDescriptorConfig,
) -> tuple[FloatArray, FloatArray]:
    """Offsets (P, M, 2) and looks (P, M, D) of the anchors under each rotation and size."""
    rolls = _both_ways(int(config.roll_deg // _ROLL_STEP_DEG))
    if config.roll_deg >= 180:
        rolls.remove(-rolls[-1] if -rolls[-1] in rolls else rolls[-1])  # ±180° are one
    sizes = _both_ways(round(math.log(config.scale) / math.log(_SCALE_STEP)))
    moved, looks = [], []
    for roll in rolls:
        angle = math.radians(roll * _ROLL_STEP_DEG)
        # What turns by the angle in the picture is described by turning the axes back.
        pyramid = features.turned(-angle)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        for size in sizes:
            factor = _SCALE_STEP**size
            moved.append((factor * offsets @ turn.T).astype(np.float32))
            looks.append(describe(pyramid, pixels, features.cells, 1 / factor))
    return np.stack(moved), np.stack(looks)


def _both_ways(count: int) -> list[int]:
    """Count from 0 outwards: 0, 1, −1, 2, −2 and so on."""
    return [0] + [sign * step for step in range(1, count + 1) for sign in (1, -1)]
