# SPDX-License-Identifier: Apache-2.0
"""The rigid motion between two sets of points, with a gradient that symmetry does not break."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tack_perception.errors import InvalidInputError

_SAFETY = 100  # times the rounding error that a width must have to be one


@dataclasses.dataclass(frozen=True, eq=False)
class Motions:
    """Rigid motions, as far as there are any.

    Attributes:
        rotation: (B, 3, 3), R of `target = R source + t`.
        translation: (B, 3), t, in the points' unit.
        valid: (B,) bool: the points determine the motion; where not, it is the identity, and no
            gradient passes.
        width: (B,) no gradient: √(s₂ ± s₃), how wide the points are (RMS) across their longest
            direction, in their unit; 0 for collinear ones. The gradient grows as its inverse.
    """

    rotation: Tensor
    translation: Tensor
    valid: Tensor
    width: Tensor


def kabsch(source: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The motion that carries points onto others with the least sum of weighted squares.

    Kabsch, Acta Crystallographica A 32 (1976), with Umeyama's sign (PAMI 1991), so that it is never
    a reflection. Differentiable in all arguments; the derivative of the rotation is a closed form
    (`nearest_rotation`), so symmetric and planar sets have one in single precision, too.

    Args:
        source, target: (B, N, 3) finite floats of the same type, any unit.
        weights: (B, N) finite, not negative; None for all alike.

    Returns:
        (B, 3, 3) R and (B, 3) t of `target = R source + t`.

    Raises:
        InvalidInputError: shapes or numbers are wrong; or points of a set do not determine the
            motion: they are fewer than three, coincident or collinear, or mirror images of each
            other that have no one nearest rotation.
    """
    _check(source, target, weights)
    found = motions(source, target, weights)
    if not bool(found.valid.all()):
        bad = (~found.valid).nonzero()[:, 0].tolist()
        raise InvalidInputError(
            f"kabsch: set {bad[0]} of {len(found.valid)} ({len(bad)} in all) does not determine a "
            f"rotation: its points are coincident, collinear, or a mirror image without a nearest "
            f"rotation"
        )
    return found.rotation, found.translation


def motions(
    source: Tensor, target: Tensor, weights: Tensor | None = None, *, least_width: float = 0.0
) -> Motions:
    """As `kabsch`, but sets that determine no motion are marked instead of refused.

    Args:
        source, target, weights: as there; sets with numbers that are not finite are marked.
        least_width: sets that are narrower are marked as well, in the points' unit.

    Raises:
        InvalidInputError: the shapes do not fit.
    """
    _check_shapes(source, target, weights)
    finite = source.isfinite().flatten(1).all(1) & target.isfinite().flatten(1).all(1)
    share = source.new_ones(source.shape[:2]) if weights is None else weights
    finite = finite & share.isfinite().all(1) & (share.sum(1) > 0)
    source, target = (torch.where(finite[:, None, None], one, 0) for one in (source, target))
    share = torch.where(finite[:, None], share, 1)
    share = (share / share.sum(1, keepdim=True))[..., None]
    middle, goal = (share * source).sum(1), (share * target).sum(1)
    spread = (share * (target - goal[:, None])).mT @ (source - middle[:, None])
    with torch.no_grad():
        valid, width = _determined(spread, torch.stack([source, target]).abs().amax((0, 2, 3)))
        valid = valid & finite & (width >= least_width)
    eye = torch.eye(3, dtype=source.dtype, device=source.device).expand_as(spread)
    rotation = nearest_rotation(torch.where(valid[:, None, None], spread, eye))
    translation = goal - (rotation @ middle[..., None])[..., 0]
    translation = torch.where(valid[:, None], translation, 0)
    return Motions(rotation, translation, valid, torch.where(finite, width, 0))


def _determined(spread: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) whether there is one nearest rotation, and the width on which it hangs.

    All denominators of the derivative must be clearly positive. The smallest is s₂ ± s₃: 0 for
    points on one line, and for mirror images with s₂ = s₃.
    """
    singular = torch.linalg.svdvals(spread)
    smallest = singular[:, 1] + torch.linalg.det(spread).sign() * singular[:, 2]
    noise = _SAFETY * torch.finfo(spread.dtype).eps
    bound = torch.maximum(noise * singular[:, 0], (noise * reach).square())
    return smallest > bound, smallest.clamp_min(0).sqrt()


def nearest_rotation(matrices: Tensor) -> Tensor:
    """(B, 3, 3) rotations R with the largest trace(Rᵀ M), differentiable.

    M = P S Qᵀ, D = diag(1, 1, det(P Qᵀ)), R = P D Qᵀ. M = R K with the symmetric K = Q D S Qᵀ, so
    for dR = R Φ with a skew Φ: Rᵀ dM - dMᵀ R = Φ K + K Φ. In the axes of Q that is an equation for
    each element, with denominators s'ᵢ + s'ⱼ, s' = D S; the backward pass is its adjoint. Through
    the singular vectors themselves the denominators are sᵢ² - sⱼ²: 0 for a cube, and the gradient
    is no number.

    Args:
        matrices: (B, 3, 3) finite, each with one nearest rotation (s'ᵢ + s'ⱼ > 0).
    """
    rotation: Tensor = _NearestRotation.apply(matrices)  # type: ignore[no-untyped-call]
    return rotation


class _NearestRotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> Tensor:
        # 3 × 3: double precision costs nothing, and keeps small singular values.
        p, s, q_transposed = torch.linalg.svd(matrices.double())
        sign = torch.linalg.det(p @ q_transposed).sign()
        d = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
        rotation: Tensor = (p * d[:, None]) @ q_transposed
        ctx.save_for_backward(rotation, q_transposed.mT, d * s)
        return rotation.to(matrices.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        rotation, q, s = ctx.saved_tensors
        pulled = rotation.mT @ slope.double()
        skew = q.mT @ (pulled - pulled.mT) @ q
        sums = s[:, :, None] + s[:, None]
        # The diagonal of a skew matrix is 0, whatever it is divided by.
        sums = torch.where(torch.eye(3, dtype=torch.bool, device=s.device), 1, sums)
        back: Tensor = rotation @ q @ (skew / sums) @ q.mT
        return back.to(slope.dtype)


def _check_shapes(source: Tensor, target: Tensor, weights: Tensor | None) -> None:
    shape = tuple(source.shape)
    if len(shape) != 3 or shape[2] != 3 or tuple(target.shape) != shape:
        raise InvalidInputError(
            f"kabsch: sets of {shape} and {tuple(target.shape)}: twice (B, N, 3) is expected"
        )
    if shape[1] < 3:
        raise InvalidInputError(f"kabsch: {shape[1]} points; three determine a motion")
    if weights is not None and tuple(weights.shape) != shape[:2]:
        raise InvalidInputError(
            f"kabsch: weights of {tuple(weights.shape)}: {shape[:2]} is expected"
        )


def _check(source: Tensor, target: Tensor, weights: Tensor | None) -> None:
    _check_shapes(source, target, weights)
    for name, values in (("source", source), ("target", target), ("weights", weights)):
        if values is not None and not bool(values.isfinite().all()):
            raise InvalidInputError(f"kabsch: {name} holds numbers that are not finite")
    if weights is not None and not bool(((weights >= 0).all(1) & (weights.sum(1) > 0)).all()):
        raise InvalidInputError("kabsch: weights must not be negative, nor all 0")
