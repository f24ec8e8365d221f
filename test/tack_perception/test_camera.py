# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError

PINHOLE = CameraIntrinsics(640, 480, 615.0, 616.0, 319.2, 241.7)
LENSES = {
    "none": (),
    "plumb_bob": (-0.3, 0.1, 0.001, -0.002, 0.0),
    "rational_polynomial": (0.4, -0.2, 0.001, -0.002, 0.01, 0.6, -0.1, 0.02),
    "equidistant": (-0.03, 0.01, 0.001, -0.0005),
}


def camera(model):
    focal = 320.0 if model == "equidistant" else 615.0
    return CameraIntrinsics(640, 480, focal, focal, 319.2, 241.7, model, LENSES[model])


@pytest.fixture
def pixels():
    return np.random.default_rng(0).uniform((0, 0), (639, 479), (500, 2))


def test_pinhole_against_the_formula():
    assert_allclose(PINHOLE.project((0.1, -0.2, 0.5)), (319.2 + 123, 241.7 - 246.4))
    assert_allclose(PINHOLE.deproject((319.2, 241.7), 0.7), (0, 0, 0.7))


@pytest.mark.parametrize("model", LENSES)
def test_projection_inverts_deprojection(model, pixels):
    lens = camera(model)
    depth = np.random.default_rng(1).uniform(0.2, 3, len(pixels))
    points = lens.deproject(pixels, depth)
    assert_allclose(points[:, 2], depth)
    assert_allclose(lens.project(points), pixels, atol=1e-6)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial"])
def test_distortion_is_opencvs(model):
    point = np.array([[0.2, -0.1, 0.9]])
    lens = camera(model)
    expected, _ = cv2.projectPoints(
        point, np.zeros(3), np.zeros(3), lens.matrix, np.array(lens.coefficients)
    )
    assert_allclose(lens.project(point), expected[0], atol=1e-9)


def test_equidistant_against_the_formula():
    lens = CameraIntrinsics(640, 480, 300, 300, 320, 240, "equidistant", (0.1, 0, 0, 0))
    theta = 0.5
    expected = 320 + 300 * (theta + 0.1 * theta**3)
    assert lens.project((np.tan(theta), 0, 1))[0] == pytest.approx(expected)


def test_no_answer_where_there_is_none():
    points = [(0, 0, 0), (0, 0, -1), (np.nan, 0, 1)]
    assert np.isnan(PINHOLE.project(points)).all(axis=1).tolist() == [True, True, True]
    assert np.isnan(PINHOLE.deproject((10, 10), np.nan)).any()
    assert np.isnan(camera("plumb_bob").rays((np.nan, 3))[:2]).all()
    # Past the turning point of this model no ray reaches the pixel.
    strong = CameraIntrinsics(640, 480, 300, 300, 320, 240, "plumb_bob", (-0.5, 0, 0, 0, 0))
    assert np.isnan(strong.rays((0, 0))[:2]).all()
    assert np.isfinite(strong.rays((320, 200))).all()


def test_a_lens_polynomial_does_not_fold_the_outside_into_the_image():
    lens = CameraIntrinsics(640, 480, 615, 615, 320, 240, "plumb_bob", (-0.3, 0, 0, 0, 0))
    folded, _ = cv2.projectPoints(
        np.array([[1.7, 0, 1.0]]),
        np.zeros(3),
        np.zeros(3),
        lens.matrix,
        np.array(lens.coefficients),
    )
    assert lens.contains(*folded.ravel())
    assert np.isnan(lens.project((1.7, 0, 1))).all()
    assert np.isfinite(lens.project((0.9, 0, 1))).all()


def test_image_deprojection_is_the_point_deprojection():
    lens = camera("plumb_bob")
    depth = np.full((480, 640), 0.8, np.float32)
    depth[7, 9] = np.nan
    cloud = lens.deproject_image(depth)
    assert cloud.dtype == np.float32
    assert np.isnan(cloud[7, 9]).all()
    assert_allclose(cloud[100, 200], lens.deproject((200, 100), 0.8), rtol=1e-6)
    with pytest.raises(InvalidInputError, match="640×480"):
        lens.deproject_image(depth[:-1])


def test_scaling_keeps_the_rays_of_pixel_edges():
    half = PINHOLE.scaled(320, 240)
    assert_allclose(half.rays((-0.5, -0.5)), PINHOLE.rays((-0.5, -0.5)))
    assert_allclose(half.rays((319.5, 239.5)), PINHOLE.rays((639.5, 479.5)))


def test_containment_is_by_pixel_edges():
    assert PINHOLE.contains(-0.5, 479.49)
    assert not PINHOLE.contains(639.5, 0)
    assert not PINHOLE.contains(np.nan, 0)


def test_from_camera_info():
    k = [600, 0, 320, 0, 601, 240, 0, 0, 1]
    assert CameraIntrinsics.from_camera_info(640, 480, k, "plumb_bob", [0.0] * 5).model == "none"
    lens = CameraIntrinsics.from_camera_info(640, 480, k, "plumb_bob", [0.1, 0, 0, 0, 0])
    assert (lens.fy, lens.model, lens.coefficients) == (601, "plumb_bob", (0.1, 0, 0, 0, 0))
    assert_allclose(lens.matrix.ravel(), k)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width"),
        ({"height": 480.5}, "height"),
        ({"fx": 0}, "focal"),
        ({"fx": np.nan}, "fx"),
        ({"cy": np.inf}, "cy"),
        ({"model": "thin_plate"}, "known are none, plumb_bob"),
        ({"model": "plumb_bob", "coefficients": (1, 2)}, "2 given"),
        ({"model": "plumb_bob", "coefficients": (np.nan,) * 5}, "finite"),
    ],
)
def test_bad_intrinsics_are_refused(change, message):
    good = {"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240}
    with pytest.raises(InvalidInputError, match=message):
        CameraIntrinsics(**{**good, **change})


@pytest.mark.parametrize(
    "k", [np.zeros(9), np.full(9, np.nan), np.eye(2), [600, 5, 320, 0, 600, 240, 0, 0, 1]]
)
def test_bad_camera_info_is_refused(k):
    with pytest.raises(InvalidInputError):
        CameraIntrinsics.from_camera_info(640, 480, k)
