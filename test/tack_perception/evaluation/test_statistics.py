# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.statistics import (
    Share,
    area_under_roc,
    expected_calibration_error,
    quantile,
)


def test_the_interval_is_wilsons():
    share = Share(8, 10)
    assert share.value == 0.8
    # Newcombe (1998), method 3
    assert (share.low, share.high) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert str(share) == "80.0% [49.0%, 94.3%]"


@given(st.integers(1, 1000), st.floats(0, 1))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(trials, part):
    share = Share(round(part * trials), trials)
    assert 0 <= share.low <= share.value + 1e-12
    assert share.value - 1e-12 <= share.high <= 1


def test_no_trials_say_nothing():
    share = Share.of([])
    assert math.isnan(share.value)
    assert (share.low, share.high, str(share)) == (0.0, 1.0, "-")
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(area_under_roc([], [1]))
    assert math.isnan(expected_calibration_error([], []))
    with pytest.raises(InvalidInputError, match="3 hits in 2 trials"):
        Share(3, 2)


def test_quantiles_count_what_was_not_found():
    values = [1.0, 2.0, 3.0, math.inf]
    assert quantile(values, 0.5) == 2.0
    assert quantile(values, 0.75) == 3.0
    assert quantile(values, 0.95) == math.inf
    assert quantile(values, 0.0) == 1.0


def test_calibration():
    rng = np.random.default_rng(0)
    stated = rng.uniform(size=20000)
    honest = rng.uniform(size=20000) < stated
    assert expected_calibration_error(stated, honest) < 0.02
    assert expected_calibration_error(np.ones(10), np.zeros(10)) == 1.0
    with pytest.raises(InvalidInputError):
        expected_calibration_error([0.5], [True, False])


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_area_under_roc_is_the_share_of_ordered_pairs(high, low):
    pairs = [(h > n) + 0.5 * (h == n) for h in high for n in low]
    assert area_under_roc(high, low) == pytest.approx(np.mean(pairs))
