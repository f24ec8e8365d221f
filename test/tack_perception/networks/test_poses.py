# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from tack_perception.detectors.comparison import CHANNELS, SIDE
from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import KeypointModel, ModelConfig, load_model, save_model
from tack_perception.networks.poses import FACTS, FORM, PoseHead


@pytest.fixture
def head() -> PoseHead:
    torch.manual_seed(0)
    head = PoseHead(1)
    for _ in range(3):  # what normalisation layers have counted
        head(torch.rand(8, 2, CHANNELS + 2, SIDE, SIDE), torch.rand(8, FACTS))
    return head.eval().requires_grad_(False)


def test_each_pose_is_judged_by_itself(head: PoseHead) -> None:
    maps, facts = torch.rand(5, 2, CHANNELS + 2, SIDE, SIDE), torch.rand(5, FACTS)
    judged = head(maps, facts)
    assert judged.shape == (5,)
    alone = torch.cat([head(maps[n : n + 1], facts[n : n + 1]) for n in range(5)])
    torch.testing.assert_close(judged, alone, rtol=1e-4, atol=1e-5)
    assert judged.std() > 1e-4
    assert head(maps[:0], facts[:0]).shape == (0,)


def test_it_does_not_matter_which_window_is_the_first(head: PoseHead) -> None:
    maps, facts = torch.rand(5, 2, CHANNELS + 2, SIDE, SIDE), torch.rand(5, FACTS)
    torch.testing.assert_close(head(maps, facts), head(maps.flip(1), facts), rtol=1e-4, atol=1e-5)


def test_what_is_seen_and_what_is_told_both_count() -> None:
    head = PoseHead(0)
    maps = torch.rand(4, 2, CHANNELS + 1, SIDE, SIDE, requires_grad=True)
    facts = torch.rand(4, FACTS, requires_grad=True)
    head(maps, facts).sum().backward()
    for given in (maps, facts):
        assert given.grad is not None
        assert (given.grad.flatten(1).abs().sum(1) > 0).all()
    assert all(p.grad is not None for p in head.parameters())


def test_folded_normalisation_says_the_same(head: PoseHead) -> None:
    maps, facts = torch.rand(5, 2, CHANNELS + 2, SIDE, SIDE), torch.rand(5, FACTS)
    before = head(maps, facts)
    fuse_normalisation(head)
    torch.testing.assert_close(head(maps, facts), before, rtol=1e-3, atol=1e-4)


def test_a_model_keeps_it(tmp_path, head: PoseHead) -> None:
    heads = ("objects", "don", "poses")
    model = KeypointModel(ModelConfig(width=8, heads=heads, pose_form=FORM))
    assert model.poses is not None
    model.poses.load_state_dict(head.state_dict())
    save_model(tmp_path, model.eval(), {})
    found, _ = load_model(tmp_path)
    assert found.poses is not None
    maps, facts = torch.rand(2, 2, CHANNELS + 2, SIDE, SIDE), torch.rand(2, FACTS)
    torch.testing.assert_close(found.poses(maps, facts), head(maps, facts))


def test_the_first_form_reads_fewer_facts() -> None:
    model = KeypointModel(ModelConfig(width=8, heads=("don", "poses"))).eval()
    assert model.poses is not None
    maps, facts = torch.rand(2, 2, CHANNELS + 1, SIDE, SIDE), torch.rand(2, FACTS)
    judged = model.poses(maps, facts)
    facts[:, 5] += 1
    torch.testing.assert_close(model.poses(maps, facts), judged)
    facts[:, 4] += 1
    assert (model.poses(maps, facts) != judged).all()
