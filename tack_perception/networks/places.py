# SPDX-License-Identifier: Apache-2.0
"""The head that teaches: which code and which descriptor each place on a class is to have."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tack_perception.errors import InvalidInputError
from tack_perception.networks.waves import waves

_OCTAVES = 4


class PlaceHead(nn.Module):
    """From a class and a place on its surface to a code of TACK and a descriptor.

    Two that are to agree learn slowly from each other while neither knows anything: TACK's encoder
    and its decoder, or the descriptors of two pictures. Where the true place is known, this head
    stands in for the one, so that the other learns as the detector of a fixed set does, but for all
    places of the surface; then the one imitates it. The keys of SurfEmb (Haugaard and Buch, CVPR
    2022) are such a network. Nothing of it is needed once the others have learned.

    Args:
        classes: that there are.
        code: numbers in a code of TACK.
        descriptor: numbers in a dense descriptor.
        hidden: width.

    Raises:
        InvalidInputError: for sizes that are not positive.
    """

    def __init__(self, classes: int, code: int, descriptor: int, *, hidden: int = 128) -> None:
        super().__init__()
        if min(classes, code, descriptor, hidden) < 1:
            raise InvalidInputError(
                f"PlaceHead: classes = {classes}, code = {code}, descriptor = {descriptor}, "
                f"hidden = {hidden}: all must be positive"
            )
        self.classes = nn.Parameter(torch.randn(classes, hidden // 4))
        self.body = nn.Sequential(
            nn.Linear(hidden // 4 + 3 * (1 + 2 * _OCTAVES), hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
        )  # fmt: skip
        self.code = nn.Linear(hidden, code)
        self.descriptor = nn.Linear(hidden, descriptor)

    def forward(self, category: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and descriptors of places.

        Args:
            category: (B,) int64 classes, each below the number of them.
            places: (B, N, 3) finite, in the object's own box of -1 to 1.

        Returns:
            (B, N, code), each between -1 and 1; (B, N, descriptor) of any length.
        """
        written = waves(places, _OCTAVES, math.pi / 2)
        kind = self.classes[category][:, None].expand(-1, places.shape[1], -1)
        hidden = self.body(torch.cat([kind, written], -1))
        return torch.tanh(self.code(hidden).float()), self.descriptor(hidden).float()
