# SPDX-License-Identifier: Apache-2.0
"""librealsense's intrinsics as `CameraIntrinsics`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.sources.realsense.sdk import rs

_GRID = 17  # points per side for the fit
_TOLERANCE_PX = 0.1


def camera_intrinsics(source: Any) -> CameraIntrinsics:
    """Convert an `rs.intrinsics`.

    librealsense has three Brown-Conrady models that differ in their tangential terms, and names one
    "inverse" although its projection applies the coefficients forwards. So the coefficients of
    plumb_bob are not copied: they are fitted to librealsense's own projection over the image, in
    which they are linear. The fit is exact where the models agree.

    Raises:
        InvalidInputError: values that are not finite, a model that is not supported, or one that
            plumb_bob cannot follow within 0.1 px.
    """
    pinhole = CameraIntrinsics(
        source.width, source.height, source.fx, source.fy, source.ppx, source.ppy
    )
    coefficients = np.array(source.coeffs, np.float64)
    if not np.isfinite(coefficients).all():
        raise InvalidInputError(f"distortion coefficients {source.coeffs}: must be finite")
    if source.model == rs.distortion.none or not coefficients.any():
        return pinhole
    if source.model == rs.distortion.kannala_brandt4:
        return _with(pinhole, "equidistant", coefficients[:4])
    brown = (
        rs.distortion.brown_conrady,
        rs.distortion.inverse_brown_conrady,
        rs.distortion.modified_brown_conrady,
    )
    if source.model not in brown:
        raise InvalidInputError(
            f"distortion model {source.model.name}: known are none, kannala_brandt4 and the"
            " three of Brown and Conrady"
        )
    return _fit_plumb_bob(source, pinhole)


def _fit_plumb_bob(source: Any, pinhole: CameraIntrinsics) -> CameraIntrinsics:
    u = np.linspace(0, source.width - 1, _GRID)
    v = np.linspace(0, source.height - 1, _GRID)
    x, y = (
        grid.ravel()
        for grid in np.meshgrid((u - source.ppx) / source.fx, (v - source.ppy) / source.fy)
    )
    pixels = np.array(
        [rs.rs2_project_point_to_pixel(source, [a, b, 1.0]) for a, b in zip(x, y, strict=True)]
    )
    shift = (pixels - (source.ppx, source.ppy)) / (source.fx, source.fy) - np.stack([x, y], -1)
    r2 = x * x + y * y
    # Rows: what k1, k2, p1, p2, k3 each add to x, then to y.
    radial = np.stack([r2, r2**2, r2**3])
    along_x = [x * radial[0], x * radial[1], 2 * x * y, r2 + 2 * x * x, x * radial[2]]
    along_y = [y * radial[0], y * radial[1], r2 + 2 * y * y, 2 * x * y, y * radial[2]]
    design = np.concatenate([np.stack(along_x, -1), np.stack(along_y, -1)])
    solution, *_ = np.linalg.lstsq(design, shift.T.ravel(), rcond=None)
    camera = _with(pinhole, "plumb_bob", solution)
    error = np.abs(camera.project(np.stack([x, y, np.ones_like(x)], -1)) - pixels).max()
    if error > _TOLERANCE_PX:
        raise InvalidInputError(
            f"distortion {source.model.name} {list(source.coeffs)} differs from plumb_bob by"
            f" {error:.2g} px; {_TOLERANCE_PX} px are allowed"
        )
    return camera


def _with(pinhole: CameraIntrinsics, model: str, coefficients: Any) -> CameraIntrinsics:
    return CameraIntrinsics(
        pinhole.width,
        pinhole.height,
        pinhole.fx,
        pinhole.fy,
        pinhole.cx,
        pinhole.cy,
        model,
        tuple(float(value) for value in coefficients),
    )
