# SPDX-License-Identifier: Apache-2.0
"""Named points of a class, and places on its objects, tell how one lies as another does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from hills import CAMERA, FOOT, motion_of, view, window
from scipy.spatial.transform import Rotation

from tack_perception.detectors.classes import Classes
from tack_perception.detectors.constellation import choose_anchors
from tack_perception.detectors.relief import points_of
from tack_perception.errors import InvalidInputError
from tack_perception.networks.model import KeypointModel, ModelConfig

SPOTS = np.array([[24.0, 26.0], [40.0, 28.0], [30.0, 42.0], [38.0, 38.0]])  # px of the window
TRUTH = motion_of(
    Rotation.from_euler("zyx", [140, 12, -8], degrees=True).as_matrix(), np.array([0.02, -0.01, 0])
)
CHANNELS = 8


def model_of(points=4, heads=("objects", "sparse"), seen=5.0):
    """Its channel n is the heat of the n-th named point of "hill"; "other" has names, too."""
    names = (*(f"hill/{n}" for n in range(points)), "other/0", "other/1", "other/2")
    config = ModelConfig(width=CHANNELS, heads=heads, classes=("other", "hill"), points=names)
    model = KeypointModel(config).eval()
    model.requires_grad_(requires_grad=False)
    model.objects.prototypes[:] = torch.eye(2, 32)
    if model.sparse is not None:
        model.sparse.kernels[:] = 20 * torch.eye(len(names), model.trunk.channels)
        for one in (model.sparse.wide_kernels, model.sparse.judges):
            one[:] = 0
        model.sparse.bias[:] = seen
    return model


def shown(frame, pixels, channels, kind=1, **where):
    """A window whose features say where the spots are, on something of a class."""
    seen = window(frame, **where)
    cells = seen.crop.to_crop(pixels) / 2 - 0.25
    at = np.arange(32)
    across, down = (at - cells[:, axis, None] for axis in (0, 1))
    heat = np.exp(-(across[:, None] ** 2 + down[:, :, None] ** 2) / 2)
    features = torch.zeros(channels, 32, 32)
    features[: len(heat)] = torch.from_numpy(heat)
    return dataclasses.replace(seen, features=features, embedding=torch.eye(2, 32)[kind])


def both(model, kind=1):
    """A hill, and the same turned half around, where heat maps of any point are of no use."""
    first, second = view(), view(turn=TRUTH.rotation[0], shift=np.array([0.02, -0.01, 0]))
    pixels = window(first).crop.to_image(SPOTS)
    u, v = CAMERA.project(TRUTH.apply(FOOT[None])[0, 0])
    there = CAMERA.project(TRUTH.apply(points_of(first, pixels))[0])
    return (
        shown(first, pixels, model.trunk.channels, kind),
        shown(second, there, model.trunk.channels, kind, u=u, v=v),
    )


@torch.inference_mode()
def proposed(model, here, there):
    return Classes(model).propose(here, choose_anchors(here, 2), there)


def test_named_points_propose_how_the_object_lies():
    model = model_of()
    found = proposed(model, *both(model))
    assert found.anchors.points.shape == (4, 3)
    turned = Rotation.from_matrix(TRUTH.rotation[0].T @ found.poses.rotation[0]).magnitude()
    assert np.degrees(turned) < 20  # as near as alignment needs it
    np.testing.assert_allclose(
        found.poses.apply(FOOT[None])[0], TRUTH.apply(FOOT[None])[0], atol=0.02
    )


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"seen": -5.0}, 1), ({"points": 2}, 1), ({"heads": ("objects",)}, 1), ({}, 0)],
    ids=["hidden", "too few", "no fixed set", "of another class"],
)
def test_without_named_points_nothing_is_proposed(change, kind):
    model = model_of(**change)
    here, there = both(model, kind)
    if kind == 0:  # the names of the other class are found nowhere: all in one spot
        here = dataclasses.replace(here, features=torch.zeros_like(here.features))
    assert proposed(model, here, there) is None


def test_named_points_need_depth():
    model = model_of()
    here, there = both(model)
    anchors = choose_anchors(here, 2)
    frame = here.frame
    blind = dataclasses.replace(frame, depth=np.full_like(frame.depth, np.nan))
    with torch.inference_mode():
        assert (
            Classes(model).propose(dataclasses.replace(here, frame=blind), anchors, there) is None
        )


def test_places_are_descriptors_that_differ_with_the_distance():
    model = model_of()
    objects = model.objects
    here, _ = both(model)
    with torch.inference_mode():
        told = Classes(model).places(here)
        places = objects(here.features[None])[2][0, 1].numpy()
    assert told.shape == (12, 32, 32)
    np.testing.assert_allclose(np.linalg.norm(told, axis=0), 1, atol=1e-6)
    flat, where = told.reshape(12, -1), places.reshape(3, -1)
    alike = flat.T @ flat[:, :1]
    expected = np.cos(np.pi / 2 * np.outer((1, 2), (where - where[:, :1]).ravel())).mean(0)
    np.testing.assert_allclose(alike[:, 0], expected.reshape(3, -1).mean(0), atol=1e-5)


def test_a_model_that_knows_no_objects_knows_no_classes():
    model = KeypointModel(ModelConfig(width=8, heads=("don",)))
    with pytest.raises(InvalidInputError, match="lacks"):
        Classes(model)
