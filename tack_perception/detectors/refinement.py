# SPDX-License-Identifier: Apache-2.0
"""From a coarse place to a sub-pixel one: anchors and an affine map agree step by step."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_RADII_PX = (24.0, 16.0, 10.0, 8.0)  # how far an anchor is looked for, round after round
_PULL = 0.15  # similarity that the rim of that radius must have more than its centre
_CHANCE = 0.2  # similarity that unrelated places reach
_SIGMA_PX = 6.0  # residual of an anchor that still agrees
_STIFFNESS = 0.01  # pull of the affine map towards the pose, against the weight of all anchors
_UNIT_PX = 64.0  # offsets are scaled by it, so that the stiffness has no unit


@dataclasses.dataclass(frozen=True, eq=False)
class Match:
    """Where the click would be, and how good the evidence is.

    Attributes:
        pixel: (2,) px, the click's own best place near the one that the anchors point to.
        own: similarity of the click itself there.
        agreement: weighted mean similarity of all anchors that are where they should be.
        spread_px: RMS residual of the agreeing anchors.
    """

    pixel: NDArray[np.float64]
    own: float
    agreement: float
    spread_px: float

    @property
    def evidence(self) -> float:
        """What candidates are compared by."""
        return self.agreement + 0.5 * self.own


def refine(
    similarity: FloatArray,
    offsets: FloatArray,
    weights: FloatArray,
    start: NDArray[np.float64],
    step: int,
) -> Match:
    """Fit an affine map from the shot's surroundings to the picture, starting at a pixel.

    Args:
        similarity: (M, rows, columns) of each anchor with each grid point.
        offsets: (M, 2) anchors relative to the click under the assumed pose, px.
        weights: (M,), summing to 1.
        start: (2,) pixel where the click is assumed.
        step: distance of grid points, px.
    """
    unit = offsets.astype(np.float64) / _UNIT_PX
    design = np.column_stack([unit, np.ones(len(unit))])
    affine = np.vstack([np.eye(2) * _UNIT_PX, start])
    stiff = np.diag([_STIFFNESS, _STIFFNESS, 1e-9])
    pose = np.vstack([np.eye(2) * _UNIT_PX, [0.0, 0.0]])
    for radius in _RADII_PX:
        places, height = _best_near(similarity, design @ affine, radius, step)
        trust = weights * np.maximum(height - _CHANCE, 0) ** 2
        robust = trust
        for _ in range(4):
            normal = (design * robust[:, None]).T @ design + stiff * max(robust.sum(), 1e-6)
            pull = (design * robust[:, None]).T @ (places - design @ pose)
            affine = pose + np.linalg.solve(normal, pull)
            residual = np.linalg.norm(places - design @ affine, axis=1)
            robust = trust / (1 + (residual / _SIGMA_PX) ** 2) ** 2
    agreeing = np.exp(-0.5 * (residual / _SIGMA_PX) ** 2)
    share = robust / max(float(robust.sum()), 1e-12)
    return Match(
        places[0],
        float(height[0]),
        float((weights * np.maximum(height, 0) * agreeing).sum()),
        float(np.sqrt((share * np.minimum(residual, 3 * _SIGMA_PX) ** 2).sum())),
    )


def _best_near(
    similarity: FloatArray, expected: NDArray[np.float64], radius: float, step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per anchor the best place near the expected one, (M, 2) px, and its similarity (M,)."""
    count, rows, columns = similarity.shape
    first = (step - 1) / 2
    reach = int(np.ceil(radius / step))
    around = np.arange(-reach, reach + 1)
    centre = np.rint((expected - first) / step).astype(int)
    column = centre[:, 0, None] + around
    row = centre[:, 1, None] + around
    inside = ((column >= 1) & (column < columns - 1))[:, None, :]
    inside = inside & ((row >= 1) & (row < rows - 1))[:, :, None]
    column, row = np.clip(column, 1, columns - 2), np.clip(row, 1, rows - 2)
    anchor = np.arange(count)
    values = similarity[anchor[:, None, None], row[:, :, None], column[:, None, :]]
    across = (column * step + first - expected[:, 0, None])[:, None, :] ** 2
    down = (row * step + first - expected[:, 1, None])[:, :, None] ** 2
    scored = np.where(inside, values - _PULL * (across + down) / radius**2, -2.0)
    best_row, best_column = np.divmod(scored.reshape(count, -1).argmax(axis=1), len(around))
    c, r = column[anchor, best_column], row[anchor, best_row]
    top = similarity[anchor, r, c].astype(np.float64)
    du = _vertex(similarity[anchor, r, c - 1], top, similarity[anchor, r, c + 1])
    dv = _vertex(similarity[anchor, r - 1, c], top, similarity[anchor, r + 1, c])
    places = np.stack([(c + du) * step + first, (r + dv) * step + first], axis=1)
    return places, np.where(inside.any(axis=(1, 2)), top, 0.0)


def _vertex(left: FloatArray, middle: NDArray[np.float64], right: FloatArray) -> FloatArray:
    """Where between the neighbours the parabola through three values peaks, −0.5 to 0.5."""
    bend = np.minimum(left - 2 * middle + right, -1e-6)
    return np.asarray(np.clip(0.5 * (left - right) / bend, -0.5, 0.5), dtype=np.float32)
