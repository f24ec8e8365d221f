# SPDX-License-Identifier: Apache-2.0
"""What the maps of keypoints expect, and that a mined model serves the detector of dense nets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.annotation import Annotation
from tack_perception.camera import CameraIntrinsics
from tack_perception.detectors import make_detector
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.networks.keypointnet import KeypointNetHead, expect
from tack_perception.networks.model import KeypointModel, ModelConfig, load_model, save_model

MINED = ModelConfig(
    width=8, heads=("objects", "don", "keypointnet"), classes=("mug",), keypoints=5, crop_px=64
)  # fmt: skip


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_a_sharp_map_expects_its_cell() -> None:
    logits = torch.zeros(1, 2, 6, 8)
    logits[0, 0, 4, 7] = 100
    logits[0, 1, 0, 0] = logits[0, 1, 0, 2] = 100
    depths = torch.rand(1, 2, 6, 8) + 0.5
    mask = torch.zeros(1, 6, 8)
    mask[0, 4, 7] = mask[0, 0, 2] = 1
    found = expect(logits, depths, mask, 2)
    torch.testing.assert_close(found.pixels[0], torch.tensor([[14.5, 8.5], [2.5, 0.5]]))
    torch.testing.assert_close(found.depth[0, 0], depths[0, 0, 4, 7])
    torch.testing.assert_close(found.mask[0], torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(found.variance[0], torch.tensor([0.0, 4.0]), atol=1e-3, rtol=0)


def test_expectations_are_those_of_the_formulas() -> None:
    logits, depths = torch.randn(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    mask = (torch.rand(2, 5, 4) < 0.5).float()
    found = expect(logits, depths, mask, 4)
    p = logits.flatten(2).softmax(2).reshape(logits.shape).numpy()
    v, u = (one * 4 + 1.5 for one in np.mgrid[0:5, 0:4])
    mean_u, mean_v = (p * u).sum((2, 3)), (p * v).sum((2, 3))
    away = (u - mean_u[..., None, None]) ** 2 + (v - mean_v[..., None, None]) ** 2
    np.testing.assert_allclose(found.pixels, np.stack([mean_u, mean_v], -1), rtol=1e-5)
    np.testing.assert_allclose(found.depth, (p * depths.numpy()).sum((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.mask, (p * mask.numpy()[:, None]).sum((2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found.variance, (p * away).sum((2, 3)), rtol=1e-4)


def test_the_head_gives_positive_depths_and_full_precision() -> None:
    head = KeypointNetHead(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        logits, depths = head(torch.nn.functional.normalize(torch.randn(2, 4, 6, 6), dim=1))
    assert logits.shape == depths.shape == (2, 3, 6, 6)
    assert logits.dtype == depths.dtype == torch.float32
    assert bool((depths > 0).all())
    assert depths.mean().item() == pytest.approx(1, abs=0.2)


def test_the_same_is_expected_some_keypoints_at_a_time() -> None:
    """Also the gradients, of maps that are made anew. 35 keypoints are no whole number of lots."""
    head = KeypointNetHead(4, 35).double()
    descriptors = torch.randn(2, 4, 6, 7, dtype=torch.double, requires_grad=True)
    mask = (torch.rand(2, 6, 7) < 0.5).double()
    logits, depths = head(descriptors)
    at_once = expect(logits, depths, mask, 2)
    numbers, gradients = [], []
    for found in (at_once, head.expect(descriptors, mask, 2)):
        parts = [getattr(found, one.name).reshape(2, 35, -1) for one in dataclasses.fields(found)]
        numbers.append(torch.cat(parts, 2))
        total = (numbers[-1] * torch.arange(35)[:, None]).sum()
        gradients.append(torch.autograd.grad(total, (descriptors, *head.parameters())))
    torch.testing.assert_close(*numbers)
    torch.testing.assert_close(*gradients)


def kept_for_the_way_back(keypoints: int) -> int:
    """Bytes, each piece of memory once."""
    sizes: dict[int, int] = {}
    alive = []  # or an address would serve twice

    def count(one: torch.Tensor) -> torch.Tensor:
        alive.append(one)
        sizes[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        return one

    descriptors = torch.randn(1, 3, 32, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda one: one):
        KeypointNetHead(3, keypoints).expect(descriptors, torch.ones(1, 32, 32), 2)
    return sum(sizes.values())


def test_what_is_kept_does_not_grow_with_the_keypoints() -> None:
    one_map = 32 * 32 * 4
    assert kept_for_the_way_back(128) - kept_for_the_way_back(16) < 8 * one_map


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="three keypoints or more"):
        KeypointNetHead(4, 2)
    with pytest.raises(InvalidInputError, match="are expected"):
        expect(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 8, 8), 2)
    with pytest.raises(ConfigurationError, match="needs don"):
        KeypointModel(ModelConfig(width=8, heads=("keypointnet",)))


def frame(seed: int) -> RGBDFrame:
    rng = np.random.default_rng(seed)
    color = rng.integers(0, 255, (15, 20, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    depth = np.full((120, 160), 0.5, np.float32)
    return RGBDFrame(color, depth, CameraIntrinsics(160, 120, 150, 150, 79.5, 59.5), 1, "cam")


def test_the_detector_of_dense_nets_reads_a_mined_model(tmp_path: Path) -> None:
    """Its answers hang on the bottleneck, and not on the keypoints that stand on it."""
    mined = KeypointModel(MINED)
    bare = KeypointModel(dataclasses.replace(MINED, heads=("objects", "don")))
    bare.load_state_dict(mined.state_dict(), strict=False)
    answers = []
    for name, model in (("mined", mined), ("bare", bare)):
        save_model(tmp_path / name, model, {"method": "mined"}, half=True)
        detector = make_detector("don", {"model": str(tmp_path / name)})
        detector.enroll([Annotation("a", 90, 70, frame(0)), Annotation("b", 30, 40, frame(0))])
        answers.append([(one.u, one.v, one.confidence) for one in detector.detect(frame(1))])
    assert answers[0] == answers[1]
    loaded, _ = load_model(tmp_path / "mined")
    assert loaded.keypointnet is not None
    assert loaded.keypointnet.keypoints == 5
