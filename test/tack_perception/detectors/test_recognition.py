# SPDX-License-Identifier: Apache-2.0
"""A clicked object is looked for once in each window."""

from __future__ import annotations

import dataclasses
import functools
import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from hills import CAMERA, blocks, view, window

from tack_perception.detectors.constellation import FLOOR
from tack_perception.detectors.recognition import Recogniser
from tack_perception.detectors.texture import FEWEST


class Network:
    """Finds every anchor where it was, and counts what it is asked."""

    def __init__(self):
        self.asked = []

    def look_for(self, clicked, anchors, windows):
        self.asked.append(len(windows))
        at = np.arange(32)
        cells = clicked.crop.to_crop(CAMERA.project(anchors.points)) / 2 - 0.25
        across, down = (at - cells[:, axis, None] for axis in (0, 1))
        heat = np.exp(-(across[:, None] ** 2 + down[:, :, None] ** 2) / 2) + 1e-4
        maps = np.log(heat / heat.sum((1, 2), keepdims=True)).astype(np.float32)
        return np.stack([maps] * len(windows))


@pytest.fixture
def network():
    return Network()


def like(one, value):
    return dataclasses.replace(one, embedding=torch.tensor([float(value)]))


def test_each_window_is_looked_at_once(network):
    recogniser = Recogniser(network.look_for, 2)
    clicked, others = window(view()), [window(view()) for _ in range(3)]
    heats = recogniser.heats(clicked, others[:2])
    assert (heats > FLOOR / 2).all()
    np.testing.assert_array_equal(recogniser.heats(clicked, others)[:2], heats)
    assert network.asked == [2, 1]
    pixels = np.array([[30.0, 28.0], [40.0, 35.0]])
    said = recogniser.predict(clicked, others[0], pixels)
    assert np.linalg.norm(said.pixels[0] - pixels, axis=1).max() < 0.5
    again = recogniser.predict(clicked, others[0], pixels)
    np.testing.assert_array_equal(again.pixels, said.pixels)
    assert network.asked == [2, 1]


def test_of_many_windows_only_the_likest_are_looked_at(network):
    recogniser = Recogniser(network.look_for, 2)
    clicked = like(window(view()), 1)
    others = [like(window(view()), value / 100) for value in range(6)]
    heats = recogniser.heats(clicked, others)
    assert network.asked == [4]
    assert (heats[:2] == FLOOR).all()
    assert (heats[2:] > FLOOR).all()
    assert recogniser.predict(clicked, others[0], np.zeros((1, 2))) is None


def test_windows_much_less_like_it_than_the_likest_are_not_looked_at(network):
    recogniser = Recogniser(network.look_for, 2)
    clicked = like(window(view()), 1)
    others = [like(window(view()), value) for value in (0.1, 0.9, 0.5)]
    heats = recogniser.heats(clicked, others)
    assert network.asked == [2]
    assert heats[0] == FLOOR
    assert (heats[1:] > FLOOR).all()


def test_a_print_is_compared_in_the_two_best_windows_and_what_was_told_stays(network):
    recogniser = Recogniser(network.look_for, 2)
    clicked = window(view(paint=blocks))
    same, other, third = (
        window(view(paint=functools.partial(blocks, seed=seed))) for seed in (0, 1, 0)
    )
    windows = [same, other, third]  # all of them are met as well
    recogniser.heats(clicked, windows)
    counts = recogniser.spots(clicked, windows)
    assert counts[0] > 10
    assert counts[1] < FEWEST
    assert counts[2] == 0
    for one in windows:
        recogniser.predict(clicked, one, np.zeros((1, 2)))
    assert recogniser.spots(clicked, windows).tolist() == counts.tolist()
    assert recogniser.spots(clicked, [window(view())]).tolist() == [0]


def test_where_no_object_was_found_there_is_nothing_to_pose(network):
    recogniser = Recogniser(network.look_for, 2)
    place = dataclasses.replace(window(view()), found=False)
    assert recogniser.heats(place, [window(view())]).tolist() == [FLOOR]
    assert recogniser.heats(window(view()), [place]).tolist() == [FLOOR]
    assert recogniser.predict(place, window(view()), np.zeros((1, 2))) is None
    assert network.asked == []


def test_windows_of_the_past_are_forgotten(network):
    recogniser = Recogniser(network.look_for, 2)
    clicked, other = window(view()), window(view())
    recogniser.heats(clicked, [other])
    recogniser.predict(clicked, other, np.array([[30.0, 28.0]]))
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
