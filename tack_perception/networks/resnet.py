# SPDX-License-Identifier: Apache-2.0
"""ResNet-34 as Dense Object Nets use it: dilated so that its last stages keep a stride of 8."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tack_perception.errors import InvalidInputError

STAGES = ((64, 3, 1, 1), (128, 4, 2, 1), (256, 6, 1, 2), (512, 3, 1, 4))
"""Channels, blocks, stride of the first block, dilation."""
COARSE = 8
"""Stride of the stages, px."""


class ResNet34(nn.Module):
    """He et al. 2016 (arXiv 1512.03385), table 1, without pooling and classifier.

    Stages 3 and 4 dilate instead of striding; the result is projected and up-sampled bilinearly,
    as in Dense Object Nets (Florence et al. 2018; there by 8, to the pixels). It can stand in for
    the small trunk, at a multiple of its cost.

    Weights are random: publicly trained ones come with torchvision, which does not go with every
    build of torch. Dense Object Nets started from ImageNet's; expect to need more data without.

    Padding differs from the published one by a shift alone. With equal padding on both sides a
    stride of 8 puts cell k on pixel 8k, and up-sampling takes it for 8k + 3.5. Here it lies on
    8k + 3; the rest is learned.

    Attributes:
        channels: C, of the result.
        stride: pixels per cell of the result.
        stages: the convolutions of the published network: 21.3 M parameters.
    """

    def __init__(self, channels: int = 64, stride: int = 2) -> None:
        super().__init__()
        if channels < 1 or stride not in (1, 2, 4, 8):
            raise InvalidInputError(
                f"ResNet34: channels = {channels}, stride = {stride}: channels must be positive, "
                f"stride one of 1, 2, 4, 8"
            )
        self.channels = channels
        self.stride = stride
        self.stages = nn.Sequential(_stem(), *_stages())
        self.project = nn.Conv2d(STAGES[-1][0], channels, 1)
        self.stages.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H / stride, W / stride) features of (B, 3, H, W) normalised RGB.

        Raises:
            InvalidInputError: for sides that are no multiples of 8.
        """
        height, width = images.shape[-2:]
        if height % COARSE or width % COARSE:
            raise InvalidInputError(
                f"an image of {width}×{height} px: sides must divide by {COARSE}"
            )
        features: Tensor = self.project(self.stages(images))
        if self.stride == COARSE:
            return features
        # Projecting first and up-sampling then is the same, and needs an eighth of the memory.
        size = (height // self.stride, width // self.stride)
        return functional.interpolate(features, size=size, mode="bilinear", align_corners=False)


class Block(nn.Module):
    """Two 3×3 convolutions beside a short cut (He et al. 2016, figure 2)."""

    def __init__(self, before: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.first = _convolution(before, channels, stride, dilation)
        self.second = _convolution(channels, channels, 1, dilation)
        self.first_norm, self.second_norm = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → (B, C', h', w')."""
        inner = functional.relu(self.first_norm(self.first(features)), inplace=True)
        inner = self.second_norm(self.second(inner))
        return functional.relu(inner + self.shortcut(features), inplace=True)


def _convolution(before: int, channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(before, channels, 3, stride, dilation, dilation, bias=False)


def _stem() -> nn.Sequential:
    """Stride 4. One row and column less in front than behind: see the class on the shift."""
    return nn.Sequential(
        nn.ZeroPad2d((2, 3, 2, 3)),
        nn.Conv2d(3, STAGES[0][0], 7, 2, bias=False),
        nn.BatchNorm2d(STAGES[0][0]),
        nn.ReLU(inplace=True),
        nn.ZeroPad2d((0, 1, 0, 1)),  # after a ReLU, 0 is as good as -inf
        nn.MaxPool2d(3, 2),
    )


def _stages() -> list[nn.Sequential]:
    stages, before = [], STAGES[0][0]
    for channels, count, stride, dilation in STAGES:
        blocks = [Block(before, channels, stride, dilation)]
        blocks += [Block(channels, channels, 1, dilation) for _ in range(count - 1)]
        stages.append(nn.Sequential(*blocks))
        before = channels
    return stages


def _initialise(module: nn.Module) -> None:
    """He et al. 2015 by fan-out; each block begins as its short cut (Goyal et al. 2017)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, Block):
        nn.init.zeros_(module.second_norm.weight)
