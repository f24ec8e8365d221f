# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tack_perception.learning.job import pretrained_weights
from tack_perception.networks.efficientnet import EfficientNetLite0
from tack_perception.networks.model import KeypointModel, ModelConfig


@pytest.fixture(scope="module")
def trunk() -> EfficientNetLite0:
    torch.manual_seed(0)
    net = EfficientNetLite0()
    net.load_pretrained(pretrained_weights())
    return net.eval()


def test_the_encoder_has_the_published_number_of_parameters() -> None:
    """4.652 M of EfficientNet-Lite0, less the last convolution to 1280 and the classifier."""
    net = EfficientNetLite0()
    encoder = [*net.stem.parameters(), *net.stages.parameters()]
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(p.numel() for p in encoder) == 4_652_008 - head


@pytest.mark.parametrize("size", [(32, 64), (48, 80), (33, 41)])
def test_shapes(trunk: EfficientNetLite0, size: tuple[int, int]) -> None:
    with torch.no_grad():
        features = trunk(torch.randn(2, 3, *size))
    assert features.shape == (2, trunk.channels, -(-size[0] // 2), -(-size[1] // 2))


def test_pretrained_features_know_a_thing_when_it_is_moved(trunk: EfficientNetLite0) -> None:
    """The deepest features of a drawn thing are nearer to those of its moved and dimmed like."""

    def deepest(image: np.ndarray) -> torch.Tensor:
        values = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        x = trunk.stem((values - 127) / 128)
        for stage in trunk.stages:
            x = stage(x)
        return torch.nn.functional.normalize(x.mean((2, 3))[0], dim=0)

    def drawn(kind: int, shift: int, light: float) -> np.ndarray:
        image = np.full((128, 128, 3), 90 * light, np.uint8)
        colour = (200 * light, 60 * light, 40 * light)
        if kind:
            cv2.circle(image, (64 + shift, 60), 34, colour, 8)
        else:
            cv2.rectangle(image, (20 + shift, 56), (100 + shift, 70), colour, -1)
        return image

    with torch.no_grad():
        one, like, other = (
            deepest(drawn(1, 0, 1.0)), deepest(drawn(1, 12, 0.8)), deepest(drawn(0, 0, 1.0))
        )  # fmt: skip
    assert float(one @ like) > float(one @ other) + 0.1


def test_edges_and_colours_stay_as_imagenet_left_them() -> None:
    torch.manual_seed(0)
    model = KeypointModel(ModelConfig(trunk="lite0", heads=("don",))).train()
    assert isinstance(model.trunk, EfficientNetLite0)
    model.trunk.load_pretrained(pretrained_weights())
    before = {name: value.clone() for name, value in model.trunk.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model.features(torch.rand(2, 3, 64, 64)).square().mean().backward()
    optimizer.step()
    changed = {
        name for name, value in model.trunk.state_dict().items() if not value.equal(before[name])
    }
    assert not {name for name in changed if name.startswith(("stem", "stages.0", "stages.1"))}
    assert {"stages.2.0.expand.0.weight", "ups.0.0.weight"} <= changed
    gentle = {id(parameter) for parameter in model.pretrained()}
    assert id(model.trunk.stages[6][0].project[0].weight) in gentle
    assert id(model.trunk.ups[0][0].weight) not in gentle


def test_weights_that_do_not_fit_are_refused() -> None:
    state = pretrained_weights()
    state.pop("stem.0.weight" if "stem.0.weight" in state else next(iter(state)))
    with pytest.raises(RuntimeError, match="missing or not expected"):
        EfficientNetLite0().load_pretrained(state)
