# SPDX-License-Identifier: Apache-2.0
"""The small trunk: a U-Net of residual blocks that describes every second pixel.

After Ronneberger et al. (2015) with the blocks of He et al. (2016); skip connections are added, not
concatenated, which halves the cost of the way up. Fully convolutional: any size that is a multiple
of 32 will do, others are padded.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tack_perception.networks.pyramid import padded, twice, without_padding


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut.

    Args:
        inputs, outputs: channels.
        stride: of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, h/stride, w/stride)."""
        y = functional.relu(self.first_norm(self.first(x)), inplace=True)
        y = self.second_norm(self.second(y))
        return functional.relu(y + self.shortcut(x), inplace=True)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Pictures → features of half their size.

    Args:
        width: channels at the finest level; the others follow.

    Attributes:
        channels: of the features.
        stride: 2.
    """

    stride = 2

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.channels = 3 * w // 2
        self.stem = _convolution(3, w, 3, 2)  # 1/2
        self.down1 = _convolution(w, w, 3)
        self.down2 = Residual(w, 2 * w, 2)  # 1/4
        self.down3 = nn.Sequential(Residual(2 * w, 4 * w, 2), Residual(4 * w, 4 * w))  # 1/8
        self.down4 = nn.Sequential(Residual(4 * w, 6 * w, 2), Residual(6 * w, 6 * w))  # 1/16
        self.down5 = nn.Sequential(Residual(6 * w, 6 * w, 2), Residual(6 * w, 6 * w))  # 1/32
        self.up4 = _convolution(6 * w, 4 * w, 3)
        self.skip3 = nn.Conv2d(4 * w, 4 * w, 1)
        self.up3 = _convolution(4 * w, 3 * w, 3)
        self.skip2 = nn.Conv2d(2 * w, 3 * w, 1)
        self.up2 = _convolution(3 * w, 2 * w, 3)
        self.narrow1 = nn.Conv2d(2 * w, self.channels, 1)
        self.skip1 = nn.Conv2d(w, self.channels, 1)
        self.up1 = _convolution(self.channels, self.channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Describe pictures.

        Args:
            x: (B, 3, H, W) normalised colour.

        Returns:
            (B, channels, ⌈H/2⌉, ⌈W/2⌉).
        """
        d1 = self.down1(self.stem(padded(x)))
        d2 = self.down2(d1)
        d3 = self.down3(d2)
        d4 = self.down4(d3)
        d5 = self.down5(d4)
        u4 = self.up4(d4 + twice(d5))
        u3 = self.up3(self.skip3(d3) + twice(u4))
        u2 = self.up2(self.skip2(d2) + twice(u3))
        u1: Tensor = self.up1(self.skip1(d1) + twice(self.narrow1(u2)))
        return without_padding(u1, x)
