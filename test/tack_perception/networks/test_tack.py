# SPDX-License-Identifier: Apache-2.0
"""TACK's head: shapes, what it may depend on, and that it learns a toy."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import dataclasses

import torch
from torch.nn import functional

from tack_perception.learning.tack import TackLossConfig, tack_losses
from tack_perception.networks.sampling import peaks, to_pixels
from tack_perception.networks.tack import Ground, TackHead


@pytest.fixture
def head():
    torch.manual_seed(0)
    return TackHead(24, 4)


def test_a_code_has_a_few_bounded_numbers(head):
    codes = head.codes(torch.randn(3, 24, 16, 16), torch.rand(3, 5, 2) * 30)
    assert codes.shape == (3, 5, 4)
    assert codes.abs().max() <= 1


@pytest.mark.parametrize("size", [(16, 16), (15, 20), (7, 9)])
def test_every_code_gives_a_map_of_the_picture(head, size):
    heat = head.heat(torch.randn(2, 24, *size), torch.rand(2, 5, 4))
    assert heat.shape == (2, 5, *size)


@pytest.mark.parametrize("size", [(16, 16), (15, 20), (7, 9)])
def test_maps_of_half_the_resolution_say_the_same(head, size):
    """Of the fine kernels' answers the mean of two by two; the coarse ones' are not made finer."""
    codes = torch.rand(2, 5, 4) * 2 - 1
    keys, patches = head.ground(torch.randn(2, 24, *size))
    fine = Ground(keys, torch.zeros_like(patches))
    mean = functional.avg_pool2d(head.heat_on(fine, codes), 2, ceil_mode=True)
    torch.testing.assert_close(head.heat_on(fine.halved(), codes), mean)
    coarse = Ground(torch.zeros_like(keys), patches)
    finer = functional.interpolate(head.heat_on(coarse.halved(), codes), size, mode="bilinear")
    torch.testing.assert_close(head.heat_on(coarse, codes), finer)


def test_points_do_not_disturb_each_other(head):
    features, codes = torch.randn(2, 24, 16, 16), torch.rand(2, 6, 4) * 2 - 1
    together = head.heat(features, codes)
    alone = torch.cat([head.heat(features, codes[:, n : n + 1]) for n in range(6)], 1)
    assert torch.allclose(together, alone, atol=1e-4)
    order = torch.randperm(6)
    assert torch.allclose(head.heat(features, codes[:, order]), together[:, order], atol=1e-4)


def test_a_moved_picture_gives_moved_maps(head):
    features = torch.zeros(1, 24, 24, 24)
    features[..., 4:12, 6:14] = torch.randn(1, 24, 8, 8)
    codes = torch.rand(1, 3, 4)
    moved = head.heat(features.roll((4, 2), (2, 3)), codes)
    assert torch.allclose(moved[..., 8:16, 8:16], head.heat(features, codes)[..., 4:12, 6:14],
                          atol=1e-4)  # fmt: skip


def test_the_judge_does_not_pull_at_the_heat_map(head):
    features = torch.randn(2, 24, 16, 16)
    heat = torch.randn(2, 3, 16, 16, requires_grad=True)
    seen, depth = head.evidence(features, torch.rand(2, 3, 4), heat)
    assert seen.shape == depth.shape == (2, 3)
    assert torch.autograd.grad(seen.sum() + depth.sum(), heat, allow_unused=True) == (None,)


def test_losses_left_out_are_not_there(head, make_episodes):
    episodes = make_episodes(batch=3, points=4, size=32)
    features = torch.randn(3, 24, 16, 16), torch.randn(3, 24, 16, 16)
    every = tack_losses(head, *features, episodes)
    assert set(every) == {"ae", "ta", "seen", "absent", "depth"}
    only = TackLossConfig(autoencoder=0.0, judge=0.0, depth=0.0)
    assert set(tack_losses(head, *features, episodes, only)) == {"ta"}
    only = TackLossConfig(adaptation=0.0, judge=0.0, depth=0.0)
    assert set(tack_losses(head, *features, episodes, only)) == {"ae"}


def test_adaptation_both_ways_is_the_mean_of_both_directions(head, make_episodes):
    config = TackLossConfig(autoencoder=0.0, judge=0.0, depth=0.0)
    there = make_episodes(batch=3, points=4, size=32)
    back = dataclasses.replace(
        there, support_points=there.query_points, query_points=there.support_points
    )
    a, b = torch.randn(3, 24, 16, 16), torch.randn(3, 24, 16, 16)
    one, other = (
        float(tack_losses(head, *features, episodes, config)["ta"])
        for features, episodes in (((a, b), there), ((b, a), back))
    )
    both = tack_losses(head, a, b, there, dataclasses.replace(config, both_ways=True))["ta"]
    assert one != pytest.approx(other, rel=1e-3)
    assert float(both) == pytest.approx((one + other) / 2, rel=1e-5)


def test_the_way_back_asks_for_no_point_that_the_query_does_not_show(head, make_episodes):
    config = TackLossConfig(autoencoder=0.0, judge=0.0, depth=0.0, both_ways=True)
    seen = torch.tensor([[True, False, True, True]] * 3)
    features = torch.randn(3, 24, 16, 16), torch.randn(3, 24, 16, 16)
    episodes = make_episodes(batch=3, points=4, size=32, visible=seen)
    elsewhere = episodes.query_points.clone()
    elsewhere[:, 1] = -1e3
    gone = dataclasses.replace(episodes, query_points=elsewhere, known=seen & episodes.known)
    clean = dataclasses.replace(gone, query_points=episodes.query_points)
    losses = [tack_losses(head, *features, one, config)["ta"] for one in (gone, clean)]
    assert bool(torch.isfinite(losses[0]))
    assert losses[0] == losses[1]


@pytest.mark.parametrize("both_ways", [False, True])
def test_nothing_known_is_no_division_by_zero(head, make_episodes, both_ways):
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    episodes = make_episodes(batch=3, points=4, size=32, known=nothing, visible=nothing)
    support = torch.randn(3, 24, 16, 16, requires_grad=True)
    losses = tack_losses(head, support, support, episodes, TackLossConfig(both_ways=both_ways))
    assert losses["ta"].item() == 0
    sum(losses.values()).backward()
    assert bool(torch.isfinite(support.grad).all())


def test_it_learns_to_find_again_what_was_clicked(make_episodes):
    """The features hold the place on an object; the object lies elsewhere in the query."""
    torch.manual_seed(1)
    head = TackHead(8, 4)
    optimiser = torch.optim.Adam(head.parameters(), 5e-3)
    mix = torch.randn(8, 3)
    v, u = torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 12), indexing="ij")
    thing = torch.einsum("ck,kvu->cvu", mix, torch.stack([torch.ones_like(u), u, v]))

    def pictures(shift):
        features = torch.zeros(len(shift), 8, 24, 24)
        for n, (x, y) in enumerate(shift.tolist()):
            features[n, :, y : y + 12, x : x + 12] = thing
        return features

    error = None
    for step in range(400):
        generator = torch.Generator().manual_seed(step)
        shifts = torch.randint(0, 12, (2, 8, 2), generator=generator)
        places = torch.rand(8, 6, 2, generator=generator) * 22 + 0.5
        clicked, wanted = (places + 2 * shift[:, None] for shift in shifts)
        episodes = make_episodes(
            batch=8, points=6, size=48, support_points=clicked, query_points=wanted
        )
        support, query = pictures(shifts[0]), pictures(shifts[1])
        losses = tack_losses(head, support, query, episodes)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        found = to_pixels(peaks(head.heat(query, head.codes(support, clicked)))[0], 2)
        error = (found - wanted).norm(dim=-1).median()
    assert float(error) < 2.5


def test_half_precision_leaves_the_gradient_of_the_scale(head, make_episodes):
    """Logits far from zero, as they get in a long training; a soft-max does not care where."""
    torch.manual_seed(0)
    features = torch.relu(torch.randn(2, 3, 24, 8, 8)) + 10
    e = make_episodes()
    slopes = []
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses = tack_losses(head, features[0], features[1], e)
        slopes.append(torch.autograd.grad(losses["ta"], head.log_scale)[0])
    assert slopes[1] == pytest.approx(float(slopes[0]), rel=0.1)


def test_logits_are_never_rounded(head):
    with torch.autocast("cpu", torch.bfloat16):
        heat = head.heat(torch.randn(1, 24, 8, 8), torch.rand(1, 3, 4))
    assert heat.dtype == torch.float32


def test_the_size_of_the_kernels_does_not_matter(head):
    """So that it cannot run away from the scale that all heat maps share."""
    features, codes = torch.randn(2, 24, 8, 8), torch.rand(2, 3, 4)
    before = head.heat(features, codes)
    with torch.no_grad():
        head.generator[-1].weight.mul_(300)
        head.generator[-1].bias.mul_(300)
    torch.testing.assert_close(head.heat(features, codes), before, rtol=1e-4, atol=1e-4)
