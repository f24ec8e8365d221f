# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from tack_perception.errors import InvalidInputError
from tack_perception.networks.resnet import Block, ResNet34


def test_the_stages_have_the_published_number_of_parameters() -> None:
    """21.8 M of ResNet-34, less the classifier's 512 · 1000 + 1000."""
    stages = ResNet34().stages
    assert sum(p.numel() for p in stages.parameters()) == 21_797_672 - 513_000
    assert (
        sum(isinstance(m, torch.nn.Conv2d) and m.kernel_size != (1, 1) for m in stages.modules())
        == 33
    )


def test_the_last_stages_dilate_where_the_published_ones_stride() -> None:
    blocks = [module for module in ResNet34().modules() if isinstance(module, Block)]
    found = [(b.first.stride[0], b.first.dilation[0], b.second.dilation[0]) for b in blocks]
    assert found == [
        *[(1, 1, 1)] * 3, (2, 1, 1), *[(1, 1, 1)] * 3, *[(1, 2, 2)] * 6, *[(1, 4, 4)] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_shapes(stride: int) -> None:
    trunk = ResNet34(5, stride).eval()
    with torch.no_grad():
        features = trunk(torch.randn(1, 3, 24, 32))
    assert (trunk.channels, trunk.stride) == (5, stride)
    assert features.shape == (1, 5, 24 // stride, 32 // stride)


def test_cells_lie_where_the_grid_of_pixels_says() -> None:
    """With equal positive weights, what a cell sees is centred on the cell."""
    trunk = ResNet34(1, 2).eval().requires_grad_(False)
    for module in trunk.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.fill_(1 / module.weight[0].numel())
        if isinstance(module, Block):
            module.second_norm.weight.zero_()  # short cuts alone: a field that fits the picture
        if isinstance(module, torch.nn.MaxPool2d):
            module.forward = torch.nn.AvgPool2d(3, 2).forward  # type: ignore[method-assign]
    image = torch.ones(1, 3, 64, 64, requires_grad=True)
    row, column = 16, 13
    trunk(image)[0, 0, row, column].backward()
    seen = image.grad[0].sum(0)
    axis = torch.arange(64.0)
    centre = (seen.sum(0) @ axis / seen.sum(), seen.sum(1) @ axis / seen.sum())
    assert centre[0].item() == pytest.approx(2 * column + 0.5, abs=0.75)
    assert centre[1].item() == pytest.approx(2 * row + 0.5, abs=0.75)


def test_channels_last_changes_the_layout_and_nothing_else() -> None:
    torch.manual_seed(0)
    trunk = ResNet34(8).eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = trunk(images)
        trunk = trunk.to(memory_format=torch.channels_last)
        found = trunk(images.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    trunk = ResNet34(4)
    for module in trunk.modules():
        if isinstance(module, Block):  # at the start a block is its short cut
            torch.nn.init.ones_(module.second_norm.weight)
    trunk(torch.randn(2, 3, 32, 32)).square().sum().backward()
    silent = [name for name, p in trunk.named_parameters() if not p.grad.abs().max() > 0]
    assert silent == []


def test_at_the_start_features_keep_a_reasonable_size() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        features = ResNet34()(torch.randn(2, 3, 64, 64))
    assert 0.05 < features.std().item() < 20


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="divide by 8"):
        ResNet34()(torch.zeros(1, 3, 60, 64))
    with pytest.raises(InvalidInputError, match="stride one of"):
        ResNet34(stride=3)
