# SPDX-License-Identifier: Apache-2.0
"""Logarithm and exponential of rigid motions, in batches and with gradients everywhere.

As `geometry.log` and `geometry.exp`, which have no gradient. A twist is (v, ω): translation part in
the points' unit, then rotation part in rad. Solà, Deray, Atchuthan, "A micro Lie theory for state
estimation in robotics" (arXiv 1812.01537), equations 172 to 180.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tack_perception.errors import InvalidInputError

_SMALL = 0.5
"""rad: below it, quotients of what vanishes are series (of six terms: the rest is below 1e-12)."""
_TINY = 1e-12


def exp(twist: Tensor) -> Tensor:
    """se(3) → SE(3).

    Args:
        twist: (..., 6) finite (v, ω).

    Returns:
        (..., 4, 4).

    Raises:
        InvalidInputError: the last dimension is not 6.
    """
    if twist.shape[-1] != 6:
        raise InvalidInputError(f"exp: twists of {tuple(twist.shape)}: (..., 6) is expected")
    v, omega = twist[..., :3], twist[..., 3:]
    squared = omega.square().sum(-1)
    sine, cosine, cubic = _exp_factors(squared)
    hat = _hat(omega)
    twice = hat @ hat
    eye = torch.eye(3, dtype=twist.dtype, device=twist.device)
    rotation = eye + sine[..., None, None] * hat + cosine[..., None, None] * twice
    jacobian = eye + cosine[..., None, None] * hat + cubic[..., None, None] * twice
    return assemble(rotation, (jacobian @ v[..., None])[..., 0])


def log(transform: Tensor) -> Tensor:
    """SE(3) → se(3), for rotations of 0 to π. At π the axis has two signs: one of them is taken.

    Args:
        transform: (..., 4, 4) finite rigid motions.

    Returns:
        (..., 6) twists (v, ω).

    Raises:
        InvalidInputError: not (..., 4, 4).
    """
    if transform.shape[-2:] != (4, 4):
        raise InvalidInputError(f"log: {tuple(transform.shape)}: (..., 4, 4) is expected")
    omega = rotation_log(transform[..., :3, :3])
    squared = omega.square().sum(-1)
    hat = _hat(omega)
    factor = _log_factor(squared)[..., None, None]
    eye = torch.eye(3, dtype=transform.dtype, device=transform.device)
    inverse = eye - hat / 2 + factor * (hat @ hat)
    v = (inverse @ transform[..., :3, 3:])[..., 0]
    return torch.cat([v, omega], -1)


def rotation_log(rotation: Tensor) -> Tensor:
    """(..., 3) rotation vectors, rad, of (..., 3, 3) rotations.

    By the quaternion, of which the largest component is computed first (Shepperd 1978): the
    arc cosine of the trace has no gradient at 0 and at π, this has one at both.
    """
    quaternion = _quaternion(rotation)
    scalar, vector = quaternion[..., 0], quaternion[..., 1:]
    flip = torch.where(scalar < 0, -1.0, 1.0).to(rotation.dtype)
    scalar, vector = scalar * flip, vector * flip[..., None]
    squared = vector.square().sum(-1)
    near = squared < 1e-6
    sine = torch.where(near, 1, squared).sqrt()
    far = 2 * torch.atan2(sine, scalar) / sine
    # atan(n / w) / n = 1/w (1 - (n/w)²/3), to 1e-13 here.
    safe = torch.where(near, scalar, 1)
    ratio = squared / safe.square()
    close = 2 / safe * (1 - ratio / 3 + ratio.square() / 5)
    return torch.where(near, close, far)[..., None] * vector


def assemble(rotation: Tensor, translation: Tensor) -> Tensor:
    """(..., 4, 4) of (..., 3, 3) and (..., 3)."""
    top = torch.cat([rotation, translation[..., None]], -1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], -2)


def inverse(transform: Tensor) -> Tensor:
    """T† = [Rᵀ, -Rᵀ t; 0, 1] of (..., 4, 4) rigid motions."""
    turned = transform[..., :3, :3].mT
    return assemble(turned, -(turned @ transform[..., :3, 3:])[..., 0])


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """(..., N, 3) points moved by (..., 4, 4)."""
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]


def length(vectors: Tensor) -> Tensor:
    """Norms along the last dimension; where it is 0 the gradient is 0, and not undefined."""
    return vectors.square().sum(-1).clamp_min(_TINY**2).sqrt()


def _exp_factors(squared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of θ²: sin θ / θ, (1 - cos θ) / θ² and (θ - sin θ) / θ³."""
    small = squared < _SMALL**2
    x = torch.where(small, squared, 0)
    series = (
        _polynomial(x, (1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800)),
        _polynomial(x, (1 / 2, -1 / 24, 1 / 720, -1 / 40320, 1 / 3628800, -1 / 479001600)),
        _polynomial(x, (1 / 6, -1 / 120, 1 / 5040, -1 / 362880, 1 / 39916800, -1 / 6227020800)),
    )
    theta = torch.where(small, 1, squared).sqrt()
    exact = (
        theta.sin() / theta, (1 - theta.cos()) / theta**2, (theta - theta.sin()) / theta**3,
    )  # fmt: skip
    first, second, third = (
        torch.where(small, a, b) for a, b in zip(series, exact, strict=True)
    )  # fmt: skip
    return first, second, third


def _log_factor(squared: Tensor) -> Tensor:
    """(1 - θ/2 · cot(θ/2)) / θ², of θ²."""
    small = squared < _SMALL**2
    x = torch.where(small, squared, 0)
    series = _polynomial(
        x, (1 / 12, 1 / 720, 1 / 30240, 1 / 1209600, 1 / 47900160, 691 / 1307674368000)
    )
    half = torch.where(small, 1, squared).sqrt() / 2
    return torch.where(small, series, (1 - half * half.cos() / half.sin()) / (4 * half.square()))


def _polynomial(x: Tensor, terms: tuple[float, ...]) -> Tensor:
    value = torch.full_like(x, terms[-1])
    for term in terms[-2::-1]:
        value = value * x + term
    return value


def _quaternion(rotation: Tensor) -> Tensor:
    """(..., 4) unit quaternions (w, x, y, z) of (..., 3, 3), of either sign."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotation.unbind(-2))
    one = torch.ones_like(a)
    # Four times the products of one component with all of them: rows of 4 q qᵀ.
    rows = torch.stack([
        torch.stack([one + a + e + i, h - f, c - g, d - b], -1),
        torch.stack([h - f, one + a - e - i, b + d, c + g], -1),
        torch.stack([c - g, b + d, one - a + e - i, f + h], -1),
        torch.stack([d - b, c + g, f + h, one - a - e + i], -1),
    ], -2)  # fmt: skip
    largest = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    row = rows.gather(-2, largest.expand(*largest.shape[:-2], 1, 4))[..., 0, :]
    return row / row.square().sum(-1, keepdim=True).sqrt()


def _hat(omega: Tensor) -> Tensor:
    x, y, z = omega.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).reshape(*omega.shape[:-1], 3, 3)
