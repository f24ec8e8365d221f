# SPDX-License-Identifier: Apache-2.0
"""Why pixels are measured: the published metric of mined descriptors praises random guesses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tack_perception.evaluation.statistics import Share

FloatArray = NDArray[np.float64]
HEIGHT, WIDTH, TRIALS = 480, 640, 50_000


def published_score(found: FloatArray, truth: FloatArray) -> float:
    """As src/don/metrices.py of the published code has it, its formulas written anew.

    "PCK@k" is the share of points whose (row, column), as a vector from the picture's corner, has a
    cosine of k / 100 or more to the true one's; the score is its area over k = 1 … 100. It is told
    here of (N, 2) pixels found and true.
    """
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(truth, axis=1)
    cosine = (found * truth).sum(axis=1) / (lengths + 1e-12)
    curve = np.array([(cosine >= k / 100).mean() for k in range(1, 101)])
    steps = np.linspace(0, 1, 100)
    return float(((curve[1:] + curve[:-1]) / 2 * np.diff(steps)).sum())


def pck(found: FloatArray, truth: FloatArray, pixels: float) -> Share:
    return Share.of(np.linalg.norm(found - truth, axis=1) <= pixels)


def places(rng: np.random.Generator, low: float, high: float) -> FloatArray:
    """(N, 2) rows and columns, uniform in the middle part of the picture from low to high."""
    return rng.uniform(low, high, (TRIALS, 2)) * (HEIGHT, WIDTH)


def test_random_guesses_are_praised_by_the_published_metric_and_not_by_pixels() -> None:
    rng = np.random.default_rng(0)
    truth, guess = places(rng, 0, 1), places(rng, 0, 1)
    assert published_score(guess, truth) > 0.8
    assert published_score(guess, truth) == pytest.approx(0.841, abs=0.01)
    share = pck(guess, truth, 10)
    assert share.high < 0.01
    assert share.value == pytest.approx(np.pi * 100 / (HEIGHT * WIDTH), rel=0.4)


def test_on_an_object_in_the_middle_random_guesses_are_nearly_perfect() -> None:
    rng = np.random.default_rng(1)
    truth, guess = places(rng, 0.3, 0.7), places(rng, 0.3, 0.7)
    assert published_score(guess, truth) > 0.95
    assert pck(guess, truth, 10).high < 0.01


def test_it_cannot_tell_a_good_answer_from_one_far_along_the_ray() -> None:
    rng = np.random.default_rng(2)
    truth = places(rng, 0.3, 0.7)
    assert published_score(truth, truth) > 0.98
    assert published_score(truth / 3, truth) == pytest.approx(
        published_score(truth, truth), abs=1e-3
    )
    assert pck(truth, truth, 10).value == 1
    assert pck(truth / 3, truth, 10).value == 0
