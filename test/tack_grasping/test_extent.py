# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.extent import down_to, extent_around
from tack_perception import geometry


def slab(x, y, width, depth, height):
    """The top of a block, seen from above."""
    xs, ys = np.meshgrid(
        np.arange(-width / 2, width / 2, 0.002), np.arange(-depth / 2, depth / 2, 0.002)
    )
    return np.column_stack([xs.ravel() + x, ys.ravel() + y, np.full(xs.size, height)])


TABLE = slab(0.4, 0.0, 0.4, 0.4, 0.001)
THING = slab(0.45, 0.02, 0.12, 0.04, 0.05)
NEIGHBOUR = slab(0.45, 0.10, 0.05, 0.05, 0.09)
POINT = np.array([0.41, 0.02, 0.05])


def test_the_thing_is_told_from_its_neighbour_and_the_table():
    extent = extent_around(np.vstack([TABLE, THING, NEIGHBOUR]), POINT, 0.0)
    assert len(extent.points) == len(THING)
    assert_allclose(extent.middle, (0.45, 0.02), atol=0.002)


def test_its_box_is_upright_and_hardly_larger_than_it_is_however_the_gripper_is_turned():
    extent = extent_around(np.vstack([TABLE, THING]), POINT, 0.0)
    down = geometry.make_transform(np.diag([1.0, -1, -1]), (0.41, 0.02, 0.03))
    base_from_gripper = down @ geometry.from_axis_angle((0, 0, 1), 0.3)
    gripper_from_box, size = extent.box(base_from_gripper)
    assert_allclose(sorted(size), (0.05, 0.058, 0.138), atol=1e-4)
    base_from_box = base_from_gripper @ gripper_from_box
    assert base_from_box[2, 3] == pytest.approx(0.025)
    inside = geometry.apply(geometry.inverse(base_from_box), extent.points)
    assert (np.abs(inside) <= size / 2 + 1e-9).all()


def test_a_board_right_beside_it_is_another_thing():
    board = slab(0.45, 0.055, 0.2, 0.03, 0.2)
    extent = extent_around(np.vstack([TABLE, THING, board]), POINT, 0.0)
    assert extent.points[:, 2].max() == THING[0, 2]
    assert len(extent.points) > 0.8 * len(THING)  # but for cells that both are in
    alone = extent_around(np.vstack([TABLE, THING, board]), np.array([0.45, 0.055, 0.2]), 0.0)
    assert np.count_nonzero(alone.points[:, 2] == 0.2) == len(board)


def test_what_rises_step_by_step_is_one():
    steps = [slab(0.45 + 0.012 * n, 0.02, 0.012, 0.04, 0.03 + 0.05 * n) for n in range(5)]
    extent = extent_around(np.vstack([TABLE, *steps]), np.array([0.45, 0.02, 0.03]), 0.0)
    assert len(extent.points) == 5 * len(steps[0])


def test_neighbours_are_told_from_it_and_stand_on_the_support():
    extent = extent_around(np.vstack([TABLE, THING, NEIGHBOUR]), POINT, 0.0)
    assert len(extent.neighbours) == len(NEIGHBOUR)
    columns = down_to(0.0, extent.neighbours)
    assert columns[:, 2].min() == pytest.approx(0.006)
    assert columns[:, 2].max() == pytest.approx(0.09)
    low, high = NEIGHBOUR[:, :2].min(axis=0), NEIGHBOUR[:, :2].max(axis=0)
    assert (columns[:, :2] > low - 0.006).all()
    assert (columns[:, :2] < high + 0.006).all()
    places = np.unique(columns[:, :2].round(4), axis=0)
    assert len(columns) == 15 * len(places)  # a full column at each of them
    assert len(places) >= 64
    assert len(down_to(0.0, np.zeros((0, 3)))) == 0


def test_where_nothing_stands_there_is_no_extent():
    assert extent_around(TABLE, POINT, 0.0) is None
    assert extent_around(np.zeros((0, 3)), POINT, 0.0) is None
