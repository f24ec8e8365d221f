# SPDX-License-Identifier: Apache-2.0
"""What heads make of a window is made once, for as long as the window is in use."""

from __future__ import annotations

import dataclasses
import gc

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from hills import view, window

from tack_perception.detectors.scene import OncePerWindow


def test_a_window_is_asked_about_once():
    made = []

    def head(features):
        made.append(len(features))
        return [features + 1, features.sum(dim=(1, 2, 3))]

    once = OncePerWindow(head)
    frame = view()
    first, second, third = (
        dataclasses.replace(window(frame), features=torch.full((2, 3, 3), float(n)))
        for n in range(3)
    )
    raised, sums = once([first, second])
    assert raised[:, 0, 0, 0].tolist() == [1, 2]
    assert sums.tolist() == [0, 18]
    raised, sums = once([third, first])
    assert raised[:, 0, 0, 0].tolist() == [3, 1]
    assert made == [2, 1]
    del third
    gc.collect()
    assert len(once._known) == 2
