# SPDX-License-Identifier: Apache-2.0
"""The lift itself: choose the surface, fit it, intersect it with the viewing ray."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint, check_covariance
from tack_perception.lifting.choose import choose
from tack_perception.lifting.fit import LocalSurface, fit
from tack_perception.lifting.patch import cut
from tack_perception.lifting.result import Lifted, Refusal, RefusalReason
from tack_perception.lifting.settings import LiftingConfig

FloatArray = NDArray[np.float64]


def lift(
    frame: RGBDFrame,
    u: float,
    v: float,
    pixel_covariance: ArrayLike | None = None,
    config: LiftingConfig | None = None,
) -> Lifted | Refusal:
    """The 3D point that a pixel shows.

    Args:
        frame: colour and registered depth.
        u, v: pixel (column, row), sub-pixel.
        pixel_covariance: (2, 2) px²; None takes `LiftingConfig.pixel_sigma_px`.
        config: settings; None takes the defaults.

    Returns:
        The point in the frame's optical frame with its covariance and surface normal, or a
        `Refusal` with its reason. A pixel at a silhouette is given the nearer surface or refused,
        never the background.

    Raises:
        InvalidInputError: the pixel covariance is not a finite, symmetric positive semi-definite
            (2, 2) matrix.
    """
    config = config or LiftingConfig()
    covariance = _pixel_covariance(pixel_covariance, config)
    camera = frame.intrinsics
    if not (math.isfinite(u) and math.isfinite(v)):
        return Refusal(RefusalReason.PIXEL_NOT_FINITE, f"the pixel is ({u}, {v})")
    if not camera.contains(u, v):
        return Refusal(
            RefusalReason.OUTSIDE_IMAGE, f"outside the {camera.width}×{camera.height} image"
        )
    ray, ray_from_pixel = _ray(camera, u, v)
    if not np.isfinite(ray_from_pixel).all():
        return Refusal(
            RefusalReason.NO_RAY, "the lens model has no inverse there (outside its image circle)"
        )
    patch = cut(frame, u, v, ray, config)
    focal = math.sqrt(camera.fx * camera.fy)
    pixel_sigma = math.sqrt(max(0.0, float(np.linalg.eigvalsh(covariance)[1])))
    choice = choose(patch, focal, pixel_sigma, config)
    if isinstance(choice, Refusal):
        return choice
    surface = fit(patch.without(choice.others), choice.seeds, focal, config)
    if surface is None or surface.coefficients[0] <= 0:
        return Refusal(
            RefusalReason.SCATTERED_DEPTH, "the depths around the pixel are not on one surface"
        )
    depth = 1 / float(surface.coefficients[0])
    if not config.min_depth_m <= depth <= config.max_depth_m:
        return Refusal(
            RefusalReason.OUT_OF_RANGE,
            f"depth {depth:.3f} m is outside"
            f" {config.min_depth_m:g} to {config.max_depth_m:g} m (min_depth_m, max_depth_m)",
        )
    gap = float(patch.distance[surface.inliers].min())
    return Lifted(
        ray * depth,
        _covariance(surface, camera, ray, ray_from_pixel @ covariance @ ray_from_pixel.T, config),
        _normal(surface, camera, ray),
        int(np.count_nonzero(surface.inliers)),
        gap,
    )


def lift_keypoint(
    frame: RGBDFrame, keypoint: Keypoint, config: LiftingConfig | None = None
) -> Keypoint:
    """A keypoint with its point in space, or with the reason why it has none.

    Args:
        frame: the frame that the keypoint was found in.
        keypoint: its pixel and pixel covariance are used; what it had of a lift is replaced.
        config: settings; None takes the defaults.

    Returns:
        The keypoint with `xyz`, `xyz_covariance` and `normal` in the camera's optical frame, or
        with `refusal`, which begins with the value of a `RefusalReason` and a colon.
    """
    result = lift(frame, keypoint.u, keypoint.v, keypoint.pixel_covariance, config)
    if isinstance(result, Refusal):
        return dataclasses.replace(
            keypoint,
            xyz=None,
            xyz_covariance=None,
            normal=None,
            refusal=f"{result.reason.value}: {keypoint.label} at"
            f" ({keypoint.u:.1f}, {keypoint.v:.1f}): {result.message}",
        )
    return dataclasses.replace(
        keypoint,
        xyz=result.xyz,
        xyz_covariance=result.covariance,
        normal=result.normal,
        refusal="",
    )


def _pixel_covariance(given: ArrayLike | None, config: LiftingConfig) -> FloatArray:
    if given is None:
        return np.eye(2) * config.pixel_sigma_px**2
    matrix = np.asarray(given, dtype=np.float64)
    if matrix.shape != (2, 2) or not np.isfinite(matrix).all():
        raise InvalidInputError(
            f"pixel covariance {matrix.tolist()}: finite values of shape (2, 2) are needed"
        )
    check_covariance(matrix, "pixel covariance")
    return matrix


def _ray(camera: CameraIntrinsics, u: float, v: float) -> tuple[FloatArray, FloatArray]:
    """The viewing ray (3,) and its derivative (2, 2) by the pixel."""
    h = 0.25
    rays = camera.rays([(u, v), (u + h, v), (u - h, v), (u, v + h), (u, v - h)])
    by_pixel = np.stack([rays[1] - rays[2], rays[3] - rays[4]], axis=1)[:2] / (2 * h)
    return rays[0], by_pixel


def _covariance(
    surface: LocalSurface,
    camera: CameraIntrinsics,
    ray: FloatArray,
    ray_covariance: FloatArray,
    config: LiftingConfig,
) -> FloatArray:
    """(3, 3): the ray's uncertainty moved along the surface, plus the depth's along the ray."""
    a, b, c = surface.coefficients[:3]
    depth = 1 / a
    gradient = np.array([b * camera.fx, c * camera.fy])
    by_ray = np.vstack([np.eye(2), np.zeros(2)]) * depth - np.outer(ray, gradient) * depth**2
    variance = surface.covariance[0, 0]
    variance += _dither_variance(a, config)
    along = variance * depth**4
    covariance = by_ray @ ray_covariance @ by_ray.T + along * np.outer(ray, ray)
    symmetric: FloatArray = (covariance + covariance.T) / 2
    return symmetric


def _dither_variance(inverse_depth: float, config: LiftingConfig) -> float:
    """What averaging cannot remove of the sensor's rounding, (1/m)².

    Gaussian noise of standard deviation σ before rounding to q leaves a mean error of amplitude
    q/π · exp(−2π²σ²/q²): noise below the step does not average out.
    """
    if config.depth_unit_m == 0:
        return 0.0
    step = config.depth_unit_m * inverse_depth**2
    ratio = config.noise_at_1m_m / step
    return 0.5 * (step / math.pi * math.exp(-2 * math.pi**2 * ratio**2)) ** 2


def _normal(surface: LocalSurface, camera: CameraIntrinsics, ray: FloatArray) -> FloatArray:
    a, b, c = surface.coefficients[:3]
    b, c = b * camera.fx, c * camera.fy
    towards = -np.array([b, c, a - b * ray[0] - c * ray[1]])
    unit: FloatArray = towards / np.linalg.norm(towards)
    return unit
