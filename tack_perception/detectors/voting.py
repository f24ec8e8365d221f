# SPDX-License-Identifier: Apache-2.0
"""Anchors vote for where the click is: a Hough transform of the constellation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

CHANCE = 0.2
"""Similarity that unrelated places reach."""


def vote(
    similarity: FloatArray, offsets: FloatArray, weights: FloatArray, side_px: float
) -> FloatArray:
    """How well a click in each bin would explain the picture.

    Args:
        similarity: (P, M, rows, columns) of each anchor under each pose, the best in each bin.
        offsets: (P, M, 2) anchors relative to the click, px.
        weights: (M,) or (P, M).
        side_px: side of a bin.

    Returns:
        (P, rows, columns) votes, 0 to about 1; anchors that would be off the picture give none.
    """
    poses, anchors, rows, columns = similarity.shape
    shifts = np.rint(offsets / side_px).astype(np.intp)
    right, down = np.minimum(np.abs(shifts).max(axis=(0, 1)), (columns, rows)).tolist()
    padded = np.zeros((poses, anchors, rows + 2 * down, columns + 2 * right), np.float32)
    seen = padded[:, :, down : down + rows, right : right + columns]
    np.maximum(similarity - np.float32(CHANCE), 0, out=seen)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(2, 3))
    x = np.clip(shifts[..., 0], -right, right) + right
    y = np.clip(shifts[..., 1], -down, down) + down
    each = np.broadcast_to(weights, (poses, anchors))[:, :, None, None]
    pose = np.arange(poses)
    votes = np.zeros((poses, rows, columns), np.float32)
    for anchor in range(anchors):
        votes += each[:, anchor] * windows[pose, anchor, y[:, anchor], x[:, anchor]]
    return votes


def peaks(votes: FloatArray, count: int, apart: int = 1) -> list[tuple[int, int]]:
    """The (row, column) of the highest places, each more than `apart` bins from the others."""
    left = votes.copy()
    found = []
    for _ in range(count):
        row, column = divmod(int(left.argmax()), left.shape[1])
        found.append((row, column))
        left[
            max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1
        ] = -1
    return found
