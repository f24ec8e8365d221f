# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from tack_perception.errors import InvalidInputError

MILD = (0.02, -0.03, 0.001, -0.0008, 0.01)


@pytest.fixture
def convert(rs):
    from tack_perception.sources.realsense.calibration import camera_intrinsics

    def make(model, coefficients, fx=615.0):
        source = rs.intrinsics()
        source.width, source.height = 640, 480
        source.fx, source.fy, source.ppx, source.ppy = fx, 614.0, 321.5, 238.25
        source.model, source.coeffs = getattr(rs.distortion, model), list(coefficients)
        return source, camera_intrinsics(source)

    return make


def pixels_of(rs, source, points):
    return np.array([rs.rs2_project_point_to_pixel(source, list(point)) for point in points])


@pytest.mark.parametrize(
    ("model", "coefficients", "expected"),
    [
        ("none", (0,) * 5, "none"),
        ("inverse_brown_conrady", (0,) * 5, "none"),
        ("brown_conrady", MILD, "plumb_bob"),
        ("inverse_brown_conrady", MILD, "plumb_bob"),
        ("modified_brown_conrady", MILD, "plumb_bob"),
        ("kannala_brandt4", (0.05, -0.01, 0.002, -0.001, 0), "equidistant"),
    ],
)
def test_projection_agrees_with_librealsense(rs, convert, model, coefficients, expected):
    source, camera = convert(model, coefficients)
    assert camera.model == expected
    rng = np.random.default_rng(1)
    points = np.stack(
        [rng.uniform(-0.5, 0.5, 200), rng.uniform(-0.37, 0.37, 200), np.ones(200)], axis=-1
    ) * rng.uniform(0.3, 3, (200, 1))
    truth = pixels_of(rs, source, points)
    np.testing.assert_allclose(camera.project(points), truth, atol=0.05)


def test_plumb_bob_takes_over_the_coefficients_of_brown_conrady(convert):
    _, camera = convert("brown_conrady", MILD)
    np.testing.assert_allclose(camera.coefficients, MILD, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "coefficients", "fx", "match"),
    [
        ("brown_conrady", (float("nan"), 0, 0, 0, 0), 615.0, "must be finite"),
        ("brown_conrady", (0, float("inf"), 0, 0, 0), 615.0, "must be finite"),
        ("none", (0,) * 5, float("nan"), "camera fx = nan"),
        ("none", (0,) * 5, 0.0, "must be positive"),
        ("ftheta", (0.9, 0, 0, 0, 0), 615.0, "ftheta: known are"),
        ("modified_brown_conrady", (2.0, 3.0, 0.3, 0.3, 0), 615.0, "differs from plumb_bob by"),
    ],
)
def test_cameras_that_cannot_be_used(convert, model, coefficients, fx, match):
    with pytest.raises(InvalidInputError, match=match):
        convert(model, coefficients, fx)
