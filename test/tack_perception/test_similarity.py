# SPDX-License-Identifier: Apache-2.0
"""Similarities of space, and what pairs of points agree on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tack_perception.errors import InvalidInputError
from tack_perception.similarity import Similarity, agree, fit_similarity


def known(seed: int, scale: float = 1.2) -> Similarity:
    rng = np.random.default_rng(seed)
    return Similarity(scale, Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3))


def cloud(seed: int, count: int = 40, flat: bool = False) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 3)) * 0.05
    return points * (1, 1, 0) if flat else points


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_similarity_is_found_again(seed: int, flat: bool) -> None:
    truth, points = known(seed), cloud(seed, 12, flat)
    found = fit_similarity(points, truth.apply(points))
    assert found.scale == pytest.approx(1.2)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-9)
    np.testing.assert_allclose(found.translation, truth.translation, atol=1e-9)
    np.testing.assert_allclose(found.rotate([1, 0, 0]), truth.rotation[:, 0], atol=1e-9)


def test_a_mirror_image_is_met_by_a_rotation() -> None:
    points = cloud(0)
    found = fit_similarity(points, points * (1, 1, -1))
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_weights_decide_and_the_scale_can_be_fixed() -> None:
    truth, points = known(1), cloud(1)
    target = truth.apply(points)
    target[:5] += 1.0
    weights = np.r_[np.zeros(5), np.ones(35)]
    np.testing.assert_allclose(
        fit_similarity(points, target, weights).rotation, truth.rotation, atol=1e-9
    )
    assert fit_similarity(points, target, weights, scales=(1, 1)).scale == 1


def test_it_is_the_least_squares() -> None:
    """No small change of it brings noisy points nearer."""
    rng = np.random.default_rng(2)
    points, truth = cloud(2), known(2)
    target = truth.apply(points) + rng.normal(size=points.shape) * 0.01
    best = fit_similarity(points, target)

    def missed(one: Similarity) -> float:
        return float(((one.apply(points) - target) ** 2).sum())

    for seed in range(30):
        step = np.random.default_rng(seed).normal(size=7) * 1e-3
        turned = Rotation.from_rotvec(step[:3]).as_matrix() @ best.rotation
        other = Similarity(best.scale * (1 + step[6]), turned, best.translation + step[3:6])
        assert missed(other) > missed(best)


@pytest.mark.parametrize("points", [np.eye(3)[:2], np.outer(np.arange(6.0), [1, 2, 3])])
def test_what_has_no_one_rotation_is_refused(points: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match=r"three pairs|line"):
        fit_similarity(points, points)


@pytest.mark.parametrize("wrong", [0.0, 0.4, 0.7])
def test_the_right_pairs_are_told_from_the_wrong(wrong: float) -> None:
    rng = np.random.default_rng(3)
    truth, points = known(3, 1.1), cloud(3, 64)
    target = truth.apply(points) + rng.normal(size=points.shape) * 0.001
    bad = np.arange(64) < wrong * 64
    target[bad] = truth.apply(cloud(9, 64)[bad])  # somewhere on a thing of that size
    found = agree(points, target, 0.02, scales=(0.7, 1.4))
    assert found is not None
    error = found.similarity.apply(points) - truth.apply(points)
    assert np.linalg.norm(error, axis=1).max() < 0.004
    assert found.weights[~bad].min() > 0.8
    assert found.share == pytest.approx(1 - wrong, abs=0.12)


def test_chance_agrees_little_and_the_same_twice() -> None:
    one, two = (agree(cloud(4, 64), cloud(5, 64), 0.02) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.share == two.share < 0.25


def test_nothing_agrees() -> None:
    assert agree(cloud(0, 2), cloud(0, 2), 0.01) is None
    line = np.outer(np.arange(8.0), [1, 2, 3])
    assert agree(line, line, 0.01) is None
    assert agree(cloud(0), cloud(0) * 5, 0.01, scales=(0.8, 1.2)) is None


def test_where_the_frames_lie_does_not_matter() -> None:
    truth, points = known(6, 0.9), cloud(6, 64)
    target = truth.apply(points)
    target[:25] = truth.apply(cloud(7, 64)[:25])
    here = agree(points, target, 0.02)
    moved = known(8, 1.0)
    there = agree(points, moved.apply(target), 0.02)
    assert here is not None
    assert there is not None
    np.testing.assert_allclose(here.weights, there.weights, atol=1e-6)
    np.testing.assert_allclose(
        moved.apply(here.similarity.apply(points)), there.similarity.apply(points), atol=1e-9
    )
