# SPDX-License-Identifier: Apache-2.0
"""Which clicks are looked for where, when a detector's answers are weighed."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.configuration import Configuration, setting
from tack_perception.learning.pack import Pack

_FEWEST_PIXELS = 600  # of a thing that is clicked on, or looked for, where there are such


@dataclasses.dataclass(frozen=True)
class CalibrationConfig(Configuration):
    """How the answers are weighed."""

    pairs: int = setting(600, "pairs of pictures that are looked at", low=20)
    points: int = setting(12, "clicks on each", low=1, high=256)
    same_share: float = setting(
        0.5, "share of pairs with one instance; in the others it is two of a class", low=0, high=1
    )
    absent_share: float = setting(
        0.33, "share of pairs in whose second picture nothing of the class is", low=0, high=0.9
    )
    right_share: float = setting(
        0.05, "an answer this near to the truth, in sides of the window, is right", low=0.005,
        high=0.5,
    )  # fmt: skip
    wrong_accept: float = setting(
        0.01, "share of hidden or absent points that may be believed seen", low=0, high=0.5
    )
    least_recall: float = setting(
        0.7, "share of the seen points that is believed in any case", low=0, high=1
    )
    familiar_share: float = setting(
        0.88, "share of clicked things that is taken to be of a kind that was learned; others are"
        " left to the hand-crafted detector by `combined`", low=0, high=1,
    )  # fmt: skip
    seed: int = setting(0, "of the pairs and clicks", low=0)


def choose(
    clicked: Pack, searched: Pack, config: CalibrationConfig, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A thing that is clicked on, and the view in which it is looked for."""
    if rng.random() < config.absent_share:
        first = int(rng.choice(_large(clicked)))
        category, _ = named_as_in(searched, clicked, first)
        there = searched.things["view"][searched.things["category"] == category]
        without = np.setdiff1d(np.arange(len(searched.views)), there)
        if len(without):
            return first, int(rng.choice(without))
    pair = choose_pair(clicked, searched, config, rng)
    return None if pair is None else (pair[0], int(searched.things[pair[1]]["view"]))


def choose_pair(
    clicked: Pack, searched: Pack, config: CalibrationConfig, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Two things of a class, in two views of one pack or of two."""
    first = int(rng.choice(_large(clicked)))
    large = _large(searched)
    category, instance = named_as_in(searched, clicked, first)
    others = searched.things[large]
    fits = others["category"] == category
    if clicked is searched:
        fits &= others["view"] != clicked.things[first]["view"]
    same = others["instance"] == instance
    fits &= same if rng.random() < config.same_share else ~same
    return (first, int(rng.choice(large[fits]))) if fits.any() else None


def _large(pack: Pack) -> NDArray[np.intp]:
    """Numbers of the things that are large in their picture; of all, where none is."""
    large = np.flatnonzero(pack.things["pixels"] >= _FEWEST_PIXELS)
    return large if len(large) else np.arange(len(pack.things))


def named_as_in(pack: Pack, other: Pack, thing: int) -> tuple[int, int]:
    """Numbers in a pack of the class and instance of another one's thing; -1 if not in it."""
    names = (
        other.classes[other.things[thing]["category"]],
        other.instances[other.things[thing]["instance"]],
    )
    known = pack.classes, pack.instances
    category, instance = (
        every.index(name) if name in every else -1 for every, name in zip(known, names, strict=True)
    )
    return category, instance
