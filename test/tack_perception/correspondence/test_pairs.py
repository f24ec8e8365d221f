# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tack_perception import geometry
from tack_perception.correspondence import draw_pairs
from tack_perception.correspondence.consistency import reprojection_errors, transfer_errors
from tack_perception.errors import InvalidInputError

from .conftest import CAMERA, SIZES, TABLE


def generator(seed=0):
    return np.random.default_rng(seed)


def on_tile(view, pixels):
    """(N, 2) places on the tile, 0 to 1, that pixels show: by the plane that it lies in."""
    rays = CAMERA.rays(pixels) @ view.world_from_camera[:3, :3].T
    origin = view.world_from_camera[:3, 3]
    world = origin + rays * ((TABLE - origin[2]) / rays[:, 2])[:, None]
    local = geometry.apply(geometry.inverse(view.objects[0].world_from_object), world)
    return local[:, :2] / SIZES[view.objects[0].instance] + 0.5


@pytest.mark.parametrize(("i", "j"), [(0, 1), (1, 0), (0, 2), (3, 1), (2, 3)])
def test_both_pixels_show_the_same_place(data, i, j):
    pairs = data.pairs(i, j, 60, generator())
    assert len(pairs) == 60
    first, second = data.view(i), data.view(j)
    assert_allclose(on_tile(first, pairs.first), on_tile(second, pairs.second), atol=2e-3)
    assert_array_equal(pairs.first, np.rint(pairs.first))
    assert len(np.unique(pairs.first, axis=0)) == 60
    assert (pairs.first_object == 0).all()
    assert (pairs.second_object == 0).all()


def test_the_same_seed_draws_the_same(data):
    drawn = [data.pairs(0, 2, 20, generator(seed)).first for seed in (1, 1, 2)]
    assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_the_background_counts_if_asked_for(data):
    pairs = data.pairs(0, 1, 400, generator(), background=True)
    background = pairs.first_object < 0
    assert 0.3 < background.mean() < 0.95
    first, second = data.view(0), data.view(1)
    u, v = pairs.first[background].astype(int).T
    points = first.intrinsics.deproject(pairs.first[background], first.true_depth[v, u])
    there = geometry.apply(
        geometry.inverse(second.world_from_camera) @ first.world_from_camera, points
    )
    assert_allclose(second.intrinsics.project(there), pairs.second[background], atol=1e-3)


def test_what_is_hidden_is_not_paired(data):
    first, second = data.view(0), data.view(1)
    wall = second.true_depth.copy()
    wall[:, :32] = 0.1
    blocked = dataclasses.replace(second, true_depth=wall, depth=wall)
    pairs = draw_pairs(data, first, blocked, 2000, generator())
    assert len(pairs) > 20
    assert (pairs.second[:, 0] > 31).all()
    assert len(draw_pairs(data, first, second, 2000, generator())) > 1.3 * len(pairs)


def test_the_back_of_a_thin_wall_is_not_paired(data):
    """From below the other side is seen, at nearly the same depth."""
    first, second = data.view(0), data.view(1)
    below = geometry.frame_from_axes((0, 0, 1), (1, 0, 0), (0, 0, -0.3))
    shown = np.ones((48, 64), np.uint8)
    depth = np.full((48, 64), 0.3 + TABLE, np.float32)
    under = dataclasses.replace(
        second, world_from_camera=below, instance=shown, true_depth=depth, depth=depth,
        canonical=None,
    )  # fmt: skip
    assert len(draw_pairs(data, first, under, 50, generator())) == 0
    faceless = dataclasses.replace(first, canonical=None)
    assert len(draw_pairs(data, faceless, under, 50, generator())) > 0


def test_real_views_are_paired_by_measured_depth_and_pose(data):
    def real(view):
        return dataclasses.replace(
            view, true_depth=None, instance=None, canonical=None, objects=(), points=()
        )

    first, second = real(data.view(0)), real(data.view(1))
    pairs = draw_pairs(data, first, second, 50, generator())
    assert len(pairs) == 50
    assert (pairs.first[:, 0] >= 3).all()  # the first columns have no depth
    assert (pairs.first_object == -1).all()
    with pytest.raises(InvalidInputError, match="canonical map"):
        draw_pairs(data, first, dataclasses.replace(second, scene=5), 5, generator())
    unposed = dataclasses.replace(second, world_from_camera=None)
    with pytest.raises(InvalidInputError, match="world_from_camera"):
        draw_pairs(data, first, unposed, 5, generator())
    with pytest.raises(InvalidInputError, match="no depth"):
        draw_pairs(data, dataclasses.replace(first, depth=None), second, 5, generator())


def test_views_without_anything_in_common(data):
    far = data.view(1).world_from_camera.copy()
    far[0, 3] += 3
    away = dataclasses.replace(data.view(1), world_from_camera=far)
    assert len(draw_pairs(data, data.view(0), away, 10, generator())) == 0
    nobody = dataclasses.replace(data.view(2), objects=(), instance=None, canonical=None)
    assert len(draw_pairs(data, data.view(0), nobody, 10, generator())) == 0


def test_a_consistent_set_has_no_errors(data):
    for view in data:
        assert reprojection_errors(data, view).max() < 0.01
    for i, j in ((0, 1), (0, 2), (3, 0)):
        errors = transfer_errors(data, data.view(i), data.view(j))
        assert errors.size > 100
        assert np.percentile(errors, 99) < 0.05


def test_a_wrong_pose_shows(data):
    view = data.view(1)
    moved = view.world_from_camera.copy()
    moved[0, 3] += 0.004
    wrong = dataclasses.replace(view, world_from_camera=moved)
    pixels = 0.004 * 60 / 0.248
    assert np.median(reprojection_errors(data, wrong)) == pytest.approx(pixels, rel=0.05)
    transfer = transfer_errors(data, data.view(0), wrong)
    assert np.median(transfer) == pytest.approx(pixels, rel=0.05)
    elsewhere = geometry.make_transform(np.eye(3), (0.0, 0.01, TABLE))
    thing = dataclasses.replace(view.objects[0], world_from_object=elsewhere)
    shifted = dataclasses.replace(view, objects=(thing,))
    errors = reprojection_errors(data, shifted)
    assert np.median(errors) == pytest.approx(0.01 * 60 / 0.248, rel=0.05)
