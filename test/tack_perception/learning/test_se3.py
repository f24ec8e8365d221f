# SPDX-License-Identifier: Apache-2.0
"""Logarithm and exponential undo each other, and have gradients everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.kabsch import kabsch

numbers = st.floats(-2, 2, allow_nan=False)
angles = st.one_of(
    st.floats(0, math.pi - 1e-6), st.sampled_from([0.0, 1e-12, 1e-7, 1e-4, 1e-2, 0.5, 3.14, 3.1415])
)


def twist_of(v: tuple[float, ...], axis: tuple[float, ...], angle: float) -> Tensor:
    direction = np.array(axis) if np.linalg.norm(axis) > 1e-3 else np.array([0.0, 0, 1])
    direction = direction / np.linalg.norm(direction)
    return torch.tensor([*v, *(angle * direction)], dtype=torch.float64)


@settings(deadline=None, max_examples=200)
@given(st.tuples(*[numbers] * 3), st.tuples(*[numbers] * 3), angles)
def test_the_logarithm_of_the_exponential(
    v: tuple[float, ...], axis: tuple[float, ...], angle: float
) -> None:
    twist = twist_of(v, axis, angle)
    motion = se3.exp(twist)
    torch.testing.assert_close(se3.log(motion), twist, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(se3.exp(se3.log(motion)), motion, atol=1e-10, rtol=0)
    np.testing.assert_allclose(motion, geometry.exp(twist.numpy()), atol=1e-10)
    single = se3.log(se3.exp(twist.float()))
    if angle < 3.14:
        torch.testing.assert_close(single.double(), twist, atol=1e-4, rtol=1e-4)
    around = motion @ se3.inverse(motion)
    torch.testing.assert_close(around, torch.eye(4, dtype=torch.float64), atol=1e-12, rtol=0)


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[numbers] * 3), st.tuples(*[numbers] * 3), angles)
def test_both_have_the_gradient_of_finite_differences(
    v: tuple[float, ...], axis: tuple[float, ...], angle: float
) -> None:
    twist = twist_of(v, axis, min(angle, 3.14)).requires_grad_()
    assert torch.autograd.gradcheck(se3.exp, (twist,), atol=1e-5)

    def back(change: Tensor) -> Tensor:
        """Along the rotations: off them the logarithm is not defined."""
        return se3.log(se3.exp(twist.detach()) @ se3.exp(change))

    zero = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(back, (zero,), atol=1e-4, rtol=1e-3)


def test_half_a_turn_has_a_length_and_a_gradient() -> None:
    for axis in torch.eye(3):
        turn = se3.exp(torch.cat([torch.ones(3), axis * math.pi]))[None].requires_grad_()
        twist = se3.log(turn)
        assert twist[0, 3:].norm().item() == pytest.approx(math.pi, abs=1e-5)
        se3.length(twist).sum().backward()
        assert bool(turn.grad.isfinite().all())


def test_no_motion_has_no_length_and_no_gradient() -> None:
    still = torch.eye(4)[None].requires_grad_()
    length = se3.length(se3.log(still))
    length.sum().backward()
    assert length.item() < 1e-6
    assert torch.equal(still.grad, torch.zeros_like(still))


@pytest.mark.parametrize("shape", ["generic", "cube", "planar"])
def test_the_pose_loss_through_kabsch_in_single_precision(shape: str) -> None:
    """‖log(T_truth† T_pred)‖ against finite differences in double precision."""
    generator = torch.Generator().manual_seed(2)
    cube = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    drawn = torch.randn(10, 3, generator=generator, dtype=torch.float64)
    flat = drawn * torch.tensor([1.0, 1.0, 0.0])
    source = {"generic": drawn, "cube": cube, "planar": flat}[shape][None]
    truth = se3.exp(torch.randn(1, 6, generator=generator, dtype=torch.float64))
    wrong = se3.exp(torch.randn(1, 6, generator=generator, dtype=torch.float64) / 5)
    target = se3.apply(wrong @ truth, source)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        found = se3.assemble(*kabsch(a, b))
        return se3.length(se3.log(se3.inverse(truth.to(a)) @ found)).sum()

    single = [one.float().requires_grad_() for one in (source, target)]
    loss(*single).backward()
    step = 1e-6
    for place, values in enumerate((source, target)):
        slope = torch.zeros_like(values)
        for index in range(values.numel()):
            ends = []
            for sign in (1, -1):
                both = [source.clone(), target.clone()]
                both[place].view(-1)[index] += sign * step
                ends.append(loss(*both))
            slope.view(-1)[index] = (ends[0] - ends[1]) / (2 * step)
        found = single[place].grad
        assert found is not None
        likeness = torch.nn.functional.cosine_similarity(
            found.double().flatten(), slope.flatten(), dim=0
        )
        assert float(likeness) > 0.999
        assert float(found.norm() / slope.norm()) == pytest.approx(1, rel=0.01)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"\(\.\.\., 6\)"):
        se3.exp(torch.zeros(3))
    with pytest.raises(InvalidInputError, match=r"\(\.\.\., 4, 4\)"):
        se3.log(torch.eye(3))
