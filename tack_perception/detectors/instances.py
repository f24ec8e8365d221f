# SPDX-License-Identifier: Apache-2.0
"""Objects in what the object head says of a picture: which cells belong to one thing, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
_BIN = 4.0  # px of the picture, in which votes are counted
_FEWEST = 10  # cells; less is noise
_REACH = 8.0  # px, how far votes for one middle may scatter
_REACH_SHARE = 0.25  # and how much more for cells that are far from it
_MOST = 12  # objects in a picture
_INWARDS = 0.6  # how much nearer to each other the votes of two parts are than the parts
_INWARDS_JOINED = 0.95  # the same, where one surface shows both


@dataclasses.dataclass(frozen=True, eq=False)
class Instance:
    """A thing in a picture.

    Attributes:
        mask: (h, w) bool cells that show it.
        box: (u0, v0, u1, v1) around them, px of the picture.
        middle: (2,) px that its cells vote for, also where it is hidden.
        sureness: mean probability of its cells.
    """

    mask: NDArray[np.bool_]
    box: tuple[float, float, float, float]
    middle: FloatArray
    sureness: float


def find_instances(
    foreground: NDArray[np.float32],
    votes: NDArray[np.float32],
    stride: int,
    *,
    depth: NDArray[np.floating] | None = None,
    gap: float = np.inf,
    threshold: float = 0.5,
) -> list[Instance]:
    """Group cells by the middle that they vote for.

    Things that touch come apart, and the parts of a thing that something divides come together.
    Parts whose surface goes on from one to the other come together sooner.

    Args:
        foreground: (h, w) probability that a cell shows a thing.
        votes: (2, h, w) px, from each cell to the middle of its thing.
        stride: px of the picture in a cell.
        depth: (h, w) m, NaN where it is not known; None: nowhere.
        gap: step of the depth between neighbouring cells, in depths, above which a surface ends.
        threshold: of the probability.

    Returns:
        The largest first.
    """
    mask = foreground > threshold
    rows, columns = np.nonzero(mask)
    if len(rows) < _FEWEST:
        return []
    at = np.column_stack([columns, rows]).astype(np.float64) * stride + (stride - 1) / 2
    wanted = at + votes[:, rows, columns].T.astype(np.float64)
    free = np.ones(len(rows), np.bool_)
    groups: list[NDArray[np.bool_]] = []
    while free.sum() >= _FEWEST and len(groups) < _MOST:
        middle = _mode(wanted[free], wanted[free].mean(axis=0))
        for _ in range(2):
            near = free & _agree(wanted, at, middle)
            if not near.any():
                break
            middle = np.asarray(np.median(wanted[near], axis=0), np.float64)
        near = free & _agree(wanted, at, middle)
        if not near.any():
            break
        free &= ~near
        if near.sum() >= _FEWEST:
            groups.append(near)
    surfaces = np.arange(mask.size) if depth is None else connected(mask, depth, gap).ravel()
    merged = _merged(groups, at, wanted, surfaces[rows * mask.shape[1] + columns])
    found = [
        _instance(mask.shape, rows[group], columns[group], foreground, wanted[group], stride)
        for group in merged
    ]
    return sorted(found, key=lambda one: -int(one.mask.sum()))


def connected(
    mask: NDArray[np.bool_], depth: NDArray[np.floating], gap: float
) -> NDArray[np.int64]:
    """(h, w) number of the surface that a cell lies on: one that goes on from cell to cell.

    Args:
        mask: (h, w) cells that count.
        depth: (h, w) m; a cell where it is NaN is a surface of its own.
        gap: step of the depth between neighbouring cells, in depths, above which a surface ends.
    """
    height, width = mask.shape
    number = np.arange(mask.size).reshape(mask.shape)
    pairs = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width + min(0, right)))
        with np.errstate(invalid="ignore"):
            step = np.abs(depth[here] - depth[there]) < gap * depth[here]
        on = mask[here] & mask[there] & step
        pairs.append(np.stack([number[here][on], number[there][on]]))
    one, two = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(one), np.bool_), (one, two)), (mask.size, mask.size))
    surfaces = connected_components(graph, directed=False)[1]
    return np.asarray(surfaces, np.int64).reshape(mask.shape)


def _merged(
    groups: Sequence[NDArray[np.bool_]],
    at: FloatArray,
    wanted: FloatArray,
    surfaces: NDArray[np.int64],
) -> list[NDArray[np.bool_]]:
    """Groups that are parts of one thing, together.

    What the cells of a part vote for lies inwards, towards the other parts: so the votes of two
    parts are nearer to each other than the parts are. Those of two things are about as far apart.
    """
    groups = list(groups)
    while len(groups) > 1:
        places = np.array([at[group].mean(axis=0) for group in groups])
        votes = np.array([np.median(wanted[group], axis=0) for group in groups])
        surface = np.array([int(np.bincount(surfaces[group]).argmax()) for group in groups])
        apart = np.linalg.norm(places[:, None] - places, axis=2)
        agreed = np.linalg.norm(votes[:, None] - votes, axis=2)
        limit = np.where(surface[:, None] == surface, _INWARDS_JOINED, _INWARDS)
        ratio = agreed / np.maximum(apart * limit, 1e-9)
        ratio[np.tril_indices(len(groups))] = np.inf
        one, two = np.unravel_index(int(ratio.argmin()), ratio.shape)
        if ratio[one, two] >= 1:
            break
        groups[one] = groups[one] | groups.pop(int(two))
    return groups


def _mode(votes: NDArray[np.floating], fallback: NDArray[np.floating]) -> FloatArray:
    """Where most votes are."""
    low = votes.min(axis=0)
    bins = np.floor((votes - low) / _BIN).astype(np.int64)
    size = bins.max(axis=0) + 1
    if size.max() > 4096:
        return np.asarray(fallback, dtype=np.float64)
    counts = np.zeros((size[1], size[0]), np.float32)
    np.add.at(counts, (bins[:, 1], bins[:, 0]), 1)
    counts = cv2.GaussianBlur(counts, (5, 5), 1.2, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(counts.argmax()), counts.shape)
    middle: FloatArray = low + (np.array([column, row]) + 0.5) * _BIN
    return middle


def _agree(
    wanted: NDArray[np.floating], at: NDArray[np.floating], middle: FloatArray
) -> NDArray[np.bool_]:
    reach = _REACH + _REACH_SHARE * np.linalg.norm(at - middle, axis=1)
    near: NDArray[np.bool_] = np.linalg.norm(wanted - middle, axis=1) < reach
    return near


def _instance(
    shape: tuple[int, ...],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    foreground: NDArray[np.float32],
    wanted: FloatArray,
    stride: int,
) -> Instance:
    mask = np.zeros(shape, np.bool_)
    mask[rows, columns] = True
    # A few stray cells would stretch the box: the far hundredth on each side is left out.
    u0, u1 = np.quantile(columns, (0.01, 0.99))
    v0, v1 = np.quantile(rows, (0.01, 0.99))
    box = (
        float(u0) * stride - 0.5, float(v0) * stride - 0.5,
        (float(u1) + 1) * stride - 0.5, (float(v1) + 1) * stride - 0.5,
    )  # fmt: skip
    middle = np.asarray(np.median(wanted, axis=0), np.float64)
    return Instance(mask, box, middle, float(foreground[rows, columns].mean()))
