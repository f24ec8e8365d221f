# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.keypoint import Keypoint
from tack_perception.lifting import (
    Lifted,
    LiftingConfig,
    Refusal,
    RefusalReason,
    lift,
    lift_keypoint,
)
from tack_sim.analytic import Plane, Sphere, step, tilted_plane, view, with_holes
from tack_sim.depth_noise import D435, noisy_depth

CAMERA = CameraIntrinsics(320, 240, 300.0, 302.0, 158.7, 121.3)
LENS = CameraIntrinsics(
    320, 240, 300.0, 302.0, 158.7, 121.3, "plumb_bob", (-0.25, 0.08, 0.001, -0.002, 0.0)
)
WINDOW = CameraIntrinsics(240, 200, 385.0, 385.0, 119.5, 99.5)  # the middle of a D435 image
RED, BLUE = (190, 60, 50), (60, 80, 170)


def lifted(frame, u, v, **options):
    result = lift(frame, u, v, **options)
    assert isinstance(result, Lifted), result
    return result


def refusal(frame, u, v, **options):
    result = lift(frame, u, v, **options)
    assert isinstance(result, Refusal), result
    assert result.message
    return result.reason


@pytest.mark.parametrize("camera", [CAMERA, LENS], ids=["pinhole", "lens"])
@pytest.mark.parametrize("pixel", [(160.0, 120.0), (45.3, 200.8), (300.2, 20.4)])
def test_a_plane_gives_its_point_and_normal(camera, pixel):
    plane = tilted_plane(0.5, 0.6, 0.7)
    seen = view([plane], camera)
    result = lifted(seen.frame(), *pixel)
    ray = camera.rays(pixel)
    assert_allclose(result.xyz, ray * plane.depths(ray[None])[0], atol=5e-5)
    assert_allclose(result.normal, np.array(plane.normal), atol=5e-3)
    assert result.gap_px < 0.71


def test_a_sphere_gives_its_point_and_normal():
    ball = Sphere((0.01, 0.02, 0.45), 0.05)
    frame = view([ball], CAMERA).frame()
    for pixel in ((165.0, 130.0), (150.5, 140.5), (180.0, 125.0)):
        ray = CAMERA.rays(pixel)
        truth = ray * ball.depths(ray[None])[0]
        result = lifted(frame, *pixel)
        assert_allclose(result.xyz, truth, atol=3e-4)
        angle = math.acos(float(result.normal @ ball.normals(truth)))
        assert math.degrees(angle) < 5


@given(
    u=st.floats(-0.5, 319.49),
    v=st.floats(-0.5, 239.49),
    z=st.floats(0.1, 3.0),
    tilt=st.floats(0, 0.6),
    direction=st.floats(0, 6.28),
)
@settings(max_examples=40, derandomize=True)
def test_any_pixel_of_any_plane(u, v, z, tilt, direction):
    plane = tilted_plane(z, tilt, direction)
    ray = CAMERA.rays((u, v))
    truth = ray * plane.depths(ray[None])[0]
    result = lift(view([plane], CAMERA).frame(), u, v)
    if isinstance(result, Refusal):
        assert result.reason is RefusalReason.OUT_OF_RANGE
        assert truth[2] > 3.9
        return
    assert_allclose(result.xyz, truth, rtol=5e-3)
    assert result.normal @ ray < 0
    assert np.linalg.norm(result.normal) == pytest.approx(1)
    assert np.linalg.eigvalsh(result.covariance)[0] > 0


@pytest.mark.parametrize("radius", [1.5, 4.0, 8.0, 11.0])
@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_a_hole_is_filled_from_the_surface_around_it(radius, tilt):
    plane = tilted_plane(0.5, tilt, 0.3)
    seen = view([plane], CAMERA, np.random.default_rng(0))
    frame = seen.frame(with_holes(seen.depth, np.array([[150.0, 110.0]]), radius))
    result = lifted(frame, 151.0, 110.5)
    ray = CAMERA.rays((151.0, 110.5))
    assert_allclose(result.xyz, ray * plane.depths(ray[None])[0], atol=2e-4)
    assert result.gap_px > radius - 2


@pytest.mark.parametrize("inset", [0.5, 1.0, 3.0, 6.0])
@pytest.mark.parametrize("colors", [(RED, BLUE), (BLUE, BLUE)], ids=["two colours", "one colour"])
def test_the_foreground_side_of_a_silhouette_is_the_foreground(inset, colors):
    seen = view(step(0.4, 0.7, colors), CAMERA)
    assert lifted(seen.frame(), 158.7 - inset, 100.0).xyz[2] == pytest.approx(0.4, abs=1e-3)


def test_just_outside_a_silhouette_is_never_the_background():
    for colors in ((RED, BLUE), (BLUE, BLUE)):
        frame = view(step(0.4, 0.7, colors), CAMERA).frame()
        for outside in (0.3, 1.0, 1.8, 2.3):
            result = lift(frame, 158.7 + outside, 100.0)
            if isinstance(result, Refusal):
                assert result.reason is RefusalReason.AMBIGUOUS_SURFACE
            else:
                assert result.xyz[2] == pytest.approx(0.4, abs=1e-3)


def test_well_outside_a_silhouette_is_the_background():
    frame = view(step(0.4, 0.7, (BLUE, BLUE)), CAMERA).frame()
    assert lifted(frame, 166.0, 100.0).xyz[2] == pytest.approx(0.7, abs=1e-3)


def test_a_wide_pixel_covariance_reaches_the_silhouette():
    frame = view(step(0.4, 0.7, (BLUE, BLUE)), CAMERA).frame()
    wide = np.diag([16.0, 1.0])
    assert refusal(frame, 165.0, 100.0, pixel_covariance=wide) is RefusalReason.AMBIGUOUS_SURFACE
    inside = lifted(frame, 153.0, 100.0, pixel_covariance=wide)
    assert inside.xyz[2] == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.5])
def test_a_hole_across_a_silhouette_needs_colour(shift):
    centre = np.array([[157.0 + shift, 100.0]])
    for colors in ((RED, BLUE), (BLUE, BLUE)):
        seen = view(step(0.4, 0.7, colors), CAMERA, np.random.default_rng(1))
        frame = seen.frame(with_holes(seen.depth, centre, 7.0))
        if colors[0] == colors[1]:
            assert refusal(frame, 155.0, 100.0) is RefusalReason.AMBIGUOUS_SURFACE
        else:
            assert lifted(frame, 155.0, 100.0).xyz[2] == pytest.approx(0.4, abs=1e-3)


def test_an_object_without_depth_is_not_its_background():
    seen = view([Sphere((0, 0, 0.5), 0.03, (10, 10, 10)), Plane((0, 0, 0.7), color=BLUE)], CAMERA)
    depth = np.where(seen.surface == 0, np.float32(np.nan), seen.depth)
    u, v = 158.7, 121.3
    radius = 0.03 / 0.5 * 300
    assert refusal(seen.frame(depth), u, v) is RefusalReason.NO_DEPTH
    for inset in (2.0, 5.0):
        reason = refusal(seen.frame(depth), u - radius + inset, v)
        assert reason is RefusalReason.UNLIKE_SURFACE


def test_a_surface_is_not_continued_into_thin_air():
    seen = view([Plane((0, 0, 0.5), edge=(1.0, 0.0, 0.0))], CAMERA)
    seen.color[:] = 128
    assert lifted(seen.frame(), 158.7 + 1.5, 100.0).xyz[2] == pytest.approx(0.5, abs=1e-3)
    for outside in (7.0, 10.0):
        reason = refusal(seen.frame(), 158.7 + outside, 100.0)
        assert reason is RefusalReason.ONE_SIDED_SURFACE


def test_flying_pixels_are_no_surface():
    seen = view(step(0.4, 0.7, (BLUE, BLUE)), CAMERA)
    depth = seen.depth.copy()
    # A column between the two walls, as an edge leaves it.
    rng = np.random.default_rng(2)
    depth[:, 159:161] = rng.uniform(0.43, 0.67, (240, 2))
    for u in (157.0, 158.0, 159.0):
        assert lifted(seen.frame(depth), u, 100.0).xyz[2] == pytest.approx(0.4, abs=2e-3)


def test_a_lone_wrong_depth_is_passed_over():
    seen = view([Plane((0, 0, 0.5))], CAMERA)
    depth = seen.depth.copy()
    depth[100, 150] = 0.3
    assert lifted(seen.frame(depth), 150, 100).xyz[2] == pytest.approx(0.5, abs=1e-3)


def test_something_too_thin_to_measure_is_not_its_background():
    seen = view([Plane((0, 0, 0.7), color=BLUE)], CAMERA)
    depth = seen.depth.copy()
    depth[::3, 150] = 0.4
    reason = refusal(seen.frame(depth), 150, 101)
    assert reason is RefusalReason.AMBIGUOUS_SURFACE


@pytest.mark.parametrize("unit", [0.001, 0.0001])
def test_quantised_depth(unit):
    plane = tilted_plane(0.5, 0.3, 0.2)
    seen = view([plane], CAMERA)
    depth = (np.rint(seen.depth / unit) * unit).astype(np.float32)
    config = LiftingConfig(depth_unit_m=unit)
    ray = CAMERA.rays((150.0, 100.0))
    truth = ray * plane.depths(ray[None])[0]
    result = lifted(seen.frame(depth), 150.0, 100.0, config=config)
    assert_allclose(result.xyz, truth, atol=0.5 * unit)


def test_refusals_for_what_is_not_there():
    frame = view([Plane((0, 0, 0.5))], CAMERA).frame()
    for pixel in ((math.nan, 1.0), (1.0, math.inf)):
        assert refusal(frame, *pixel) is RefusalReason.PIXEL_NOT_FINITE
    for pixel in ((-1.0, 10.0), (319.6, 10.0), (10.0, 1e9)):
        assert refusal(frame, *pixel) is RefusalReason.OUTSIDE_IMAGE
    empty = view([Plane((0, 0, 0.5))], CAMERA).frame(np.full((240, 320), np.nan, np.float32))
    assert refusal(empty, 100, 100) is RefusalReason.NO_DEPTH


def test_refusal_out_of_range():
    for z in (0.04, 5.0):
        frame = view([Plane((0, 0, z))], CAMERA).frame()
        assert refusal(frame, 100, 100) is RefusalReason.OUT_OF_RANGE
    near = view(step(0.5, 6.0, (RED, BLUE)), CAMERA).frame()
    assert refusal(near, 180, 100) is RefusalReason.OUT_OF_RANGE


def test_refusal_of_scattered_depth():
    seen = view([Plane((0, 0, 0.5))], CAMERA)
    depth = np.random.default_rng(3).uniform(0.3, 1.5, (240, 320)).astype(np.float32)
    assert refusal(seen.frame(depth), 100, 100) in (
        RefusalReason.SCATTERED_DEPTH,
        RefusalReason.AMBIGUOUS_SURFACE,
    )
    sparse = np.full((240, 320), np.nan, np.float32)
    sparse[100, 100:102] = 0.5
    assert refusal(seen.frame(sparse), 100, 100) is RefusalReason.SCATTERED_DEPTH


def test_refusal_where_the_lens_has_no_inverse():
    fold = CameraIntrinsics(320, 240, 100.0, 100.0, 159.5, 119.5, "plumb_bob", (-0.6, 0, 0, 0, 0))
    frame = view([Plane((0, 0, 0.5))], CAMERA).frame()
    folded = type(frame)(frame.color, frame.depth, fold, 0, "camera")
    assert refusal(folded, 2.0, 2.0) is RefusalReason.NO_RAY


@pytest.mark.parametrize(
    "covariance", [np.eye(3), [[1, 0], [0, math.nan]], [[1, 2], [0, 1]], [[1, 0], [0, -1]]]
)
def test_a_wrong_pixel_covariance_is_an_error(covariance):
    frame = view([Plane((0, 0, 0.5))], CAMERA).frame()
    with pytest.raises(InvalidInputError, match="pixel covariance"):
        lift(frame, 100, 100, covariance)


def test_settings_are_checked():
    with pytest.raises(ConfigurationError, match="search_px"):
        LiftingConfig(search_px=1000.0)


def test_a_keypoint_is_lifted_or_says_why_not():
    frame = view([Plane((0, 0, 0.5))], CAMERA).frame()
    keypoint = Keypoint("handle", 100.2, 99.6, 0.9, pixel_covariance=np.eye(2))
    up = lift_keypoint(frame, keypoint)
    assert_allclose(up.xyz, lifted(frame, 100.2, 99.6, pixel_covariance=np.eye(2)).xyz)
    assert up.xyz_covariance is not None
    assert_allclose(up.normal, (0, 0, -1), atol=1e-3)
    assert (up.label, up.u, up.v, up.confidence, up.refusal) == ("handle", 100.2, 99.6, 0.9, "")
    outside = lift_keypoint(frame, Keypoint("handle", 400.0, 99.6, 0.9))
    assert outside.xyz is None
    assert outside.refusal.startswith("outside_image: handle at (400.0, 99.6): ")
    # What an earlier lift said is replaced.
    assert lift_keypoint(frame, outside).refusal == outside.refusal
    empty = view([Plane((0, 0, 0.5))], CAMERA).frame(np.full((240, 320), np.nan, np.float32))
    assert lift_keypoint(empty, up).xyz is None


def noisy_lifts(surfaces, pixels, config, frames, colors_seed=0):
    seen = view(surfaces, WINDOW, np.random.default_rng(colors_seed))
    for seed in range(frames):
        rng = np.random.default_rng((7, seed))
        frame = seen.frame(noisy_depth(seen.depth, WINDOW, D435, rng))
        for u, v in pixels:
            yield rng, frame, u, v, config


@pytest.mark.parametrize(
    "surface",
    [tilted_plane(0.4, 0.0), tilted_plane(0.9, 0.8, 0.5), Sphere((0, 0, 0.64), 0.04)],
    ids=["wall", "slanted", "sphere"],
)
def test_covariance_is_honest(surface):
    """The mean normalised error squared of a 3D point is 3 where the covariance is true."""
    pixel_covariance = np.array([[1.0, 0.3], [0.3, 0.5]])
    pixels = [(119.5 + du, 99.5 + dv) for du in (-14, 0, 15) for dv in (-13, 2, 14)]
    if isinstance(surface, Plane):
        pixels = [(119.5 + 4 * (u - 119.5), 99.5 + 5 * (v - 99.5)) for u, v in pixels]
    squares, along = [], []
    for rng, frame, u, v, config in noisy_lifts([surface], pixels, LiftingConfig(), 12):
        du, dv = rng.multivariate_normal((0, 0), pixel_covariance)
        result = lift(frame, u + du, v + dv, pixel_covariance, config)
        assert isinstance(result, Lifted)
        ray = WINDOW.rays((u, v))
        error = result.xyz - ray * surface.depths(ray[None])[0]
        squares.append(float(error @ np.linalg.solve(result.covariance, error)))
        exact = lift(frame, u, v, np.zeros((2, 2)), config)
        assert isinstance(exact, Lifted)
        deviation = exact.xyz[2] - surface.depths(ray[None])[0]
        along.append(deviation**2 / exact.covariance[2, 2])
    assert 0.5 < np.mean(squares) / 3 < 2
    assert 0.5 < np.mean(along) < 2


@pytest.mark.parametrize("z", [0.4, 0.8])
def test_noise_at_a_silhouette_never_gives_the_background(z):
    rows = np.linspace(15, 185, 12)
    pixels = [(119.5 - inset, v) for inset in (0.0, 1.0, 2.0, 4.0) for v in rows]
    for colors in ((RED, BLUE), (BLUE, BLUE)):
        errors = []
        wall = step(z, z + 0.15, colors)
        for _, frame, u, v, config in noisy_lifts(wall, pixels, LiftingConfig(), 2):
            result = lift(frame, u, v, config=config)
            if isinstance(result, Lifted):
                errors.append(result.xyz[2] - z)
        assert max(errors) < 0.05
        assert len(errors) > 0.9 * 2 * len(pixels)
        assert np.median(np.abs(errors)) < 1.2 * D435.depth_sigma(z, WINDOW)
