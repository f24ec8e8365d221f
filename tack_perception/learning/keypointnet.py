# SPDX-License-Identifier: Apache-2.0
"""How dense descriptors are mined: by the KeypointNet task on two views of one picture.

No loss here reads a correspondence: not a point of the data, nor where a pixel of one view lies in
the other. What is known is each camera's pose and where the object is. docs/methods/keypointnet.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tack_perception.configuration import setting
from tack_perception.errors import InvalidInputError
from tack_perception.learning import se3
from tack_perception.learning.don import DonLossConfig, calibration
from tack_perception.learning.don_pairs import Pairs
from tack_perception.learning.episode import Episodes
from tack_perception.learning.kabsch import motions
from tack_perception.learning.losses import masked_mean
from tack_perception.learning.twins import Twins, ViewConfig, draw_twins, lift
from tack_perception.networks.don import DonHead
from tack_perception.networks.keypointnet import Expectations, KeypointNetHead

_FEWEST_CELLS = 8  # of the object, that both views must show for a sample to count
_TINY = 1e-6
_ASKED = 16  # keypoints that fit the two scales of a head in a step: all would take more memory


@dataclasses.dataclass(frozen=True)
class KeypointNetLossConfig(ViewConfig):
    """How much of each loss, and how the views differ."""

    silhouette: float = setting(1.0, "weight of lying on the object", low=0)
    variance: float = setting(0.002, "weight of the maps' variance, which is in px²", low=0)
    separation: float = setting(1.0, "weight of keypoints being apart", low=0)
    consistency: float = setting(
        0.3, "weight of both views' keypoints being one place of the world", low=0
    )
    pose: float = setting(0.2, "weight of the relative pose by the keypoints being true", low=0)
    calibration: float = setting(
        0.1, "weight of fitting the scales of the head don, by keypoints that agree; the"
        " descriptors are left alone", low=0,
    )  # fmt: skip
    separation_px: float = setting(2.0, "keypoints are this far apart", unit="px", low=0, high=64)
    huber_px: float = setting(
        1.0, "consistency: a difference counts squared up to here, then as it is; px at the"
        " poster's distance", unit="px", low=0.01, high=100,
    )  # fmt: skip
    narrowest_px: float = setting(
        2.0, "pose: keypoints that are narrower across than this do not tell it, and are left out",
        unit="px", low=0, high=100,
    )  # fmt: skip


def twins_of(episodes: Episodes, config: ViewConfig) -> Twins:
    """Two views of each support. The same for the same batch, whatever was drawn before.

    So a run that is stopped goes on as it would have, and validation sees the same views each time.
    """
    pictures = episodes.support
    seed = int(pictures.double().sum() * 1e3) % 2**63
    generator = torch.Generator(pictures.device)
    generator.manual_seed(seed)
    with torch.no_grad(), torch.autocast(pictures.device.type, enabled=False):
        return draw_twins(pictures, episodes.support_object, config, generator)


def keypointnet_losses(
    head: KeypointNetHead,
    don: DonHead,
    features: tuple[Tensor, Tensor],
    twins: Twins,
    config: KeypointNetLossConfig | None = None,
) -> dict[str, Tensor]:
    """Weighted losses of a batch; their sum is to be minimised.

    A sample whose object is not seen in both views does not count; where none does, all is 0 and
    has a gradient. In single precision also under autocast.

    Args:
        head: the keypoints.
        don: the bottleneck, which is what is mined.
        features: (B, C, h, w) of a trunk, of view A and of view B.
        twins: the same views.
        config: which losses.

    Returns:
        Name → scalar.

    Raises:
        InvalidInputError: the features' grid is not that of the views' masks.
    """
    config = config or KeypointNetLossConfig()
    grid, size = twins.masks.shape[1:], int(twins.pictures.shape[-1])
    if any((len(one), *one.shape[-2:]) != tuple(grid) for one in features):
        raise InvalidInputError(
            f"keypointnet_losses: features of {tuple(features[0].shape)} and "
            f"{tuple(features[1].shape)} for masks of {tuple(grid)}: one grid is expected"
        )
    stride = size // int(grid[-1])
    cells = don(features[0]), don(features[1])
    with torch.autocast(cells[0].device.type, enabled=False):
        sides = [head.expect(cells[side], twins.masks[side], stride) for side in (0, 1)]
        shown = (twins.masks.flatten(2).sum(2) >= _FEWEST_CELLS).all(0)
        camera = [
            lift(one.pixels, one.depth, matrix)
            for one, matrix in zip(sides, twins.intrinsics, strict=True)
        ]
        world = [se3.apply(twins.world_from_camera[side], camera[side]) for side in (0, 1)]
        apart = (world[0] - world[1]) * twins.scale
        terms = {
            "silhouette": _both(silhouette, sides),
            "variance": _both(lambda one: one.variance.mean(1), sides),
            "separation": _both(lambda one: separation(one.pixels, config.separation_px), sides),
            "consistency": consistency(apart, config.huber_px),
        }
        losses = {
            f"mined_{name}": getattr(config, name) * masked_mean(values, shown)
            for name, values in terms.items()
            if getattr(config, name)
        }
        if config.pose:
            narrowest = config.narrowest_px / twins.scale
            missed, told = relative_pose(camera[0], camera[1], twins.second_from_first, narrowest)
            losses["mined_pose"] = config.pose * masked_mean(missed, shown & told)
            if head.training:
                head.left_out += torch.stack([shown.sum(), (shown & ~told).sum()])
        if config.calibration:
            some = slice(None, None, math.ceil(head.keypoints / _ASKED))
            agree = shown[:, None] & (apart.detach()[:, some].norm(dim=2) <= 2 * stride)
            still = cells[0].detach(), cells[1].detach()
            points = torch.stack([one.pixels.detach()[:, some] for one in sides])
            pairs = _agreed(don, still, points.clamp(0, size - 1), agree, stride)
            fitted = calibration(don, pairs, _SCALES_ONLY)
            losses["mined_calibration"] = config.calibration * fitted
    return losses


def silhouette(expected: Expectations) -> Tensor:
    """(B,) mean of -log(m̄ + ε) over the keypoints."""
    return -(expected.mask + _TINY).log().mean(1)


def separation(pixels: Tensor, margin_px: float) -> Tensor:
    """(B,) mean over keypoints of Σ max(0, margin - distance to another), px, of (B, N, 2)."""
    distance = se3.length(pixels[:, :, None] - pixels[:, None])
    count = pixels.shape[1]
    itself = torch.eye(count, dtype=torch.bool, device=pixels.device)
    hinge = torch.where(itself, 0, (margin_px - distance).clamp_min(0))
    return hinge.sum((1, 2)) / count


def consistency(apart: Tensor, huber_px: float) -> Tensor:
    """(B,) Huber loss of (B, N, 3) differences in the world, px: summed over axes, mean over N."""
    zero = torch.zeros_like(apart)
    return functional.huber_loss(apart, zero, reduction="none", delta=huber_px).sum(2).mean(1)


def relative_pose(
    first: Tensor, second: Tensor, truth: Tensor, least_width: float = 0.0
) -> tuple[Tensor, Tensor]:
    """‖log(T_truth† T_pred)‖ with T_pred by Kabsch (Navale et al. 2023, equation 7).

    Args:
        first, second: (B, N, 3) keypoints in the frames of cameras A and B.
        truth: (B, 4, 4) second_from_first.
        least_width: sets that are narrower tell no pose, in their unit.

    Returns:
        (B,) the norm over translation (the points' unit) and rotation (rad), 0 where the points do
        not tell the pose; (B,) bool, whether they do.
    """
    found = motions(first, second, least_width=least_width)
    wrong = se3.inverse(truth) @ se3.assemble(found.rotation, found.translation)
    return torch.where(found.valid, se3.length(se3.log(wrong)), 0), found.valid


_SCALES_ONLY = DonLossConfig(dense=0.0, taught=0.0, calibration=1.0)


def _agreed(
    don: DonHead, cells: tuple[Tensor, Tensor], points: Tensor, agree: Tensor, stride: int
) -> Pairs:
    """Keypoints on which both views agree, in the place of matches; they came from no label."""
    codes = torch.stack([don.sample(cells[side], points[side], stride) for side in (0, 1)])
    never = torch.zeros_like(agree)
    both = torch.stack([agree, agree])
    batch = len(agree)
    nothing = agree.new_zeros(batch, cells[0].shape[2] * cells[0].shape[3])
    return Pairs(
        cells=cells, codes=codes, points=points, usable=both, match=agree,
        alone=torch.stack([never, never]), absent=never,
        apart=agree.new_zeros(2, batch, 2, batch), object=nothing, background=nothing,
        spared=None, stride=stride,
    )  # fmt: skip


def _both(loss: Callable[[Expectations], Tensor], sides: list[Expectations]) -> Tensor:
    """Mean of a loss of both views."""
    return (loss(sides[0]) + loss(sides[1])) / 2
