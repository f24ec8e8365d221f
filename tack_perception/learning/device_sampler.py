# SPDX-License-Identifier: Apache-2.0
"""Draws episodes on a GPU, for whole batches at once: cores that cut pictures cannot keep it busy.

The pictures of all views lie in its memory. What is drawn follows `EpisodeSampler`, number by
number from other random numbers; docs/training.md says what differs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.errors import InvalidInputError
from tack_perception.learning.carry import FACING, NEAR, NEAR_MEASURED
from tack_perception.learning.device_pictures import (
    Occluder,
    Windows,
    cut,
    look_up,
    photometric,
    pixel_grid,
    uniform,
)
from tack_perception.learning.device_tables import Tables
from tack_perception.learning.episode import Episodes
from tack_perception.learning.pack import Pack
from tack_perception.learning.sampler import EpisodeSampler, SamplerConfig
from tack_perception.learning.side import STRIDE

_SPARE = 2  # times as many pairs are tried as are taken: some share no point
_FEWEST = 4  # points that both pictures show


class DeviceSampler:
    """Draws batches of episodes, each a pure function of data, settings, seed, number and device.

    Args:
        packs: of rendered data sets with the same classes and picture size: every object has a
            pose and a shape.
        config: settings.
        device: that holds the data and draws.
        seed: of all randomness.
        batch: episodes in a batch.

    Raises:
        InvalidInputError: the packs do not fit together, or are no rendered ones (`why_not`).
    """

    def __init__(
        self, packs: Sequence[Pack], config: SamplerConfig, device: torch.device, *, seed: int = 0,
        batch: int = 24,
    ) -> None:  # fmt: skip
        if reason := why_not(packs):
            raise InvalidInputError(reason)
        # Checks the packs, and numbers classes and points.
        self._host = EpisodeSampler(packs, config, seed=seed, batch=batch)
        self.config, self.seed, self.size = config, seed, batch
        self.classes = self._host.classes
        self.device = device
        self._tables = Tables.load(packs, device)
        self._pairs = _PairTable(self._tables, config)
        self.number_as(self.classes, self.named)

    def number_as(self, classes: Sequence[str], points: Sequence[str]) -> None:
        """Number classes and named points as a model does (`EpisodeSampler.number_as`)."""
        category, index = self._host.numbers(classes, points)
        self._category = torch.from_numpy(category).to(self.device)
        self._named_index = torch.from_numpy(index).to(self.device)

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the named points of all classes, `class/point`, in the order of their number."""
        return self._host.named

    @torch.no_grad()
    def batch(self, step: int) -> Episodes:
        """The batch of a number: always the same one."""
        words = np.random.SeedSequence([self.seed, step]).generate_state(2, np.uint32)
        generator = torch.Generator(self.device)
        generator.manual_seed(int(words[0]) << 31 ^ int(words[1]))
        tables = self._tables
        first, second = self._pairs.draw(_SPARE * self.size, generator)
        carried = _carry(tables, first, second)
        enough = (carried.visible.sum(1) >= _FEWEST).long()
        taken = enough.argsort(descending=True, stable=True)[: self.size]
        return self._assemble(first[taken], second[taken], carried[taken], generator)

    def _assemble(
        self, first: Tensor, second: Tensor, carried: _Points, generator: torch.Generator
    ) -> Episodes:
        config, tables = self.config, self._tables
        count = len(first)
        both = torch.cat([first, second])
        windows = self._windows(both, generator)
        sides = _Sides(tables, both, windows)
        query = windows[slice(count, None)]
        chosen = uniform(generator, (count,), 0, 1) < config.occluded_share
        occluder = Occluder(
            sides.mine[count:], (config.occlusion[0], config.occlusion[-1]), chosen, generator
        )
        sides.hide(occluder, self._textures(count, generator))
        pixels = query.to_crop(carried.pixels)
        inside = carried.known & _holds(pixels, config.crop_px)
        visible = inside & carried.visible & ~occluder.covers(pixels.round())
        source = windows[slice(None, count)].to_crop(carried.source)
        clicked = carried.filled & _holds(source, config.crop_px)
        which = _choice(clicked, inside, visible, config, generator)

        def of(values: Tensor) -> Tensor:
            index = which if values.ndim == 2 else which[..., None].expand(-1, -1, 2)
            return values.gather(1, index)

        known = of(inside)
        named, named_known, named_visible = self._named(both, windows, occluder)
        depth = of(carried.depth)
        coloured = photometric(sides.pictures, generator, config.photometric)
        halves = [
            value.chunk(2) for value in (coloured, sides.mine.float(), sides.things(),
                                         sides.votes(), sides.surface(), named)
        ]  # fmt: skip
        category = tables.category[first]
        return Episodes(
            support=halves[0][0], query=halves[0][1],
            support_points=of(source),
            query_points=of(pixels).nan_to_num(-1e3),
            known=known, visible=of(visible),
            same=tables.instance[first] == tables.instance[second],
            support_object=halves[1][0], query_object=halves[1][1],
            support_things=halves[2][0], query_things=halves[2][1],
            support_votes=halves[3][0], query_votes=halves[3][1],
            support_surface=halves[4][0], query_surface=halves[4][1],
            query_depth=sides.relative_depth(slice(count, None), depth),
            support_named=halves[5][0].nan_to_num(-1e3), query_named=halves[5][1].nan_to_num(-1e3),
            named_known=torch.stack(named_known.chunk(2), -1),
            named_visible=torch.stack(named_visible.chunk(2), -1),
            named_index=self._named_index[category],
            category=self._category[category], instance=tables.instance[first],
        )  # fmt: skip

    def _windows(self, things: Tensor, generator: torch.Generator) -> Windows:
        config, count = self.config, len(things)
        u0, v0, u1, v1 = self._tables.box[things].unbind(-1)
        low, high = math.log(config.zoom[0]), math.log(config.zoom[-1])
        side = torch.maximum(u1 - u0, v1 - v0).clamp_min(8) * uniform(
            generator, (count,), low, high
        ).exp()  # fmt: skip
        shift = side[:, None] * uniform(generator, (count, 2), -config.shift, config.shift)
        free = uniform(generator, (count,), 0, 1) < config.turn_share
        limit = torch.where(free, math.pi, math.radians(config.turn_deg))
        angle = limit * uniform(generator, (count,), -1, 1)
        middle = torch.stack([u0 + u1, v0 + v1], -1) / 2 + shift
        return Windows(middle, side, angle, config.crop_px)

    def _textures(self, count: int, generator: torch.Generator) -> Tensor:
        """Pieces of any pictures of the data, as the look of what stands in the way."""
        color = self._tables.color
        height, width = color.shape[1:3]
        view = torch.randint(len(color), (count,), generator=generator, device=self.device)
        size = torch.tensor([width, height], device=self.device)
        middle = uniform(generator, (count, 2), 0, 1) * size
        side = uniform(generator, (count,), 0.2, 0.8) * height
        angle = uniform(generator, (count,), -math.pi, math.pi)
        return cut(color, view, Windows(middle, side, angle, self.config.crop_px))

    def _named(
        self, things: Tensor, windows: Windows, occluder: Occluder
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(2B, K, 2) places of named points, whether they are known there, whether seen."""
        named = self._tables.named[things]
        places = windows.to_crop(named[..., :2])
        known = _holds(places, self.config.crop_px)
        query = places.chunk(2)[1]
        covered = occluder.covers(query.nan_to_num(-1e3).round())
        covered = torch.cat([torch.zeros_like(covered), covered])
        return places, known, known & (named[..., 2] > 0) & ~covered


def why_not(packs: Sequence[Pack]) -> str:
    """Why episodes of these packs cannot be drawn on a device; empty if they can."""
    if len({pack.color.shape[1:] for pack in packs}) > 1:
        return "the data sets have pictures of several sizes"
    if len({pack.things["point_face"].shape[1] for pack in packs}) > 1:
        return "recordings and rendered views are among the data"
    for pack in packs:
        things = pack.things
        filled = np.arange(things["point_face"].shape[1]) < things["count"][:, None]
        if not things["posed"].all() or (things["point_face"][filled] < 0).any():
            return "objects without a pose or without canonical coordinates are among the data"
        if any(pack.shapes[int(i)] is None for i in np.unique(things["instance"])):
            return "objects without a shape are among the data"
    return ""


def bytes_needed(packs: Sequence[Pack]) -> int:
    """Memory that the data will take on the device."""
    return sum(pack.color.nbytes + pack.depth.nbytes + pack.instance.nbytes for pack in packs)


@dataclasses.dataclass(frozen=True, eq=False)
class _Points:
    """M surface points of B things in the views of B others: as `carry.Carried`, and `filled`."""

    source: Tensor
    pixels: Tensor
    depth: Tensor
    known: Tensor
    visible: Tensor
    filled: Tensor

    def __getitem__(self, which: Tensor) -> _Points:
        return _Points(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def _carry(tables: Tables, first: Tensor, second: Tensor) -> _Points:
    """Carry the points of things to others by canonical coordinates."""
    corners = tables.corners(second, tables.point_face[first])
    weights = tables.point_weights[first]
    pose = tables.camera_from_object[second]
    turn, shift = pose[..., :3], pose[..., 3:]
    local = torch.einsum("bnc,bncd->bnd", weights, corners) @ turn.mT + shift.mT
    normals = torch.linalg.cross(
        corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    )
    normals = normals @ turn.mT
    lengths = (normals.norm(dim=-1) * local.norm(dim=-1)).clamp_min(1e-20)
    facing = -(normals * local).sum(-1) / lengths > FACING
    view = tables.view[second]
    fx, fy, cx, cy = (one[:, None] for one in tables.intrinsics[view].unbind(-1))
    depth = local[..., 2]
    ahead = depth > 0.01
    safe = torch.where(ahead, depth, 1.0)
    pixels = torch.stack([local[..., 0] / safe * fx + cx, local[..., 1] / safe * fy + cy], -1)
    filled = tables.filled[first]
    known = filled & ahead
    pixels = torch.where(known[..., None], pixels, torch.nan)
    seen = look_up(tables.ids, view, pixels).long()
    here = look_up(tables.depth, view, pixels).int().bitwise_and(0xFFFF) * tables.depth_unit
    measured = tables.measured[view][:, None]
    reach = torch.where(
        measured, NEAR_MEASURED[0] + NEAR_MEASURED[1] * depth, NEAR[0] + NEAR[1] * depth
    )
    shown = (seen == tables.object[second][:, None] + 1) | (seen == NOT_KNOWN)
    visible = known & facing & shown & ((here - depth).abs() < reach)
    return _Points(tables.point_pixel[first], pixels, depth, known, visible, filled)


def _holds(pixels: Tensor, size: int) -> Tensor:
    """Whether pixels lie in the picture; False for NaN."""
    return ((pixels >= -0.5) & (pixels <= size - 0.51)).all(-1)


def _choice(
    clicked: Tensor, known: Tensor, visible: Tensor, config: SamplerConfig,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """(B, P) numbers of the points to take: those in both pictures first, some of them hidden."""
    points = config.points
    drawn = torch.rand(clicked.shape, generator=generator, device=clicked.device)
    seen, hidden = clicked & visible, clicked & known & ~visible
    few = hidden.sum(1, keepdim=True).clamp_max(round(config.hidden_share * points))
    # Ranks of the seen points among themselves, in random order.
    order = torch.where(seen, drawn, 2.0).argsort(1)
    rank = order.argsort(1)
    group = torch.full_like(rank, 4)
    group = torch.where(clicked & ~known, 3, group)
    group = torch.where(seen, torch.where(rank < points - few, 0, 2), group)
    group = torch.where(hidden, 1, group)
    ranked = (group + drawn).argsort(1)
    usable = clicked.sum(1, keepdim=True)
    usable = torch.where(usable > 0, usable, clicked.shape[1])
    number = torch.arange(points, device=clicked.device)[None] % usable
    return ranked.gather(1, number)


class _PairTable:
    """Which things there are of each class and of each instance, as tables."""

    def __init__(self, tables: Tables, config: SamplerConfig) -> None:
        large = (tables.pixels >= config.fewest_pixels).nonzero()[:, 0]
        self._tables, self._same_share = tables, config.same_share
        category = tables.category[large]
        by_class = category.argsort(stable=True)
        self._of_class = large[by_class]
        self._classes, counts = _runs(category[by_class])
        self._class_start, self._class_count = counts.cumsum(0) - counts, counts
        instance = tables.instance[large]
        by_instance = instance.argsort(stable=True)
        self._of_instance = large[by_instance]
        numbers, counts = _runs(instance[by_instance])
        most = int(tables.instance.max()) + 1
        self._instance_start = counts.new_zeros(most).scatter(0, numbers, counts.cumsum(0) - counts)
        self._instance_count = counts.new_zeros(most).scatter(0, numbers, counts)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(N,) numbers of first and of second things."""
        tables = self._tables

        def pick(start: Tensor, number: Tensor) -> Tensor:
            drawn = torch.rand(start.shape, generator=generator, device=start.device)
            return start + (drawn * number).long().clamp_max(number - 1)

        row = torch.randint(
            len(self._classes), (count,), generator=generator, device=tables.pixels.device
        )
        start, number = self._class_start[row], self._class_count[row]
        first = self._of_class[pick(start, number)]
        mine = tables.instance[first]
        own_start, own_number = self._instance_start[mine], self._instance_count[mine]
        same = uniform(generator, (count,), 0, 1) < self._same_share
        second = first
        for _ in range(8):
            other = self._of_class[pick(start, number)]
            again = self._of_instance[pick(own_start, own_number)]
            drawn = torch.where(same, again, other)
            poor = torch.where(same, second == first, tables.instance[second] == mine)
            second = torch.where(poor, drawn, second)
        return first, second


def _runs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted values once each, and how often each stands there."""
    runs: tuple[Tensor, Tensor] = torch.unique_consecutive(values, return_counts=True)
    return runs


class _Sides:
    """The 2B pictures of B episodes: supports first, then queries."""

    def __init__(self, tables: Tables, things: Tensor, windows: Windows) -> None:
        self._tables, self._things, self._windows = tables, things, windows
        self._side = windows.size // STRIDE
        self._view = tables.view[things]
        self.pictures = cut(tables.color, self._view, windows)
        cells = pixel_grid(self._side, STRIDE, things.device, STRIDE // 2)
        self._pixels = windows.to_image(cells[None])
        self._ids = look_up(tables.ids, self._view, self._pixels).long()

    @property
    def mine(self) -> Tensor:
        """(2B, S/2, S/2) bool, where the object is seen."""
        return self._square(self._ids == self._tables.object[self._things][:, None] + 1)

    def hide(self, occluder: Occluder, textures: Tensor) -> None:
        """Paste something before the objects of the queries."""
        count, size = len(textures), self._windows.size
        where = occluder.covers(pixel_grid(size, 1.0, textures.device)[None])
        where = where.reshape(count, 1, size, size)
        self.pictures[count:] = torch.where(where, textures, self.pictures[count:])
        cells = where[:, 0, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].flatten(1)
        ids = self._ids[count:]
        self._ids[count:] = torch.where(cells & (ids != NOT_KNOWN), 0, ids)

    def things(self) -> Tensor:
        """(2B, S/2, S/2) where any object is seen, NaN where it is not known."""
        return self._square(torch.where(self._ids == NOT_KNOWN, torch.nan, (self._ids > 0).float()))

    def votes(self) -> Tensor:
        """(2B, 2, S/2, S/2) px, from each cell to the middle of the object seen there; else NaN."""
        middles = self._windows.to_crop(self._tables.middles[self._view])
        nothing = torch.full_like(middles[:, :1], torch.nan)
        middles = torch.cat([nothing, middles], 1)
        ids = torch.where(self._ids < middles.shape[1], self._ids, 0)
        to = middles.gather(1, ids[..., None].expand(-1, -1, 2))
        at = pixel_grid(self._side, STRIDE, ids.device, (STRIDE - 1) / 2)
        return (to - at).transpose(1, 2).reshape(len(ids), 2, self._side, self._side)

    def surface(self) -> Tensor:
        """(2B, 3, S/2, S/2) place on the object that each cell sees; NaN elsewhere."""
        tables, things = self._tables, self._things
        depth = look_up(tables.depth, self._view, self._pixels).int().bitwise_and(0xFFFF)
        metres = torch.where(depth > 0, depth * tables.depth_unit, torch.nan)
        focal, middle = tables.intrinsics[self._view][:, None].chunk(2, -1)
        rays = (self._pixels - middle) / focal
        points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * metres[..., None]
        pose = tables.camera_from_object[things]
        turn, shift = pose[..., :3], pose[..., 3:]
        local = (points - shift.mT) @ turn
        instance = tables.instance[things]
        places = (local - tables.middle[instance][:, None]) / tables.half[instance][:, None]
        places = torch.where(self.mine.flatten(1)[..., None], places, torch.nan)
        return places.transpose(1, 2).reshape(len(things), 3, self._side, self._side)

    def relative_depth(self, which: slice, depth: Tensor) -> Tensor:
        """(B, N) depths (m) from the objects' middles on, in window sides at their distance."""
        tables, things = self._tables, self._things[which]
        pose = tables.camera_from_object[things]
        middle = (pose[:, 2, :3] * tables.middle[tables.instance[things]]).sum(-1) + pose[:, 2, 3]
        side = self._windows.side[which] * middle / tables.intrinsics[self._view[which]][:, 0]
        return (depth - middle[:, None]) / side[:, None]

    def _square(self, cells: Tensor) -> Tensor:
        return cells.reshape(len(cells), self._side, self._side)
