# SPDX-License-Identifier: Apache-2.0
"""Draws episodes: two pictures of an object, or of two of its class, and points that both have."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tack_perception.configuration import Configuration, setting
from tack_perception.crops import Crop
from tack_perception.errors import InvalidInputError
from tack_perception.learning.augment import photometric
from tack_perception.learning.carry import Carried, carry
from tack_perception.learning.episode import Episodes
from tack_perception.learning.pack import Pack
from tack_perception.learning.side import Side

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
AROUND = ("object", "point")
_ATTEMPTS = 20
_TWINS = 16  # so many times the points are drawn in the box: a window shows a part of it


@dataclasses.dataclass(frozen=True)
class SamplerConfig(Configuration):
    """What episodes look like."""

    crop_px: int = setting(128, "side of the pictures", unit="px", low=32, high=512)
    points: int = setting(16, "points of each episode", low=1, high=256)
    same_share: float = setting(
        0.5, "share of episodes with one instance in both pictures; in the others it is two of"
        " a class", low=0, high=1,
    )  # fmt: skip
    twin_share: float = setting(
        0.0, "share of episodes with one picture twice, cut differently: all that it shows is"
        " known, also where a camera has no depth", low=0, high=1,
    )  # fmt: skip
    hidden_share: float = setting(
        0.3, "share of the points that may be hidden in the query", low=0, high=0.9
    )
    around: str = setting(
        "object", "what a window is cut around: the whole object, or one of the points that both"
        " pictures show, as in scenes that fill the picture", choices=AROUND,
    )  # fmt: skip
    zoom: tuple[float, ...] = setting(
        (1.15, 2.4), "side of the window, in sides of the object's box", low=0.5, high=8
    )
    scale: tuple[float, ...] = setting(
        (1.0, 2.0), "px of the view in a px of the window, around a point", low=0.25, high=8
    )
    shift: float = setting(
        0.15, "largest shift of the window, in its sides", low=0, high=0.5
    )  # fmt: skip
    turn_share: float = setting(0.5, "share of the pictures turned by any angle", low=0, high=1)
    turn_deg: float = setting(20.0, "largest turn of the others", unit="°", low=0, high=180)
    occluded_share: float = setting(
        0.5, "share of the queries with something pasted before the object", low=0, high=1
    )
    occlusion: tuple[float, ...] = setting(
        (0.1, 0.65), "share of the object that it hides", low=0, high=0.95
    )
    photometric: float = setting(1.0, "strength of changes of light and colour", low=0, high=2)
    fewest_pixels: int = setting(
        250, "an object of which fewer pixels are seen is not taken", unit="px", low=1
    )


class EpisodeSampler:
    """Draws batches of episodes, each a pure function of data, settings, seed and number.

    Args:
        packs: of one or several data sets with the same classes.
        config: settings.
        seed: of all randomness.
        batch: episodes in a batch.

    Raises:
        InvalidInputError: the packs do not fit together, or hold nothing that is large enough.
    """

    def __init__(
        self, packs: Sequence[Pack], config: SamplerConfig, *, seed: int = 0, batch: int = 24
    ) -> None:
        if not packs:
            raise InvalidInputError("no data to draw episodes from")
        self.packs, self.config, self.seed, self.size = tuple(packs), config, seed, batch
        self.classes = packs[0].classes
        for pack in packs[1:]:
            if pack.classes != self.classes or pack.points != packs[0].points:
                raise InvalidInputError("data sets of other classes or points cannot be mixed")
        # (pack, thing) of each class, and of each instance of it.
        self._by_class: dict[int, list[tuple[int, int]]] = {}
        self._by_instance: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for p, pack in enumerate(packs):
            large = pack.things["pixels"] >= config.fewest_pixels
            for t in np.flatnonzero(large):
                thing = pack.things[t]
                place = (p, int(t))
                self._by_class.setdefault(int(thing["category"]), []).append(place)
                self._by_instance.setdefault((p, int(thing["instance"])), []).append(place)
        if not self._by_class:
            raise InvalidInputError(
                f"no object of {config.fewest_pixels} px or more in the data: nothing to learn from"
            )
        self.number_as(self.classes, self.named)

    def number_as(self, classes: Sequence[str], points: Sequence[str]) -> None:
        """Number classes and named points as a model does.

        Args:
            classes: those of the model; a class that is not among them gets the number after the
                last.
            points: `class/point`, those of the model's sparse head; one that is not among them
                gets -1.
        """
        self._category, self._named_index = self.numbers(classes, points)

    def numbers(
        self, classes: Sequence[str], points: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(C,) numbers of the data's classes, and (C, K) of their named points, in a model's count.

        See `number_as`.
        """
        category = [classes.index(name) if name in classes else len(classes)
                    for name in self.classes]  # fmt: skip
        several = self.packs[0].points
        index = np.full((len(several), self.packs[0].named.shape[1]), -1, np.int64)
        for number, (name, own) in enumerate(zip(self.classes, several, strict=True)):
            for n, point in enumerate(own):
                full = f"{name}/{point}"
                index[number, n] = points.index(full) if full in points else -1
        return np.array(category, np.int64), index

    @property
    def named(self) -> tuple[str, ...]:
        """Names of the named points of all classes, `class/point`, in the order of their number."""
        points = self.packs[0].points
        return tuple(
            f"{name}/{point}"
            for name, several in zip(self.classes, points, strict=True)
            for point in several
        )

    def batch(self, step: int) -> Episodes:
        """The batch of a number: always the same one."""
        return self.episodes(range(step * self.size, (step + 1) * self.size))

    def episodes(self, numbers: Sequence[int] | range) -> Episodes:
        """Some episodes by their numbers, as one batch."""
        drawn = [self._episode(np.random.default_rng([self.seed, int(n)])) for n in numbers]
        fields: dict[str, Any] = {}
        for field in dataclasses.fields(Episodes):
            fields[field.name] = torch.from_numpy(np.stack([one[field.name] for one in drawn]))
        for name in ("support", "query"):
            pictures = fields[name].permute(0, 3, 1, 2)
            fields[name] = pictures.to(torch.float32).div_(255)
        return Episodes(**fields)

    def _episode(self, rng: np.random.Generator) -> dict[str, Any]:
        best: tuple[tuple[int, int], tuple[int, int], Carried] | None = None
        for _ in range(_ATTEMPTS):
            category = int(rng.choice(list(self._by_class)))
            places = self._by_class[category]
            first = places[int(rng.integers(len(places)))]
            same = bool(rng.random() < self.config.same_share)
            # Nothing is drawn for it where there are no twins: runs without them stay as they were.
            twin = self.config.twin_share > 0 and rng.random() < self.config.twin_share
            second = first if twin else self._partner(first, same, category, rng)
            if second is None:
                continue
            carried = self._twins(first, rng) if twin else self._carry(first, second)
            best = first, second, carried
            if (carried.known & carried.visible).sum() >= 4:
                break
        if best is None:
            raise InvalidInputError("no two pictures of one object in the data: views are missing")
        first, second, carried = best
        return self._assemble(first, second, carried, rng)

    def _partner(
        self, first: tuple[int, int], same: bool, category: int, rng: np.random.Generator
    ) -> tuple[int, int] | None:
        p, t = first
        instance = int(self.packs[p].things[t]["instance"])
        mine = self._by_instance[p, instance]
        others = mine if same else self._by_class[category]
        for _ in range(8):
            place = others[int(rng.integers(len(others)))]
            if same and place != first:
                return place
            if not same and (place[0], int(self.packs[place[0]].things[place[1]]["instance"])) != (
                p, instance,
            ):  # fmt: skip
                return place
        return None

    def _carry(self, first: tuple[int, int], second: tuple[int, int]) -> Carried:
        return carry(self.packs[first[0]], first[1], self.packs[second[0]], second[1])

    def _twins(self, place: tuple[int, int], rng: np.random.Generator) -> Carried:
        """Pixels in the box of a thing, each of them the same in the same picture."""
        u0, v0, u1, v1 = self._box(place)
        count = _TWINS * self.config.points
        pixels = rng.uniform((u0, v0), (u1, v1), (count, 2))
        every = np.ones(count, np.bool_)
        return Carried(pixels, pixels, np.full(count, np.nan), every, every)

    def _assemble(
        self,
        first: tuple[int, int],
        second: tuple[int, int],
        carried: Carried,
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        config = self.config
        middles = self._middles(first, second, carried, rng)
        support = Side(self.packs[first[0]], first[1], self._window(first, middles[0], rng))
        query = Side(self.packs[second[0]], second[1], self._window(second, middles[1], rng))
        if rng.random() < config.occluded_share:
            query.hide(self._texture(rng), rng, (config.occlusion[0], config.occlusion[-1]))
        pixels = query.crop.to_crop(carried.pixels)
        inside = carried.known & query.holds(pixels)
        visible = inside & carried.visible & query.uncovered(pixels)
        chosen = _choice(support.holds(support.crop.to_crop(carried.source)), inside, visible,
                         config, rng)  # fmt: skip
        named = np.stack([support.named(), query.named()])
        category = int(support.thing["category"])
        return {
            "support": photometric(support.picture, rng, config.photometric),
            "query": photometric(query.picture, rng, config.photometric),
            "support_points": support.crop.to_crop(carried.source[chosen]).astype(np.float32),
            "query_points": np.nan_to_num(pixels[chosen], nan=-1e3).astype(np.float32),
            "known": inside[chosen],
            "visible": visible[chosen],
            "same": np.array(first[0] == second[0] and support.instance == query.instance),
            "support_object": support.mask(),
            "query_object": query.mask(),
            "support_things": support.things(),
            "query_things": query.things(),
            "support_votes": support.votes(),
            "query_votes": query.votes(),
            "support_surface": support.surface(),
            "query_surface": query.surface(),
            "query_depth": query.relative_depth(carried.depth[chosen]),
            "support_named": np.nan_to_num(named[0, :, :2], nan=-1e3),
            "query_named": np.nan_to_num(named[1, :, :2], nan=-1e3),
            "named_known": np.isfinite(named[..., 0]).T & np.stack(
                [support.holds(named[0, :, :2]), query.holds(named[1, :, :2])], axis=1
            ),
            "named_visible": np.stack([named[0, :, 2] > 0, named[1, :, 2] > 0], axis=1),
            "named_index": self._named_index[category],
            "category": self._category[category],
            "instance": np.array(support.instance + 1_000_000 * first[0], np.int64),
        }  # fmt: skip

    def _middles(
        self,
        first: tuple[int, int],
        second: tuple[int, int],
        carried: Carried,
        rng: np.random.Generator,
    ) -> FloatArray:
        """(2, 2) px, what the two windows are cut around."""
        shared = np.flatnonzero(carried.known & carried.visible)
        if self.config.around == "point" and len(shared):
            one = shared[int(rng.integers(len(shared)))]
            return np.stack([carried.source[one], carried.pixels[one]])
        boxes = np.stack([self._box(first), self._box(second)])
        return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)

    def _box(self, place: tuple[int, int]) -> FloatArray:
        return np.asarray(self.packs[place[0]].things[place[1]]["box"], np.float64)

    def _window(self, place: tuple[int, int], middle: FloatArray, rng: np.random.Generator) -> Crop:
        config = self.config
        if config.around == "point":
            size, (low, *_, high) = float(config.crop_px), config.scale
        else:
            u0, v0, u1, v1 = self._box(place)
            size, (low, *_, high) = max(u1 - u0, v1 - v0, 8.0), config.zoom
        side = size * math.exp(rng.uniform(math.log(low), math.log(high)))
        shift = side * rng.uniform(-config.shift, config.shift, 2)
        limit = math.pi if rng.random() < config.turn_share else math.radians(config.turn_deg)
        angle = float(rng.uniform(-limit, limit))
        u, v = (middle + shift).tolist()
        return Crop(u, v, side, config.crop_px, angle)

    def _texture(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A piece of any picture of the data, as the look of something that stands in the way."""
        pack = self.packs[int(rng.integers(len(self.packs)))]
        image = pack.color[int(rng.integers(len(pack.color)))]
        height, width = image.shape[:2]
        side = float(rng.uniform(0.2, 0.8) * height)
        crop = Crop(
            float(rng.uniform(0, width)), float(rng.uniform(0, height)), side, self.config.crop_px,
            float(rng.uniform(-math.pi, math.pi)),
        )  # fmt: skip
        return np.asarray(crop.cut(image), dtype=np.uint8)


def _choice(
    clicked: Mask, known: Mask, visible: Mask, config: SamplerConfig, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of the points to take: those in both pictures first, some of them hidden."""
    order = rng.permutation(len(clicked))
    order = order[clicked[order]]
    seen = order[visible[order]]
    hidden = order[known[order] & ~visible[order]]
    rest = order[~known[order]]
    few = min(len(hidden), round(config.hidden_share * config.points))
    ranked = np.concatenate(
        [seen[: config.points - few], hidden, seen[config.points - few :], rest]
    )
    if not len(ranked):
        ranked = np.arange(len(clicked))
    return np.resize(ranked[: config.points], config.points)
