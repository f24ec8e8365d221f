# SPDX-License-Identifier: Apache-2.0
"""What surrounds a click says where in a whole frame the click can be.

One descriptor has others like it elsewhere: the edge of a book is like that of the next one. Many
around the click, on its surface and each where it should be, have not. So they vote for its place
under some rotations and sizes, and an affine map on which most of them agree makes it exact, as in
the hand-crafted detector (docs/methods/baseline.md), but with descriptors that were learned.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.refinement import UNIT_PX, refine
from tack_perception.detectors.settings import DenseDescriptorConfig
from tack_perception.detectors.template import OWN_PX, anchors_of, rarity, support
from tack_perception.detectors.voting import peaks, vote

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from torch import Tensor

    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

_REACH = DenseDescriptorConfig(support_m=0.05, anchors=96)  # docs/methods/don.md
_BIN = 6  # cells in a side of a bin of the votes
_ROLLS_DEG = (0.0, 15.0, -15.0, 30.0, -30.0)
_SIZES = (1.0, math.sqrt(2), math.sqrt(0.5))
_POSES_KEPT = 8
_PLACES_KEPT = 3
_OWN = 0.25  # what the likeness of the click itself counts against the agreement of all


@dataclasses.dataclass(frozen=True, eq=False)
class Surroundings:
    """A click and M - 1 anchors around it, the click first.

    Attributes:
        offsets: (M, 2) from the click, px of the frame.
        codes: (M, D) descriptors.
        weights: (M,) high if there is nothing like it in its own picture; they sum to 1.
    """

    offsets: FloatArray
    codes: Tensor
    weights: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """Where the surroundings say that the click is.

    Attributes:
        frame_from_shot: (2, 3) affine map of pixels around the click to those of the other frame.
        agreement: weighted mean likeness of the anchors that are where they should be, 0 to 1.
        evidence: what the shots of a label are compared by.
    """

    frame_from_shot: DoubleArray
    agreement: float
    evidence: float


class Grid:
    """The cells of a window, in px of its frame, as if its first cell were at the frame's corner.

    Args:
        window: the window; it is not turned.
        stride: of its cells, px of its picture.

    Attributes:
        step: distance of cells, px of the frame.
    """

    def __init__(self, window: Window, stride: int) -> None:
        self.step = window.crop.scale * stride
        self._shift = window.crop.to_image(np.full(2, (stride - 1) / 2)) - (self.step - 1) / 2

    def cells(self, pixels: FloatArray) -> DoubleArray:
        """(N, 2) cells, counted from 0, of pixels of the frame."""
        placed: DoubleArray = (pixels - self._shift - (self.step - 1) / 2) / self.step
        return placed

    def to_frame(self, place: DoubleArray) -> DoubleArray:
        """(2,) px of the frame itself."""
        placed: DoubleArray = place + self._shift
        return placed


def surroundings_of(
    window: Window,
    pixel: DoubleArray,
    stride: int,
    describe: Callable[[DoubleArray], Tensor],
    compare: Callable[[Tensor], FloatArray],
) -> Surroundings:
    """Remember what surrounds a click.

    Args:
        window: that the click was made in.
        pixel: (2,) of the click, px of the window's picture.
        stride: of the window's cells, px.
        describe: (N, 2) px of the window's picture → (N, D) descriptors.
        compare: (N, D) → (N, h/2, w/2) likeness to the window's cells, two by two, 0 to 1; a new
            array. What is alike elsewhere is to be known, not where.
    """
    pixels, radius = support(window.frame, window.crop.to_image(pixel), _REACH)
    codes = describe(window.crop.to_crop(pixels))
    grid = Grid(window, stride)
    rare = rarity(compare(codes), grid.cells(pixels) / 2, OWN_PX / grid.step / 2)
    chosen, offsets, weights = anchors_of(pixels, rare, radius, _REACH.anchors)
    return Surroundings(offsets, codes[chosen], weights)


def place_of(
    known: Surroundings, pixel: DoubleArray, likeness: FloatArray, window: Window, stride: int
) -> Place:
    """Where in a window the click is.

    Args:
        known: of the click.
        pixel: (2,) of the click, px of its frame.
        likeness: (M, h, w) of its anchors to the window's cells, 0 to 1.
        window: the window.
        stride: of its cells, px.
    """
    grid = Grid(window, stride)
    turns = _turns()
    poses = (known.offsets @ turns.transpose(0, 2, 1)).astype(np.float32)
    which, starts = _starts(known, poses, likeness, grid.step)
    every = np.broadcast_to(likeness, (len(poses), *likeness.shape))
    weights = np.broadcast_to(known.weights, (len(which), len(known.weights)))
    matches = refine(every, which, poses, weights, starts, grid.step)
    evidence = matches.agreement + _OWN * matches.own
    best = int(evidence.argmax())
    linear = matches.affine[best, :2].T / UNIT_PX @ turns[which[best]]
    shift = grid.to_frame(matches.affine[best, 2]) - linear @ pixel
    return Place(
        np.column_stack([linear, shift]), float(matches.agreement[best]), float(evidence[best])
    )


def _turns() -> DoubleArray:
    """(P, 2, 2) each rotation and size that surroundings are looked for under."""
    turns = []
    for roll in np.radians(_ROLLS_DEG):
        turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])
        turns += [size * turn for size in _SIZES]
    return np.stack(turns)


def _starts(
    known: Surroundings, poses: FloatArray, likeness: FloatArray, step: float
) -> tuple[NDArray[np.intp], DoubleArray]:
    """Where to look closely: (B,) index of the pose and (B, 2) place of the click."""
    rows, columns = (length // _BIN for length in likeness.shape[1:])
    whole = likeness[:, : rows * _BIN, : columns * _BIN]
    best = whole.reshape(len(whole), rows, _BIN, columns, _BIN).max(axis=(2, 4))
    side = _BIN * step
    votes = vote(np.broadcast_to(best, (len(poses), *best.shape)), poses, known.weights, side)
    row, column = np.divmod(int(likeness[0].argmax()), likeness.shape[2])
    likest = (np.array([column, row]) + 0.5) * step - 0.5
    which, starts = [], []
    for pose in np.argsort(-votes.max(axis=(1, 2)), kind="stable")[:_POSES_KEPT]:
        bins = np.array(peaks(votes[pose], _PLACES_KEPT))[:, ::-1]
        places = [*((bins + 0.5) * side - 0.5), likest]
        which += [pose] * len(places)
        starts += places
    return np.array(which), np.array(starts, dtype=np.float64)
