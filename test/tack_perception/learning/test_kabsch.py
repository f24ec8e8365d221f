# SPDX-License-Identifier: Apache-2.0
"""Kabsch: it finds the motion, its gradient is right where others have none, and it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from torch import Tensor

from tack_perception.errors import InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.kabsch import kabsch, motions, nearest_rotation

CUBE = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
GENERIC = torch.randn(9, 3, generator=torch.Generator().manual_seed(4))
PLANAR = GENERIC * torch.tensor([1.0, 0.7, 0.0])
SQUARE = torch.tensor([[-1.0, -1, 0], [-1, 1, 0], [1, -1, 0], [1, 1, 0]])
SETS = {
    "generic": GENERIC, "cube": CUBE, "planar": PLANAR, "square": SQUARE,
    "octahedron": torch.cat([torch.eye(3), -torch.eye(3)]), "triangle": GENERIC[:3],
}  # fmt: skip
LINE = torch.linspace(-1, 1, 7)[:, None] * torch.tensor([0.3, -0.5, 0.8])


pytestmark = pytest.mark.usefixtures("seeded")


def moved(points: Tensor, count: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N, 3) twice and the (B, 4, 4) motion between them."""
    motion = se3.exp(torch.randn(count, 6, dtype=points.dtype))
    source = points.expand(count, -1, -1)
    return source, se3.apply(motion, source), motion


@pytest.mark.parametrize("points", SETS.values(), ids=SETS)
def test_it_finds_the_motion(points: Tensor) -> None:
    source, target, motion = moved(points, 20)
    rotation, translation = kabsch(source, target)
    torch.testing.assert_close(rotation, motion[:, :3, :3], atol=2e-5, rtol=0)
    torch.testing.assert_close(translation, motion[:, :3, 3], atol=2e-5, rtol=0)


def test_weights_decide_which_points_count() -> None:
    source, target, motion = moved(GENERIC)
    target = target.clone()
    target[:, 0] += 5
    weights = torch.ones(1, 9)
    weights[:, 0] = 0
    rotation, translation = kabsch(source, target, weights)
    torch.testing.assert_close(se3.assemble(rotation, translation), motion, atol=1e-5, rtol=0)
    doubled = torch.cat([source, source[:, :1]], 1), torch.cat([target, target[:, :1]], 1)
    weights[:, 0] = 2
    torch.testing.assert_close(kabsch(source, target, weights)[0], kabsch(*doubled)[0])


def test_a_mirror_image_gives_a_rotation() -> None:
    source = GENERIC[None]
    rotation, _ = kabsch(source, source * torch.tensor([1.0, 1.0, -1.0]))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(1))


def looked_at(noise: float, points: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    source, target, _ = moved(points.to(kind), 3)
    target = target + noise * torch.randn_like(target)
    return source.clone(), target, torch.rand(source.shape[:2], dtype=kind) + 0.5


def scored(rotation: Tensor, translation: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(3, 3, generator=generator), torch.randn(3, generator=generator)
    return (rotation * a.to(rotation)).sum() + (translation * b.to(rotation)).sum()


def differences(score: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    slope = torch.zeros_like(at)
    for index in range(at.numel()):
        up, down = at.clone(), at.clone()
        up.view(-1)[index] += step
        down.view(-1)[index] -= step
        slope.view(-1)[index] = (score(up) - score(down)) / (2 * step)
    return slope


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double().view(-1), b.view(-1), dim=0))


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("points", SETS.values(), ids=SETS)
def test_single_precision_has_the_gradient_of_finite_differences(
    points: Tensor, noise: float
) -> None:
    """Finite differences in double precision: those of single precision are mostly rounding."""
    source, target, weights = looked_at(noise, points, torch.float64)
    inputs = [one.float().requires_grad_() for one in (source, target, weights)]
    scored(*kabsch(*inputs)).backward()
    for place, given in enumerate((source, target, weights)):

        def score(changed: Tensor, place: int = place) -> Tensor:
            arguments = [source, target, weights]
            arguments[place] = changed
            return scored(*kabsch(*arguments))

        slope, truth = inputs[place].grad, differences(score, given)
        assert slope is not None
        assert bool(slope.isfinite().all())
        if float(truth.norm()) > 1e-4:  # without noise the weights do not matter
            assert cosine(slope, truth) > 0.999
            assert float(slope.norm()) == pytest.approx(float(truth.norm()), rel=0.01)


def test_the_gradient_through_singular_vectors_is_no_number_for_a_cube() -> None:
    """Why the closed form is needed."""
    spread = (CUBE.T @ CUBE)[None].requires_grad_()
    u, _, v = torch.linalg.svd(spread)
    (u @ v).square().sum().add((u @ v)[0, 0, 1]).backward()
    assert spread.grad is not None
    assert not bool(spread.grad.isfinite().all())
    spread.grad = None
    nearest_rotation(spread)[0, 0, 1].backward()
    assert bool(spread.grad.isfinite().all())


@pytest.mark.parametrize(
    ("points", "why"),
    [(LINE, "collinear"), (torch.ones(5, 3), "coincident"), (LINE + 30, "collinear"),
     (torch.tensor([1.0, 2, 3]).expand(4, 3) * 1e4, "coincident")],
)  # fmt: skip
def test_points_that_determine_nothing_are_refused(points: Tensor, why: str) -> None:
    source, target, _ = moved(points)
    with pytest.raises(InvalidInputError, match=why):
        kabsch(source, target)


def test_a_mirrored_cube_has_no_nearest_rotation() -> None:
    with pytest.raises(InvalidInputError, match="mirror"):
        kabsch(CUBE[None], -CUBE[None])


def test_a_bad_set_leaves_the_others_of_its_batch_alone() -> None:
    source, target, motion = moved(GENERIC, 4)
    source, target = source.clone(), target.clone()
    source[1] = torch.linspace(0, 1, 9)[:, None]
    target[2, 3, 0] = torch.nan
    source.requires_grad_()
    found = motions(source, target)
    assert found.valid.tolist() == [True, False, False, True]
    assert torch.equal(found.rotation[1:3], torch.eye(3).expand(2, 3, 3))
    torch.testing.assert_close(found.rotation[[0, 3]], motion[[0, 3], :3, :3], atol=2e-5, rtol=0)
    scored(found.rotation, found.translation).backward()
    assert source.grad is not None
    assert bool(source.grad.isfinite().all())
    assert not bool(source.grad[1:3].any())
    assert bool(source.grad[[0, 3]].flatten(1).any(1).all())


def test_narrow_sets_can_be_left_out() -> None:
    source, target, _ = moved(torch.stack([GENERIC, 0.01 * GENERIC]).flatten(0, 1))
    source, target = source.reshape(2, 9, 3), target.reshape(2, 9, 3)
    found = motions(source, target, least_width=0.1)
    assert found.valid.tolist() == [True, False]
    assert float(found.width[0] / found.width[1]) == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize(
    ("source", "target", "weights", "why"),
    [
        (torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), None, "three determine"),
        (torch.zeros(4, 3), torch.zeros(4, 3), None, "is expected"),
        (GENERIC[None], GENERIC[None, :5], None, "is expected"),
        (GENERIC[None], GENERIC[None], torch.ones(9), "weights of"),
        (GENERIC[None] * torch.nan, GENERIC[None], None, "source holds"),
        (GENERIC[None], GENERIC[None], -torch.ones(1, 9), "negative"),
        (GENERIC[None], GENERIC[None], torch.zeros(1, 9), "nor all 0"),
    ],
)
def test_wrong_input_is_refused(
    source: Tensor, target: Tensor, weights: Tensor | None, why: str
) -> None:
    with pytest.raises(InvalidInputError, match=why):
        kabsch(source, target, weights)
