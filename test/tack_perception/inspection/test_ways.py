# SPDX-License-Identifier: Apache-2.0
"""Codes on the way between two clicks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from tiny_inspection import Oracle, make_model

from tack_perception.errors import InvalidInputError
from tack_perception.inspection.look import Look
from tack_perception.inspection.ways import WAYS, between, evenly

ENDS = np.array([[10.0, 14.0], [20.0, 18.0]])


class Bent(Oracle):
    """Codes lie on three quarters of a ring, by their column in the picture."""

    def codes(self, number, pixels):
        columns = torch.as_tensor(np.asarray(pixels, np.float64).reshape(-1, 2)[:, 0])
        angle = columns / self.album.pictures[0].size * 1.5 * np.pi
        return torch.stack([angle.cos(), angle.sin(), 0 * angle], 1)


def test_codes_on_a_line_are_evenly_spaced() -> None:
    first, last = torch.zeros(3), torch.tensor([1.0, 2.0, -1.0])
    codes = evenly(torch.stack([first, last]), 5)
    torch.testing.assert_close(codes[1:] - codes[:-1], (last / 4).expand(4, -1))
    torch.testing.assert_close(codes[-1], last)
    with pytest.raises(InvalidInputError, match="steps = 1"):
        evenly(torch.stack([first, last]), 1)


def test_corners_of_a_way_and_stones_that_coincide() -> None:
    stones = torch.tensor([[0.0, 0], [0, 0], [2, 0], [2, 0], [2, 2]])
    expected = torch.tensor([[0.0, 0], [1, 0], [2, 0], [2, 1], [2, 2]])
    torch.testing.assert_close(evenly(stones, 5), expected)
    torch.testing.assert_close(evenly(stones[:2], 3), torch.zeros(3, 2))


@pytest.mark.parametrize("way", WAYS)
def test_ways_begin_and_end_at_the_clicks(look: Look, way: str) -> None:
    codes = between(look, 0, ENDS, 6, way)
    torch.testing.assert_close(codes[[0, -1]], look.codes(0, ENDS))
    with pytest.raises(InvalidInputError, match="surface or straight"):
        between(look, 0, ENDS, 6, "sideways")


def test_the_way_keeps_to_the_sheet_that_codes_form(album) -> None:
    bent = Bent(make_model(), album)
    columns = np.nonzero(album.pictures[0].mask)[1]
    ends = np.array([[columns.min(), 15.0], [columns.max(), 15.0]])
    around, across = (between(bent, 0, ends, 9, way) for way in WAYS)
    assert float((around.norm(dim=1) - 1).abs().max()) < 0.01
    assert float(across.norm(dim=1).min()) < 0.8
    steps = (around[1:] - around[:-1]).norm(dim=1)
    assert float(steps.max() / steps.min()) < 1.1


def test_where_the_object_is_not_known_the_way_is_straight(album) -> None:
    bare = [dataclasses.replace(one, mask=np.zeros_like(one.mask)) for one in album.pictures]
    look = Look(make_model(), dataclasses.replace(album, pictures=tuple(bare)))
    around, across = (between(look, 0, ENDS, 5, way) for way in WAYS)
    torch.testing.assert_close(around, across)
