# SPDX-License-Identifier: Apache-2.0
"""What the head for poses sees and says while it learns: the clicked object laid onto another view.

Each row is a case: what the second window shows, and then the first one's surface as each pose
carries it there, the likeliest pose first.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception import drawing
from tack_perception.detectors.comparison import CARRIED, COLOR, KNOWN
from tack_perception.detectors.relief import LAB
from tack_perception.learning.poses import PoseBatch
from tack_perception.networks.poses import PoseHead

Image = NDArray[np.uint8]
_TILE = 144
_POSES = 5
_MIDDLE = 55.0  # of the lightness: the network is told no more than what differs from the mean
_RIGHT = 0.2  # share of what is wanted from which on a pose counts as right
_GREEN, _GREY = (90, 220, 110), (190, 190, 190)


def draw_poses(model: PoseHead, batch: PoseBatch, *, count: int = 6) -> Image:
    """A sheet of some cases of a batch.

    Args:
        model: the head.
        batch: on the head's device.
        count: how many cases.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    counts = batch.counts.tolist()
    scores = model(batch.maps, batch.facts).split(counts)
    maps = batch.maps[:, 0].float().cpu().numpy()
    rows, begin = [], 0
    for case, length in enumerate(counts[:count]):
        powers = np.exp(np.r_[scores[case].cpu().numpy(), 0.0])
        chance, wanted = powers / powers.sum(), batch.wanted[case].cpu().numpy()
        order = np.argsort(-chance[:-1], kind="stable")[:_POSES]
        some = maps[begin : begin + length][order]
        seen = _picture(some[0, COLOR], some[0, KNOWN])
        tiles = [_tile(seen, f"seen; none {100 * chance[-1]:.0f} %", bool(wanted[-1] > 0))]
        tiles += [
            _tile(_picture(one[CARRIED]), f"{100 * chance[n]:.0f} %", bool(wanted[n] > _RIGHT))
            for n, one in zip(order, some, strict=True)
        ]
        tiles += [np.zeros_like(tiles[0])] * (_POSES + 1 - len(tiles))
        rows.append(np.concatenate(tiles, axis=1))
        begin += length
    return np.concatenate(rows)


def _picture(color: NDArray[np.float32], known: NDArray[np.float32] | None = None) -> Image:
    """(S, S, 3) RGB from (3, S, S) colours as `Relief.color` has them; black where nothing is."""
    there = np.abs(color).sum(axis=0) > 0 if known is None else known > 0
    lab = np.moveaxis(color, 0, -1) * LAB + np.array([_MIDDLE, 0, 0], np.float32)
    rgb = cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_LAB2RGB)
    picture: Image = np.where(there[..., None], np.clip(rgb, 0, 1) * 255, 0).astype(np.uint8)
    return picture


def _tile(picture: Image, text: str, right: bool) -> Image:
    tile = cv2.resize(picture, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST)
    canvas = np.ascontiguousarray(tile, np.uint8)
    color = _GREEN if right else _GREY
    cv2.rectangle(canvas, (0, 0), (_TILE - 1, _TILE - 1), color, 3 if right else 1)
    drawing.draw_label(canvas, text, (4, _TILE - 14), color)
    return canvas
