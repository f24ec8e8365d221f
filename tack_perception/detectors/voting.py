# SPDX-License-Identifier: Apache-2.0
"""Anchors vote for where the click is: a Hough transform of the constellation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_CHANCE = 0.2  # similarity that unrelated places reach
_SLACK = 0.12  # an anchor may be off by this share of its distance from the click


def vote(similarity: FloatArray, offsets: FloatArray, weights: FloatArray, step: int) -> FloatArray:
    """How well a click at each grid point would explain the picture.

    Args:
        similarity: (M, rows, columns) of each anchor with each grid point.
        offsets: (M, 2) anchors relative to the click, px.
        weights: (M,).
        step: distance of grid points, px.

    Returns:
        (rows, columns) votes, 0 to about 1; anchors that would be off the picture give none.
    """
    rows, columns = similarity.shape[1:]
    votes = np.zeros((rows, columns), np.float32)
    reach = np.rint(_SLACK * np.linalg.norm(offsets, axis=1) / step).astype(int)
    shifts = np.rint(offsets / step).astype(int)
    for layer, weight, near, (right, down) in zip(similarity, weights, reach, shifts, strict=True):
        if abs(down) >= rows or abs(right) >= columns:
            continue
        if near:
            layer = cv2.dilate(layer, np.ones((2 * near + 1, 2 * near + 1), np.uint8))
        top, bottom = max(0, -down), min(rows, rows - down)
        left, end = max(0, -right), min(columns, columns - right)
        seen = layer[top + down : bottom + down, left + right : end + right]
        votes[top:bottom, left:end] += weight * np.maximum(seen - _CHANCE, 0)
    return votes


def peaks(votes: FloatArray, count: int, apart: int) -> list[tuple[int, int]]:
    """The (row, column) of the highest places, each more than `apart` grid points from others."""
    left = votes.copy()
    found = []
    for _ in range(count):
        row, column = divmod(int(left.argmax()), left.shape[1])
        found.append((row, column))
        left[
            max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1
        ] = -1
    return found
