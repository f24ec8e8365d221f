# SPDX-License-Identifier: Apache-2.0
"""From a coarse place to a sub-pixel one: anchors and an affine map agree step by step.

All functions work on B candidates at once, each with M anchors.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.detectors.features import DenseFeatures
from tack_perception.detectors.voting import CHANCE

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

_RADII_PX = (24.0, 16.0, 10.0)  # how far an anchor is looked for, round after round
_FINE_REACH = 3  # half grid steps, of the last round
_PULL = 0.15  # similarity that the rim of that radius must have more than its centre
_SIGMA_PX = 6.0  # residual of an anchor that still agrees
_STIFFNESS = 0.01  # pull of the affine map towards the pose, against the weight of all anchors
UNIT_PX = 64.0
"""Offsets are scaled by it, so that the stiffness has no unit."""


@dataclasses.dataclass(frozen=True, eq=False)
class Matches:
    """Where the click would be, and how good the evidence is, for B candidates.

    Attributes:
        pixel: (B, 2) px, the click's own best place near the one that the anchors point to.
        own: (B,) similarity of the click itself there.
        agreement: (B,) weighted mean similarity of the anchors that are where they should be.
        spread_px: (B,) RMS residual of the agreeing anchors.
        affine: (B, 3, 2) map from an anchor's (offset / 64 px, 1) to its pixel.
    """

    pixel: DoubleArray
    own: DoubleArray
    agreement: DoubleArray
    spread_px: DoubleArray
    affine: DoubleArray

    @property
    def evidence(self) -> DoubleArray:
        """(B,) what candidates are compared by."""
        return self.agreement + 0.5 * self.own


def refine(
    similarity: FloatArray,
    which: NDArray[np.intp],
    offsets: FloatArray,
    weights: FloatArray,
    starts: DoubleArray,
    step: float,
) -> Matches:
    """Fit affine maps from the shots' surroundings to the picture, starting at pixels.

    Args:
        similarity: (H, M, rows, columns) of each anchor under each of H poses with the grid.
        which: (B,) index of each candidate's pose.
        offsets: (H, M, 2) anchors relative to the click under each pose, px.
        weights: (B, M), summing to 1.
        starts: (B, 2) pixels where the click is assumed.
        step: distance of grid points, px.
    """
    design = design_of(offsets[which])
    affine = np.tile(_identity(), (len(starts), 1, 1))
    affine[:, 2] = starts
    for radius in _RADII_PX:
        places, height = _best_near(similarity, which, design @ affine, radius, step)
        affine, residual, robust = fit(design, places, height, weights)
    return matches_of(places, height, residual, robust, weights, affine)


def sharpen(
    features: DenseFeatures,
    white: FloatArray,
    offsets: FloatArray,
    weights: FloatArray,
    affine: DoubleArray,
) -> Matches:
    """A last round between the grid points, half a grid step apart.

    Args:
        features: of the picture.
        white: (B, M, D) the anchors' whitened descriptors.
        offsets: (B, M, 2) anchors relative to the click, px.
        weights: (B, M).
        affine: (B, 3, 2) as in `Matches`.
    """
    weights = weights / weights.sum(axis=1, keepdims=True)
    design = design_of(offsets)
    expected = design @ affine
    line = np.arange(-_FINE_REACH, _FINE_REACH + 1) * (features.step / 2)
    around = np.stack(np.meshgrid(line, line), axis=-1)
    near = features.near((expected[:, :, None, None] + around).astype(np.float32))
    similarity = np.einsum("bmyxd,bmd->bmyx", near, white)
    inner = slice(1, -1)  # so that each place has neighbours for its parabola
    pull = _PULL * (around[inner, inner] ** 2).sum(axis=-1) / line[-1] ** 2
    row, column = _argmax(similarity[..., inner, inner] - pull)
    b, m = np.ogrid[: len(expected), : expected.shape[1]]
    shift, height = _vertices(similarity, (b, m), row + 1, column + 1)
    places = expected + np.stack([line[column + 1], line[row + 1]], axis=-1)
    places += shift * (features.step / 2)
    affine, residual, robust = fit(design, places, height, weights)
    return matches_of(places, height, residual, robust, weights, affine)


def _identity() -> DoubleArray:
    return np.vstack([np.eye(2) * UNIT_PX, np.zeros(2)])


def design_of(offsets: NDArray[np.floating]) -> DoubleArray:
    """(B, M, 3) that a map (B, 3, 2) makes pixels of, from (B, M, 2) offsets in px."""
    unit = offsets.astype(np.float64) / UNIT_PX
    return np.concatenate([unit, np.ones((*unit.shape[:2], 1))], axis=-1)


def fit(
    design: DoubleArray, places: DoubleArray, height: DoubleArray, weights: FloatArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Fit affine maps that stray places do not matter to.

    Args:
        design: (B, M, 3) of the anchors.
        places: (B, M, 2) where each is, px.
        height: (B, M) its similarity there, 0 to 1.
        weights: (B, M).

    Returns:
        Maps (B, 3, 2); residuals (B, M), px; weights (B, M) that they were fitted with.
    """
    stiff = np.diag([_STIFFNESS, _STIFFNESS, 1e-9])
    moved = places - design @ _identity()
    trust = weights * np.maximum(height - CHANCE, 0) ** 2
    robust = trust
    for _ in range(4):
        weighted = (design * robust[..., None]).transpose(0, 2, 1)
        total = np.maximum(robust.sum(axis=1), 1e-6)
        normal = weighted @ design + stiff * total[:, None, None]
        affine = _identity() + np.linalg.solve(normal, weighted @ moved)
        square = ((places - design @ affine) ** 2).sum(axis=-1)
        robust = trust / (1 + square / _SIGMA_PX**2) ** 2
    return affine, np.sqrt(square), robust


def matches_of(
    places: DoubleArray,
    height: DoubleArray,
    residual: DoubleArray,
    robust: DoubleArray,
    weights: FloatArray,
    affine: DoubleArray,
) -> Matches:
    """What `fit` has found (the click is the first anchor)."""
    agreeing = np.exp(-0.5 * (residual / _SIGMA_PX) ** 2)
    share = robust / np.maximum(robust.sum(axis=1, keepdims=True), 1e-12)
    return Matches(
        places[:, 0],
        height[:, 0],
        (weights * np.maximum(height, 0) * agreeing).sum(axis=1),
        np.sqrt((share * np.minimum(residual, 3 * _SIGMA_PX) ** 2).sum(axis=1)),
        affine,
    )


def _best_near(
    similarity: FloatArray,
    which: NDArray[np.intp],
    expected: DoubleArray,
    radius: float,
    step: float,
) -> tuple[DoubleArray, DoubleArray]:
    """Per anchor the best place near the expected one, (B, M, 2) px, and its similarity (B, M)."""
    rows, columns = similarity.shape[2:]
    first = (step - 1) / 2
    reach = int(np.ceil(radius / step))
    around = np.arange(-reach, reach + 1)
    centre = np.rint((expected - first) / step).astype(np.intp)
    column, row = centre[..., 0, None] + around, centre[..., 1, None] + around
    inside = ((column >= 1) & (column < columns - 1))[..., None, :]
    inside = inside & ((row >= 1) & (row < rows - 1))[..., :, None]
    column, row = np.clip(column, 1, columns - 2), np.clip(row, 1, rows - 2)
    map_of, m = which[:, None], np.arange(similarity.shape[1])[None]
    values = similarity[
        map_of[..., None, None], m[..., None, None], row[..., :, None], column[..., None, :]
    ]
    across = (column * step + first - expected[..., 0, None])[..., None, :] ** 2
    down = (row * step + first - expected[..., 1, None])[..., :, None] ** 2
    scored = np.where(inside, values - _PULL * (across + down) / radius**2, -2.0)
    best_row, best_column = _argmax(scored)
    b = np.arange(len(expected))[:, None]
    column, row = column[b, m, best_column], row[b, m, best_row]
    shift, top = _vertices(similarity, (map_of, m), row, column)
    places = (np.stack([column, row], axis=-1) + shift) * step + first
    return places, np.where(inside.any(axis=(2, 3)), top, 0.0)


def _argmax(scored: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the highest place in each of the last two axes."""
    return np.divmod(scored.reshape(*scored.shape[:2], -1).argmax(axis=-1), scored.shape[-1])


def _vertices(
    similarity: FloatArray,
    maps: tuple[NDArray[np.intp], NDArray[np.intp]],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
) -> tuple[DoubleArray, DoubleArray]:
    """Where between the neighbours of a place the peak is (…, 2), in steps, and its height."""
    first, second = maps
    top = similarity[first, second, row, column].astype(np.float64)
    left = similarity[first, second, row, column - 1]
    right = similarity[first, second, row, column + 1]
    above = similarity[first, second, row - 1, column]
    below = similarity[first, second, row + 1, column]
    return np.stack([vertex(left, top, right), vertex(above, top, below)], axis=-1), top


def vertex(
    left: NDArray[np.floating], middle: NDArray[np.floating], right: NDArray[np.floating]
) -> DoubleArray:
    """Where the parabola through three values peaks, −0.5 to 0.5."""
    bend = np.minimum(left - 2 * middle + right, -1e-6)
    return np.asarray(np.clip(0.5 * (left - right) / bend, -0.5, 0.5), np.float64)
