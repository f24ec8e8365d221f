# SPDX-License-Identifier: Apache-2.0
"""The losses against their formulas, written out in loops."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tack_perception.learning.don import (
    DonLossConfig,
    calibration,
    contrastive,
    dense_nt_xent,
    distributional,
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


def mixed(make: Make) -> Episodes:
    """Hidden points, two episodes of one class, one of them with two instances."""
    visible = torch.tensor([[1, 1, 0, 1], [1, 1, 1, 1], [1, 0, 1, 1]]).bool()
    return make(
        category=torch.tensor([0, 0, 1]), same=torch.tensor([True, False, True]), visible=visible
    )


def numbers(pairs: Pairs) -> tuple[list[Array], Array, Array]:
    """Cells (side)(B, hw, D), codes (2, B, N, D), points (2, B, N, 2) as float64."""
    cells = [c.detach().double().flatten(2).transpose(1, 2).numpy() for c in pairs.cells]
    return cells, pairs.codes.detach().double().numpy(), pairs.points.double().numpy()


def pixel(cell: int) -> Array:
    return np.array([cell % GRID, cell // GRID]) * STRIDE + 0.5


def near(cell: int, point: Array) -> bool:
    """One of the four cells around a point."""
    return bool((np.abs(pixel(cell) - point) < STRIDE).all())


def same_object(episodes: Episodes, i: int, side: int, j: int, other: int, recipe: str) -> bool:
    """Whether two pictures may show what must look alike, from the words of the recipe."""
    if episodes.category[i] != episodes.category[j]:
        return False
    if recipe == "class":
        return True
    if i == j and side != other:
        return bool(episodes.same[i])
    told = [not s or bool(episodes.same[k]) for k, s in ((i, side), (j, other))]
    return not all(told) or bool(episodes.instance[i] == episodes.instance[j])


def shown(episodes: Episodes, i: int, n: int, *sides: int) -> bool:
    known = (episodes.support_points[i, n, 0] > -1, episodes.visible[i, n])
    return all(bool(known[side]) for side in sides)


def points_of(episodes: Episodes) -> Iterator[tuple[int, int, int]]:
    for side in (0, 1):
        for i, n in np.ndindex(*episodes.visible.shape):
            if shown(episodes, i, n, side):
                yield side, i, n


def anchors(episodes: Episodes, recipe: str) -> Iterator[tuple[int, int, int, bool]]:
    for side, i, n in points_of(episodes):
        foreign = recipe == "instance" and not episodes.same[i]
        if foreign or shown(episodes, i, n, 0, 1):
            yield side, i, n, not foreign


def log_ratio(positive: float, negatives: list[float], temperature: float) -> float:
    exponentials = np.exp(np.array([positive, *negatives]) / temperature)
    return float(-np.log(exponentials[0] / exponentials.sum()))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("recipe", ["class", "instance"])
def test_dense_nt_xent(make_episodes: Make, recipe: str, cross: bool, own: bool) -> None:
    episodes = mixed(make_episodes)
    head, pairs = seen_by(episodes, instances=recipe == "instance")
    cells, codes, points = numbers(pairs)
    terms: dict[int, list[float]] = {0: [], 1: []}
    for side, i, n, matched in anchors(episodes, recipe):
        other, a = 1 - side, codes[side, i, n]
        negatives = [
            a @ f for c, f in enumerate(cells[other][i])
            if not (matched and near(c, points[other, i, n]))
        ]  # fmt: skip
        if own:
            negatives += [
                a @ f for c, f in enumerate(cells[side][i]) if not near(c, points[side, i, n])
            ]
        if cross:
            negatives += [
                a @ codes[s, j, m] for s, j, m in points_of(episodes)
                if not same_object(episodes, i, side, j, s, recipe)
            ]  # fmt: skip
        positive = a @ codes[other, i, n] if matched else a @ a
        terms[side].append(log_ratio(positive, negatives, head.temperature.item()))
    config = only("dense", recipe=recipe, cross_object=cross, own_picture=own)
    expected = (np.mean(terms[0]) + np.mean(terms[1])) / 2
    assert dense_nt_xent(head, pairs, config).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("recipe", ["class", "instance"])
def test_nt_xent(make_episodes: Make, recipe: str, cross: bool) -> None:
    episodes = mixed(make_episodes)
    head, pairs = seen_by(episodes, instances=recipe == "instance")
    _, codes, points = numbers(pairs)
    terms = []
    for side, i, n, matched in anchors(episodes, recipe):
        a, negatives = codes[side, i, n], []
        for s, j, m in points_of(episodes):
            alike = same_object(episodes, i, side, j, s, recipe)
            far = np.linalg.norm(points[s, j, m] - points[s, i, n]) > 2
            if (i == j and (not alike or far)) or (i != j and cross and not alike):
                negatives.append(a @ codes[s, j, m])
        positive = a @ codes[1 - side, i, n] if matched else a @ a
        terms.append(log_ratio(positive, negatives, head.temperature.item()))
    found = nt_xent(head, pairs, only("nt_xent", recipe=recipe, cross_object=cross))
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-4)


@pytest.mark.parametrize("expectation", [False, True])
@pytest.mark.parametrize("normalise", [False, True])
def test_distributional(make_episodes: Make, normalise: bool, expectation: bool) -> None:
    episodes = mixed(make_episodes)
    head, pairs = seen_by(episodes, normalise=normalise)
    cells, codes, points = numbers(pairs)
    pixels = np.array([pixel(c) for c in range(GRID**2)])
    terms: dict[int, list[float]] = {0: [], 1: []}
    for side, i, n, _ in anchors(episodes, "class"):
        other = 1 - side
        squared = ((cells[other][i] - codes[side, i, n]) ** 2).sum(1)
        q = np.exp(-squared / (2 * head.temperature.item()))
        q /= q.sum()
        if expectation:
            missed = np.abs(q @ pixels - points[other, i, n])
            huber = np.where(missed < 1, missed**2 / 2, missed - 0.5)
            terms[side].append(huber.mean())
        else:
            away = ((pixels - points[other, i, n]) / STRIDE) ** 2
            target = np.exp(-away.sum(1) / (2 * 0.7**2))
            terms[side].append(-(target / target.sum() * np.log(q)).sum())
    expected = (np.mean(terms[0]) + np.mean(terms[1])) / 2
    found = distributional(head, pairs, only("distributional", expectation=expectation))
    assert found.item() == pytest.approx(expected, rel=1e-4)


def one_cell_each(make: Make, **fields: Any) -> Episodes:
    """Every query shows one cell of its object (5) and one of the background (58)."""
    objects, things = torch.zeros(3, GRID**2), torch.full((3, GRID**2), torch.nan)
    objects[:, 5] = 1
    things[:, 5], things[:, 58] = 1, 0
    grid = (3, GRID, GRID)
    masks = {"query_object": objects.view(grid), "query_things": things.view(grid)}
    return make(**(masks | fields))


@pytest.mark.parametrize("cap", [0.0, 9.0])
@pytest.mark.parametrize("hard", [False, True])
def test_contrastive(make_episodes: Make, hard: bool, cap: float) -> None:
    episodes = one_cell_each(make_episodes, category=torch.tensor([0, 0, 1]))
    episodes.support_points[2, 3] = -1000.0
    _, pairs = seen_by(episodes)
    cells, codes, points = numbers(pairs)
    margin, draws = 1.3, 7
    sums, active, every, match = {5: 0.0, 58: 0.0}, 0, 0, []
    for i, n in np.ndindex(*episodes.visible.shape):
        if not shown(episodes, i, n, 0, 1):
            continue
        a = codes[0, i, n]
        match.append(((a - codes[1, i, n]) ** 2).sum())
        for cell in sums:
            away = np.linalg.norm(pixel(cell) - points[1, i, n])
            if away <= 2:
                continue
            hinge = max(0.0, margin - float(np.linalg.norm(a - cells[1][i, cell]))) ** 2
            weight = min(away, cap) / cap if cap and cell == 5 else 1.0
            sums[cell] += draws * weight * hinge
            active += draws * (hinge > 0)
            every += draws
    crossed = []
    for side, i, n in points_of(episodes):
        for s, j, m in points_of(episodes):
            if side == 0 and episodes.category[i] != episodes.category[j]:
                distance = np.linalg.norm(codes[0, i, n] - codes[s, j, m])
                crossed.append(max(0.0, margin - float(distance)) ** 2)
    config = only("contrastive", margin=margin, non_matches=draws, hard_only=hard, pixel_cap_px=cap)
    found = contrastive(pairs, config, torch.Generator().manual_seed(0))
    count = active if hard else every
    expected = {
        "match": np.mean(match), "masked": sums[5] / count, "background": sums[58] / count,
        "cross": np.sum(crossed) / (np.count_nonzero(crossed) if hard else len(crossed)),
    }  # fmt: skip
    assert active
    assert active < every
    assert {name: loss.item() for name, loss in found.items()} == pytest.approx(expected, rel=1e-4)


def test_non_matches_lie_on_the_object_and_off_it(make_episodes: Make) -> None:
    """The gradient reaches each mask's cells alone; where nothing is known it reaches none."""
    episodes = make_episodes(1, 4, query_points=torch.zeros(1, 4, 2))
    things = episodes.query_things.clone()
    things[:, :, 0] = torch.nan
    _, pairs = seen_by(dataclasses.replace(episodes, query_things=things))
    for name, mask in (("masked", pairs.object), ("background", pairs.background)):
        config = only("contrastive", margin=9.0, non_matches=400, hard_only=False)
        loss = contrastive(pairs, config, torch.Generator().manual_seed(0))[name]
        (reached,) = torch.autograd.grad(loss, pairs.cells[1], retain_graph=True)
        touched = reached.abs().sum(1).flatten(1) > 0
        touched[:, 0] = mask[:, 0]  # the true point lies there: no non-match
        assert torch.equal(touched, mask)
    assert not pairs.background.view(GRID, GRID)[:, 0].any()


def test_calibration(make_episodes: Make) -> None:
    visible = torch.tensor([[True, False, False]])
    known = torch.tensor([[True, True, False]])
    episodes = make_episodes(1, 3, visible=visible, known=known)
    head, pairs = seen_by(episodes)
    cells, codes, points = numbers(pairs)
    reach = math.exp(head.log_reach.item())

    def heat(squared: float) -> float:
        return math.exp(-squared / reach**2)

    squared = ((cells[1][0] - codes[0, 0][:, None]) ** 2).sum(2)
    elsewhere = [s for c, s in enumerate(squared[0]) if not near(c, points[1, 0, 0])]
    truth = ((codes[0, 0, 0] - codes[1, 0, 0]) ** 2).sum()
    highest = [heat(min(elsewhere)), heat(squared[1].min())]
    expected = -math.log(heat(truth)) - np.log(1 - np.array(highest)).mean()
    found = calibration(head, pairs, only("dense"))
    assert found.item() == pytest.approx(expected, rel=1e-3)
    found.backward()
    assert head.log_reach.grad.abs() > 0
    assert head.project.weight.grad is None


@pytest.mark.parametrize("kind", ["dense", "nt_xent", "contrastive", "expectation"])
@pytest.mark.parametrize("recipe", ["class", "instance"])
def test_gradients_are_those_of_finite_differences(
    make_episodes: Make, recipe: str, kind: str
) -> None:
    episodes = mixed(make_episodes)
    head, pairs = seen_by(episodes, normalise=False, instances=recipe == "instance")
    head = head.double()
    config = only(kind, recipe=recipe, expectation=True, margin=3.0, non_matches=5)
    pairs = dataclasses.replace(pairs, points=pairs.points.double())

    def loss(codes: torch.Tensor, support: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        now = dataclasses.replace(pairs, codes=codes, cells=(support, query))
        if kind == "contrastive":
            return torch.stack(list(contrastive(now, config, torch.manual_seed(1)).values()))
        return {"dense": dense_nt_xent, "nt_xent": nt_xent, "expectation": distributional}[kind](
            head, now, config
        )

    inputs = [t.detach().double().requires_grad_() for t in (pairs.codes, *pairs.cells)]
    assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)


def test_the_gradient_of_the_cross_entropy(make_episodes: Make) -> None:
    """In single precision, so along one direction and with a long step."""
    head, pairs = seen_by(make_episodes())
    config, step = only("distributional"), 1e-2
    direction = torch.randn_like(pairs.codes)

    def loss(along: float) -> torch.Tensor:
        moved = dataclasses.replace(pairs, codes=pairs.codes.detach() + along * direction)
        return distributional(head, moved, config)

    codes = pairs.codes.detach().requires_grad_()
    distributional(head, dataclasses.replace(pairs, codes=codes), config).backward()
    slope = (loss(step) - loss(-step)).item() / (2 * step)
    assert (codes.grad * direction).sum().item() == pytest.approx(slope, rel=1e-2)
