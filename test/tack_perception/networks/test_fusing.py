# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import KeypointModel, ModelConfig


@pytest.mark.parametrize("trunk", ["unet", "lite0", "resnet34"])
def test_answers_stay_and_normalisations_go(trunk: str) -> None:
    torch.manual_seed(0)
    model = KeypointModel(ModelConfig(trunk=trunk, width=8, heads=("don",)))
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for _ in range(2):  # statistics other than 0 and 1
            model.train().features(pictures)
        expected = model.eval().features(pictures)
        fuse_normalisation(model)
        found = model.features(pictures)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    left = [name for name, one in model.named_modules() if isinstance(one, torch.nn.BatchNorm2d)]
    assert left == []
