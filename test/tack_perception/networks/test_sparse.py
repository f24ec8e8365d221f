# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tack_perception.errors import InvalidInputError
from tack_perception.networks.sparse import SparseHead


@pytest.fixture
def head() -> SparseHead:
    torch.manual_seed(0)
    return SparseHead(6, 5, wide=3, hidden=7).requires_grad_(False)


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_heat_is_a_convolution_by_each_points_kernels(
    head: SparseHead, size: tuple[int, int]
) -> None:
    features = torch.randn(2, 6, *size)
    coarse = functional.avg_pool2d(head.wide(features), 2, ceil_mode=True)
    coarse = functional.conv2d(coarse, head.wide_kernels, padding=1)
    expected = functional.conv2d(features, head.kernels[..., None, None])
    expected = expected + functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
    heat, seen = head(features)
    assert heat.shape == (2, 5, *size)
    assert seen.shape == (2, 5)
    torch.testing.assert_close(heat, expected, rtol=1e-4, atol=1e-5)


def test_some_points_are_the_same_as_among_all(head: SparseHead) -> None:
    features = torch.randn(3, 6, 8, 8)
    index = torch.tensor([[4, 0], [1, -1], [2, 2]])
    every, judged = head(features)
    heat = head.heat(features, index)
    seen = head.evidence(features, heat, index)
    for b, k in ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1)):
        torch.testing.assert_close(heat[b, k], every[b, index[b, k]], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(seen[b, k], judged[b, index[b, k]], rtol=1e-3, atol=1e-4)
    assert heat[1, 1].isfinite().all()


def test_a_moved_picture_moves_the_peak(head: SparseHead) -> None:
    features = torch.zeros(1, 6, 16, 16)
    features[:, :, 5, 6] = 4 * head.kernels[2]
    top = head.heat(features).flatten(2).argmax(2)[0, 2]
    moved = head.heat(features.roll((4, 2), (2, 3))).flatten(2).argmax(2)[0, 2]
    assert (top.item(), moved.item()) == (5 * 16 + 6, 9 * 16 + 8)


def test_evidence_looks_where_the_point_was_found(head: SparseHead) -> None:
    """A change at the peak changes the judgement, one far from it does not."""
    features, heat = torch.randn(1, 6, 16, 16), torch.zeros(1, 5, 16, 16)
    heat[:, :, 4, 4] = 20.0
    seen = head.evidence(features, heat)
    changed = []
    for place in (4, 14):
        other = features.clone()
        other[:, :, place, place] += 3
        changed.append((head.evidence(other, heat) - seen).abs().amin().item())
    assert changed[0] > 1e-3
    assert changed[1] == 0


def test_evidence_does_not_pull_at_the_heat_map() -> None:
    head = SparseHead(6, 5)
    features = torch.randn(1, 6, 8, 8)
    heat = head.heat(features)
    head.evidence(features, heat).sum().backward()
    assert head.kernels.grad is None
    assert head.judges.grad.abs().sum() > 0


def test_sizes_that_are_not_positive_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="points = 0"):
        SparseHead(6, 0)
