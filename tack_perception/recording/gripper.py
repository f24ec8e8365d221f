# SPDX-License-Identifier: Apache-2.0
"""What a robot-mounted camera sees of its own gripper: what stays the same while all else moves."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.frame import RGBDFrame

Mask = NDArray[np.bool_]
_MOST = 24  # frames that are compared
_FEWEST = 6
_GREY = 7.0  # levels, by which what stays the same may differ from its median
_DEPTH = 0.03  # share of the depth, by which it may
_UNLIKE = 5.0  # levels, by which half of the picture must differ, or nothing moves
_AREA = 0.004  # of the picture; smaller patches are chance
_EDGE = 3.0  # levels per px, of an edge that keeps its place
_NEAR = 11  # px, how near to an edge an outline lies on it
_OUTLINED = 0.5  # share of the outline that must
_GROW = 9  # px, for the blurred edge


def moving_with_camera(frames: Sequence[RGBDFrame]) -> Mask:
    """(H, W) pixels that show the same in all frames though the camera moves.

    Such pixels keep their colour, and their depth where there is one. Patches of them count that
    touch the border of the picture, as a gripper does, and that have an outline which keeps its
    place: a plain table stays the same, too, but ends nowhere. None where the frames tell nothing.
    """
    shape = frames[0].color.shape[:2]
    nothing = np.zeros(shape, np.bool_)
    if len(frames) < _FEWEST:
        return nothing
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(_MOST, len(frames))).astype(int))
    some = [frames[int(i)] for i in chosen]
    blurred = [cv2.GaussianBlur(_grey(one), (5, 5), 0) for one in some]
    grey = np.asarray(np.stack(blurred), np.float32)
    spread = np.median(np.abs(grey - np.median(grey, axis=0)), axis=0)
    if np.median(spread) < _UNLIKE:
        return nothing  # the camera stands still, or the scene has no texture
    depth = np.stack([one.depth for one in some])
    steady = (spread < _GREY) & _steady_depth(depth)
    clean = cv2.morphologyEx(steady.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    clean = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    outlines = _steady_edges(grey)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(clean)
    mask = nothing.copy()
    height, width = shape
    for n in range(1, count):
        left, top, w, h, area = stats[n].tolist()
        at_border = left == 0 or top == 0 or left + w == width or top + h == height
        patch = labels == n
        if at_border and area >= _AREA * height * width and _outlined(patch, outlines):
            mask |= patch
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((_GROW, _GROW), np.uint8))
    return np.asarray(grown, np.bool_)


def _grey(frame: RGBDFrame) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY), np.float32)


def _steady_depth(depth: NDArray[np.float32]) -> Mask:
    """(H, W) whether a pixel has the same depth in all frames, or none in most."""
    known = np.isfinite(depth)
    filled = np.where(known, depth, 0).astype(np.float32)
    count = known.sum(axis=0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    away = np.where(known, np.abs(depth - mean), 0).sum(axis=0) / np.maximum(count, 1)
    steady: Mask = (count < 0.5 * len(depth)) | (away < _DEPTH * np.maximum(mean, 1e-6))
    return steady


def _steady_edges(grey: NDArray[np.float32]) -> Mask:
    """(H, W) near edges of the mean of all frames: those of moving things are washed out in it."""
    mean = grey.mean(axis=0)
    u = cv2.Sobel(mean, cv2.CV_32F, 1, 0, scale=1 / 8)
    v = cv2.Sobel(mean, cv2.CV_32F, 0, 1, scale=1 / 8)
    edges = (np.hypot(u, v) > _EDGE).astype(np.uint8)
    return np.asarray(cv2.dilate(edges, np.ones((_NEAR, _NEAR), np.uint8)), np.bool_)


def _outlined(patch: Mask, edges: Mask) -> bool:
    """Whether most of a patch's outline, but for the picture's border, lies on edges."""
    outline = patch & ~cv2.erode(patch.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    outline[:_NEAR], outline[-_NEAR:] = False, False
    outline[:, :_NEAR], outline[:, -_NEAR:] = False, False
    return bool(outline.any() and edges[outline].mean() > _OUTLINED)
