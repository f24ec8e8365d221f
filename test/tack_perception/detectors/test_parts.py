# SPDX-License-Identifier: Apache-2.0
"""The parts of the hand-crafted detector, each against what it must be by construction."""

import math

import cv2
import numpy as np
import pytest

from tack_perception.detectors.features import DenseFeatures, best_of_four, describe
from tack_perception.detectors.gradients import LENGTH, GradientPyramid
from tack_perception.detectors.refinement import refine
from tack_perception.detectors.registry import DETECTORS, make_detector
from tack_perception.detectors.voting import peaks, vote
from tack_perception.detectors.whitening import Whitening
from tack_perception.errors import ConfigurationError


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur(rng.normal(size=(161, 161, 3)), (0, 0), 3)
    return np.clip(120 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def test_a_ramp_has_one_direction_and_a_blank_wall_none():
    ramp = np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)
    (descriptor,) = GradientPyramid(ramp).describe(np.array([[50, 50]], np.float32), 4)
    energy = (descriptor.reshape(2, 16, 4) ** 2).sum(axis=1).ravel()
    # The response to a direction falls with the cubed cosine; the neighbours are 45° away.
    share = 1 / (1 + 2 * 0.5**1.5)
    assert energy / energy.sum() == pytest.approx(
        [share, (1 - share) / 2, 0, 0, 0, 0, 0, (1 - share) / 2], abs=1e-3
    )
    blank = np.full((100, 100, 3), 80, np.uint8)
    (descriptor,) = GradientPyramid(blank).describe(np.array([[50, 50]], np.float32), 4)
    assert np.linalg.norm(descriptor) < 1e-3


def test_descriptors_have_unit_length_where_there_is_texture(picture):
    pixels = np.random.default_rng(0).uniform(20, 140, (50, 2)).astype(np.float32)
    described = GradientPyramid(picture).describe(pixels, 6)
    assert described.shape == (50, LENGTH)
    length = np.linalg.norm(described, axis=1)
    assert (length > 0.8).all()
    assert (length <= 1 + 1e-6).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_axes_turned_with_the_picture_see_the_same(picture, quarters):
    centre = np.array([[80, 80]], np.float32)
    (before,) = GradientPyramid(picture).describe(centre, 6)
    turned = np.ascontiguousarray(np.rot90(picture, -quarters))  # clockwise: u towards v
    (after,) = GradientPyramid(turned, quarters * math.pi / 2).describe(centre, 6)
    assert before @ after > 0.995 * (before @ before)


def test_a_picture_of_twice_the_size_looks_the_same_with_cells_of_twice_the_size(picture):
    (before,) = GradientPyramid(picture).describe(np.array([[80, 80]], np.float32), 6)
    large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    (after,) = GradientPyramid(large).describe(np.array([[160.5, 160.5]], np.float32), 12)
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert cosine > 0.98


def test_whitening_makes_common_directions_worth_as_little_as_rare_ones():
    rng = np.random.default_rng(1)
    spread = np.linspace(1, 5, 40)
    samples = (rng.normal(size=(5000, 40)) * spread + 3).astype(np.float32)
    white = Whitening(samples)(samples)
    assert np.allclose(np.linalg.norm(white, axis=1), 1, atol=1e-4)
    covariance = white.T @ white / len(white) * 40
    variance = np.diag(covariance)
    assert variance.max() < 2 * variance.min()  # 25 times before
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.1


def test_the_first_dimensions_whiten_the_first_of_a_descriptor_alone():
    rng = np.random.default_rng(4)
    samples = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 12))).astype(np.float32)
    whitening = Whitening(samples)
    first = whitening(samples)[:, :5]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    assert np.allclose(whitening(samples[:, :5]), first, atol=1e-5)


def test_a_rough_similarity_is_the_best_of_two_in_each_four_grid_points(picture):
    features = DenseFeatures(picture, 8, (4.0, 8.0))
    raw = describe(features.pyramid, features.pixels[4:6, 6:8].reshape(-1, 2), features.cells)
    rough = features.rough_similarity(raw)
    assert rough.shape == (4, 10, 10)
    assert rough[[0, 3], 2, 3] == pytest.approx(np.ones(2), abs=1e-3)
    fine = features.similarity(features.whitening(raw))
    assert np.allclose(best_of_four(fine)[:, 2, 3], 1, atol=1e-3)
    assert (best_of_four(fine) >= fine[:, :20:2, :20:2]).all()
    assert np.median(rough) < 0.3


def constellation(at, affine, step=4, shape=(60, 80)):
    """Similarity maps with one peak for each anchor, where an affine map puts it."""
    line = np.linspace(-60, 60, 6)
    x, y = np.meshgrid(line, line)
    offsets = np.vstack([[0, 0], np.stack([x, y], axis=-1).reshape(-1, 2)]).astype(np.float32)
    places = offsets @ affine.T + at
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]] * step + (step - 1) / 2
    away = (u - places[:, 0, None, None]) ** 2 + (v - places[:, 1, None, None]) ** 2
    return (0.9 * np.exp(-away / (2 * 6.0**2))).astype(np.float32), offsets


def test_votes_meet_at_the_click():
    at = np.array([161.5, 121.5])
    similarity, offsets = constellation(at, np.eye(2))
    far = np.array([[-4000, 0]], np.float32)  # off the picture: it has no vote
    weights = np.full(len(offsets) + 1, 1 / len(offsets), np.float32)
    similarity = np.concatenate([similarity, np.ones_like(similarity[:1])])
    votes = vote(similarity[None], np.concatenate([offsets, far])[None], weights, 4)[0]
    (row, column), (other_row, other_column) = peaks(votes, 2, apart=4)
    assert abs(row - 30) <= 1
    assert abs(column - 40) <= 1
    assert votes[row, column] > 2 * votes[other_row, other_column]


def test_each_pose_has_its_own_votes():
    at = np.array([161.5, 121.5])
    poses = [constellation(at, affine) for affine in (np.eye(2), np.eye(2) * 0.7)]
    similarity = np.stack([poses[1][0], poses[1][0]])
    offsets = np.stack([poses[0][1], poses[1][1] * np.float32(0.7)])
    weights = np.full(offsets.shape[1], 1 / offsets.shape[1], np.float32)
    wrong, right = vote(similarity, offsets, weights, 4)
    assert right.max() > 2 * wrong.max()
    alone = vote(similarity[1:], offsets[1:], weights[None], 4)[0]
    assert np.array_equal(alone, right)


def test_an_affine_map_is_followed_past_outliers_and_a_hidden_click():
    at = np.array([158.3, 122.9])
    affine = np.array([[1.1, 0.08], [-0.06, 0.85]])
    similarity, offsets = constellation(at, affine)
    rng = np.random.default_rng(2)
    for outlier in rng.choice(np.arange(1, len(offsets)), 8, replace=False):
        similarity[outlier] = np.roll(similarity[outlier], (3, -4), axis=(0, 1))
    weights = np.full((2, len(offsets)), 1 / len(offsets), np.float32)
    starts = at + np.array([[5, -6], [120, 80]])
    hidden = similarity.copy()
    hidden[0] = 0
    both, which = np.stack([similarity, hidden]), np.array([0, 0])
    offsets = np.stack([offsets, offsets])
    match = refine(both, which, offsets, weights, starts, 4)
    assert np.abs(match.pixel[0] - at).max() < 0.6
    assert match.own[0] > 0.8
    assert match.spread_px[0] < 4
    assert match.affine[0, 2] == pytest.approx(at, abs=2)
    assert match.evidence[1] < match.evidence[0] - 0.3  # it started elsewhere
    unseen = refine(both, which + 1, offsets, weights, starts, 4)
    assert unseen.own[0] == 0
    assert np.abs(unseen.pixel[0] - at).max() < 4
    assert unseen.evidence[0] < match.evidence[0] - 0.3


def test_detectors_are_made_by_name():
    assert DETECTORS == ("combined", "dense", "fused", "tack", "don")
    detector = make_detector("dense", {"step_px": 8})
    assert detector.labels == ()
    with pytest.raises(ConfigurationError, match="'densest': known are combined, dense"):
        make_detector("densest")
    with pytest.raises(ConfigurationError, match="detector dense: unknown setting stride"):
        make_detector("dense", {"stride": 8})
    with pytest.raises(ConfigurationError, match="step_px = 1: allowed is 2 to 16 px"):
        make_detector("dense", {"step_px": 1})
