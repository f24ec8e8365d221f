# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scripted import BLOCK, CAMERA, SOURCE, render

from tack_grasping.behaviour.presence import is_bare, presence
from tack_perception import geometry
from tack_perception.frame import RGBDFrame

FLOOR = 0.0


def looking(eye: tuple[float, float, float], at: tuple[float, float, float]) -> np.ndarray:
    return geometry.frame_from_axes(np.subtract(at, eye), (1.0, 0.0, 0.0), eye)


ABOVE = looking((0.45, 0.1, 0.5), (*SOURCE, 0.0))
ASIDE = looking((0.75, -0.2, 0.4), (*SOURCE, 0.0))


def seen(base_from_camera: np.ndarray, *blocks: np.ndarray) -> RGBDFrame:
    color = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    depth = render(base_from_camera, blocks)
    return RGBDFrame(color, depth, CAMERA, 1, "camera")


def surface(base_from_camera: np.ndarray, *blocks: np.ndarray) -> np.ndarray:
    """(N, 3) of what stands on the table, as it is measured."""
    frame = seen(base_from_camera, *blocks)
    pixels = np.indices(frame.depth.shape)[::-1].reshape(2, -1).T
    cloud = CAMERA.deproject(pixels, frame.depth.reshape(-1).astype(float))
    points = geometry.apply(base_from_camera, cloud)
    return points[points[:, 2] > 0.006]


@pytest.fixture
def block() -> np.ndarray:
    return surface(ABOVE, SOURCE)


def test_what_has_not_moved_is_there(block: np.ndarray) -> None:
    told = presence(block, seen(ABOVE, SOURCE), ABOVE, FLOOR)
    assert (told.there, told.gone, told.unknown) == (len(block), 0, 0)
    assert told.again.all()
    assert told.share == 1.0


def test_it_is_there_from_another_side_too(block: np.ndarray) -> None:
    share = presence(block, seen(ASIDE, SOURCE), ASIDE, FLOOR).share
    assert share is not None
    assert share > 0.9


@pytest.mark.parametrize("view", [ABOVE, ASIDE], ids=["above", "aside"])
def test_what_was_taken_away_is_gone(block: np.ndarray, view: np.ndarray) -> None:
    assert presence(block, seen(view), view, FLOOR).share == 0.0


def test_what_was_moved_by_its_own_width_is_gone(block: np.ndarray) -> None:
    share = presence(block, seen(ABOVE, SOURCE + BLOCK[:2]), ABOVE, FLOOR).share
    assert share is not None
    assert share < 0.1


def test_what_was_moved_a_little_is_partly_there(block: np.ndarray) -> None:
    shares = [
        presence(block, seen(ABOVE, SOURCE + np.array([by, 0.0])), ABOVE, FLOOR).share
        for by in (0.0, 0.01, 0.02, 0.04)
    ]
    assert None not in shares
    assert shares == sorted(shares, key=lambda share: -(share or 0.0))


def test_what_something_nearer_hides_is_not_claimed(block: np.ndarray) -> None:
    frame = seen(ABOVE, SOURCE)
    depth = np.full_like(frame.depth, 0.2)
    hidden = RGBDFrame(frame.color, depth, CAMERA, 1, "camera")
    told = presence(block, hidden, ABOVE, FLOOR)
    assert (told.there, told.gone, told.unknown) == (0, 0, len(block))
    assert not told.again.any()
    assert told.share is None


def test_what_is_half_hidden_is_told_by_its_other_half(block: np.ndarray) -> None:
    for blocks, share in (((SOURCE,), 1.0), ((), 0.0)):
        frame = seen(ABOVE, *blocks)
        depth = frame.depth.copy()
        seen_at = CAMERA.project(geometry.apply(geometry.inverse(ABOVE), block))
        depth[:, : int(np.median(seen_at[:, 0]))] = 0.2
        told = presence(block, RGBDFrame(frame.color, depth, CAMERA, 1, "c"), ABOVE, FLOOR)
        assert told.share == share
        assert told.unknown > len(block) / 4


@pytest.mark.parametrize("eye", [(0.5, 0.8, 0.4), (0.5, 0.0, 0.02)], ids=["beside", "behind"])
def test_what_is_out_of_view_is_not_claimed(block: np.ndarray, eye: tuple) -> None:
    view = looking(eye, (0.5, 2.0, 0.3))
    assert presence(block, seen(view, SOURCE), view, FLOOR).share is None


def test_nothing_is_claimed_without_depth(block: np.ndarray) -> None:
    frame = seen(ABOVE, SOURCE)
    nothing = RGBDFrame(frame.color, np.full_like(frame.depth, np.nan), CAMERA, 1, "c")
    assert presence(block, nothing, ABOVE, FLOOR).share is None


def test_the_table_is_not_taken_for_something_flat() -> None:
    """A tool of 8 mm is within the tolerance of the table on which it lay."""
    x, y = np.meshgrid(np.linspace(0.45, 0.55, 40), np.linspace(-0.01, 0.01, 10))
    tool = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, 0.008)])
    assert presence(tool, seen(ABOVE), ABOVE, FLOOR).share == 0.0


def test_what_lies_as_flat_as_the_noise_is_not_claimed() -> None:
    sheet = np.column_stack([np.full(100, 0.5), np.zeros(100), np.full(100, 0.003)])
    assert presence(sheet, seen(ABOVE), ABOVE, FLOOR).share is None
    assert presence(np.zeros((0, 3)), seen(ABOVE), ABOVE, FLOOR).share is None


def test_a_table_elsewhere_is_as_good(block: np.ndarray) -> None:
    """All of it moved up by 0.3 m."""
    up = geometry.make_transform(np.eye(3), (0, 0, 0.3))
    view = up @ ABOVE
    for blocks in ((SOURCE,), ()):
        here = presence(block, seen(ABOVE, *blocks), ABOVE, FLOOR)
        raised = presence(geometry.apply(up, block), seen(ABOVE, *blocks), view, FLOOR + 0.3)
        assert here == raised


@pytest.mark.parametrize("view", [ABOVE, ASIDE], ids=["above", "aside"])
def test_a_point_on_the_bare_table_is_no_point_of_a_thing(view: np.ndarray) -> None:
    frame = seen(view, SOURCE)
    beside = np.array([SOURCE[0], SOURCE[1] + 0.12, 0.002])
    assert is_bare(beside, frame, view, FLOOR)
    assert not is_bare(beside, frame, view, FLOOR - 0.05)  # it stands out of a lower one
    # The edge of a thing is on the table, too, but something stands there.
    assert not is_bare(
        np.array([SOURCE[0] - BLOCK[0] / 2 - 0.005, SOURCE[1], 0.0]), frame, view, FLOOR
    )
    assert not is_bare(np.array([*SOURCE, BLOCK[2]]), frame, view, FLOOR)


def test_without_depth_nobody_says_that_a_table_is_bare() -> None:
    frame = seen(ABOVE)
    frame = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    assert not is_bare(np.array([*SOURCE, 0.0]), frame, ABOVE, FLOOR)


def test_it_says_which_points_are_there_again() -> None:
    other = SOURCE + np.array([0.0, 0.06])
    both = surface(ABOVE, SOURCE, other)
    told = presence(both, seen(ABOVE, other), ABOVE, FLOOR)
    np.testing.assert_array_equal(told.again, both[:, 1] > SOURCE[1] + 0.03)
