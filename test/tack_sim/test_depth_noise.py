# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tack_perception.errors import InvalidInputError
from tack_sim.analytic import Plane, Sphere, step, tilted_plane, view
from tack_sim.depth_noise import (
    D405,
    D405_INTRINSICS,
    D435,
    D435_INTRINSICS,
    incidence_cosine,
    noisy_depth,
)

GREY = ((0, 0, 0), (0, 0, 0))


def measure(surfaces, seed=0, model=D435, camera=D435_INTRINSICS, **options):
    truth = view(surfaces, camera).depth
    return truth, noisy_depth(truth, camera, model, np.random.default_rng(seed), **options)


@pytest.mark.parametrize(
    ("model", "camera", "z"),
    [(D435, D435_INTRINSICS, z) for z in (0.5, 1.0, 1.5)]
    + [(D405, D405_INTRINSICS, z) for z in (0.2, 0.5)],
)
def test_noise_on_a_wall_follows_the_formula(model, camera, z):
    truth, measured = measure([Plane((0, 0, z))], model=model, camera=camera)
    centre = np.s_[140:340, 220:420]
    rms = float(np.sqrt(np.nanmean((measured - truth)[centre] ** 2)))
    assert rms == pytest.approx(float(model.depth_sigma(z, camera)), rel=0.15)


def test_published_figures():
    assert float(D435.depth_sigma(1.0, D435_INTRINSICS)) == pytest.approx(0.0042, abs=1e-4)
    assert float(D405.depth_sigma(0.5, D405_INTRINSICS)) == pytest.approx(0.0029, abs=1e-4)


def test_the_same_seed_gives_the_same_noise():
    assert_array_equal(measure([Plane((0, 0, 0.7))], 3)[1], measure([Plane((0, 0, 0.7))], 3)[1])
    assert not np.array_equal(
        measure([Plane((0, 0, 0.7))], 3)[1], measure([Plane((0, 0, 0.7))], 4)[1], equal_nan=True
    )


def test_depth_comes_in_whole_units():
    _, measured = measure([Plane((0, 0, 0.7))])
    counts = measured[np.isfinite(measured)].astype(float) / D435.unit_m
    assert_allclose(counts, np.rint(counts), atol=1e-3)


def test_neighbours_are_correlated_as_configured():
    truth, measured = measure([Plane((0, 0, 1.0))])
    error = (measured - truth)[:, 60:].astype(float)
    pair = np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1]
    assert pair == pytest.approx(np.exp(-1 / 4), abs=0.05)


def test_the_shadow_beside_a_near_object():
    _, measured = measure([Sphere((0.05, 0, 0.5), 0.05), Plane((0, 0, 1.0))])
    # The far wall is lost left of the object over the difference of disparities, 1 / 0.5 to 1 / 1.
    row = measured[240]
    left, right = 320 + 385 * 0.0 - 3, 320 + 385 * 0.2 + 3
    shadow = 385 * 0.05 * (1 / 0.5 - 1)
    assert np.isnan(row[int(left - shadow) + 5 : int(left) - 4]).all()
    assert np.isfinite(row[int(left - shadow) - 40 : int(left - shadow) - 5]).all()
    assert np.isfinite(row[int(right) + 5 : int(right) + 60]).all()


def test_edges_are_ragged_and_pixels_fly():
    _, measured = measure(step(0.5, 0.8, GREY))
    band = measured[:, 314:326]
    flying = (band > 0.53) & (band < 0.76)
    assert 0.02 < flying.mean() < 0.3
    away = measured[:, [250, 400]]
    assert not ((away > 0.53) & (away < 0.76)).any()
    columns = [np.nanargmax(row > 0.6) for row in band]
    assert np.std(columns) > 0.3


def test_a_slanted_plane_has_no_edges():
    truth, measured = measure([tilted_plane(0.5, 1.0)])
    centre = np.s_[200:280, 260:380]
    error = (measured - truth)[centre] / D435.depth_sigma(truth[centre], D435_INTRINSICS)
    assert np.nanstd(error) == pytest.approx(1.5, abs=0.3)


def test_the_band_that_the_second_imager_does_not_see():
    _, measured = measure([Plane((0, 0, 0.5))])
    disparity = 385 * 0.05 / 0.5
    assert np.isnan(measured[:, : int(disparity) - 2]).all()
    assert np.isfinite(measured[:, int(disparity) + 2 :]).all()


def test_too_near_and_too_far_are_lost():
    assert np.isnan(measure([Plane((0, 0, 0.14))])[1]).all()
    assert np.isnan(measure([Plane((0, 0, 20.0))])[1]).all()
    assert np.isnan(measure([Plane((0, 0, 0.06))], model=D405, camera=D405_INTRINSICS)[1]).all()


def test_grazing_surfaces_get_lost():
    _, head_on = measure([tilted_plane(0.8, 0.5)])
    _, grazing = measure([tilted_plane(0.8, 1.4)])
    centre = np.s_[230:250, 310:330]
    assert np.isfinite(head_on[centre]).all()
    assert 0.2 < np.isnan(grazing[centre]).mean() < 0.7


def test_incidence_against_the_true_normals():
    seen = view([tilted_plane(0.6, 0.9, 0.3)], D435_INTRINSICS)
    rays = D435_INTRINSICS.image_rays().astype(float)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    truth = -np.sum(rays * seen.normals, axis=-1)
    found = incidence_cosine(1 / seen.depth.astype(float), D435_INTRINSICS)
    centre = np.s_[100:380, 100:500]
    assert np.abs(found - truth)[centre].max() < 0.02


def test_holes_of_a_material():
    probability = np.zeros((480, 640), np.float32)
    probability[:, 320:] = 0.4
    _, measured = measure([Plane((0, 0, 1.0))], hole_probability=probability)
    assert np.isnan(measured[:, 340:]).mean() == pytest.approx(0.4, abs=0.06)
    assert not np.isnan(measured[:, 100:300]).any()


def test_nothing_there_gives_no_depth():
    truth, measured = measure([Sphere((0, 0, 0.5), 0.05)])
    assert np.isnan(measured[np.isnan(truth)]).mean() > 0.99


def test_a_wrong_size_is_refused():
    with pytest.raises(InvalidInputError, match="480, 640"):
        noisy_depth(np.ones((10, 10), np.float32), D435_INTRINSICS, D435, np.random.default_rng(0))
