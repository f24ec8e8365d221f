# SPDX-License-Identifier: Apache-2.0
"""A window is where it says: pixels go there and come back, and pictures agree with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.crops import OUTSIDE, Crop
from tack_perception.errors import InvalidInputError

numbers = st.floats(-300, 300)


@given(numbers, numbers, st.floats(4, 900), st.floats(-7, 7), numbers, numbers)
def test_pixels_come_back(u, v, side, angle, x, y):
    crop = Crop(u, v, side, 64, angle)
    back = crop.to_crop(crop.to_image((x, y)))
    assert back == pytest.approx([x, y], abs=1e-6)


def test_the_middle_of_the_picture_is_the_middle_of_the_window():
    crop = Crop(100.0, 40.0, 50.0, 32, 0.7)
    assert crop.to_image((15.5, 15.5)) == pytest.approx([100, 40])


def test_a_whole_image_is_itself():
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    assert np.array_equal(Crop(19.5, 19.5, 40, 40).cut(image), image)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, -2.0])
@pytest.mark.parametrize("side", [40.0, 90.0, 260.0])
def test_a_dot_lands_where_the_map_says(angle, side):
    image = np.zeros((240, 320), np.float32)
    v, u = np.mgrid[0:240, 0:320]
    spot = (171.0, 118.0)
    image += 100 * np.exp(-((u - spot[0]) ** 2 + (v - spot[1]) ** 2) / (2 * (side / 20) ** 2))
    crop = Crop(160.0, 120.0, side, 64, angle)
    picture = crop.cut(image)
    weight = picture / picture.sum()
    rows, columns = np.mgrid[0:64, 0:64]
    found = (weight * columns).sum(), (weight * rows).sum()
    assert found == pytest.approx(crop.to_crop(spot), abs=0.15)


def test_what_is_outside_is_grey_and_labels_are_not_mixed():
    crop = Crop(0.0, 0.0, 20.0, 20)
    picture = crop.cut(np.full((30, 30, 3), 255, np.uint8))
    assert tuple(picture[0, 0]) == OUTSIDE
    labels = np.full((30, 30), 7, np.uint8)
    labels[:, 3:] = 200
    assert set(np.unique(crop.cut(labels, nearest=True))) == {0, 7, 200}


@pytest.mark.parametrize("wrong", [{"u": math.nan}, {"side": 0.0}, {"side": math.inf}, {"size": 1}])
def test_no_window_of_nonsense(wrong):
    with pytest.raises(InvalidInputError):
        Crop(**{"u": 1.0, "v": 1.0, "side": 5.0, "size": 16, **wrong})
