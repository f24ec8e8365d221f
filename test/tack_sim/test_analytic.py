# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_sim.analytic import Plane, Rod, Sphere, step, tilted_plane, view, with_holes

CAMERA = CameraIntrinsics(160, 120, 100.0, 100.0, 79.5, 59.5)


def points_of(seen):
    return CAMERA.deproject_image(seen.depth).astype(float)


def test_a_tilted_plane():
    seen = view([tilted_plane(0.5, math.radians(40), math.radians(30))], CAMERA)
    points = points_of(seen)
    normal = (
        math.sin(math.radians(40)) * math.cos(math.radians(30)),
        math.sin(math.radians(40)) * math.sin(math.radians(30)),
        -math.cos(math.radians(40)),
    )
    assert_allclose((points - (0, 0, 0.5)) @ normal, 0, atol=1e-6)
    assert_allclose(seen.normals, np.broadcast_to(normal, points.shape), atol=1e-12)
    # It recedes towards the direction given: right and down.
    assert seen.depth[100, 140] > 0.5 > seen.depth[20, 20]


def test_a_sphere():
    seen = view([Sphere((0.02, -0.01, 0.5), 0.1)], CAMERA)
    hit = seen.surface == 0
    assert 100 < hit.sum() < hit.size
    radii = np.linalg.norm(points_of(seen)[hit] - (0.02, -0.01, 0.5), axis=-1)
    assert_allclose(radii, 0.1, atol=1e-6)
    assert np.nanmin(seen.depth) == pytest.approx(0.4, abs=2e-4)
    assert np.isnan(seen.depth[~hit]).all()


def test_a_rod():
    seen = view([Rod((0.0, 0.0, 0.5), (1.0, 0.0, 1.0), 0.02)], CAMERA)
    hit = seen.surface == 0
    offsets = points_of(seen)[hit] - (0, 0, 0.5)
    axis = np.array([1, 0, 1]) / math.sqrt(2)
    across = offsets - np.outer(offsets @ axis, axis)
    assert hit.sum() > 100
    assert_allclose(np.linalg.norm(across, axis=1), 0.02, atol=1e-6)


@pytest.mark.parametrize(
    "surface", [tilted_plane(0.5, 0.6), Sphere((0, 0, 0.5), 0.1), Rod((0, 0, 0.5), (1, 1, 0), 0.05)]
)
def test_normals_are_unit_and_face_the_camera(surface):
    seen = view([surface], CAMERA)
    hit = seen.surface == 0
    assert_allclose(np.linalg.norm(seen.normals[hit], axis=-1), 1)
    assert (np.sum(seen.normals[hit] * points_of(seen)[hit], axis=-1) < 0).all()


def test_the_nearest_surface_is_seen():
    seen = view(step(0.4, 0.7, ((255, 0, 0), (0, 0, 255))), CAMERA)
    assert_allclose(seen.depth[:, :80], 0.4)
    assert_allclose(seen.depth[:, 80:], 0.7)
    assert seen.color[0, 0].tolist() == [255, 0, 0]
    assert seen.color[0, -1].tolist() == [0, 0, 255]


def test_a_surface_behind_the_camera_is_not_seen():
    for surface in (Plane((0, 0, -1)), Sphere((0, 0, -1), 0.2), Rod((0, 0, -1), (1, 0, 0), 0.1)):
        assert np.isnan(view([surface], CAMERA).depth).all()


def test_holes_have_the_area_of_their_discs():
    depth = view([Plane((0, 0, 1.0))], CAMERA).depth
    holed = with_holes(depth, np.array([[40.0, 60.0], [120.0, 60.0]]), 9.0)
    assert np.isnan(holed).sum() == pytest.approx(2 * math.pi * 81, rel=0.05)
    assert np.isfinite(depth).all()


def test_a_frame_of_the_view():
    seen = view([Plane((0, 0, 1.0))], CAMERA, np.random.default_rng(0))
    frame = seen.frame()
    assert frame.color.std() > 1
    assert_allclose(frame.depth, 1.0)


def test_an_empty_scene_is_refused():
    with pytest.raises(InvalidInputError, match="at least one"):
        view([], CAMERA)
