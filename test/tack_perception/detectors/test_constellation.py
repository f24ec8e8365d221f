# SPDX-License-Identifier: Apache-2.0
"""A click that is carried along by the other points of its object."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.camera import CameraIntrinsics
from tack_perception.crops import Crop
from tack_perception.detectors.constellation import (
    ANCHORS,
    Anchors,
    choose_anchors,
    meet,
    points_of,
    predict,
    surface_at,
)
from tack_perception.detectors.scene import Window
from tack_perception.frame import RGBDFrame

CAMERA = CameraIntrinsics(320, 240, 300, 300, 159.5, 119.5)
MOVED = np.array([0.06, -0.03, 0.1])


def bump(x, y):
    """A smooth hill towards the camera, m."""
    return 0.7 - 0.1 * np.exp(-(x**2 + 2 * y**2) / 0.004) + 0.1 * x


def frame(camera_at, bump=bump):
    """What a camera at a place, looking along z, sees of the hill."""
    u, v = np.meshgrid(np.arange(320), np.arange(240))
    rays = CAMERA.rays(np.stack([u, v], -1).astype(float))
    depth = np.full(u.shape, 0.6)
    for _ in range(60):
        x, y, _ = np.moveaxis(rays * depth[..., None], 2, 0) + camera_at[:, None, None]
        depth = 0.5 * depth + 0.5 * (bump(x, y) - camera_at[2])
    color = np.zeros((240, 320, 3), np.uint8)
    return RGBDFrame(color, depth.astype(np.float32), CAMERA, 1, "cam")


def window(frame, u, v, side=160.0):
    shown = np.zeros((32, 32), np.float32)
    shown[8:24, 8:24] = 1
    crop = Crop(u, v, side, 64)
    return Window(crop, torch.zeros(1, 32, 32), torch.zeros(1), True, frame, shown)


@pytest.fixture(scope="module")
def first():
    return window(frame(np.zeros(3)), 159.5, 119.5)


@pytest.fixture(scope="module")
def second():
    u, v = CAMERA.project(np.array([0, 0, 0.6]) - MOVED)
    return window(frame(MOVED), u, v, 200.0)


def found_in(anchors, other, moved=MOVED):
    return other.crop.to_crop(CAMERA.project(anchors.points - moved))


def click(window, u, v):
    return surface_at(window.frame, *window.crop.to_image([u, v]))[None]


def test_anchors_lie_all_over_the_object_and_stay_the_same(first):
    anchors = choose_anchors(first, 2)
    assert anchors is not None
    assert anchors.pixels.shape == (ANCHORS, 2)
    assert (np.abs(anchors.pixels - 31.5) < 15).all()
    assert anchors.pixels.std(axis=0).min() > 5
    np.testing.assert_allclose(
        first.crop.to_crop(CAMERA.project(anchors.points)), anchors.pixels, atol=1e-6
    )
    again = choose_anchors(first, 2)
    np.testing.assert_array_equal(again.pixels, anchors.pixels)


def test_without_depth_or_object_there_are_none(first):
    blind = dataclasses.replace(first.frame, depth=np.full((240, 320), np.nan, np.float32))
    assert choose_anchors(dataclasses.replace(first, frame=blind), 2) is None
    assert (
        choose_anchors(dataclasses.replace(first, shown=np.zeros((32, 32), np.float32)), 2) is None
    )


def test_around_an_unknown_thing_its_surroundings_are_taken(first):
    strange = dataclasses.replace(first, found=False, shown=np.zeros((32, 32), np.float32))
    anchors = choose_anchors(strange, 2)
    middle = surface_at(first.frame, 159.5, 119.5)[0]
    reach = np.linalg.norm(anchors.points - middle, axis=1)
    assert 0.05 < reach.max() < 0.25 * 160 * 0.6 / 300
    depth = first.frame.depth.copy()
    depth[100:140, 140:180] = np.nan
    blind = dataclasses.replace(first.frame, depth=depth)
    assert choose_anchors(dataclasses.replace(strange, frame=blind), 2) is None


@pytest.mark.parametrize("wrong", [0, 30])
def test_a_click_is_carried_by_anchors_some_of_them_wrong(first, second, wrong):
    anchors = choose_anchors(first, 2)
    found = found_in(anchors, second)
    found[:wrong] = np.random.default_rng(0).uniform(10, 54, (wrong, 2))
    agreed = meet(anchors, second, found)
    assert agreed.share == pytest.approx(1 - wrong / ANCHORS, abs=0.12)
    clicks = np.concatenate([click(first, u, v) for u, v in ((28, 30), (40, 36), (31.5, 31.5))])
    said = predict(anchors, second, found, agreed, clicks)
    truth = second.crop.to_crop(CAMERA.project(clicks[:, 0] - MOVED))
    assert np.linalg.norm(said.pixels - truth, axis=1).max() < 1.0
    assert said.sigma_px < 2
    assert said.share == agreed.share
    assert (said.facing > 0.5).all()
    assert said.covered.max() < 0.1
    assert said.beyond.max() < 0.1


def test_what_lies_before_or_behind_a_prediction_is_told(first, second):
    anchors = choose_anchors(first, 2)
    found = found_in(anchors, second)
    agreed = meet(anchors, second, found)
    clicks = click(first, 31.5, 31.5)
    u, v = np.rint(CAMERA.project(clicks[0, 0] - MOVED)).astype(int)
    for change, covered, beyond in ((-0.1, 1.0, 0.0), (0.1, 0.0, 1.0), (np.nan, 0.0, 0.0)):
        depth = second.frame.depth.copy()
        depth[v - 2 : v + 3, u - 2 : u + 3] += change
        other = dataclasses.replace(second, frame=dataclasses.replace(second.frame, depth=depth))
        said = predict(anchors, other, found, agreed, clicks)
        assert said.covered[0] == pytest.approx(covered, abs=0.1)
        assert said.beyond[0] == pytest.approx(beyond, abs=0.1)


def test_a_point_on_the_far_side_faces_away(first, second):
    anchors = choose_anchors(first, 2)
    agreed = meet(anchors, second, found_in(anchors, second))
    clicks = click(first, 31.5, 31.5) * np.array([1, -1])[:, None]
    clicks = np.concatenate([clicks, clicks * np.array([1, np.nan])[:, None]])
    said = predict(anchors, second, found_in(anchors, second), agreed, clicks)
    assert said.facing[0] < -0.5
    assert said.facing[1] == 0  # not known


def test_anchors_without_depth_agree_with_nothing(first, second):
    anchors = choose_anchors(first, 2)
    found = found_in(anchors, second)
    found[: ANCHORS // 2] = -500
    agreed = meet(anchors, second, found)
    assert (agreed.weights[: ANCHORS // 2] == 0).all()
    assert agreed.share == pytest.approx(0.5, abs=0.1)
    assert meet(anchors, second, np.full((ANCHORS, 2), -500.0)) is None


def test_an_instance_of_another_shape_is_followed(first):
    """A hill one and a half times as wide: the click lies between what its neighbours say."""
    wide = window(
        frame(np.zeros(3), lambda x, y: bump(x / 1.5, y) + 0.1 * (x - x / 1.5)), 159.5, 119.5, 200.0
    )
    anchors = choose_anchors(first, 2)
    stretched = anchors.points.copy()
    stretched[:, 0] *= 1.5
    stretched[:, 2] += 0.1 * (stretched[:, 0] - anchors.points[:, 0])
    found = wide.crop.to_crop(CAMERA.project(stretched))
    agreed = meet(anchors, wide, found)
    clicks = click(first, 42, 33)
    truth = clicks[0, 0] * (1.5, 1, 1)
    truth[2] += 0.1 * (truth[0] - clicks[0, 0, 0])
    truth = wide.crop.to_crop(CAMERA.project(truth))
    rigid = Anchors(anchors.pixels, anchors.points, anchors.size)
    said = predict(rigid, wide, found, agreed, clicks)
    plain = wide.crop.to_crop(CAMERA.project(agreed.similarity.apply(clicks[0, 0])))
    assert np.linalg.norm(said.pixels[0] - truth) < 0.5 * np.linalg.norm(plain - truth)


def test_depth_and_normal_of_a_click(first):
    point, normal = surface_at(first.frame, 159.5, 119.5)
    assert point[2] == pytest.approx(0.6, abs=0.01)
    assert normal[2] < -0.9
    assert np.linalg.norm(normal) == pytest.approx(1)
    assert np.isnan(surface_at(first.frame, -400, 20)).all()
    assert np.isnan(points_of(first.frame, np.array([[1e9, 0.0]]))).all()
