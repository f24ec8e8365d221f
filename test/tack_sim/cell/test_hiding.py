# SPDX-License-Identifier: Apache-2.0
"""Boards that hide a share of the target, judged by what the cell's camera renders."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("mujoco")

from tack_grasping.profiles import load_profile
from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.cell.eyes import CellEyes
from tack_sim.cell.hiding import HomeView
from tack_sim.cell.layout import CellLayout, sample_layout
from tack_sim.cell.panel import make_panel
from tack_sim.cell.world import CellWorld


def depth(layout: CellLayout) -> np.ndarray:
    """(H, W) that the wrist camera measures at home without noise, m."""
    world = CellWorld(layout)
    with CellEyes(world, lambda frame, base_from_camera: [], noise=False) as eyes:
        return np.asarray(eyes.glance().frame.depth)


def without(layout: CellLayout, *roles: str) -> CellLayout:
    kept = tuple(one for one in layout.objects if one.role not in roles)
    return dataclasses.replace(layout, objects=kept)


@pytest.mark.parametrize(("family", "covered"), [("shoe", 0.3), ("bottle", 0.2)])
def test_a_board_hides_the_share_that_was_wanted(family: str, covered: float) -> None:
    layout = sample_layout(load_profile("panda_2f85"), family, 3, covered=covered)
    assert [one.role for one in layout.objects] == ["target", "occluder"]
    alone, bare = depth(without(layout, "occluder")), depth(without(layout, "target", "occluder"))
    target = np.abs(alone - bare) > 0.004
    assert target.sum() > 500
    hidden = np.mean(depth(layout)[target] < alone[target] - 0.004)
    assert hidden == pytest.approx(covered, abs=0.1)


def test_the_same_arguments_give_the_same_layout() -> None:
    one, other = (
        sample_layout(load_profile("panda_2f85"), "box", 5, clutter=2, covered=0.3)
        for _ in range(2)
    )
    for placed, again in zip(one.objects, other.objects, strict=True):
        assert placed.name == again.name
        np.testing.assert_array_equal(placed.base_from_object, again.base_from_object)


def test_a_board_beside_the_sights_hides_none_and_one_before_them_all() -> None:
    view = HomeView(load_profile("panda_2f85"))
    x, y = view.base_from_camera[:2, 3]
    sights = np.column_stack([np.full(50, x), np.linspace(y + 0.2, y + 0.25, 50), np.zeros(50)])
    board = make_panel(1, height=0.2)
    before = geometry.make_transform(np.eye(3), (x, y + 0.15, 0.0))
    assert view.hidden(sights, board, before) == 1.0
    beyond = geometry.make_transform(np.eye(3), (x, y + 0.35, 0.0))
    assert view.hidden(sights, board, beyond) == 0.0
    assert np.isnan(view.hidden(sights[:5], board, before))
    assert view.towards(np.array([x, y + 0.2])) == pytest.approx(-np.pi / 2)


def test_what_cannot_be_hidden_is_said() -> None:
    for share in (-0.1, 1.0, float("nan")):
        with pytest.raises(InvalidInputError, match="at least 0 and below 1"):
            sample_layout(load_profile("panda_2f85"), "bottle", 1, covered=share)
