# SPDX-License-Identifier: Apache-2.0
"""What the head of places teaches, and what its pupils make of it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tack_perception.errors import InvalidInputError
from tack_perception.learning.don import DonLossConfig, don_losses
from tack_perception.learning.places import places_of, teach
from tack_perception.learning.tack import TackLossConfig, tack_losses
from tack_perception.networks.don import DonHead, unit
from tack_perception.networks.places import PlaceHead
from tack_perception.networks.sampling import peaks, to_pixels
from tack_perception.networks.tack import TackHead


def surface_of(batch: int, grid: int) -> torch.Tensor:
    """(B, 3, h, w): the cell's own place in the picture, and a third number."""
    axis = torch.linspace(-1, 1, grid)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows, 0 * rows]).expand(batch, -1, -1, -1).clone()


def test_places_are_those_under_the_points(make_episodes):
    points = torch.tensor([[[0.5, 0.5], [15.0, 0.0], [6.4, 8.7], [-3.0, 4.0], [4.0, 16.2]]])
    e = make_episodes(batch=1, points=5, support_points=points, support_surface=surface_of(1, 8))
    places = places_of(e)
    expected = torch.tensor([[-1, -1], [1, -1], [-1 + 2 * 3 / 7, -1 + 2 * 4 / 7]])
    torch.testing.assert_close(places[0, :3, :2], expected)
    assert places[0, 3:].isnan().all()  # outside of the picture


def test_only_known_classes_and_surfaces_are_taught(make_episodes):
    surface = surface_of(3, 8)
    surface[1] = torch.nan
    head = PlaceHead(2, 4, 16)
    taught = teach(head, make_episodes(batch=3, points=4, support_surface=surface))
    assert taught.known.all(1).tolist() == [True, False, False]  # the third class is beyond two
    assert taught.codes.shape == (3, 4, 4)
    assert taught.descriptors.shape == (3, 4, 16)
    assert taught.codes.abs().max() <= 1
    assert taught.codes.isfinite().all()
    assert taught.descriptors.isfinite().all()


def test_classes_and_places_tell_codes_apart():
    torch.manual_seed(0)
    head = PlaceHead(2, 4, 8)
    places = torch.rand(2, 5, 3) * 2 - 1
    codes, descriptors = head(torch.tensor([0, 1]), places[:1].expand(2, -1, -1))
    assert (codes[0] - codes[1]).abs().amax(-1).min() > 1e-3
    assert (descriptors[0, :1] - descriptors[0, 1:]).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("sizes", [(0, 4, 8), (2, 0, 8), (2, 4, 0)])
def test_sizes_are_positive(sizes):
    with pytest.raises(InvalidInputError, match="must be positive"):
        PlaceHead(*sizes)


def test_nothing_known_costs_nothing(make_episodes):
    torch.manual_seed(0)
    e, features = make_episodes(), torch.randn(2, 3, 24, 8, 8)
    taught = teach(PlaceHead(3, 4, 16), e)
    losses = tack_losses(TackHead(24), features[0], features[1], e, taught=taught)
    losses |= don_losses(DonHead(24, 16), features[0], features[1], e, taught=taught)
    assert {losses[name].item() for name in ("tack_taught", "imitation", "don_taught")} == {0.0}


def test_lessons_can_be_left_out(make_episodes):
    torch.manual_seed(0)
    e = make_episodes(support_surface=surface_of(3, 8))
    features = torch.randn(2, 3, 24, 8, 8)
    taught = teach(PlaceHead(3, 4, 16), e)
    tack, don = TackHead(24), DonHead(24, 16)
    plain = tack_losses(tack, features[0], features[1], e)
    without = TackLossConfig(taught=0, imitation=0)
    assert set(tack_losses(tack, features[0], features[1], e, without, taught=taught)) == set(plain)
    with_all = tack_losses(tack, features[0], features[1], e, taught=taught)
    assert set(with_all) - set(plain) == {"tack_taught", "imitation"}
    for name in ("ta", "ae", "seen"):  # the others are what they are without a lesson
        torch.testing.assert_close(with_all[name], plain[name], rtol=1e-5, atol=1e-5)
    instances = DonLossConfig(recipe="instance")  # which want no descriptors of a class
    assert "don_taught" not in don_losses(don, *features, e, instances, taught=taught)
    assert "don_taught" in don_losses(don, *features, e, taught=taught)


def test_the_teacher_does_not_learn_from_its_imitators(make_episodes):
    torch.manual_seed(0)
    e = make_episodes(support_surface=surface_of(3, 8))
    teacher, head, features = PlaceHead(3, 4, 16), TackHead(24), torch.randn(2, 3, 24, 8, 8)
    losses = tack_losses(head, features[0], features[1], e, taught=teach(teacher, e))
    gradients = torch.autograd.grad(
        losses["imitation"], list(teacher.parameters()), allow_unused=True, retain_graph=True
    )
    assert all(one is None for one in gradients)
    assert torch.autograd.grad(losses["tack_taught"], teacher.code.weight)[0].abs().sum() > 0


def test_the_teacher_learns_where_places_are(make_episodes):
    """Features that say where a cell lies: prescribed codes and descriptors must find it."""
    torch.manual_seed(0)
    surface = surface_of(4, 8)
    e = make_episodes(batch=4, points=8, support_surface=surface)
    e = dataclasses.replace(e, query_points=e.support_points)
    angles = surface[:, :2, None] * torch.tensor([1.0, 2.0, 4.0])[:, None, None]
    features = torch.cat([angles.sin().flatten(1, 2), angles.cos().flatten(1, 2)], 1)
    teacher, tack, don = PlaceHead(4, 4, 16), TackHead(12), DonHead(12, 16)
    parts = torch.nn.ModuleList([teacher, tack, don])
    optimizer = torch.optim.Adam(parts.parameters(), 5e-3)
    for _ in range(250):
        taught = teach(teacher, e)
        losses = tack_losses(tack, features, features, e, taught=taught)
        losses |= don_losses(don, features, features, e, taught=taught)
        optimizer.zero_grad()
        (losses["tack_taught"] + losses["don_taught"]).backward()
        optimizer.step()
    taught = teach(teacher, e)
    for heat in (tack.heat(features, taught.codes),
                 don.logits(unit(taught.descriptors, -1), don(features))):  # fmt: skip
        missed = (to_pixels(peaks(heat)[0], 2) - e.query_points).norm(dim=-1)
        assert missed.median() < 1.0
