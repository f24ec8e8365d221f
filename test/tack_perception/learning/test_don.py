# SPDX-License-Identifier: Apache-2.0
"""What the losses of Dense Object Nets take for alike, what they leave alone, that they learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from numpy.typing import NDArray

from tack_perception.errors import ConfigurationError, InvalidInputError
from tack_perception.learning.don import (
    DonLossConfig,
    dense_nt_xent,
    distributional,
    don_losses,
    nt_xent,
)
from tack_perception.learning.don_pairs import Pairs, describe
from tack_perception.learning.episode import Episodes
from tack_perception.networks.don import DonHead

Make = Callable[..., Episodes]
Array = NDArray[Any]
STRIDE, GRID = 2, 8
KINDS = ("dense", "nt_xent", "distributional", "contrastive")


pytestmark = pytest.mark.usefixtures("seeded")


def only(kind: str, **more: Any) -> DonLossConfig:
    weights = {name: float(name == kind) for name in (*KINDS, "calibration")}
    return DonLossConfig(**(weights | more))


def seen_by(episodes: Episodes, *, size: int = 3, normalise: bool = True, **how: bool) -> tuple[
    DonHead, Pairs
]:  # fmt: skip
    """Random descriptors of episodes."""
    head = DonHead(5, size, normalise)
    features = torch.randn(2, len(episodes), 5, GRID, GRID)
    how = {"instances": False, "other_things": True} | how
    return head, describe(head, (features[0], features[1]), episodes, **how)


@pytest.mark.parametrize("kind", KINDS)
def test_some_loss_trains_each_scale(make_episodes: Make, kind: str) -> None:
    head = DonHead(5, 3)
    features = torch.randn(2, 3, 5, GRID, GRID)
    config = dataclasses.replace(only(kind), calibration=0.1)
    sum(don_losses(head, *features, make_episodes(), config).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_points_does_not_matter(make_episodes: Make, kind: str) -> None:
    episodes = make_episodes(visible=torch.rand(3, 4) < 0.7)
    order = torch.tensor([2, 0, 3, 1])
    names = ("support_points", "query_points", "known", "visible")
    permuted = dataclasses.replace(
        episodes, **{name: getattr(episodes, name)[:, order] for name in names}
    )
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID)
    first, second = (don_losses(head, *features, e, only(kind)) for e in (episodes, permuted))
    for name, loss in first.items():
        torch.testing.assert_close(second[name], loss)


@pytest.mark.parametrize("kind", ["dense", "nt_xent"])
def test_the_length_of_descriptors_does_not_matter_to_a_cosine(
    make_episodes: Make, kind: str
) -> None:
    head, features = DonHead(5, 3, normalise=False), torch.randn(2, 3, 5, GRID, GRID)
    first = don_losses(head, *features, make_episodes(), only(kind))
    with torch.no_grad():
        head.project.weight.mul_(7)
        head.project.bias.mul_(7)
    second = don_losses(head, *features, make_episodes(), only(kind))
    torch.testing.assert_close(second, first)


def test_a_match_with_itself_costs_nothing(make_episodes: Make) -> None:
    episodes = make_episodes()
    episodes = dataclasses.replace(episodes, query_points=episodes.support_points)
    features = torch.randn(3, 5, GRID, GRID)
    found = don_losses(DonHead(5, 3), features, features, episodes, only("contrastive"))
    assert found["don_match"].item() == pytest.approx(0, abs=1e-10)


def of_two_instances(make: Make, *, same: bool) -> Episodes:
    """Two episodes of one class, of two instances; the second picture of each may be another's."""
    return make(
        2, category=torch.tensor([4, 4]), instance=torch.tensor([1, 2]),
        same=torch.tensor([same, same]),
    )  # fmt: skip


@pytest.mark.parametrize("same", [False, True])
def test_class_recipe_pushes_no_instances_apart(make_episodes: Make, same: bool) -> None:
    _, pairs = seen_by(of_two_instances(make_episodes, same=same))
    assert pairs.match.all()
    assert not pairs.apart.any()
    assert not pairs.alone.any()


def test_instance_recipe_tells_instances_apart(make_episodes: Make) -> None:
    _, pairs = seen_by(of_two_instances(make_episodes, same=True), instances=True)
    assert pairs.match.all()
    different = torch.tensor([[False, True], [True, False]])
    assert torch.equal(pairs.apart, different[None, :, None, :].expand(2, 2, 2, 2))


def test_instance_recipe_knows_that_it_does_not_know_the_other_instance(
    make_episodes: Make,
) -> None:
    """The query's own number is not told: it may be the other episode's support."""
    _, pairs = seen_by(of_two_instances(make_episodes, same=False), instances=True)
    assert not pairs.match.any()
    assert pairs.alone.all()
    different = torch.tensor([[False, True], [True, False]])
    assert torch.equal(pairs.apart[0, :, 0], different)
    assert torch.equal(pairs.apart[0, :, 1], ~different)
    assert not pairs.apart[1, :, 1].any()
    assert torch.equal(pairs.apart, pairs.apart.permute(2, 3, 0, 1))


@pytest.mark.parametrize("kind", ["dense", "nt_xent", "distributional"])
def test_other_things_can_be_spared(make_episodes: Make, kind: str) -> None:
    """Making another thing look like the point costs, or does not."""
    episodes = make_episodes(1)
    things = episodes.query_things.clone()
    things[:, 0, :] = 1
    episodes = dataclasses.replace(
        episodes, query_things=things, query_points=episodes.query_points.clamp(6, 12)
    )
    reached = {}
    for other_things in (False, True):
        head, pairs = seen_by(episodes, other_things=other_things)
        loss = {"dense": dense_nt_xent, "nt_xent": nt_xent, "distributional": distributional}[kind]
        value = loss(head, pairs, only(kind, other_things=other_things))
        (gradient,) = torch.autograd.grad(value, pairs.cells[1])
        reached[other_things] = gradient[:, :, 0, :].abs().max() > 1e-3 * gradient.abs().max()
    assert not reached[False]
    assert reached[True] == (kind != "nt_xent")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", ["class", "instance"])
def test_nothing_to_learn_from_is_zero_with_a_gradient(
    make_episodes: Make, recipe: str, kind: str
) -> None:
    """No visible pair and no mask: issue 204 of RobotLocomotion/pytorch-dense-correspondence."""
    none = torch.zeros(3, 4, dtype=torch.bool)
    blank = torch.zeros(3, GRID, GRID)
    episodes = make_episodes(
        visible=none, known=none, category=torch.zeros(3).long(), query_object=blank,
        instance=torch.zeros(3).long(), query_points=torch.full((3, 4, 2), -1000.0),
        query_things=torch.full_like(blank, torch.nan),
    )  # fmt: skip
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID, requires_grad=True)
    config = dataclasses.replace(only(kind, recipe=recipe), calibration=1.0)
    losses = don_losses(head, *features, episodes, config)
    assert {name: loss.item() for name, loss in losses.items()} == dict.fromkeys(losses, 0.0)
    sum(losses.values()).backward()
    assert torch.equal(features.grad, torch.zeros_like(features))


@pytest.mark.parametrize("kind", KINDS)
def test_points_outside_twice_or_unknown_do_no_harm(make_episodes: Make, kind: str) -> None:
    """The sampler repeats points where there are few, and marks what is not known by -1000."""
    episodes = make_episodes()
    support, query = episodes.support_points.clone(), episodes.query_points.clone()
    support[:, 1], query[:, 1] = support[:, 0], query[:, 0]
    support[:, 2], query[:, 3] = -1000.0, torch.nan
    visible = torch.tensor([True, True, True, False]).expand(3, 4)
    episodes = dataclasses.replace(
        episodes, support_points=support, query_points=query, visible=visible, known=visible
    )
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID, requires_grad=True)
    losses = don_losses(head, *features, episodes, dataclasses.replace(only(kind), calibration=1.0))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert features.grad.isfinite().all()
    assert features.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_changes_little(make_episodes: Make, kind: str) -> None:
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID)
    exact = don_losses(head, *features, make_episodes(), only(kind, margin=1.5))
    with torch.autocast("cpu", torch.bfloat16):
        rough = don_losses(head, *features, make_episodes(), only(kind, margin=1.5))
    for name, loss in rough.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(exact[name].item(), rel=0.05)


def test_a_batch_has_one_loss_whatever_came_before(make_episodes: Make) -> None:
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID)
    first = don_losses(head, *features, make_episodes(), only("contrastive", margin=2.0))
    torch.rand(5)
    second = don_losses(head, *features, make_episodes(), only("contrastive", margin=2.0))
    torch.testing.assert_close(second, first, rtol=0, atol=0)


def test_weights_scale_their_losses(make_episodes: Make) -> None:
    head, features = DonHead(5, 3), torch.randn(2, 3, 5, GRID, GRID)
    one = don_losses(head, *features, make_episodes())
    two = don_losses(head, *features, make_episodes(), DonLossConfig(dense=2.0, calibration=0.2))
    assert set(one) == {"don_dense", "don_calibration"}
    torch.testing.assert_close(two, {name: 2 * loss for name, loss in one.items()})


def test_wrong_input_is_refused(make_episodes: Make) -> None:
    coarse = torch.randn(2, 3, 5, GRID // 2, GRID // 2)
    with pytest.raises(InvalidInputError, match="same grid"):
        don_losses(DonHead(5, 3), *coarse, make_episodes())
    with pytest.raises(ConfigurationError, match="class"):
        DonLossConfig(recipe="species")


@pytest.mark.parametrize(
    ("config", "loud"),
    [
        (only("dense"), 3.0),
        (only("nt_xent"), 3.0),
        (only("distributional"), 3.0),
        (only("contrastive", margin=1.0), 3.0),
        # As long as the map is flat the mean place is the picture's middle, and tells little.
        (only("distributional", expectation=True), 1.0),
    ],
    ids=["dense", "nt_xent", "distributional", "contrastive", "expectation"],
)
def test_each_loss_finds_what_two_pictures_share(
    make_episodes: Make, config: DonLossConfig, loud: float
) -> None:
    """Half of the channels move with the object, the others are noise: learn to ignore it."""
    grid, steps = 12, 90
    everything = torch.ones(4, grid, grid)
    masks = dict.fromkeys(
        ("support_object", "query_object", "support_things", "query_things"), everything
    )

    def batch(seed: int) -> tuple[Episodes, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        episodes = make_episodes(4, 12, 2 * grid, seed, category=torch.zeros(4).long(), **masks)
        cells = torch.randint(3, grid, (4, 12, 2), generator=generator)
        shift = torch.tensor([2, 3])
        signal = torch.randn(4, 6, grid, grid, generator=generator)
        moved = signal.roll((-3, -2), (2, 3))
        noise = loud * torch.randn(2, 4, 6, grid, grid, generator=generator)
        points = {"support_points": cells * 2 + 0.5, "query_points": (cells - shift) * 2 + 0.5}
        episodes = dataclasses.replace(episodes, **points)
        return episodes, torch.cat([signal, noise[0]], 1), torch.cat([moved, noise[1]], 1)

    def share_found() -> float:
        episodes, *features = batch(10**6)
        with torch.no_grad():
            pairs = describe(head, (features[0], features[1]), episodes, instances=False,
                             other_things=True)  # fmt: skip
            best = head.logits(pairs.codes[0], pairs.cells[1]).flatten(2).argmax(2)
        truth = ((episodes.query_points - 0.5) / 2).long()
        return (best == truth[..., 1] * grid + truth[..., 0]).float().mean().item()

    head = DonHead(12, 6)
    before = share_found()
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for step in range(steps):
        episodes, support, query = batch(step)
        optimiser.zero_grad()
        sum(don_losses(head, support, query, episodes, config).values()).backward()
        optimiser.step()
    assert before < 0.2
    assert share_found() > 0.9
