# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tack_perception.errors import InvalidInputError
from tack_perception.networks.don import DonHead, squared_distances


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_descriptors_have_unit_length_on_the_grid_of_the_features() -> None:
    descriptors = DonHead(6, 4)(torch.randn(2, 6, 5, 7))
    assert descriptors.shape == (2, 4, 5, 7)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2, 5, 7))


def test_unit_length_can_be_switched_off() -> None:
    head = DonHead(6, 4, normalise=False)
    features = torch.randn(2, 6, 5, 7)
    expected = np.einsum("dc,bchw->bdhw", head.project.weight[:, :, 0, 0].detach(), features)
    expected += head.project.bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(head(features).detach(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_sampling_follows_the_pixel_grid(stride: int) -> None:
    """Of maps that hold their own pixel coordinates, a sample at a pixel is that pixel."""
    head = DonHead(3, 2, normalise=False)
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    maps = (torch.stack([columns, rows]) * stride + (stride - 1) / 2)[None]
    low, high = (stride - 1) / 2, torch.tensor([8.0, 5.0]) * stride
    points = low + torch.rand(1, 20, 2) * high
    torch.testing.assert_close(head.sample(maps, points, stride), points)


def test_outside_the_picture_the_border_answers() -> None:
    head = DonHead(3, 2, normalise=False)
    descriptors = torch.randn(1, 2, 4, 4)
    found = head.sample(descriptors, torch.tensor([[[-50.0, -9.0], [500.0, 3.5]]]), 2)
    torch.testing.assert_close(found[0, 0], descriptors[0, :, 0, 0])
    torch.testing.assert_close(found[0, 1], descriptors[0, :, 1:3, 3].mean(1), atol=0.5, rtol=1)


def test_samples_between_cells_have_unit_length() -> None:
    head = DonHead(6, 3)
    found = head.sample(head(torch.randn(2, 6, 8, 8)), torch.rand(2, 9, 2) * 15, 2)
    torch.testing.assert_close(found.norm(dim=2), torch.ones(2, 9))


def test_heat_and_logits_are_those_of_the_formulas() -> None:
    head = DonHead(6, 3).requires_grad_(False)
    head.log_temperature.fill_(math.log(0.2))
    head.log_reach.fill_(0.3)
    descriptors = head(torch.randn(2, 6, 4, 5))
    codes = torch.nn.functional.normalize(torch.randn(2, 7, 3), dim=2)
    squared = ((codes[:, :, :, None, None] - descriptors[:, None]) ** 2).sum(2)
    torch.testing.assert_close(
        head.heat(codes, descriptors), torch.exp(-squared / math.exp(0.3) ** 2)
    )
    torch.testing.assert_close(head.logits(codes, descriptors), -squared / (2 * 0.21))
    torch.testing.assert_close(
        head.likeness(head.logits(codes, descriptors)), head.heat(codes, descriptors)
    )
    cosine = torch.einsum("bnd,bdhw->bnhw", codes, descriptors)
    torch.testing.assert_close(
        head.logits(codes, descriptors).flatten(2).softmax(2),
        (cosine / head.temperature).flatten(2).softmax(2),
    )


@pytest.mark.parametrize("normalise", [True, False])
def test_at_the_start_the_heat_is_the_soft_max_without_its_denominator(normalise: bool) -> None:
    head = DonHead(6, 3, normalise=normalise)
    descriptors = head(torch.randn(1, 6, 4, 4))
    codes = head.sample(descriptors, torch.rand(1, 5, 2) * 7, 2)
    torch.testing.assert_close(
        head.heat(codes, descriptors), head.logits(codes, descriptors).exp(), rtol=1e-4, atol=1e-6
    )


def test_the_temperature_has_a_floor() -> None:
    head = DonHead(6, 3).requires_grad_(False)
    head.log_temperature.fill_(-50.0)
    assert head.temperature.item() == pytest.approx(0.01)


def test_distances_do_not_suffer_from_autocast() -> None:
    codes, cells = torch.randn(2, 5, 16), torch.randn(2, 16, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        head = DonHead(8, 16)
        descriptors = head(torch.randn(2, 8, 3, 4))
        squared = squared_distances(codes, cells)
    assert descriptors.dtype == torch.float32
    expected = ((codes[..., None, None] - cells[:, None]) ** 2).sum(2)
    torch.testing.assert_close(squared, expected)


def test_gradients_are_those_of_finite_differences() -> None:
    head = DonHead(3, 2).double()
    features = torch.randn(1, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    points = torch.rand(1, 2, 2, dtype=torch.float64) * 4

    def heat(values: torch.Tensor, reach: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
        parts = {"log_reach": reach, "log_temperature": temperature}
        return torch.func.functional_call(_Look(head, points), _named(parts), (values,))

    scales = (head.log_reach, head.log_temperature)
    # Samples between cells are taken in single precision: steps are large for that reason.
    assert torch.autograd.gradcheck(heat, (features, *scales), eps=1e-3, atol=5e-3, rtol=1e-2)


class _Look(torch.nn.Module):
    def __init__(self, head: DonHead, points: torch.Tensor) -> None:
        super().__init__()
        self.head, self.points = head, points

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        descriptors = self.head(features)
        codes = self.head.sample(descriptors, self.points, 2)
        return self.head.heat(codes, descriptors) + self.head.logits(codes, descriptors)


def _named(parts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"head.{name}": value for name, value in parts.items()}


@pytest.mark.parametrize(("channels", "size"), [(0, 3), (3, 0), (3, 1)])
def test_sizes_that_make_no_sense_are_refused(channels: int, size: int) -> None:
    with pytest.raises(InvalidInputError, match="size of 2 or more"):
        DonHead(channels, size)
