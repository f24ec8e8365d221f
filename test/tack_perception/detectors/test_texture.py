# SPDX-License-Identifier: Apache-2.0
"""A print that is found again tells how its object lies."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch", reason="PyTorch is not installed")

from hills import CAMERA, FOOT, about_the_foot, blocks, dome, motion_of, view, window

from tack_perception.detectors.relief import relief_of
from tack_perception.detectors.texture import (
    FEWEST,
    Texture,
    backing,
    matches_of,
    poses_of,
    texture_of,
)
from tack_perception.similarity import joined

TURN = Rotation.from_euler("zyx", [70, 20, -10], degrees=True).as_matrix()
SHIFT = np.array([0.02, -0.01, 0.04])
TRUTH = motion_of(TURN, SHIFT)
SIZE = 0.05


def texture(frame, u=159.5, v=119.5) -> Texture:
    seen = window(frame, u, v)
    return texture_of(seen, relief_of(seen))


@pytest.fixture(scope="module")
def first() -> Texture:
    return texture(view(dome, paint=blocks))


@pytest.fixture(scope="module")
def second() -> Texture:
    """The same dome, which only its print tells how it is turned."""
    u, v = CAMERA.project(TRUTH.apply(FOOT[None])[0, 0])
    return texture(view(dome, turn=TURN, shift=SHIFT, paint=blocks), u, v)


def test_spots_lie_on_the_surface_with_axes_along_it(first):
    assert len(first) > 30
    np.testing.assert_allclose(
        first.points[:, 2], dome(*first.points[:, :2].T), atol=0.004
    )  # the pixel next to a spot is what depth is known of
    one = first.axes.transpose(0, 2, 1) @ first.axes
    np.testing.assert_allclose(one, np.broadcast_to(np.eye(3), one.shape), atol=1e-9)
    assert (np.linalg.det(first.axes) > 0).all()
    assert ((first.axes[:, :, 2] * first.points).sum(axis=1) < 0).all()
    np.testing.assert_allclose(np.linalg.norm(first.descriptors, axis=1), 1, atol=1e-5)
    again = texture(view(dome, paint=blocks))
    np.testing.assert_array_equal(again.points, first.points)


def test_a_print_that_is_found_again_tells_the_pose(first, second):
    matches = matches_of(first, second)
    poses = poses_of(matches, SIZE)
    off = Rotation.from_matrix(poses.rotation[0].T @ TURN).magnitude()
    assert np.degrees(off) < 3
    assert np.linalg.norm(poses.apply(FOOT[None])[0, 0] - FOOT - SHIFT) < 0.004
    assert poses.scale.tolist() == [1] * len(poses)
    counts = backing(matches, poses, SIZE)
    assert counts[0] == counts.max() >= 3 * FEWEST
    wrong = about_the_foot([0, 90])
    right, *others = backing(matches, joined(TRUTH, wrong), SIZE)
    assert right >= counts[0] - 3
    assert max(others) < FEWEST


def test_one_match_alone_is_about_right(first, second):
    """That is why few are enough."""
    matches = matches_of(first, second)
    turned = Rotation.from_matrix(matches.turns @ TURN.T).magnitude()
    assert np.degrees(np.median(turned)) < 15


def test_another_print_tells_nothing(first):
    other = texture(view(dome, paint=functools.partial(blocks, seed=1)))
    matches = matches_of(first, other)
    assert len(poses_of(matches, SIZE)) == 0
    assert backing(matches, TRUTH, SIZE)[0] < FEWEST


@pytest.mark.parametrize("lacking", ["print", "depth", "object"])
def test_without_a_print_depth_or_object_there_are_no_spots(first, lacking):
    frame = view(dome, paint=blocks)
    if lacking == "print":
        frame = dataclasses.replace(frame, color=np.full_like(frame.color, 120))
    if lacking == "depth":
        frame = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    seen = window(frame)
    if lacking == "object":
        seen = dataclasses.replace(seen, shown=np.zeros((32, 32), np.float32))
    nothing = texture_of(seen, relief_of(seen))
    assert len(nothing) == 0
    for matches in (matches_of(first, nothing), matches_of(nothing, first)):
        assert len(matches) == 0
        assert len(poses_of(matches, SIZE)) == 0
        assert backing(matches, TRUTH, SIZE).tolist() == [0]
