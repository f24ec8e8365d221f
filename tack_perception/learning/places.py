# SPDX-License-Identifier: Apache-2.0
"""What the head of places teaches the others about the points of a batch."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from tack_perception.learning.episode import Episodes
from tack_perception.networks.places import PlaceHead
from tack_perception.networks.sampling import to_cells


@dataclasses.dataclass(frozen=True, eq=False)
class Taught:
    """Codes and descriptors that the points of a batch are to have.

    Attributes:
        codes: (B, N, code), each between -1 and 1.
        descriptors: (B, N, D) of any length.
        known: (B, N) bool: the point's place on its object is known, and the object's class.
    """

    codes: Tensor
    descriptors: Tensor
    known: Tensor


def teach(head: PlaceHead, episodes: Episodes) -> Taught:
    """Codes and descriptors by the places that the points have on the support's object."""
    places = places_of(episodes)
    taught = episodes.category < len(head.classes)
    known = places.isfinite().all(-1) & taught[:, None]
    category = torch.where(taught, episodes.category, 0)
    codes, descriptors = head(category, places.nan_to_num(0.0))
    return Taught(codes, descriptors, known)


def places_of(episodes: Episodes) -> Tensor:
    """(B, N, 3) places of the points in the object's box of -1 to 1; NaN where not known."""
    surface = episodes.support_surface
    height, width = surface.shape[-2:]
    stride = episodes.support.shape[-1] // width
    cells = to_cells(episodes.support_points, stride).round().long()
    columns, rows = cells[..., 0], cells[..., 1]
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    number = torch.where(inside, rows * width + columns, 0)
    found = surface.flatten(2).gather(2, number[:, None].expand(-1, 3, -1)).transpose(1, 2)
    return torch.where(inside[..., None], found, torch.nan)
