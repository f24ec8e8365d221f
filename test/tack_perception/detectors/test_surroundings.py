# SPDX-License-Identifier: Apache-2.0
"""What surrounds a click tells where it is, though each point by itself is like others."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors.scene import Window, whole
from tack_perception.detectors.surroundings import Surroundings, place_of, surroundings_of
from tack_perception.frame import RGBDFrame

STRIDE = 2
CAMERA = CameraIntrinsics(640, 480, 600, 600, 319.5, 239.5)


def window() -> Window:
    """All of a frame at 3/4 of its size, as models of scenes look at it."""
    frame = RGBDFrame(
        np.zeros((480, 640, 3), np.uint8), np.full((480, 640), 0.8, np.float32), CAMERA, 1, "cam"
    )
    crop = whole(frame, 450.0)
    cells = crop.size // STRIDE
    shown = np.zeros((cells, cells), np.float32)
    return Window(crop, torch.zeros(1, cells, cells), torch.zeros(1), True, frame, shown)


def bump(one: Window, pixel: np.ndarray, height: float) -> np.ndarray:
    """A map of likeness with one place in it, px of the frame."""
    u, v = (one.crop.to_crop(pixel) + 0.5) / STRIDE - 0.5
    count = one.crop.size // STRIDE
    row, column = np.mgrid[:count, :count]
    away = (column - u) ** 2 + (row - v) ** 2
    return (height * np.exp(-away / (2 * 1.5**2))).astype(np.float32)


def around(rng: np.random.Generator) -> Surroundings:
    offsets = np.vstack([[0, 0], rng.uniform(-70, 70, (40, 2))]).astype(np.float32)
    weights = np.full(41, 1 / 41, np.float32)
    return Surroundings(offsets, torch.zeros(41, 4), weights)


@pytest.mark.parametrize(("roll", "size"), [(0, 1), (20, 1.2), (-35, 0.8)])
def test_many_that_agree_outvote_what_each_is_like(roll: float, size: float) -> None:
    rng = np.random.default_rng(3)
    known, here = around(rng), window()
    a = math.radians(roll)
    turn = size * np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    clicked, true = np.array([200.0, 150.0]), np.array([300.3, 210.8])
    likeness = np.stack(
        [
            np.maximum(
                bump(here, true + turn @ offset, 0.8),
                # Each is more like something elsewhere; a third of them is hidden.
                bump(here, rng.uniform((20, 20), (620, 460)), 0.95),
            )
            if number % 3
            else bump(here, rng.uniform((20, 20), (620, 460)), 0.95)
            for number, offset in enumerate(known.offsets)
        ]
    )
    place = place_of(known, clicked, likeness, here, STRIDE)
    u, v = place.frame_from_shot @ [*clicked, 1.0]
    assert math.hypot(u - true[0], v - true[1]) < 2.0
    assert np.abs(place.frame_from_shot[:, :2] - turn).max() < 0.1
    assert place.agreement > 0.3


def test_nothing_agrees_where_it_is_not() -> None:
    rng = np.random.default_rng(4)
    known, here = around(rng), window()
    stray = [bump(here, rng.uniform((20, 20), (620, 460)), 0.95) for _ in known.offsets]
    place = place_of(known, np.array([200.0, 150.0]), np.stack(stray), here, STRIDE)
    assert place.agreement < 0.2


def test_what_is_unlike_all_else_counts_most() -> None:
    """Descriptors of a frame whose left half repeats itself, and whose right half does not."""
    here = window()
    count = here.crop.size // STRIDE
    described = np.random.default_rng(0).normal(size=(8, -(-count // 2), -(-count // 2)))
    # Neighbours are alike, as in a network.
    described = described.astype(np.float32).repeat(2, 1).repeat(2, 2)[:, :count, :count]
    # The picture's rows 60 to 420 hold the frame: what is left of its middle repeats.
    half = count // 2
    described[:, :, :half] = np.tile(described[:, :8, :8], (1, count // 8 + 1, half // 8 + 1))[
        :, :count, :half
    ]
    described /= np.linalg.norm(described, axis=0)
    cells = torch.from_numpy(described)

    def describe(pixels: np.ndarray) -> torch.Tensor:
        column, row = np.rint((pixels + 0.5) / STRIDE - 0.5).astype(int).T
        return cells[:, row, column].T

    def compare(codes: torch.Tensor) -> np.ndarray:
        return torch.einsum("nd,dhw->nhw", codes, cells[:, ::2, ::2]).clamp_min(0).numpy()

    click = here.crop.to_crop(np.array([319.5, 239.5]))
    known = surroundings_of(here, click, STRIDE, describe, compare)
    np.testing.assert_allclose(known.offsets[0], 0, atol=1e-4)
    assert known.weights.sum() == pytest.approx(1)
    left, right = (known.offsets[:, 0] < -12), (known.offsets[:, 0] > 12)
    # Only what is rare was chosen, as far as there was enough of it.
    assert right.sum() > 3 * left.sum()
