# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from numpy.testing import assert_allclose

from tack_grasping.extent import extent_around
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


def test_its_box_goes_down_to_the_support_along_the_gripper():
    extent = extent_around(np.vstack([TABLE, THING]), POINT, 0.0)
    down = geometry.make_transform(np.diag([1.0, -1, -1]), (0.41, 0.02, 0.03))
    base_from_gripper = down @ geometry.from_axis_angle((0, 0, 1), 0.3)
    gripper_from_box, size = extent.box(base_from_gripper)
    assert size[2] == pytest.approx(0.05)
    base_from_box = base_from_gripper @ gripper_from_box
    assert base_from_box[2, 3] == pytest.approx(0.025)
    inside = geometry.apply(geometry.inverse(base_from_box), extent.points)
    assert (np.abs(inside) <= size / 2 + 1e-9).all()


def test_where_nothing_stands_there_is_no_extent():
    assert extent_around(TABLE, POINT, 0.0) is None
    assert extent_around(np.zeros((0, 3)), POINT, 0.0) is None
