# SPDX-License-Identifier: Apache-2.0
"""The parts of the hand-crafted detector, each against what it must be by construction."""

import math

import cv2
import numpy as np
import pytest

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
    energy = (descriptor.reshape(16, 8) ** 2).sum(axis=0)
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
    white = Whitening(samples, keep=40)(samples)
    assert np.allclose(np.linalg.norm(white, axis=1), 1, atol=1e-4)
    covariance = white.T @ white / len(white) * 40
    variance = np.diag(covariance)
    assert variance.max() < 2 * variance.min()  # 25 times before
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.1


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
    weights = np.full(len(offsets), 1 / len(offsets), np.float32)
    votes = vote(similarity, offsets, weights, 4)
    (row, column), (other_row, other_column) = peaks(votes, 2, apart=4)
    assert abs(row - 30) <= 1
    assert abs(column - 40) <= 1
    assert votes[row, column] > 2 * votes[other_row, other_column]


def test_an_affine_map_is_followed_past_outliers_and_a_hidden_click():
    at = np.array([158.3, 122.9])
    affine = np.array([[1.1, 0.08], [-0.06, 0.85]])
    similarity, offsets = constellation(at, affine)
    rng = np.random.default_rng(2)
    for outlier in rng.choice(np.arange(1, len(offsets)), 8, replace=False):
        similarity[outlier] = np.roll(similarity[outlier], (3, -4), axis=(0, 1))
    weights = np.full(len(offsets), 1 / len(offsets), np.float32)
    start = at + np.array([5, -6])
    match = refine(similarity, offsets, weights, start, 4)
    assert np.abs(match.pixel - at).max() < 0.6
    assert match.own > 0.8
    assert match.spread_px < 4
    similarity[0] = 0
    hidden = refine(similarity, offsets, weights, start, 4)
    assert hidden.own == 0
    assert np.abs(hidden.pixel - at).max() < 4
    assert hidden.evidence < match.evidence - 0.3


def test_detectors_are_made_by_name():
    assert DETECTORS == ("dense",)
    detector = make_detector("dense", {"step_px": 8})
    assert detector.labels == ()
    with pytest.raises(ConfigurationError, match="'densest': known are dense"):
        make_detector("densest")
    with pytest.raises(ConfigurationError, match="detector dense: unknown setting stride"):
        make_detector("dense", {"stride": 8})
    with pytest.raises(ConfigurationError, match="step_px = 1: allowed is 2 to 16 px"):
        make_detector("dense", {"step_px": 1})
