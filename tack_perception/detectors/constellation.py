# SPDX-License-Identifier: Apache-2.0
"""The other points of a clicked object: found in another picture, they say where the click must be.

A network finds many points of an object as cheaply as one, and is often wrong about a single one.
But on one thing all of them move together. So from the object that was clicked some anchors are
kept, with their places in space; where they are found again, most of them agree on one similarity
of space (rigid, for the same thing), which carries the click along: also to where it is hidden.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.frame import RGBDFrame
from tack_perception.similarity import Consensus, agree

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
ANCHORS = 64
FEWEST = 12
"""Anchors: with fewer, chance agrees as well."""
TOLERANCE = 0.35  # of the object's size: how far an anchor may miss and still agree
SCALES = (0.65, 1.5)  # of one instance of a class to another
_REACH = 0.35  # of the object's size: how far around an anchor its own miss is believed
_SHRINKAGE = 0.5  # anchors' worth of belief in no miss at all
_PATCH = 3  # px around a click that tell its normal


@dataclasses.dataclass(frozen=True, eq=False)
class Anchors:
    """Points of an object in a window.

    Attributes:
        pixels: (M, 2) px of the window's picture.
        points: (M, 3) m, in the camera's frame.
        size: root of their mean squared distance from their middle, m.
    """

    pixels: FloatArray
    points: FloatArray
    size: float


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Where the other points say that L points are, and what the depth image says there.

    Attributes:
        pixels: (L, 2) px of the window's picture; NaN where they lie behind the camera.
        sigma_px: how far that may be off, px of the window's picture.
        share: of the anchors that agree.
        facing: (L,) cosine between the surface's normal and the way to the camera; 0 where it is
            not known.
        covered: (L,) how far something lies before the point, in sizes of the object, 0 to 1.
        beyond: (L,) how far the surface lies behind it, likewise.
    """

    pixels: FloatArray
    sigma_px: float
    share: float
    facing: FloatArray
    covered: FloatArray
    beyond: FloatArray


def choose_anchors(window: Window, stride: int) -> Anchors | None:
    """Points all over what was clicked, where depth is known.

    That is the object in the middle of the window; where none was found there, what lies within a
    quarter of the window's side of its middle, in space.

    Returns:
        The anchors, the same for the same window; None where there are too few.
    """
    mask = _shown(window) if window.found else np.ones(window.shown.shape, np.uint8)
    rows, columns = np.nonzero(mask)
    order = np.random.default_rng(0).permutation(len(rows))
    cells = np.column_stack([columns, rows])[order].astype(np.float64)
    pixels = (cells + 0.5) * stride - 0.5
    points = points_of(window.frame, window.crop.to_image(pixels))
    known = _known(points)
    if not window.found:
        known &= _near_middle(window, points)
    known[np.flatnonzero(known)[ANCHORS:]] = False
    if known.sum() < FEWEST:
        return None
    points = points[known]
    size = float(np.sqrt(((points - np.median(points, axis=0)) ** 2).sum(1).mean()))
    return Anchors(pixels[known], points, size) if size > 0 else None


def _shown(window: Window) -> NDArray[np.uint8]:
    """(h, w) 1 where the object is seen; without its outline, where depth is poor."""
    mask: NDArray[np.uint8] = (window.shown > 0.5).astype(np.uint8)
    inner = np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)), np.uint8)
    return inner if inner.sum() >= 2 * ANCHORS else mask


def _near_middle(window: Window, points: FloatArray) -> NDArray[np.bool_]:
    """(N,) whether points lie around what the window's middle shows."""
    crop, fx = window.crop, window.frame.intrinsics.fx
    middle = surface_at(window.frame, crop.u, crop.v)[0]
    reach = 0.25 * crop.side * middle[2] / fx
    with np.errstate(invalid="ignore"):
        return np.asarray(np.linalg.norm(points - middle, axis=1) < reach, np.bool_)


def points_of(frame: RGBDFrame, pixels: FloatArray) -> FloatArray:
    """(N, 3) what pixels (N, 2) of a frame show, m, camera frame; NaN where depth is unknown."""
    height, width = frame.depth.shape
    inside: NDArray[np.bool_] = np.all(
        (pixels > -0.5) & (pixels < (width - 0.5, height - 0.5)), axis=1
    )
    at = np.rint(np.where(inside[:, None], pixels, 0)).astype(np.int64)
    depth = np.where(inside, frame.depth[at[:, 1], at[:, 0]], np.nan)
    return frame.intrinsics.deproject(pixels, depth)


def surface_at(frame: RGBDFrame, u: float, v: float, reach_m: float = 0.02) -> FloatArray:
    """(2, 3) point and normal (towards the camera) at a pixel; NaN where they are not known."""
    offsets = np.arange(-_PATCH, _PATCH + 1)
    around = np.stack(np.meshgrid(u + offsets, v + offsets), -1).reshape(-1, 2)
    points = points_of(frame, around)
    middle = points[len(points) // 2]
    nothing = np.full(3, np.nan)
    if not np.isfinite(middle).all():
        return np.stack([nothing, nothing])
    with np.errstate(invalid="ignore"):
        near = points[np.abs(points[:, 2] - middle[2]) < reach_m]
    if len(near) < 8:
        return np.stack([middle, nothing])
    normal = np.linalg.svd(near - near.mean(axis=0))[2][2]
    return np.stack([middle, -normal * np.sign(normal @ middle)])


def _known(points: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=1), np.bool_)


def meet(anchors: Anchors, window: Window, pixels: FloatArray) -> Consensus | None:
    """What the anchors agree on in another window.

    Args:
        anchors: of the clicked object.
        window: that they are looked for in.
        pixels: (M, 2) where they were found, px of its picture.

    Returns:
        The map from the anchors' camera frame to the window's, with a weight for each anchor; None
        where too few of them have a depth, or no three agree.
    """
    targets = points_of(window.frame, window.crop.to_image(pixels))
    known = _known(targets)
    if known.sum() < FEWEST:
        return None
    found = agree(anchors.points[known], targets[known], TOLERANCE * anchors.size, scales=SCALES)
    if found is None:
        return None
    # An anchor without depth agrees with nothing.
    weights, distances = np.zeros(len(known)), np.full(len(known), np.inf)
    weights[known], distances[known] = found.weights, found.distances
    return Consensus(found.similarity, weights, distances, float(weights.mean()))


def predict(
    anchors: Anchors, window: Window, found: FloatArray, agreed: Consensus, clicks: FloatArray
) -> Prediction:
    """Carry clicks along with the anchors.

    Args:
        anchors: of the clicked object.
        window: in which they were found.
        found: (M, 2) where, px of its picture.
        agreed: what they agree on.
        clicks: (L, 2, 3) points and normals, in the anchors' camera frame; NaN normals are unknown.
    """
    frame, crop = window.frame, window.crop
    points, normals = clicks[:, 0], clicks[:, 1]
    # Near an anchor that agrees, what it still misses is the object's own shape.
    targets = points_of(frame, crop.to_image(found))
    agreeing = agreed.weights > 0
    missed = np.where(agreeing[:, None], targets - agreed.similarity.apply(anchors.points), 0)
    squared = ((points[:, None] - anchors.points) ** 2).sum(-1)
    near = np.exp(-squared / (2 * (_REACH * anchors.size) ** 2)) * agreed.weights
    local = near @ missed / (near.sum(1, keepdims=True) + _SHRINKAGE)
    carried = agreed.similarity.apply(points) + local
    image = frame.intrinsics.project(carried)
    pixels = crop.to_crop(image)
    size = anchors.size * agreed.similarity.scale
    gap = (points_of(frame, np.nan_to_num(image, nan=-1e3))[:, 2] - carried[:, 2]) / size
    gap = np.clip(np.nan_to_num(gap), -1, 1)
    turned = agreed.similarity.rotate(normals)
    away = -np.einsum("ni,ni->n", turned, carried) / np.maximum(
        np.linalg.norm(carried, axis=1), 1e-9
    )
    spread = np.sqrt(np.average(agreed.distances[agreeing] ** 2, weights=agreed.weights[agreeing]))
    focal = frame.intrinsics.fx / max(float(np.median(carried[:, 2])), 1e-3)
    sigma = float(spread / np.sqrt(3)) * focal / crop.scale
    return Prediction(
        pixels, sigma, agreed.share, np.nan_to_num(away), np.maximum(-gap, 0), np.maximum(gap, 0)
    )
