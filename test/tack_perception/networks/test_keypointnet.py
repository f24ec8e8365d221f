# SPDX-License-Identifier: Apache-2.0
"""What the maps of keypoints expect, and that a mined model serves the detector of dense nets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.detectors.don import DonReader
from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.networks.keypointnet import KeypointNetHead, expect
from tack_perception.networks.model import KeypointModel, ModelConfig, load_model, save_model

MINED = ModelConfig(width=8, heads=("objects", "don", "keypointnet"), classes=("mug",), keypoints=5)


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


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="three keypoints or more"):
        KeypointNetHead(4, 2)
    with pytest.raises(InvalidInputError, match="are expected"):
        expect(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 8, 8), 2)
    with pytest.raises(ConfigurationError, match="needs don"):
        KeypointModel(ModelConfig(width=8, heads=("keypointnet",)))


def test_a_mined_model_is_read_by_the_detector_of_dense_nets(tmp_path: Path) -> None:
    """What it finds depends on the bottleneck, and not on the keypoints that stand on it."""
    save_model(tmp_path, KeypointModel(MINED), {"method": "mined"}, half=True)
    model, _ = load_model(tmp_path)
    assert model.keypointnet is not None
    assert model.keypointnet.keypoints == 5
    reader = DonReader(model)
    with torch.inference_mode():
        features = model.features(torch.rand(1, 3, 64, 64))
        before = reader.head(features)
        model.keypointnet = None
        assert torch.equal(DonReader(model).head(model.features(torch.zeros(1, 3, 64, 64))),
                           reader.head(model.features(torch.zeros(1, 3, 64, 64))))  # fmt: skip
    assert before.shape == (1, 16, 32, 32)
    torch.testing.assert_close(before.norm(dim=1), torch.ones(1, 32, 32))
