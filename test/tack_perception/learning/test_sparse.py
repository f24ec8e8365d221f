# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from tack_perception.learning.episode import Episodes
from tack_perception.learning.losses import heat_cross_entropy
from tack_perception.learning.sparse import SparseLossConfig, sparse_losses
from tack_perception.networks.sparse import SparseHead

Make = Callable[..., Episodes]
GRID = 8


pytestmark = pytest.mark.usefixtures("seeded")


def test_values_are_those_of_the_formulas(make_episodes: Make) -> None:
    known = torch.rand(3, 3, 2) < 0.8
    visible = torch.rand(3, 3, 2) < 0.6
    index = torch.tensor([[0, 1, -1], [2, 3, 4], [0, -1, -1]])
    episodes = make_episodes(named_known=known, named_visible=visible, named_index=index)
    head, features = SparseHead(5, 6), torch.randn(2, 3, 5, GRID, GRID)
    found = sparse_losses(head, *features, episodes)
    heat_sum = weights = 0.0
    seen: tuple[list[float], list[float]] = ([], [])
    for side, points in enumerate((episodes.support_named, episodes.query_named)):
        heat, judged = head(features[side])
        for b, k in torch.nonzero((index >= 0) & known[..., side]).tolist():
            number, shown = index[b, k], bool(visible[b, k, side])
            missed = heat_cross_entropy(heat[b, number][None, None], points[b, k][None, None], 2)
            weight = 1.0 if shown else 0.5
            heat_sum, weights = heat_sum + weight * missed.item(), weights + weight
            probability = judged[b, number].sigmoid().item()
            seen[side].append(-torch.tensor(probability if shown else 1 - probability).log().item())
    assert found["sparse_heat"].item() == pytest.approx(heat_sum / weights, rel=1e-3)
    both = sum(sum(side) / len(side) for side in seen) / 2
    assert found["sparse_seen"].item() == pytest.approx(both, rel=1e-2)


def test_points_of_other_classes_are_absent(make_episodes: Make) -> None:
    """Asked of the picture before; of the same class it would be no sign of absence."""
    head, features = SparseHead(5, 6), torch.randn(2, 3, 5, GRID, GRID)
    index = torch.tensor([[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    episodes = make_episodes(category=torch.tensor([0, 1, 0]), named_index=index)
    config = SparseLossConfig(absent_points=2)
    found = sparse_losses(head, *features, episodes, config)["sparse_absent"]
    _, judged = head(features[1])
    terms = [judged[b - 1, number] for b in (1, 2) for number in index[b, :2]]
    expected = torch.nn.functional.softplus(torch.stack(terms)).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-2)
    alike = dataclasses.replace(episodes, category=torch.zeros(3).long())
    assert sparse_losses(head, *features, alike)["sparse_absent"].item() == 0


def test_nothing_known_is_zero_with_a_gradient(make_episodes: Make) -> None:
    episodes = make_episodes(
        named_index=torch.full((3, 3), -1), support_named=torch.full((3, 3, 2), -1000.0),
        query_named=torch.full((3, 3, 2), torch.nan),
    )  # fmt: skip
    head, features = SparseHead(5, 6), torch.randn(2, 3, 5, GRID, GRID, requires_grad=True)
    losses = sparse_losses(head, *features, episodes)
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    sum(losses.values()).backward()
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_a_weight_of_zero_leaves_a_loss_out(make_episodes: Make) -> None:
    head, features = SparseHead(5, 6), torch.randn(2, 3, 5, GRID, GRID)
    full = sparse_losses(head, *features, make_episodes())
    assert set(full) == {"sparse_heat", "sparse_seen", "sparse_absent"}
    heat = sparse_losses(head, *features, make_episodes(), SparseLossConfig(seen=0.0, heat=2.0))
    assert set(heat) == {"sparse_heat"}
    torch.testing.assert_close(heat["sparse_heat"], 2 * full["sparse_heat"])
    seen = sparse_losses(head, *features, make_episodes(), SparseLossConfig(heat=0.0))
    assert set(seen) == {"sparse_seen", "sparse_absent"}


def test_autocast_changes_little(make_episodes: Make) -> None:
    head, features = SparseHead(5, 6), torch.randn(2, 3, 5, GRID, GRID)
    exact = sparse_losses(head, *features, make_episodes())
    with torch.autocast("cpu", torch.bfloat16):
        rough = sparse_losses(head, *features, make_episodes())
    for name, loss in rough.items():
        assert loss.item() == pytest.approx(exact[name].item(), rel=0.1)


def test_it_learns_where_points_are_and_whether_they_are_seen(make_episodes: Make) -> None:
    """Of each point's own pattern in noise; without the pattern it is hidden."""
    points, channels = 4, 8
    patterns = torch.randn(points, channels)

    def batch(seed: int) -> tuple[Episodes, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        cells = torch.randint(0, GRID, (2, 6, points, 2), generator=generator)
        visible = torch.rand(6, points, 2, generator=generator) < 0.7
        pictures = 0.3 * torch.randn(2, 6, channels, GRID, GRID, generator=generator)
        for side in (0, 1):
            for b, k in torch.nonzero(visible[..., side]).tolist():
                u, v = cells[side, b, k].tolist()
                pictures[side, b, :, v, u] += 2 * patterns[k]
        episodes = make_episodes(
            6, seed=seed, support_named=cells[0] * 2 + 0.5, query_named=cells[1] * 2 + 0.5,
            named_known=torch.ones_like(visible), named_visible=visible,
            named_index=torch.arange(points).expand(6, -1), category=torch.zeros(6).long(),
        )  # fmt: skip
        return episodes, pictures

    head = SparseHead(channels, points)
    optimiser = torch.optim.Adam(head.parameters(), 0.03)
    for step in range(80):
        episodes, pictures = batch(step)
        optimiser.zero_grad()
        sum(sparse_losses(head, *pictures, episodes).values()).backward()
        optimiser.step()
    episodes, pictures = batch(10**6)
    with torch.no_grad():
        heat, seen = head(pictures[1])
    shown = episodes.named_visible[..., 1]
    truth = (episodes.query_named / 2).long()
    found = heat.flatten(2).argmax(2) == truth[..., 1] * GRID + truth[..., 0]
    assert found[shown].float().mean() > 0.9
    assert ((seen > 0) == shown).float().mean() > 0.85
