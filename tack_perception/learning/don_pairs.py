# SPDX-License-Identifier: Apache-2.0
"""What the losses of Dense Object Nets compare: descriptors, and which of them belong together."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from tack_perception.errors import InvalidInputError
from tack_perception.learning.episode import Episodes
from tack_perception.networks.don import DonHead, unit
from tack_perception.networks.sampling import to_cells

NEVER = -1e9
"""Added to a logit that must not count. Finite, so that a sum of nothing has a gradient of zero."""


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """B pairs of pictures, described. Of two sides, 0 is the support and 1 the query.

    Attributes:
        cells: for each side (B, D, h, w) descriptors.
        codes: (2, B, N, D) descriptors at the points.
        points: (2, B, N, 2) px; a point that is not known in a picture lies at 0 there.
        usable: (2, B, N) bool: the point is seen in the picture.
        match: (B, N) bool: both pictures show it, and it is to look the same in both.
        alone: (2, B, N) bool: the picture shows it, and the other one a thing that must not look
            like it.
        absent: (B, N) bool: the support shows it, and the query does not: hidden, or alone.
        apart: (2, B, 2, B) bool: two pictures of the batch show things that must not look alike.
        object, background: (B, h·w) bool: the query's cell is known to show the object, or not to.
        spared: (2, B, h·w) bool, or None: cells that are no negatives.
        stride: px of a cell.
    """

    cells: tuple[Tensor, Tensor]
    codes: Tensor
    points: Tensor
    usable: Tensor
    match: Tensor
    alone: Tensor
    absent: Tensor
    apart: Tensor
    object: Tensor
    background: Tensor
    spared: Tensor | None
    stride: int

    def unit(self) -> Pairs:
        """The same with descriptors of unit length."""
        support, query = (unit(cells, 1) for cells in self.cells)
        return dataclasses.replace(self, cells=(support, query), codes=unit(self.codes, -1))

    def detached(self) -> Pairs:
        """The same without a way back to the network."""
        support, query = (cells.detach() for cells in self.cells)
        return dataclasses.replace(self, cells=(support, query), codes=self.codes.detach())

    def window(self, side: int, exclusion_px: float) -> Tensor:
        """(B, N, K) numbers of the cells around each point, at the least the four around it."""
        height, width = self.cells[side].shape[-2:]
        reach = max(1, round(exclusion_px / self.stride))
        offsets = torch.arange(1 - reach, 1 + reach, device=self.points.device)
        corner = to_cells(self.points[side], self.stride).floor().long()
        columns = (corner[..., 0:1] + offsets).clamp(0, width - 1)
        rows = (corner[..., 1:2] + offsets).clamp(0, height - 1)
        return (rows[..., :, None] * width + columns[..., None, :]).flatten(2)

    def negatives(self, exclusion_px: float) -> Tensor:
        """(2BN, 2BN) bool: whether the second point is a negative of the first.

        It is where the pictures show things that must not look alike, and within an episode where
        the points lie more than `exclusion_px` apart (points may occur twice).
        """
        _, batch, count, _ = self.codes.shape
        far = torch.cdist(self.points, self.points) > exclusion_px  # (2, B, N, N)
        own = torch.eye(batch, dtype=torch.bool, device=far.device)
        within = own[:, None, None, :, None] & far.permute(1, 2, 0, 3)[:, :, :, None]
        between = self.apart[:, :, None, :, :, None]
        mask = (within[None] | between) & self.usable
        return mask.reshape(2 * batch * count, -1)

    def strangers(self, side: int) -> Tensor:
        """(BN, 2BN) bool: points of things that must not look like those of a side's pictures."""
        _, batch, count, _ = self.codes.shape
        mask = self.apart[side][:, None, :, :, None] & self.usable
        return mask.expand(-1, count, -1, -1, -1).reshape(batch * count, -1)


def describe(
    head: DonHead, features: tuple[Tensor, Tensor], episodes: Episodes, *, instances: bool,
    other_things: bool,
) -> Pairs:  # fmt: skip
    """Descriptors of a batch, and what is to be alike in it.

    Args:
        head: computes them.
        features: (B, C, h, w) of support and query.
        episodes: the same B pairs.
        instances: instances of a class are different things.
        other_things: cells of other labelled things are negatives.

    Raises:
        InvalidInputError: the features' grid is not that of the episodes' masks.
    """
    size, grid = int(episodes.support.shape[-1]), episodes.query_object.shape
    if any(one.shape[-2:] != grid[-2:] or len(one) != grid[0] for one in features):
        raise InvalidInputError(
            f"features of {tuple(features[0].shape)} and {tuple(features[1].shape)} for masks of "
            f"{tuple(grid)}: as many pictures on the same grid are expected (stride 2)"
        )
    stride = size // int(grid[-1])
    points = torch.stack([episodes.support_points, episodes.query_points])
    inside = ((points >= -0.5) & (points <= size - 0.5)).all(-1)
    usable = torch.stack([inside[0], episodes.visible & inside[1]])
    points = torch.where(inside[..., None], points, 0)
    cells = head(features[0]), head(features[1])
    codes = torch.stack([head.sample(cells[side], points[side], stride) for side in (0, 1)])
    foreign = (~episodes.same if instances else torch.zeros_like(episodes.same))[:, None]
    objects = torch.stack([episodes.support_object, episodes.query_object]).flatten(2) > 0.5
    things = torch.stack([episodes.support_things, episodes.query_things]).flatten(2)
    return Pairs(
        cells=cells,
        codes=codes,
        points=points.to(codes.dtype),
        usable=usable,
        match=usable[0] & usable[1] & ~foreign,
        alone=usable & foreign,
        absent=usable[0] & (foreign | (episodes.known & ~episodes.visible)),
        apart=_apart(episodes, foreign[:, 0], instances),
        object=objects[1],
        # Where nobody knows what is seen, the object itself may be seen.
        background=~objects[1] & things[1].isfinite(),
        spared=None if other_things else ~objects & (things > 0.5),
        stride=stride,
    )


def _apart(episodes: Episodes, foreign: Tensor, instances: bool) -> Tensor:
    """(2, B, 2, B) bool, symmetric: which pictures show things that must not look alike.

    Of a query that shows another instance than its support, it is not known which. So it is apart
    from its own support, and from pictures of other classes, and from nothing else.
    """
    category = torch.cat([episodes.category, episodes.category])
    apart = category[:, None] != category
    if instances:
        unknown = torch.full_like(episodes.instance, -1)
        second = torch.where(episodes.same, episodes.instance, unknown)
        number = torch.cat([episodes.instance, second])
        told = number != -1
        apart = apart | ((number[:, None] != number) & told[:, None] & told)
    count = len(episodes)
    apart = apart.reshape(2, count, 2, count)
    pair = torch.diag(foreign)
    zero = torch.zeros_like(pair)
    own = torch.stack([torch.stack([zero, pair], 1), torch.stack([pair, zero], 1)])
    return apart | own
