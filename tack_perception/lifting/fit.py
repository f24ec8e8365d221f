# SPDX-License-Identifier: Apache-2.0
"""A local surface in inverse depth, with the covariance that correlated noise really gives.

The surface is a plane with a little curvature. Slope and curvature have weak priors, so that few
or one-sided pixels still give a sane surface, and so that the covariance grows by what the surface
may do where no depth was measured.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_perception.lifting.patch import Patch
from tack_perception.lifting.settings import LiftingConfig

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALLEST = 4
"""Pixels that make a surface."""

_RADII = (0.35, 0.45, 0.6, 0.8, 1.0)  # shares of the largest radius
_GATE_SIGMAS = 3.5
_INTERVAL_SIGMAS = 1.0
_PRIOR_SLOPE = 2.0  # tangent of the incidence angle that is one sigma before any data
_PRIOR_DEGREES = 4.0  # weight of the configured noise against the residuals, degrees of freedom


@dataclasses.dataclass(frozen=True, eq=False)
class LocalSurface:
    """w = a + b·s + c·t + d·s²/2 + e·s·t + f·t²/2, (s, t) being `Patch.slope`.

    Attributes:
        coefficients: (6,) a (1/m), b, c (1/m/px), d, e, f (1/m/px²).
        covariance: (6, 6) of the coefficients.
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


def fit(patch: Patch, seeds: Mask, focal: float, config: LiftingConfig) -> LocalSurface | None:
    """The surface through the patch's pixel.

    The neighbourhood grows for as long as the estimates from the smaller ones agree with that of
    the larger (the rule of intersecting confidence intervals), so that a smooth surface is
    averaged widely and a crease is not rounded off.

    Args:
        patch: the window.
        seeds: (h, w) pixels that are known to be of the surface.
        focal: px.
        config: noise and radii.

    Returns:
        The surface, or None where the seeds do not lie on one.
    """
    gap = float(patch.distance[seeds].min())
    surface: LocalSurface | None = None
    low, high = -np.inf, np.inf
    for share in _RADII:
        disc = patch.solid & (patch.distance <= gap + share * config.fit_px)
        if surface is None:
            surface = _start(patch, seeds & disc, focal, config)
        if surface is None:
            continue
        grown = _refit(patch, disc, surface, focal, config)
        if grown is None:
            continue
        half = _INTERVAL_SIGMAS * math.sqrt(grown.covariance[0, 0])
        low = max(low, grown.coefficients[0] - half)
        high = min(high, grown.coefficients[0] + half)
        if low > high:
            break
        surface = grown
    return surface


def _start(patch: Patch, seeds: Mask, focal: float, config: LiftingConfig) -> LocalSurface | None:
    """The first surface, from the seeds around their median alone."""
    if np.count_nonzero(seeds) < SMALLEST:
        return None
    level = float(np.median(patch.inverse_depth[seeds]))
    near = np.abs(patch.inverse_depth[seeds] - level) <= 3 * patch.link
    if np.count_nonzero(near) < max(SMALLEST, 0.5 * near.size):
        return None
    chosen = np.zeros_like(seeds)
    chosen[seeds] = near
    return _solve(patch, chosen, level, focal, config)


def _refit(
    patch: Patch, disc: Mask, surface: LocalSurface, focal: float, config: LiftingConfig
) -> LocalSurface | None:
    for _ in range(2):
        predicted, variance = surface.predict(patch.slope[disc])
        gate = _GATE_SIGMAS * np.sqrt(surface.sigma**2 + variance)
        # An uncertain prediction must not open the gate to another surface.
        gate = np.minimum(gate, max(_GATE_SIGMAS * surface.sigma, patch.link))
        chosen = np.zeros_like(disc)
        chosen[disc] = np.abs(patch.inverse_depth[disc] - predicted) <= gate
        if np.count_nonzero(chosen) < SMALLEST:
            return None
        if np.array_equal(chosen, surface.inliers):
            break
        surface = _solve(patch, chosen, float(surface.coefficients[0]), focal, config)
    return surface


def _solve(
    patch: Patch, chosen: Mask, level: float, focal: float, config: LiftingConfig
) -> LocalSurface:
    """Least squares over the chosen pixels under the priors.

    Args:
        patch: the window.
        chosen: (h, w) at least one pixel.
        level: inverse depth around which the prior slope is scaled, 1/m.
        focal: px.
        config: correlation of the noise and expected curvature.
    """
    design = _design(patch.slope[chosen])
    w = patch.inverse_depth[chosen]
    slope = _PRIOR_SLOPE * max(level, patch.sigma) / focal
    bend = 1 / (config.curvature_radius_m * focal**2)
    prior = np.array([np.inf, slope, slope, bend, bend, bend])
    # Correlated pixels tell less than they count: as if each had this many times its variance.
    redundancy = max(1.0, 4 * math.pi * config.noise_correlation_px**2)
    ridge = redundancy * (patch.sigma / prior) ** 2
    inverse = np.linalg.inv(design.T @ design + np.diag(ridge))
    gain = inverse @ design.T
    coefficients = gain @ w
    residuals = w - design @ coefficients
    blurred = _correlated(gain, chosen, config.noise_correlation_px)
    degrees = max(0.0, len(w) - float(np.einsum("in,ni->", blurred, design)))
    found = (_PRIOR_DEGREES * patch.sigma**2 + residuals @ residuals) / (_PRIOR_DEGREES + degrees)
    sigma = max(math.sqrt(found), patch.sigma)
    pull = (inverse * ridge)[:, 1:] * prior[1:]
    covariance = sigma**2 * blurred @ gain.T + pull @ pull.T
    return LocalSurface(coefficients, covariance, sigma, chosen)


def _design(slope: FloatArray) -> FloatArray:
    s, t = slope[:, 0], slope[:, 1]
    design = np.empty((len(slope), 6))
    design[:, 0], design[:, 1:3] = 1, slope
    np.multiply(s, s, out=design[:, 3])
    np.multiply(s, t, out=design[:, 4])
    np.multiply(t, t, out=design[:, 5])
    design[:, 3::2] *= 0.5
    return design


def _correlated(values: FloatArray, chosen: Mask, sigma: float) -> FloatArray:
    """(K, N) values of the chosen pixels times the (N, N) correlation of these pixels' noise."""
    rows, columns = np.nonzero(chosen)
    row, column = rows - rows.min(), columns - columns.min()
    height, width = int(row.max()) + 1, int(column.max()) + 1
    grid = np.zeros((len(values), height, width))
    grid[:, row, column] = values
    near = np.exp(-(np.arange(max(height, width)) ** 2) / (4 * sigma**2))
    # A Gaussian of the distance is the product of two along the axes.
    down, right = (near[np.abs(np.subtract.outer(n, n))] for n in map(np.arange, (height, width)))
    blurred: FloatArray = (down @ grid @ right)[:, row, column]
    return blurred
