# SPDX-License-Identifier: Apache-2.0
"""A local plane in inverse depth, with the covariance that correlated noise really gives."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.lifting.patch import Patch
from tack_perception.lifting.settings import LiftingConfig

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_RADII = (0.35, 0.45, 0.6, 0.8, 1.0)  # shares of the largest radius
_GATE_SIGMAS = 3.5
_INTERVAL_SIGMAS = 1.5
_PRIOR_SLOPE = 2.0  # tangent of the incidence angle that is one sigma before any data
_PRIOR_DEGREES = 4.0  # weight of the configured noise against the residuals, degrees of freedom
_SMALLEST = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Plane:
    """w = a + b·s + c·t around the pixel, (s, t) being `Patch.slope`.

    Attributes:
        coefficients: (3,) a (1/m), b and c (1/m/px).
        covariance: (3, 3) of the coefficients.
        sigma: noise of one pixel's inverse depth as found from the residuals, 1/m.
        inliers: (h, w) the pixels it was fitted to.
    """

    coefficients: FloatArray
    covariance: FloatArray
    sigma: float
    inliers: Mask

    def predict(self, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Inverse depth (N,) and its variance (N,) at (N, 2) coordinates."""
        design = _design(slope)
        variance = np.einsum("ni,ij,nj->n", design, self.covariance, design)
        return design @ self.coefficients, variance


def fit(patch: Patch, seeds: Mask, focal: float, config: LiftingConfig) -> Plane | None:
    """The plane through a surface at the patch's pixel.

    The neighbourhood grows for as long as the estimates from the smaller ones agree with that of
    the larger (the rule of intersecting confidence intervals), so that a flat surface is averaged
    widely and a curved one is not flattened.

    Args:
        patch: the window.
        seeds: (h, w) pixels that are known to be of the surface.
        focal: px.
        config: noise and radii.

    Returns:
        The plane, or None where the seeds do not lie on one.
    """
    gap = float(patch.distance[seeds].min())
    plane: Plane | None = None
    low, high = -np.inf, np.inf
    for share in _RADII:
        disc = patch.solid & (patch.distance <= gap + share * config.fit_px)
        if plane is None:
            plane = _start(patch, seeds & disc, focal, config)
            if plane is None:
                continue
        grown = _refit(patch, disc, plane, focal, config)
        if grown is None:
            continue
        half = _INTERVAL_SIGMAS * float(np.sqrt(grown.covariance[0, 0]))
        low = max(low, float(grown.coefficients[0]) - half)
        high = min(high, float(grown.coefficients[0]) + half)
        if low > high:
            break
        plane = grown
    return plane


def _start(patch: Patch, seeds: Mask, focal: float, config: LiftingConfig) -> Plane | None:
    """The first plane, from seeds alone: the level of most of them, the slope left to the prior."""
    if np.count_nonzero(seeds) < _SMALLEST:
        return None
    level = float(np.median(patch.inverse_depth[seeds]))
    spread = np.abs(patch.inverse_depth[seeds] - level) <= 2 * patch.link
    if np.count_nonzero(spread) < max(_SMALLEST, 0.5 * spread.size):
        return None
    chosen = np.zeros_like(seeds)
    chosen[seeds] = spread
    return solve(patch, chosen, level, focal, config)


def _refit(
    patch: Patch, disc: Mask, plane: Plane, focal: float, config: LiftingConfig
) -> Plane | None:
    for _ in range(2):
        predicted, variance = plane.predict(patch.slope[disc])
        gate = _GATE_SIGMAS * np.sqrt(plane.sigma**2 + variance)
        chosen = np.zeros_like(disc)
        chosen[disc] = np.abs(patch.inverse_depth[disc] - predicted) <= gate
        if np.count_nonzero(chosen) < _SMALLEST:
            return None
        plane = solve(patch, chosen, float(plane.coefficients[0]), focal, config)
    return plane


def solve(patch: Patch, chosen: Mask, level: float, focal: float, config: LiftingConfig) -> Plane:
    """Least squares over the chosen pixels, with a weak prior on the slope.

    Args:
        patch: the window.
        chosen: (h, w) at least one pixel.
        level: inverse depth around which the prior slope is scaled, 1/m.
        focal: px.
        config: correlation of the noise.
    """
    design = _design(patch.slope[chosen])
    w = patch.inverse_depth[chosen]
    prior_slope = _PRIOR_SLOPE * max(level, patch.sigma) / focal
    ridge = np.diag([0.0, 1.0, 1.0]) * (patch.sigma / prior_slope) ** 2
    inverse = np.linalg.inv(design.T @ design + ridge)
    gain = inverse @ design.T
    coefficients = gain @ w
    residuals = w - design @ coefficients
    correlation = _correlation(patch.offset[chosen], config.noise_correlation_px)
    blurred = gain @ correlation
    # Expected residual sum for unit noise: correlated pixels tell less than they count.
    degrees = max(0.0, len(w) - float(np.einsum("in,ni->", blurred, design)))
    found = (_PRIOR_DEGREES * patch.sigma**2 + residuals @ residuals) / (_PRIOR_DEGREES + degrees)
    sigma = max(float(np.sqrt(found)), patch.sigma)
    pull = inverse @ ridge * prior_slope
    covariance = sigma**2 * blurred @ gain.T + pull @ pull.T
    return Plane(coefficients, covariance, sigma, chosen)


def _design(slope: FloatArray) -> FloatArray:
    return np.concatenate([np.ones_like(slope[:, :1]), slope], axis=1)


def _correlation(offset: FloatArray, sigma: float) -> FloatArray:
    square = np.sum(offset**2, axis=1)
    separation = square[:, None] + square - 2 * offset @ offset.T
    correlated: FloatArray = np.exp(-separation / (4 * sigma**2))
    return correlated
