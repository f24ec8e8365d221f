# SPDX-License-Identifier: Apache-2.0
"""An object whose points are found again carries a click along."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("torch", reason="PyTorch is not installed")

from hills import CAMERA, FOOT, about_the_foot, blocks, dome, motion_of, view, window

from tack_perception.detectors.constellation import (
    ANCHORS,
    FACTS,
    FLOOR,
    Posed,
    candidates,
    choose_anchors,
    pose,
    predict,
    propose,
)
from tack_perception.detectors.relief import points_of, relief_of, surface_at
from tack_perception.detectors.texture import Texture, matches_of, texture_of

TURN = Rotation.from_euler("zyx", [40, 12, -8], degrees=True).as_matrix()
SHIFT = np.array([0.02, -0.01, 0.04])
TRUTH = motion_of(TURN, SHIFT)
NO_TEXTURE = Texture(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 128), np.float32))
CLICKS = np.array([[31.5, 31.5], [22.0, 30.0], [38.0, 36.0], [25.0, 40.0]])


@pytest.fixture(scope="module")
def first():
    return window(view())


@pytest.fixture(scope="module")
def second():
    u, v = CAMERA.project(TRUTH.apply(FOOT[None])[0, 0])
    return window(view(turn=TURN, shift=SHIFT), u, v)


@pytest.fixture(scope="module")
def anchors(first):
    return choose_anchors(first, 2)


def maps(anchors, other, truth=TRUTH, wrong=0, sigma=1.0):
    """Logarithms of the probability of each anchor's place; some of them are somewhere else."""
    cells = other.crop.to_crop(CAMERA.project(truth.apply(anchors.points)[0])) / 2 - 0.25
    cells[:wrong] = np.random.default_rng(0).uniform(8, 24, (wrong, 2))
    at = np.arange(32)
    across, down = (at - cells[:, axis, None] for axis in (0, 1))
    squared = across[:, None] ** 2 + down[:, :, None] ** 2
    heat = np.exp(-squared / (2 * sigma**2)) + 1e-4
    return np.log(heat / heat.sum((1, 2), keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def matches(first, second):
    """The stripes of both."""
    return matches_of(*(texture_of(one, relief_of(one)) for one in (first, second)))


def truth_of(first, anchors, truth=TRUTH):
    return CAMERA.project(truth.apply(surface_at(first, anchors.relief, CLICKS)[:, 0])[0])


def test_anchors_lie_all_over_the_object_and_stay_the_same(first, anchors):
    assert anchors.pixels.shape == (ANCHORS, 2)
    assert (np.abs(anchors.pixels - 31.5) < 20).all()
    assert anchors.pixels.std(axis=0).min() > 5
    np.testing.assert_allclose(
        first.crop.to_crop(CAMERA.project(anchors.points)), anchors.pixels, atol=1e-6
    )
    np.testing.assert_array_equal(choose_anchors(first, 2).pixels, anchors.pixels)


def test_without_depth_or_object_there_are_none(first):
    blind = dataclasses.replace(first.frame, depth=np.full((240, 320), np.nan, np.float32))
    assert choose_anchors(dataclasses.replace(first, frame=blind), 2) is None
    empty = np.zeros((32, 32), np.float32)
    assert choose_anchors(dataclasses.replace(first, shown=empty), 2) is None
    assert choose_anchors(dataclasses.replace(first, found=False), 2) is None


@pytest.mark.parametrize("wrong", [0, 30])
def test_clicks_are_carried_though_some_anchors_are_wrong(first, second, anchors, matches, wrong):
    proposals = propose(anchors, second, maps(anchors, second, wrong=wrong))
    posed = pose(second, relief_of(second), [proposals], matches)
    said = predict(anchors, second, posed, surface_at(first, anchors.relief, CLICKS))
    expected = truth_of(first, anchors)
    found = second.crop.to_image(said.pixels[0])
    assert np.linalg.norm(found - expected, axis=1).max() < 2.0
    assert said.weights[0].min() > 0.5
    coarse = predict(
        anchors, second, Posed(proposals.poses, np.ones(len(proposals.poses))),
        surface_at(first, anchors.relief, CLICKS),
    )  # fmt: skip
    off = np.linalg.norm(second.crop.to_image(coarse.pixels[0]) - expected, axis=1)
    assert np.linalg.norm(found - expected, axis=1).mean() < off.mean()


def test_the_better_the_anchors_are_found_the_surer_is_the_pose(second, anchors, matches):
    heats, sure = [], []
    for wrong in (0, 30, ANCHORS):
        proposals = propose(anchors, second, maps(anchors, second, wrong=wrong))
        heats.append(proposals.heat.max())
        sure.append(pose(second, relief_of(second), [proposals], matches).weights.sum())
        assert (np.diff(proposals.heat) <= 0).all()
        assert 1 - 1e-9 >= sure[-1] >= 0
    assert heats[0] > heats[1] > heats[2] >= FLOOR
    assert sure[0] > sure[1] > sure[2]


def test_a_map_with_two_peaks_speaks_for_both(first, anchors):
    """A thing that looks the same from behind: both ways are proposed."""
    other = window(view(dome))
    ways = [
        motion_of(turn, np.zeros(3))
        for turn in Rotation.from_rotvec([[0, 0, 0.2], [0, 0, 0.2 + np.pi]]).as_matrix()
    ]
    both = np.logaddexp(*(maps(anchors, other, way) for way in ways)) - np.float32(np.log(2))
    proposals = propose(anchors, other, both)
    for way in ways:
        turned = np.einsum("kij,ij->k", proposals.poses.rotation, way.rotation[0])
        assert turned.max() > 1 + 2 * np.cos(np.radians(20))


def test_nothing_is_proposed_where_depth_is_missing(second, anchors):
    frame = second.frame
    blind = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    other = dataclasses.replace(second, frame=blind)
    assert propose(anchors, other, maps(anchors, second)) is None


def test_a_print_proposes_what_heat_maps_do_not():
    """Of a dome that is turned, which its surface cannot tell."""
    way = about_the_foot([110])
    views = view(dome, paint=blocks), view(dome, turn=way.rotation[0], paint=blocks)
    here, there = (window(one) for one in views)
    known = choose_anchors(here, 2)
    proposals = propose(known, there, maps(known, there, about_the_foot([0])))
    printed = matches_of(*(texture_of(one, relief_of(one)) for one in (here, there)))
    nothing = matches_of(texture_of(here, relief_of(here)), NO_TEXTURE)
    for matches, right in ((printed, True), (nothing, False)):
        poses, facts = candidates(there, relief_of(there), [proposals], matches)
        off = Rotation.from_matrix(way.rotation[0].T @ poses.rotation).magnitude()
        assert (np.degrees(off) < 3).any() == right
        if right:
            assert np.degrees(off[facts[:, 3].argmax()]) < 3
    assert facts.shape == (len(poses), 6)
    assert not facts[:, 3].any()


def posed(share=0.8):
    return Posed(TRUTH, np.array([share]))


def test_what_lies_before_or_behind_a_point_is_told(first, second, anchors):
    surfaces = surface_at(first, anchors.relief, CLICKS[:1])
    u, v = np.rint(truth_of(first, anchors)[0]).astype(int)
    seen = predict(anchors, second, posed(), surfaces).facts
    assert set(seen) == set(FACTS)
    assert seen["posed"][0] == pytest.approx(0.8)
    assert seen["exposed"][0] == pytest.approx(0.8)
    assert 0.4 < seen["facing"][0] <= 0.8
    assert seen["covered"][0] < 0.05
    assert seen["beyond"][0] < 0.05
    for change, covered, beyond in ((-0.1, 0.8, 0.0), (0.1, 0.0, 0.8), (np.nan, 0.0, 0.0)):
        depth = second.frame.depth.copy()
        depth[v - 2 : v + 3, u - 2 : u + 3] += change
        other = dataclasses.replace(second, frame=dataclasses.replace(second.frame, depth=depth))
        said = predict(anchors, other, posed(), surfaces).facts
        assert said["covered"][0] == pytest.approx(covered, abs=0.05)
        assert said["beyond"][0] == pytest.approx(beyond, abs=0.05)
        assert (said["exposed"][0] > 0.5) == bool(np.isnan(change))


def test_a_point_on_the_far_side_is_not_exposed(first, second, anchors):
    surfaces = surface_at(first, anchors.relief, CLICKS[:1]) * np.array([1, -1])[:, None]
    said = predict(anchors, second, posed(), surfaces).facts
    assert said["facing"][0] < -0.4
    assert said["exposed"][0] == 0


def test_a_click_without_depth_is_carried_nowhere(second, anchors):
    said = predict(anchors, second, posed(), np.full((2, 2, 3), np.nan))
    assert not said.weights.any()
    assert np.isfinite(said.pixels).all()
    for fact in said.facts.values():
        assert fact.tolist() == [0, 0]


def test_depth_and_normal_of_clicks(first, anchors):
    point, normal = surface_at(first, anchors.relief, CLICKS[:1])[0]
    assert point[2] == pytest.approx(0.56, abs=0.03)
    assert normal[2] < -0.5
    assert np.linalg.norm(normal) == pytest.approx(1)
    assert np.isnan(surface_at(first, anchors.relief, np.array([[-400.0, 20]]))).all()
    assert np.isnan(points_of(first.frame, np.array([[1e9, 0.0]]))).all()
    # A hole of a pixel, as along outlines: the cell knows the surface around it.
    depth = first.frame.depth.copy()
    column, row = np.rint(first.crop.to_image(CLICKS[0])).astype(int)
    depth[row, column] = np.nan
    holed = dataclasses.replace(first, frame=dataclasses.replace(first.frame, depth=depth))
    assert surface_at(holed, anchors.relief, CLICKS[:1])[0, 0] == pytest.approx(point, abs=0.005)


def test_the_background_along_an_outline_is_not_the_object(first, anchors):
    """A depth image that is out of line with the picture shows what lies behind at the edge."""
    true = surface_at(first, anchors.relief, CLICKS)
    depth = first.frame.depth.copy()
    column, row = np.rint(first.crop.to_image(CLICKS[0])).astype(int)
    depth[row - 4 : row + 5, column - 4 : column + 5] = 0.9
    shifted = dataclasses.replace(first, frame=dataclasses.replace(first.frame, depth=depth))
    relief = relief_of(shifted)
    lost = anchors.relief.object & ~relief.object
    assert 0 < lost.sum() < 0.1 * anchors.relief.object.sum()
    assert relief.points[relief.object & relief.known, 2].max() < 0.8
    found = surface_at(shifted, relief, CLICKS)
    assert found[:, 0] == pytest.approx(true[:, 0], abs=0.02)
    assert points_of(shifted.frame, first.crop.to_image(CLICKS[:1]))[0, 2] == pytest.approx(0.9)
