# SPDX-License-Identifier: Apache-2.0
"""Sums over a short last axis are those of numpy."""

from __future__ import annotations

import numpy as np

from tack_perception.vectors import cross, dot, length, within


def test_they_are_numpys():
    first, second = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    np.testing.assert_allclose(dot(first, second), (first * second).sum(-1), atol=1e-12)
    np.testing.assert_allclose(length(first), np.linalg.norm(first, axis=-1), atol=1e-12)
    np.testing.assert_allclose(cross(first, second), np.cross(first, second), atol=1e-12)
    one = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(cross(first, one), np.cross(first, one), atol=1e-12)
    np.testing.assert_allclose(dot(first, one), first[..., 2], atol=1e-12)


def test_a_place_lies_within_only_if_both_numbers_do():
    places = np.array([[0, 0], [3.4, 1.4], [3.5, 0], [0, 1.5], [-0.5, 0], [np.nan, 0], [0, np.nan]])
    inside = within(places, -0.5, (3.5, 1.5))
    assert inside.tolist() == [True, True, False, False, False, False, False]
