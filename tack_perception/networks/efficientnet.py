# SPDX-License-Identifier: Apache-2.0
"""A trunk that has seen ImageNet: EfficientNet-Lite0 with a way back up to every second pixel.

Tan and Le, "EfficientNet", ICML 2019; the Lite variant has no squeeze-and-excitation and ReLU6. The
way up adds skip connections as a feature pyramid does (Lin et al., CVPR 2017). Features that
pictures of a thousand kinds of things have shaped need far fewer of ours
(docs/methods/tack.md has the numbers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from tack_perception.networks.pyramid import padded, twice, without_padding

# Kernel, stride, expansion, outputs, repeats of the inverted bottlenecks (Tan and Le, table 1).
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM = 32
_TAPPED = (0, 1, 2, 4, 6)  # stages whose outputs go up: strides 2, 4, 8, 16, 32
_FROZEN = 2  # stages that stay as ImageNet has left them: edges and colours are the same here
_EPSILON = 1e-3  # of batch normalisation, as the weights were trained with


class _Convolution(nn.Sequential):
    """Convolution with TensorFlow's padding, normalisation, ReLU6.

    With stride 2, padding is on the right and at the bottom: so the pretrained weights expect it.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, groups: int = 1,
        active: bool = True,
    ) -> None:  # fmt: skip
        total = kernel - stride if stride > 1 else kernel - 1
        before = total // 2
        even = total == 2 * before
        layers: list[nn.Module] = []
        if not even:
            layers.append(nn.ZeroPad2d((before, total - before, before, total - before)))
        layers += [
            nn.Conv2d(
                inputs, outputs, kernel, stride, before if even else 0, groups=groups, bias=False
            ),
            nn.BatchNorm2d(outputs, eps=_EPSILON),
        ]
        if active:
            layers.append(nn.ReLU6(inplace=True))
        super().__init__(*layers)


class _Bottleneck(nn.Module):
    """Inverted bottleneck: widen, look around channel by channel, narrow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = _Convolution(inputs, wide) if expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, outputs, active=False)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, h/stride, w/stride)."""
        wide = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self._look_around(wide))
        return x + y if self._adds else y

    def _look_around(self, wide: Tensor) -> Tensor:
        if wide.device.type != "cpu":
            return cast(Tensor, self.depthwise(wide))
        # A CPU takes 3 to 10 times as long for the gradient of this in bfloat16.
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, self.depthwise(wide.float()))


class EfficientNetLite0(nn.Module):
    """Pictures → features of half their size.

    Attributes:
        channels: of the features.
        stride: 2.
    """

    stride = 2

    def __init__(self) -> None:
        super().__init__()
        self.channels = 48
        self.stem = _Convolution(3, _STEM, 3, 2)
        stages, tapped, inputs = [], [], _STEM
        for kernel, stride, expansion, outputs, repeats in _STAGES:
            blocks = []
            for number in range(repeats):
                step = stride if number == 0 else 1
                blocks.append(_Bottleneck(inputs, outputs, kernel, step, expansion))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
            tapped.append(outputs)
        self.stages = nn.ModuleList(stages)
        for module in self._frozen():
            module.requires_grad_(False)
        wide = (48, 48, 96, 128, 128)  # at strides 2 to 32, where the skips join
        self.skips = nn.ModuleList(
            nn.Conv2d(tapped[stage], width, 1) for stage, width in zip(_TAPPED, wide, strict=True)
        )
        out = (self.channels, 48, 48, 96, 128)
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            )
            for width, after in zip(wide, out, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Describe pictures.

        Args:
            x: (B, 3, H, W) normalised colour.

        Returns:
            (B, channels, ⌈H/2⌉, ⌈W/2⌉).
        """
        deep = self.stem(padded(x))
        levels = []
        for number, stage in enumerate(self.stages):
            deep = stage(deep)
            if number in _TAPPED:
                levels.append(deep)
        up: Tensor | None = None
        for level in reversed(range(len(levels))):
            joined = self.skips[level](levels[level])
            if up is not None:
                joined = joined + twice(up)
            up = self.ups[level](joined)
        assert up is not None
        return without_padding(up, x)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """As of any module; what is frozen keeps its statistics, too."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def pretrained(self) -> list[nn.Parameter]:
        """The parameters that ImageNet has shaped, once they are loaded, and that still learn."""
        return [one for stage in self.stages[_FROZEN:] for one in stage.parameters()]

    def _frozen(self) -> list[nn.Module]:
        return [self.stem, *self.stages[:_FROZEN]]

    @torch.no_grad()
    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ImageNet has shaped: the state of `stem` and `stages`.

        Raises:
            RuntimeError: a name or a shape does not fit.
        """
        own = {name: value for name, value in self.state_dict().items() if _is_encoder(name)}
        missing = set(own) ^ set(state)
        if missing:
            raise RuntimeError(f"{sorted(missing)[0]}: missing or not expected")
        self.load_state_dict({**self.state_dict(), **state})


def _is_encoder(name: str) -> bool:
    return name.startswith(("stem.", "stages.")) and not name.endswith("num_batches_tracked")
