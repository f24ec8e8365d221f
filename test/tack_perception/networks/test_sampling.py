# SPDX-License-Identifier: Apache-2.0
"""Places between cells: what is read there, and where the peak of a map is."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch

from tack_perception.learning.losses import gaussians, heat_cross_entropy
from tack_perception.networks.sampling import peaks, pool_gaussian, sample, to_cells, to_pixels


def ramp(height=12, width=20):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows]).float()[None]


def test_pixels_and_cells_are_inverse():
    pixels = torch.tensor([[0.5, 3.0], [100.0, -2.0]])
    assert torch.allclose(to_pixels(to_cells(pixels, 2), 2), pixels)
    assert to_cells(torch.tensor([0.5, 0.5]), 2).tolist() == [0.0, 0.0]


def test_a_ramp_reads_as_its_place():
    cells = torch.tensor([[[3.25, 7.5], [0.0, 0.0], [19.0, 11.0], [11.6, 2.2]]])
    assert torch.allclose(sample(ramp(), cells), cells, atol=1e-4)
    assert torch.allclose(pool_gaussian(ramp(), cells[:, 3:], 0.5), cells[:, 3:], atol=1e-4)


def test_half_precision_reads_the_same_place():
    cells = torch.tensor([[[3.25, 7.5], [11.6, 2.2]]])
    read = sample(ramp().bfloat16(), cells)
    assert read.dtype == torch.bfloat16
    assert torch.allclose(read.float(), cells, atol=0.05)


def gaussian_map(at, height=32, width=40, sigma=1.5):
    across, down = torch.arange(width), torch.arange(height)
    return -((across - at[0]) ** 2 + (down[:, None] - at[1]) ** 2) / (2 * sigma**2)


def test_a_peak_between_cells_is_found():
    at = torch.tensor([[13.3, 20.8], [5.0, 5.5]])
    heat = torch.stack([gaussian_map(one) for one in at])[None]
    places, covariance, share = peaks(heat)
    assert torch.allclose(places[0], at, atol=0.3)
    assert torch.linalg.eigvalsh(covariance).min() > 0
    assert share.min() > 0.8


def test_of_two_modes_the_higher_is_taken_not_the_middle():
    heat = torch.logaddexp(gaussian_map((8.0, 16.0)), gaussian_map((32.0, 16.0)) + 0.3)
    places, _, share = peaks(heat[None, None])
    assert torch.allclose(places[0, 0], torch.tensor([32.0, 16.0]), atol=0.3)
    assert 0.4 < float(share) < 0.7


def test_the_cross_entropy_is_lowest_at_the_truth_and_is_the_entropy_there():
    truth = torch.tensor([[[27.0, 40.0]]])
    at = to_cells(truth, 2)[0, 0]
    matching = gaussian_map(at, sigma=0.7)[None, None]
    best = heat_cross_entropy(matching, truth, 2)
    p = matching.flatten().softmax(0)
    assert best.item() == pytest.approx(float(-(p * p.clamp_min(1e-30).log()).sum()), abs=0.02)
    for shift in ((2.0, 0.0), (0.0, -2.0), (1.0, 1.0)):
        assert heat_cross_entropy(matching, truth + torch.tensor(shift), 2) > best + 0.1


def test_the_gradient_of_the_cross_entropy_is_that_of_finite_differences():
    heat = torch.randn(1, 2, 5, 6, requires_grad=True)
    points = torch.tensor([[[3.0, 4.0], [9.0, 2.0]]])
    loss = heat_cross_entropy(heat, points, 2).sum()
    (slope,) = torch.autograd.grad(loss, heat)
    step = 1e-2
    for place in ((0, 0, 1, 2), (0, 1, 4, 5), (0, 1, 1, 4)):
        moved = [heat.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        high, low = (heat_cross_entropy(one, points, 2).sum() for one in moved)
        assert float(slope[place]) == pytest.approx(float(high - low) / (2 * step), abs=2e-3)


def test_gaussians_sum_to_one_and_far_ones_stay_finite():
    rows = gaussians(torch.tensor([3.0, -500.0, 1e6]), 8, 0.7)
    assert torch.allclose(rows.sum(-1), torch.ones(3))
    assert int(rows[1].argmax()) == 0
    assert int(rows[2].argmax()) == 7
