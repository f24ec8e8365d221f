# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import torch

from tack_perception.learning.episode import Episodes
from tack_perception.learning.pictures import Answer, answers, draw_samples, sheet_of
from tack_perception.networks.model import KeypointModel, ModelConfig

COUNT, SIZE, TILE = 3, 64, 256  # pictures are shown four times as large
GREEN, GREY = (90, 220, 110), (190, 190, 190)


def grey_episodes() -> Episodes:
    """Grey pictures; point 0 is hidden, point 1 is seen, at (40, 20) in the query."""
    fields = {field.name: torch.zeros(COUNT) for field in dataclasses.fields(Episodes)}
    fields["support"] = fields["query"] = torch.full((COUNT, 3, SIZE, SIZE), 0.4)
    fields["support_points"] = torch.full((COUNT, 2, 2), 10.0)
    fields["query_points"] = torch.tensor([[5.0, 5.0], [40.0, 20.0]]).repeat(COUNT, 1, 1)
    fields["known"] = torch.tensor([True, True]).repeat(COUNT, 1)
    fields["visible"] = torch.tensor([False, True]).repeat(COUNT, 1)
    fields["same"] = torch.ones(COUNT, dtype=torch.bool)
    fields["query_named"] = torch.tensor([[50.0, 50.0], [30.0, 30.0]]).repeat(COUNT, 1, 1)
    fields["named_known"] = torch.ones(COUNT, 2, 2, dtype=torch.bool)
    fields["named_visible"] = torch.zeros(COUNT, 2, 2, dtype=torch.bool)
    fields["named_index"] = torch.tensor([0, 1]).repeat(COUNT, 1)
    return Episodes(**fields)


def has(tile: np.ndarray, color: tuple[int, int, int], u: float, v: float) -> bool:
    """Whether a ring of this colour is around a pixel of the picture."""
    x, y = (round((value + 0.5) * 4 - 0.5) for value in (u, v))
    near = tile[y - 12 : y + 13, x - 12 : x + 13].astype(int)
    return bool((np.abs(near - color).max(axis=2) < 12).sum() > 12)


def test_the_seen_point_is_shown_with_its_heat() -> None:
    episodes = grey_episodes()
    heat = np.zeros((COUNT, 32, 32), np.float32)
    heat[:, 25, 8] = 1.0  # cell (8, 25), pixel (16.5, 50.5)
    truth = episodes.query_points[:, 1]
    seen = torch.tensor([True, True, True])
    sheet = sheet_of(episodes, [Answer("tack", heat, truth, seen, seen)])
    assert sheet.shape == (2 * TILE + 10, 6 * TILE + 10, 3)
    support, query, told = (sheet[:TILE, i * TILE : (i + 1) * TILE] for i in range(3))
    assert has(query, GREEN, 40, 20)
    assert has(told, GREEN, 40, 20)
    assert not has(query, GREEN, 5, 5)
    cross = support[20:65, 20:65].astype(int)  # around (10, 10), with dots in its middle
    assert (cross[..., 1] > cross[..., [0, 2]].max(axis=2) + 60).sum() > 30
    brightest = np.unravel_index(told[40:, :, 0].argmax(), told[40:, :, 0].shape)
    assert abs(brightest[1] - 4 * 16.5) < 8
    assert abs(brightest[0] + 40 - 4 * 50.5) < 8
    assert sheet[-20, -20].tolist() == [255, 255, 255]  # no fourth episode


def test_a_hidden_point_has_a_grey_ring_and_an_unknown_one_none() -> None:
    episodes = grey_episodes()
    episodes.visible[:] = False
    episodes.known[1] = False
    sheet = sheet_of(episodes, [])
    first, second = sheet[:TILE, TILE : 2 * TILE], sheet[:TILE, 3 * TILE + 10 :][:, :TILE]
    assert has(first, GREY, 5, 5)
    assert not has(first, GREEN, 5, 5)
    assert not has(second, GREY, 5, 5)


def test_every_head_answers() -> None:
    torch.manual_seed(0)
    model = KeypointModel(ModelConfig(width=4, points=("box/a", "box/b"))).eval()
    episodes = grey_episodes()
    with torch.no_grad():
        told = answers(model, episodes)
        sheet = draw_samples(model, episodes, count=2)
    assert [answer.title for answer in told] == ["tack", "don", "sparse"]
    for answer in told:
        assert answer.heat.shape == (COUNT, 32, 32)
        assert np.allclose(answer.heat.max((1, 2)), 1.0)
    assert told[0].truth[0].tolist() == [40.0, 20.0]
    assert told[2].truth[0].tolist() == [50.0, 50.0]
    assert not told[2].visible.any()
    assert sheet.shape == (TILE, 2 * 5 * TILE + 10, 3)
