# SPDX-License-Identifier: Apache-2.0
"""The judge of poses: what it is to say, and that it learns to say it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from hills import about_the_foot, view, window

from tack_perception.detectors.comparison import Sight, on_grid
from tack_perception.detectors.relief import relief_of
from tack_perception.learning.pose_cases import Case
from tack_perception.learning.pose_pictures import draw_poses
from tack_perception.learning.poses import (
    PoseBatch,
    PoseLossConfig,
    PoseObjective,
    PoseSampler,
    wanted_of,
)
from tack_perception.networks.poses import FACTS, PoseHead

CONFIG = PoseLossConfig()


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """A hill that was turned, and poses of which one is right, or none."""
    rng, made = np.random.default_rng(0), []
    flat = on_grid(np.full((1, 32, 32), 1, np.float32))
    first = Sight(relief_of(window(view())), (flat,))
    for number in range(8):
        angle = rng.uniform(-180, 180)
        turned = about_the_foot([angle]).rotation[0]
        second = Sight(relief_of(window(view(turn=turned))), (flat,))
        wrong = angle + np.array([90.0, 180.0, 270.0])
        right = [angle] if number % 4 else [angle + 45]
        poses = about_the_foot([*wrong, *right])
        missed = np.array([0.3, 0.4, 0.3, 0.01 if number % 4 else 0.2])
        made.append(
            Case(first, second, poses, np.zeros((4, FACTS)), missed, missed, 0.05, same=True)
        )
    return made


def sampler(cases, batch=4, **settings) -> PoseSampler:
    return PoseSampler(cases, dataclasses.replace(CONFIG, **settings), seed=3, batch=batch)


def test_shares_fall_with_what_is_missed() -> None:
    shares = wanted_of(np.array([0.0, CONFIG.near, 0.5, np.inf]), CONFIG)
    total = 1 + math.exp(-1)
    np.testing.assert_allclose(shares, [1 / total, math.exp(-1) / total, 0, 0, 0])


def test_where_all_miss_none_is_wanted() -> None:
    assert wanted_of(np.array([CONFIG.far, 0.5, np.inf]), CONFIG).tolist() == [0, 0, 0, 1]


def test_a_batch_is_always_the_same(cases) -> None:
    one, again, other = (sampler(cases).batch(n) for n in (5, 5, 6))
    for field in dataclasses.fields(PoseBatch):
        assert torch.equal(getattr(one, field.name), getattr(again, field.name))
    assert not torch.equal(one.maps, other.maps)
    assert len(one) == 4
    assert one.counts.tolist() == [4] * 4
    torch.testing.assert_close(one.wanted.sum(1), torch.ones(4))
    assert sampler(cases, most=3).batch(5).counts.tolist() == [3] * 4


class Known(torch.nn.Module):
    """Says what it was told to."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, maps: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        return self.scores


def test_the_loss_is_the_cross_entropy_of_the_choice() -> None:
    scores = torch.tensor([1.0, -1.0, 2.0])  # two poses of one case, one of another
    wanted = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    batch = PoseBatch(torch.zeros(3, 2, 1, 1, 1), torch.zeros(3, 4), wanted, torch.tensor([2, 1]))
    loss = PoseObjective().losses(Known(scores), batch)["poses"]
    first = math.log(math.e + math.exp(-1) + 1)
    second = math.log(math.exp(2) + 1)
    assert float(loss) == pytest.approx(((first - 1) / 2 + (first + 1) / 2 + second) / 2, rel=1e-5)


def test_it_learns_which_pose_is_right_by_looking(cases) -> None:
    torch.manual_seed(0)
    head, drawn = PoseHead(0), sampler(cases, batch=8)
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3)
    losses = []
    for number in range(25):
        loss = PoseObjective().losses(head, drawn.batch(number))["poses"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.3 * losses[0]
    head.eval()
    batch = sampler(cases, batch=16).batch(1000)
    with torch.no_grad():
        assert float(PoseObjective().losses(head, batch)["poses"]) < 0.5
        sheet = draw_poses(head, batch, count=3)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] % 3 == 0
    assert sheet.std() > 20
