# SPDX-License-Identifier: Apache-2.0
"""The head that judges poses of a clicked object: does it lie in this picture so, or otherwise?"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from tack_perception.detectors.comparison import CHANNELS

FORM = 2
"""Of the head: the first one, without named points and places on the object, is read, too."""
FACTS = 6
_SCALES = (1.0, 1.0, 0.3, 1.0, 5.0, 0.3)  # that bring the facts to about one
_WIDTHS = (32, 48, 64, 96)
_HIDDEN = 64
_DROPPED = 0.1


class PoseHead(nn.Module):
    """A small convolutional network over two windows that a pose lays onto each other.

    Poses are proposed by other means, and judged by looking at both pictures at once, as by the
    coarse network of MegaPose (Labbé et al., CoRL 2022); here the object's own clicked picture,
    carried along by depth, is compared instead of a rendered model.

    Args:
        descriptors: sets of dense descriptors that are compared, too.
        form: 1 reads five facts; 2 also that of named points, and places on the object.
    """

    def __init__(self, descriptors: int, form: int = FORM) -> None:
        super().__init__()
        placed = form > 1
        self._facts = facts = FACTS if placed else FACTS - 1
        widths = (CHANNELS + descriptors + placed, *_WIDTHS)
        layers: list[nn.Module] = []
        for n, (before, after) in enumerate(itertools.pairwise(widths)):
            stride = 1 if n % 2 else 2
            layers += [
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.judge = nn.Sequential(
            nn.Linear(2 * _WIDTHS[-1] + facts, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPPED),
            nn.Linear(_HIDDEN, 1),
        )  # fmt: skip

    def forward(self, maps: Tensor, facts: Tensor) -> Tensor:
        """Judge H poses.

        Args:
            maps: (H, 2, C, S, S) of `detectors.comparison.compare`.
            facts: (H, 6) of `detectors.constellation.candidates`.

        Returns:
            (H,) logarithms of how much likelier each pose is than that none of them is right.
        """
        count = len(maps)
        seen = self.body(maps.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1)
        both = pooled.reshape(count, 2, pooled.shape[1]).mean(1)
        scaled = (facts * facts.new_tensor(_SCALES))[:, : self._facts]
        judged: Tensor = self.judge(torch.cat([both, scaled.to(both.dtype)], dim=1))
        return judged[:, 0].float()
