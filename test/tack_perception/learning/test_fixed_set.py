# SPDX-License-Identifier: Apache-2.0
"""The fixed set behind the port: points are found by their names."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import KeypointDetector
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.learning.fixed_set import FixedSetDetector, make_fixed_set
from tack_perception.networks.model import KeypointModel, ModelConfig, save_model

POINTS = ("mug/handle", "mug/rim_front", "box/top_center")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model")
    config = ModelConfig(width=8, crop_px=64, heads=("objects", "sparse"), points=POINTS)
    save_model(path, KeypointModel(config), {})
    return path


def frame(seed=0):
    color = np.random.default_rng(seed).integers(0, 255, (15, 20, 3)).astype(np.uint8)
    color = color.repeat(8, 0).repeat(8, 1)
    depth = np.full((120, 160), 0.5, np.float32)
    return RGBDFrame(color, depth, CameraIntrinsics(160, 120, 150, 150, 79.5, 59.5), 1, "cam")


def test_a_name_is_found_wherever_it_was_clicked(folder):
    here = frame()
    places = {}
    for u in (30, 34):
        detector = make_fixed_set({"model": str(folder)})
        assert isinstance(detector, KeypointDetector)
        shots = [Annotation("box.top_center", u, 60, here), Annotation("mug.handle", u, 60, here)]
        detector.enroll(shots)
        found = detector.detect(here)
        assert [one.label for one in found] == ["box.top_center", "mug.handle"]
        assert all(0 <= one.confidence <= 1 for one in found)
        places[u] = [(one.u, one.v) for one in found]
    assert places[30] == places[34]
    assert places[30][0] != places[30][1]


def test_heat_maps_are_those_of_the_names(folder):
    detector = make_fixed_set({"model": str(folder)})
    assert isinstance(detector, FixedSetDetector)
    detector.enroll([Annotation("mug.rim_front", 50, 60, frame())])
    windows, evidence = detector.evidence(frame())
    every = detector.model.sparse(torch.stack([window.features for window in windows]))[0]
    peak = every[:, POINTS.index("mug/rim_front")].flatten(1).argmax(1)
    size = every.shape[-1]
    expected = np.column_stack([peak % size, peak // size]) * 2 + 0.5
    assert np.abs(evidence.pixels[:, 0] - expected).max() < 4  # refined around the highest cell


def test_other_points_are_refused(folder, tmp_path):
    detector = make_fixed_set({"model": str(folder)})
    known = Annotation("mug.handle", 50, 60, frame())
    with pytest.raises(InvalidInputError, match=r"mug\.surface_3: not in the fixed set"):
        detector.enroll([known, Annotation("mug.surface_3", 50, 60, frame())])
    assert detector.labels == ()
    save_model(tmp_path, KeypointModel(ModelConfig(width=8, heads=("objects",))), {})
    with pytest.raises(InvalidInputError, match="no sparse head"):
        make_fixed_set({"model": str(tmp_path)})
