# SPDX-License-Identifier: Apache-2.0
"""Similarities of space: many at once, and from triangles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tack_perception.similarity import Similarities, distinct, from_pairs, from_triples, joined


def known(seed: int, count: int = 3, scale: float = 1.2) -> Similarities:
    rng = np.random.default_rng(seed)
    turns = Rotation.random(count, random_state=seed).as_matrix()
    return Similarities(np.full(count, scale), turns, rng.normal(size=(count, 3)))


def cloud(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*shape, 3)) * 0.05


def test_each_maps_by_its_own_formula() -> None:
    several, points = known(0), cloud(0, 5)
    for number, mapped in enumerate(several.apply(points)):
        expected = 1.2 * points @ several.rotation[number].T + several.translation[number]
        np.testing.assert_allclose(mapped, expected, atol=1e-12)
    np.testing.assert_allclose(several[1:].apply(points), several.apply(points)[1:])
    assert len(several[np.array([True, False, True])]) == 2


def test_what_is_undone_is_where_it_was() -> None:
    several, points = known(1), cloud(1, 5)
    expected = np.broadcast_to(points, (3, 5, 3))
    np.testing.assert_allclose(several.undo(several.apply(points)), expected, atol=1e-12)
    np.testing.assert_allclose(several.apply(several.undo(points)), expected, atol=1e-12)
    np.testing.assert_allclose(several.unrotate(several.rotate(points)), expected, atol=1e-12)
    lengths = np.linalg.norm(several.rotate(points), axis=-1)
    np.testing.assert_allclose(lengths, np.linalg.norm(expected, axis=-1))


def test_a_step_turns_and_grows_about_its_middle_and_then_moves() -> None:
    several, points = known(2), cloud(2, 5)
    steps, middles = cloud(3, 3, 2).reshape(3, 6) * 5, cloud(4, 3)
    steps = np.column_stack([steps, [0.1, -0.2, 0.0]])
    moved = several.moved(steps, middles).apply(points)
    for n in range(3):
        turn = Rotation.from_rotvec(steps[n, :3]).as_matrix()
        arm = several.apply(points)[n] - middles[n]
        expected = middles[n] + np.exp(steps[n, 6]) * arm @ turn.T + steps[n, 3:6]
        np.testing.assert_allclose(moved[n], expected, atol=1e-12)
    same = several.moved(np.zeros((3, 7)), middles)
    np.testing.assert_allclose(same.apply(points), several.apply(points), atol=1e-12)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3])
def test_a_triangle_and_its_image_tell_the_similarity(scale: float) -> None:
    truth, triangles = known(5, 20, scale), cloud(5, 20, 3)
    found = from_triples(triangles, truth.apply(triangles))
    right = (np.abs(found.scale - scale) < 1e-9).sum()
    assert right == len(found) >= 10  # the others are too flat
    mapped = found.apply(cloud(6, 4))
    apart = np.linalg.norm(truth.apply(cloud(6, 4))[:, None] - mapped[None], axis=-1).max(-1)
    assert (apart.min(axis=0) < 1e-9).all()
    np.testing.assert_allclose(np.linalg.det(found.rotation), 1)


def test_triangles_that_are_not_alike_tell_nothing() -> None:
    one = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]])
    bent = np.array([[[0, 0, 0], [3, 0, 0], [0, 1, 0.0]]])
    line = np.array([[[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]])
    point = np.zeros((1, 3, 3))
    assert len(from_triples(one, one)) == 1
    for other in (bent, line, point):
        assert len(from_triples(one, other)) == len(from_triples(other, one)) == 0
    assert len(from_triples(line, line)) == len(from_triples(point, point)) == 0
    assert len(from_triples(one, 2 * one, (0.65, 1.5))) == 0
    assert from_triples(one, 1.6 * one, (0.65, 1.5)).scale == pytest.approx(1.5)


def test_of_several_alike_the_best_is_kept() -> None:
    turns = Rotation.from_rotvec(np.outer([0, 5, 90, 95, 180], [0, 0, 1]), degrees=True).as_matrix()
    several = Similarities(np.ones(5), turns, np.zeros((5, 3)))
    scores = [1.0, 2.0, 5.0, 4.0, 3.0]
    kept = distinct(several, scores, np.zeros(3), degrees=20, metres=0.1, most=9)
    assert kept.tolist() == [2, 4, 1]
    kept = distinct(several, scores, np.zeros(3), degrees=20, metres=0.1, most=2)
    assert kept.tolist() == [2, 4]
    # Turned about a far point they lie far apart.
    kept = distinct(several, scores, [10.0, 0, 0], degrees=20, metres=0.1, most=9)
    assert kept.tolist() == [2, 3, 4, 1, 0]


def test_pairs_tell_the_motion_by_their_weights() -> None:
    truth, source = known(4, 2, scale=1.0), cloud(4, 9)
    target = truth.apply(source)[0]
    target[6:] = truth.apply(source)[1, 6:]  # some move otherwise
    weights = np.array([[2.0] * 6 + [0] * 3, [0.0] * 6 + [1, 2, 3]])
    found = from_pairs(source, target, weights)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-9)
    np.testing.assert_allclose(found.translation, truth.translation, atol=1e-9)
    assert found.scale.tolist() == [1, 1]


def test_a_plane_is_never_mirrored() -> None:
    flat = cloud(5, 8) * (1, 1, 0)
    mirrored = from_pairs(flat, cloud(5, 8) * (-1, 1, 1), np.ones((1, 8)))
    assert np.linalg.det(mirrored.rotation[0]) == pytest.approx(1)


def test_joined_ones_stay_in_their_order() -> None:
    several = known(6, 4)
    again = joined(several[:1], several[1:3], several[3:])
    for name, part in vars(several).items():
        np.testing.assert_array_equal(getattr(again, name), part)
