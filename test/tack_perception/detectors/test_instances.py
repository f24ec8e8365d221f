# SPDX-License-Identifier: Apache-2.0
"""Objects come out of foreground and votes, also where they touch or are divided."""

from __future__ import annotations

import numpy as np
import pytest

from tack_perception.detectors.instances import connected, find_instances

SHAPE = (60, 80)


def scene(*things, noise=0.0, seed=0):
    """Foreground and votes of boxes (row, column, height, width, middle or None) in cells."""
    rng = np.random.default_rng(seed)
    foreground = np.full(SHAPE, 0.02, np.float32)
    votes = rng.normal(0, 30, (2, *SHAPE)).astype(np.float32)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for row, column, height, width, middle in things:
        v, u = middle or (row + height / 2, column + width / 2)
        at = (slice(row, row + height), slice(column, column + width))
        foreground[at] = 0.9
        votes[0][at] = (u - columns[at]) * 2
        votes[1][at] = (v - rows[at]) * 2
    votes += rng.normal(0, noise, votes.shape).astype(np.float32)
    return foreground, votes


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_two_things_apart(noise):
    found = find_instances(*scene((5, 5, 20, 10, None), (30, 50, 10, 20, None), noise=noise), 2)
    assert len(found) == 2
    boxes = sorted(one.box for one in found)
    assert boxes[0] == pytest.approx((9.5, 9.5, 29.5, 49.5), abs=2.5)
    assert boxes[1] == pytest.approx((99.5, 59.5, 139.5, 79.5), abs=2.5)


def test_things_that_touch_come_apart():
    found = find_instances(*scene((10, 10, 20, 15, None), (10, 25, 20, 15, None), noise=1.0), 2)
    assert [int(one.mask.sum()) for one in found] == pytest.approx([300, 300], abs=30)


def test_a_thing_that_something_divides_is_one():
    middle = (20.0, 30.0)
    found = find_instances(*scene((15, 10, 10, 15, middle), (15, 35, 10, 15, middle)), 2)
    assert len(found) == 1
    assert found[0].box == pytest.approx((19.5, 29.5, 99.5, 49.5), abs=2.5)
    assert found[0].middle == pytest.approx([60.5, 40.5], abs=1.5)


def test_a_speck_is_nothing_and_does_not_hide_the_rest():
    found = find_instances(*scene((3, 3, 2, 2, None), (30, 50, 10, 20, None)), 2)
    assert len(found) == 1
    assert find_instances(*scene((3, 3, 2, 2, None)), 2) == []
    assert find_instances(*scene(), 2) == []


def test_the_largest_comes_first():
    found = find_instances(*scene((5, 5, 8, 8, None), (30, 40, 16, 16, None)), 2)
    assert [int(one.mask.sum()) for one in found] == [256, 64]


def parts_of_one_thing():
    """Two parts of a long thing whose cells see little more than their own part."""
    return scene((25, 10, 8, 20, (29.0, 24.0)), (25, 32, 8, 24, (29.0, 40.0)), noise=0.5)


def test_parts_on_one_surface_are_one_thing():
    foreground, votes = parts_of_one_thing()
    foreground[25:33, 30:32] = 0.9  # what joins them votes for anything
    assert len(find_instances(foreground, votes, 2)) > 1
    whole = find_instances(foreground, votes, 2, depth=np.full(SHAPE, 0.6), gap=0.02)
    assert len(whole) == 1
    assert whole[0].box == pytest.approx((19.5, 49.5, 111.5, 65.5), abs=3)


def test_parts_at_other_depths_or_of_unknown_depth_are_not():
    foreground, votes = parts_of_one_thing()
    foreground[25:33, 30:32] = 0.9
    depth = np.full(SHAPE, 0.6)
    depth[:, 31:] += 0.05
    assert len(find_instances(foreground, votes, 2, depth=depth, gap=0.02)) > 1
    depth = np.full(SHAPE, np.nan)
    assert len(find_instances(foreground, votes, 2, depth=depth, gap=0.02)) > 1


@pytest.mark.parametrize("seed", range(5))
def test_things_that_touch_come_apart_on_one_surface_too(seed):
    several = scene((10, 10, 20, 15, None), (10, 25, 20, 15, None), noise=1.0, seed=seed)
    found = find_instances(*several, 2, depth=np.full(SHAPE, 0.6), gap=0.02)
    assert [int(one.mask.sum()) for one in found] == pytest.approx([300, 300], abs=30)


def test_surfaces_end_at_steps_and_holes():
    depth = np.full((4, 6), 0.5)
    depth[:, 3:] = 0.52
    depth[1, 1] = np.nan
    mask = np.ones((4, 6), np.bool_)
    mask[3] = False
    number = connected(mask, depth, 0.03)
    near = mask & (np.arange(6) < 3) & np.isfinite(depth)
    assert len(set(number[near])) == 1
    assert len(set(number[:3, 3:].ravel())) == 1
    assert len({number[0, 0], number[0, 3], number[1, 1], number[3, 0]}) == 4
    assert number[0, 0] == connected(mask, depth, 0.1)[0, 5]
