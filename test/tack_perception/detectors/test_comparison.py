# SPDX-License-Identifier: Apache-2.0
"""Under the right pose two windows show the same surface, and under a wrong one they do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from hills import CAMERA, FOOT, about_the_foot, view, window

from tack_perception.detectors.comparison import CHANNELS, SIDE, Sight, compare, on_grid
from tack_perception.detectors.relief import GRID, relief_of

KNOWN, OBJECT, MET, THEIRS, GAP, NEAR, TURNED, FACING, OWN = range(9)
ALIKE = 15  # how alike colours are
DESCRIBED = 16


def sight(frame, u=159.5, v=119.5, seed=0):
    one = window(frame, u, v)
    described = np.random.default_rng(seed).normal(size=(5, 32, 32)).astype(np.float32)
    described /= np.linalg.norm(described, axis=0)
    return Sight(relief_of(one), (on_grid(described),))


@pytest.fixture(scope="module")
def first():
    return sight(view())


def test_a_window_is_the_same_as_itself(first):
    maps = compare(first, first, about_the_foot([0.0]), 0.05)
    assert maps.shape == (1, 2, CHANNELS + 1, SIDE, SIDE)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(maps[:, 0], maps[:, 1])
    assert compare(first, first, about_the_foot([0.0])[:0], 0.05).shape == (0, *maps.shape[1:])
    one, known = maps[0, 0], maps[0, 0, KNOWN] > 0
    assert known.mean() > 0.9
    np.testing.assert_allclose(one[GAP][known], 0, atol=1e-6)
    for name in (MET, NEAR, TURNED, ALIKE, DESCRIBED):
        np.testing.assert_allclose(one[name][known], 1, atol=1e-5)
    np.testing.assert_array_equal(one[OBJECT] * one[KNOWN], one[THEIRS])
    np.testing.assert_allclose(one[FACING], one[OWN], atol=1e-6)


def test_the_right_pose_meets_and_a_wrong_one_does_not(first):
    turn = about_the_foot([30.0])
    second = sight(view(turn=turn.rotation[0]), *CAMERA.project(turn.apply(FOOT[None])[0])[0])
    maps = compare(first, second, about_the_foot([30.0, 120.0]), 0.05)
    on_it = maps[:, :, OBJECT] > 0
    near, alike = ([maps[n][:, name][on_it[n]].mean() for n in range(2)] for name in (NEAR, ALIKE))
    assert near[0] > 0.9 > near[1] + 0.1
    assert alike[0] > 0.8 > alike[1] + 0.3
    gap = np.abs(maps[:, :, GAP]).mean(axis=(1, 2, 3))
    assert gap[0] < 0.1 * gap[1]


def test_the_windows_swapped_and_the_pose_undone_swap_the_maps(first):
    second = sight(view(turn=about_the_foot([30.0]).rotation[0]), seed=1)
    there = compare(first, second, about_the_foot([25.0, 70.0]), 0.05)
    back = compare(second, first, about_the_foot([-25.0, -70.0]), 0.05)
    np.testing.assert_allclose(there[:, 0], back[:, 1], atol=1e-4)
    np.testing.assert_allclose(there[:, 1], back[:, 0], atol=1e-4)


def test_where_depth_is_unknown_nothing_is_said(first):
    frame = view()
    depth = np.where(np.arange(320) < 150, frame.depth, np.float32(np.nan))
    half = sight(dataclasses.replace(frame, depth=depth))
    maps = compare(first, half, about_the_foot([0.0]), 0.05)
    assert np.isfinite(maps).all()
    dark = maps[0, 0, KNOWN] == 0
    assert 0.3 < dark.mean() < 0.7
    assert (maps[0, 0][KNOWN][dark] == 0).all()
    for name in (MET, THEIRS, NEAR, TURNED, FACING, OWN, ALIKE, DESCRIBED):
        assert (maps[0, 0, name][dark] == 0).all()


def test_descriptors_come_onto_the_grid_of_the_surface():
    cells = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32)
    spread = on_grid(cells)
    assert spread.shape == (GRID**2, 1)
    np.testing.assert_array_equal(spread.reshape(GRID, GRID)[::2, ::2], cells[0])
    np.testing.assert_array_equal(spread.reshape(GRID, GRID)[1::2, 1::2], cells[0])
