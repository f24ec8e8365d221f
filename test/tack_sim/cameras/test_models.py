# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.analytic import Plane, view
from tack_sim.cameras.models import CAMERA_MODELS, D405, D435, camera_model
from tack_sim.depth_noise import noisy_depth


def test_cameras_by_name():
    assert camera_model("d435") is D435
    with pytest.raises(InvalidInputError, match=r"d999.*d435, d405"):
        camera_model("d999")


def test_what_is_known_of_the_two():
    assert D405.coincident
    assert not D435.coincident
    # The colour imager is 15 mm to the left of the left infrared one, seen from behind it.
    assert geometry.inverse(D435.color_from_depth)[0, 3] == pytest.approx(-0.015, abs=5e-4)


@pytest.mark.parametrize("model", CAMERA_MODELS.values(), ids=str)
def test_the_tf_tree_of_realsense(model):
    names = model.frames("wrist")
    assert names.color_optical == "wrist_color_optical_frame"
    tree = model.static_transforms("wrist")
    link_from_depth = tree[names.link, names.depth] @ tree[names.depth, names.depth_optical]
    link_from_color = tree[names.link, names.color] @ tree[names.color, names.color_optical]
    assert_allclose(geometry.inverse(link_from_color) @ link_from_depth, model.color_from_depth)
    assert_allclose(link_from_color @ model.optical_from_link(), np.eye(4), atol=1e-12)
    assert_allclose(link_from_depth[:3, 2], (1, 0, 0))  # the link looks along its x


@pytest.mark.parametrize("model", CAMERA_MODELS.values(), ids=str)
@pytest.mark.parametrize("width", [640, 320])
@pytest.mark.parametrize("z", [0.3, 0.5, 1.0])
def test_noise_in_metres_does_not_depend_on_the_size(model, width, z):
    camera = model.scaled(width, width * 3 // 4)
    truth = view([Plane((0, 0, z))], camera.depth).depth
    rng = np.random.default_rng(1)
    rows, columns = truth.shape
    middle = np.s_[rows // 4 : -rows // 4, columns // 3 : -columns // 4]
    errors = [
        (noisy_depth(truth, camera.depth, camera.noise, rng) - truth)[middle] for _ in range(3)
    ]
    formula = z**2 * 0.08 / (model.depth.fx * model.noise.baseline_m)
    assert float(np.sqrt(np.nanmean(np.square(errors)))) == pytest.approx(formula, rel=0.2)


def test_the_depth_window_covers_what_colour_sees():
    camera = D435.scaled(320, 240)
    window, column = camera.depth_window(0.2)
    assert window.width * window.height < 0.6 * 320 * 240
    v, u = np.mgrid[0:240:20, 0:320:20]
    for z in (0.2, 0.5, 3.0):
        points = camera.color.deproject(np.stack([u, v], axis=-1), np.full(u.shape, z))
        pixels = window.project(geometry.apply(geometry.inverse(camera.color_from_depth), points))
        assert (pixels >= 0).all()
        assert (pixels <= (window.width - 1, window.height - 1)).all()
    whole = camera.depth.project((0.05, 0.02, 0.6))
    row = whole - window.project((0.05, 0.02, 0.6))
    assert row[0] == column


def test_the_blind_band_of_a_part_of_the_imager():
    truth = np.full((240, 100), 0.3, np.float32)
    camera = D435.scaled(320, 240)
    part = camera.depth_window(0.2)[0]
    part = type(part)(100, 240, part.fx, part.fy, 49.5, 119.5)
    disparity = part.fx * 0.05 / 0.3
    rng = np.random.default_rng(0)
    at_left = noisy_depth(truth, part, camera.noise, rng)
    inside = noisy_depth(truth, part, camera.noise, rng, first_column=60)
    assert np.isnan(at_left[:, : int(disparity) - 2]).all()
    assert np.isfinite(inside[100:140, 5:]).all()
