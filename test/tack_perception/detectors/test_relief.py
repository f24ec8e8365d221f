# SPDX-License-Identifier: Apache-2.0
"""The surface that a window shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from hills import CAMERA, view, window

from tack_perception.detectors.relief import GRID, nearest, relief_of


def plane(x, y):
    return 0.6 + 0.3 * x - 0.2 * y


def test_a_plane_is_told_exactly():
    relief = relief_of(window(view(plane)))
    normal = np.array([0.3, -0.2, -1.0])
    normal /= np.linalg.norm(normal)
    known = relief.known
    assert known.sum() == GRID**2 - 4  # in the corners there are too few neighbours
    np.testing.assert_allclose(relief.normals[known] - normal, 0, atol=2e-3)
    x, y, z = relief.points[known].T
    np.testing.assert_allclose(z, plane(x, y), atol=2e-5)


def test_noise_is_averaged():
    frame = view(plane)
    noise = np.random.default_rng(0).normal(size=frame.depth.shape) * 0.002
    noisy = dataclasses.replace(frame, depth=(frame.depth + noise).astype(np.float32))
    relief = relief_of(window(noisy))
    x, y, z = relief.points[relief.known].T
    assert np.sqrt(np.mean((z - plane(x, y)) ** 2)) < 0.001


def test_where_depth_is_missing_nothing_is_known():
    frame = view()
    depth = frame.depth.copy()
    depth[:, :150] = np.nan
    relief = relief_of(window(dataclasses.replace(frame, depth=depth)))
    left = relief.places(relief.points)[:, 0] < 10
    assert not left.any()
    assert relief.known.reshape(GRID, GRID)[:, 40:-1].all()
    assert not relief.known.reshape(GRID, GRID)[:, :28].any()
    outside = relief_of(window(frame, u=5.0))
    assert not outside.known.reshape(GRID, GRID)[:, :20].any()
    blind = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    assert not len(relief_of(window(blind)).seen(10))


def test_a_step_is_not_smoothed():
    relief = relief_of(window(view(lambda x, y: np.where(x > 0, 0.6, 0.5) + 0 * y)))
    depth = relief.points[relief.known, 2]
    assert (np.minimum(np.abs(depth - 0.6), np.abs(depth - 0.5)) < 0.002).all()


def test_points_are_found_in_their_own_cells():
    relief = relief_of(window(view()))
    at, inside = nearest(relief.places(relief.points[relief.known]))
    assert inside.all()
    assert (at == np.flatnonzero(relief.known)).mean() > 0.99
    behind = np.array([[0, 0, -1.0], [np.nan, 0, 1], [5, 0, 1]])
    assert not nearest(relief.places(behind))[1].any()


def test_the_object_is_sampled_where_it_faces_the_camera():
    relief = relief_of(window(view()))
    cells = relief.seen(50)
    assert len(cells) == len(set(cells.tolist())) == 50
    assert relief.object[cells].all()
    np.testing.assert_array_equal(cells, relief.seen(50))


def test_slopes_are_those_of_the_colours():
    relief = relief_of(window(view()))
    color = relief.color.reshape(GRID, GRID, 3)
    slope = relief.slope.reshape(GRID, GRID, 3, 2)
    for axis, along in ((0, 1), (1, 0)):
        expected = np.gradient(color, axis=along)[8:-8, 8:-8]
        apart = slope[8:-8, 8:-8, :, axis] - expected
        assert np.abs(apart).max() < 0.15 * np.abs(expected).max()


def test_brightness_does_not_count_but_colour_does():
    frame = view()
    darker = dataclasses.replace(frame, color=(frame.color * 0.8).astype(np.uint8))
    one, two = (relief_of(window(each)) for each in (frame, darker))
    assert np.abs(one.color - two.color)[one.object].mean() < 0.25
    other = dataclasses.replace(frame, color=np.ascontiguousarray(frame.color[..., ::-1]))
    assert np.abs(one.color - relief_of(window(other)).color)[one.object].mean() > 0.5


def test_it_looks_through_the_camera_of_the_frame():
    assert relief_of(window(view())).camera == CAMERA
