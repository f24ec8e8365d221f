# SPDX-License-Identifier: Apache-2.0
"""Nearer than a cell: patches of the clicked picture are laid onto the frame it was found in.

Codes and descriptors tell which place it is; they are made to bear what changes between views, so
they tell less well where exactly. Pictures of one surface tell that: each anchor's patch is looked
for by normalised cross-correlation near where a first map puts it, and a map on which most agree
carries the click.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.annotation import Annotation
from tack_perception.detectors.refinement import UNIT_PX, design_of, fit, matches_of, vertex
from tack_perception.frame import RGBDFrame

DoubleArray = NDArray[np.float64]
Grey = NDArray[np.uint8]

_RADII = (4.5, 3.0, 2.0)  # cells: how far a patch is looked for, round after round
_HALF = 2.6  # cells: half a side of a patch
_NEAR = 9.4  # cells from the click: anchors at that distance count half
_PULL = 0.15  # correlation that the rim must have more than the centre
_LEAST_CONTRAST = 3.0  # grey levels, standard deviation: less is noise


@dataclasses.dataclass(frozen=True, eq=False)
class Laid:
    """A click's picture, laid onto another frame.

    Attributes:
        frame_from_shot: (2, 3) affine map of pixels around the click to those of the other frame.
        correlation: weighted mean correlation of the patches that are where they should be, 0 to 1.
    """

    frame_from_shot: DoubleArray
    correlation: float


def laid_onto(
    shot: Annotation,
    offsets: NDArray[np.float32],
    weights: NDArray[np.float32],
    frame_from_shot: DoubleArray,
    frame: RGBDFrame,
    cell: float,
) -> Laid:
    """Make a map from the surroundings of a click to another frame exact.

    Args:
        shot: the click.
        offsets: (M, 2) anchors around it, px; the click first.
        weights: (M,) of the anchors.
        frame_from_shot: (2, 3) affine map that is right to a few cells.
        frame: the other frame.
        cell: how exact it is, px: a cell of what made it.
    """
    half = max(round(_HALF * cell), 3)
    radii = [max(round(radius * cell), 2) for radius in _RADII]
    # All is done in a picture around the click, into which the other frame is brought.
    reach = float(np.abs(offsets).max()) + radii[0] + half + 2
    corner = np.floor(shot.pixel - reach)
    size = int(2 * reach) + 2
    grey, searched = _grey(shot.frame), _grey(frame)
    clicked = _cut(grey, np.column_stack([np.eye(2), corner]), size)
    at = np.rint(shot.pixel + offsets - corner).astype(np.intp)
    nearness = weights / (1 + (np.linalg.norm(offsets, axis=1) / (_NEAR * cell)) ** 2)
    nearness = (nearness / nearness.sum())[None].astype(np.float32)
    design = design_of(offsets[None])
    linear, shift = frame_from_shot[:, :2], frame_from_shot[:, 2]
    limit = np.array([frame.intrinsics.width, frame.intrinsics.height]) - 1
    for radius in radii:
        other = _cut(searched, np.column_stack([linear, linear @ corner + shift]), size)
        moves, heights = _matched(clicked, other, at, half, radius)
        expected = (shot.pixel + offsets) @ linear.T + shift
        heights[((expected < 0) | (expected > limit)).any(axis=1)] = 0
        affine, residual, robust = fit(design, (offsets + moves)[None], heights[None], nearness)
        change = affine[0, :2].T / UNIT_PX
        shift = linear @ (shot.pixel + affine[0, 2] - change @ shot.pixel) + shift
        linear = linear @ change
    places = (offsets + moves)[None]
    found = matches_of(places, heights[None], residual, robust, nearness, affine)
    return Laid(np.column_stack([linear, shift]), float(found.agreement[0]))


def _grey(frame: RGBDFrame) -> Grey:
    return np.asarray(cv2.cvtColor(frame.color, cv2.COLOR_RGB2GRAY), np.uint8)


def _cut(grey: Grey, frame_from_cut: DoubleArray, size: int) -> Grey:
    """(size, size) picture of a part of a frame."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT
    cut = cv2.warpAffine(grey, frame_from_cut, (size, size), flags=flags, borderMode=border)
    return np.asarray(cut, np.uint8)


def _matched(
    clicked: Grey, other: Grey, at: NDArray[np.intp], half: int, radius: int
) -> tuple[DoubleArray, DoubleArray]:
    """How far each patch has moved (M, 2), px, and how well it fits there (M,)."""
    line = np.arange(-radius, radius + 1)
    pull = _PULL * (line[:, None] ** 2 + line**2) / radius**2
    moves, heights = np.zeros((len(at), 2)), np.zeros(len(at))
    for number, (column, row) in enumerate(at.tolist()):
        patch = clicked[row - half : row + half + 1, column - half : column + half + 1]
        if patch.std() < _LEAST_CONTRAST:
            continue
        wide = half + radius
        around = other[row - wide : row + wide + 1, column - wide : column + wide + 1]
        fits = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
        inner = (fits - pull)[1:-1, 1:-1]  # so that the best has neighbours for its parabola
        y, x = (1 + int(n) for n in np.unravel_index(inner.argmax(), inner.shape))
        beside, above = fits[y, x - 1 : x + 2], fits[y - 1 : y + 2, x]
        moves[number] = line[x] + vertex(*beside), line[y] + vertex(*above)
        heights[number] = fits[y, x]
    return moves, heights
