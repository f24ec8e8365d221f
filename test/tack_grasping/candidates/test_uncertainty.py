# SPDX-License-Identifier: Apache-2.0
"""The covariance of a pose that is constructed from points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_grasping.candidates.taught_frame import fitted
from tack_grasping.candidates.uncertainty import Slack, carried, largest_sigma, moved_along
from tack_perception import geometry

TAUGHT = np.array([[0, 0, 0], [0.08, 0.01, 0], [0.02, 0.07, 0.01], [0.03, 0.02, 0.06]])
MOTION = geometry.exp([0.4, -0.1, 0.3, 0.5, -1.1, 0.7])
GRASP = geometry.exp([0.03, 0.02, 0.1, 0.1, 3.0, 0.2])


def spreads(rng: np.random.Generator, count: int, sigma: float) -> list[np.ndarray]:
    """Covariances with different sizes and directions, as depth cameras give them."""
    roots = rng.normal(size=(count, 3, 3)) * sigma * rng.uniform(0.5, 1.5, (count, 1, 1))
    return [root @ root.T + np.eye(3) * (0.3 * sigma) ** 2 for root in roots]


def test_kabsch_is_exact_without_noise() -> None:
    seen = geometry.apply(MOTION, TAUGHT)
    for weights in (np.ones(4), np.array([1.0, 5.0, 0.2, 3.0])):
        assert_allclose(fitted(TAUGHT, seen, weights), MOTION, atol=1e-12)
        assert_allclose(fitted(TAUGHT[:3], seen[:3], weights[:3]), MOTION, atol=1e-12)


def test_the_covariance_of_a_fitted_frame_is_that_of_a_monte_carlo() -> None:
    rng = np.random.default_rng(4)
    covariances = spreads(rng, 4, 0.001)
    weights = np.array([1.0, 0.6, 1.4, 0.8])
    seen = geometry.apply(MOTION, TAUGHT) + rng.normal(0, 0.001, (4, 3))

    def construct(places: np.ndarray) -> np.ndarray:
        return fitted(TAUGHT, places, weights) @ GRASP

    predicted = carried(construct, seen, covariances)
    roots = np.linalg.cholesky(np.array(covariances))
    noise = np.einsum("kij,nkj->nki", roots, rng.normal(size=(6000, 4, 3)))
    from_frame = geometry.inverse(construct(seen))
    drawn = np.array([geometry.log(from_frame @ construct(seen + one)) for one in noise])
    measured = np.cov(drawn.T)
    assert_allclose(np.diag(predicted), np.diag(measured), rtol=0.1)
    scale = np.sqrt(np.outer(np.diag(measured), np.diag(measured)))
    assert_allclose(predicted / scale, measured / scale, atol=0.1)


def test_more_and_wider_points_make_a_frame_more_certain() -> None:
    def sigma(points: np.ndarray) -> float:
        covariance = carried(
            lambda places: fitted(points, places, np.ones(len(points))),
            points,
            [np.eye(3) * 1e-6] * len(points),
        )
        return largest_sigma(covariance[3:, 3:])

    assert sigma(TAUGHT) < sigma(TAUGHT[:3])
    assert sigma(TAUGHT * 2) == pytest.approx(sigma(TAUGHT) / 2, rel=1e-3)


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_the_covariance_is_the_same_from_every_frame(twist: list[float]) -> None:
    move = geometry.exp(twist)
    covariances = spreads(np.random.default_rng(5), 4, 0.002)

    def construct(places: np.ndarray) -> np.ndarray:
        return fitted(TAUGHT, places, np.ones(4)) @ GRASP

    here = carried(construct, TAUGHT, covariances)
    turned = [geometry.rotate_covariance(move, covariance) for covariance in covariances]
    assert_allclose(
        carried(construct, geometry.apply(move, TAUGHT), turned), here, atol=1e-6 * here.max()
    )


def test_what_is_fixed_to_a_pose_swings_with_it() -> None:
    covariance = np.diag([1e-6, 4e-6, 9e-6, 0.0, 0.01, 0.0])
    ahead = geometry.make_transform(np.eye(3), (0.0, 0.0, 0.1))
    moved = moved_along(covariance, ahead)
    assert_allclose(np.diag(moved)[:3], (1e-6 + 0.01 * 0.1**2, 4e-6, 9e-6), atol=1e-12)
    assert_allclose(np.diag(moved)[3:], (0.0, 0.01, 0.0), atol=1e-12)
    assert_allclose(moved_along(moved, geometry.inverse(ahead)), covariance, atol=1e-12)
    half = geometry.from_axis_angle((0, 0, 1), math.pi)
    assert_allclose(moved_along(covariance, half), covariance, atol=1e-15)


def test_the_chance_is_that_of_a_monte_carlo() -> None:
    slack = Slack((-0.01, 0.02), 0.012, 0.008)
    sigma = np.array([0.009, 0.007, 0.006])
    drawn = np.random.default_rng(6).normal(size=(200_000, 3)) * sigma
    inside = (drawn[:, 0] > -0.01) & (drawn[:, 0] < 0.02)
    inside &= (np.abs(drawn[:, 1]) < 0.012) & (drawn[:, 2] < 0.008)
    chance = slack.chance(np.diag([*sigma**2, 0, 0, 0]))
    assert chance == pytest.approx(inside.mean(), abs=0.005)
    assert slack.chance(np.zeros((6, 6))) == 1
    assert Slack().chance(np.eye(6)) == 1
    assert Slack(closing=0.0).chance(np.eye(6)) == 0
