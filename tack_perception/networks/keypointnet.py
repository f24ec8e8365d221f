# SPDX-License-Identifier: Apache-2.0
"""The heads of the KeypointNet task: where a number of keypoints are, and how far away."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tack_perception.errors import InvalidInputError
from tack_perception.networks.don import UNIT_TEMPERATURE
from tack_perception.networks.precision import full
from tack_perception.networks.sampling import to_pixels

NEAREST = 1e-12
"""Added to depths, in the world's unit: a keypoint is never in the camera itself."""
_TOGETHER = 16  # keypoints whose maps are in memory at once


@dataclasses.dataclass(frozen=True, eq=False)
class Expectations:
    """Means over the soft-max maps of N keypoints in B pictures.

    Attributes:
        pixels: (B, N, 2) ū, v̄, px.
        depth: (B, N) d̄ > 0 along the optical axis, in the world's unit.
        mask: (B, N) m̄, 0 to 1: the share of the map that lies on the object.
        variance: (B, N) px²: Σ p ‖x - x̄‖².
    """

    pixels: Tensor
    depth: Tensor
    mask: Tensor
    variance: Tensor


class KeypointNetHead(nn.Module):
    """Two 1×1 convolutions on dense descriptors: spatial logits and depths of N keypoints.

    Suwajanakorn et al., "Discovery of latent 3D keypoints", NeurIPS 2018, as Navale et al. (2023)
    stand it on a bottleneck of descriptors; equations 2 to 4 there. The bottleneck here is what
    `DonHead` gives. A keypoint's logit is then the likeness of a cell's descriptor to the one in
    its row of weights, over a temperature: what `DonHead.logits` is for a click.

    Attributes:
        keypoints: N.
        log_sharpness: scalar, learned; logits are the convolution times its exponential.
        left_out: (2,) int64, how many samples the pose loss was asked for in training, and how many
            of them it left out.
    """

    left_out: Tensor

    def __init__(self, size: int, keypoints: int) -> None:
        super().__init__()
        if size < 1 or keypoints < 3:
            raise InvalidInputError(
                f"KeypointNetHead: size = {size}, keypoints = {keypoints}: a positive size, and "
                f"three keypoints or more, which determine a pose"
            )
        self.keypoints = keypoints
        self.where = nn.Conv2d(size, keypoints, 1)
        self.depth = nn.Conv2d(size, keypoints, 1)
        nn.init.normal_(self.where.weight, std=size**-0.5)  # rows of about unit length
        # At first all is about as far away as the world's plane: a ReLU at 0 learns nothing.
        nn.init.normal_(self.depth.weight, std=0.05)
        nn.init.constant_(self.depth.bias, 1.0)  # type: ignore[arg-type]
        self.log_sharpness = nn.Parameter(torch.tensor(-math.log(UNIT_TEMPERATURE)))
        self.register_buffer("left_out", torch.zeros(2, dtype=torch.int64))

    def forward(self, descriptors: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D, h, w) descriptors → (B, N, h, w) logits and depths > 0, at least float32."""
        return self._maps(descriptors, slice(None))

    def expect(self, descriptors: Tensor, mask: Tensor, stride: int) -> Expectations:
        """`expect` of this head's maps, which are made some at a time and not kept.

        The way back makes them anew (Chen et al. 2016): in all, N maps of logits, chances and
        depths are many times what the descriptors are.

        Args:
            descriptors: (B, D, h, w).
            mask, stride: as for `expect`.
        """

        def some(cells: Tensor, begin: int) -> Expectations:
            logits, depths = self._maps(cells, slice(begin, begin + _TOGETHER))
            return expect(logits, depths, mask, stride)

        lots = [
            checkpoint(some, descriptors, begin, use_reentrant=False, preserve_rng_state=False)
            for begin in range(0, self.keypoints, _TOGETHER)
        ]
        names = [field.name for field in dataclasses.fields(Expectations)]
        return Expectations(
            **{name: torch.cat([getattr(lot, name) for lot in lots], 1) for name in names}
        )

    def _maps(self, descriptors: Tensor, which: slice) -> tuple[Tensor, Tensor]:
        with torch.autocast(descriptors.device.type, enabled=False):
            cells = full(descriptors)
            where, depth = (self._convolved(one, cells, which) for one in (self.where, self.depth))
            return where * self.log_sharpness.exp(), functional.relu(depth) + NEAREST

    @staticmethod
    def _convolved(convolution: nn.Conv2d, cells: Tensor, which: slice) -> Tensor:
        """Some of its channels."""
        assert convolution.bias is not None
        return functional.conv2d(cells, convolution.weight[which], convolution.bias[which])


def expect(logits: Tensor, depths: Tensor, mask: Tensor, stride: int) -> Expectations:
    """Soft-max over a picture, and what it expects (Navale et al. 2023, equation 4).

    Args:
        logits, depths: (B, N, h, w) of `KeypointNetHead`.
        mask: (B, h, w) 0 to 1, where the object is seen.
        stride: px of a cell.

    Raises:
        InvalidInputError: the shapes do not fit.
    """
    batch, _, height, width = logits.shape
    if depths.shape != logits.shape or mask.shape != (batch, height, width):
        raise InvalidInputError(
            f"expect: logits of {tuple(logits.shape)}, depths of {tuple(depths.shape)}, a mask of "
            f"{tuple(mask.shape)}: (B, N, h, w) twice and (B, h, w) are expected"
        )
    chance = logits.flatten(2).softmax(2)
    rows, columns = torch.meshgrid(
        torch.arange(height, device=logits.device, dtype=chance.dtype),
        torch.arange(width, device=logits.device, dtype=chance.dtype), indexing="ij",
    )  # fmt: skip
    places = to_pixels(torch.stack([columns, rows], -1).reshape(-1, 2), stride)
    # About the middle: a variance as the difference of two large numbers would be rounding.
    middle = places.mean(0)
    centred = places - middle
    means = chance @ centred
    squares = chance @ centred.square().sum(1)
    return Expectations(
        pixels=means + middle,
        depth=(chance * depths.flatten(2)).sum(2),
        mask=torch.bmm(chance, mask.to(chance.dtype).flatten(1)[..., None])[..., 0],
        variance=(squares - means.square().sum(2)).clamp_min(0),
    )
