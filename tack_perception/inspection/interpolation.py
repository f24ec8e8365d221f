# SPDX-License-Identifier: Apache-2.0
"""Codes between the codes of two clicks, and whether they mean one place on all instances.

Vecerik et al. (arXiv 2112.04910) show that codes on the way from one clicked point's code to
another's fall at corresponding places of other instances. `measure` puts a number to it, for the
straight way, as theirs, and for that along the sheet of codes (`ways.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from torch import Tensor

from tack_perception.errors import InvalidInputError
from tack_perception.inspection.album import FloatArray
from tack_perception.inspection.look import Look
from tack_perception.inspection.ways import WAYS, between

BOUND = 2.0
"""Wanted: interpolated codes spread at most so many times as much as clicked points do."""

_APART = 0.25  # of the box's diagonal, at least, between the two points of a trial
_SNAP = 0.03  # of the picture's side: an answer so near the object counts as on its rim
_FEWEST = 3  # instances that must answer on the object
_DRAWS = 1000


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far apart the answers for one code are on different instances.

    Lengths are on the reference instance, mm: medians over codes of the root mean square distance
    of a code's places from their middle. NaN where too few answers lie on the objects.

    Attributes:
        category: the class.
        way: of the codes between, one of `WAYS`.
        trials: pairs of points that were clicked.
        instances: that codes were looked for on.
        clicked_mm: of the codes of clicked points.
        between_mm: of the codes between them.
        same_place_mm: of clicks at the places where the codes between fall on the clicked picture.
        ratio: between over clicked; the wanted bound is `BOUND`.
        low, high: 95 % interval of it, drawing whole trials.
        same_place_ratio: between over clicks at the same places.
        chance_mm: of places drawn at random from the pictures.
        clicked_on, between_on: share of answers that lie on the object.
        jump: largest step between the answers for neighbouring codes of a trial, as a share of the
            distance between the first and the last; the median. Steps of one size would be
            1 / (steps - 1). Codes that name one end and then the other have a good ratio all the
            same; this tells.
        even: that 1 / (steps - 1).
        diagonal_mm: of the reference instance's box.
    """

    category: str
    way: str
    trials: int
    instances: int
    clicked_mm: float
    between_mm: float
    same_place_mm: float
    ratio: float
    low: float
    high: float
    same_place_ratio: float
    chance_mm: float
    clicked_on: float
    between_on: float
    jump: float
    even: float
    diagonal_mm: float


def measure(
    look: Look,
    trials: int,
    *,
    way: str = WAYS[0],
    steps: int = 7,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Spread:
    """Measure the spread of interpolated codes against that of clicked points.

    A trial clicks two surface points of one picture, at least a quarter of the box's diagonal
    apart, and looks for their codes and those between on all other instances; on each in that of
    its pictures where the judge is surest that the code's point is seen. Answers beside the object
    do not count (their share is told).

    Args:
        look: an album with canonical coordinates.
        trials: how many.
        way: of the codes between, one of `WAYS`.
        steps: codes on the way, both ends included.
        seed: of the trials.
        progress: called with the number of trials since the last call.

    Raises:
        InvalidInputError: too few instances, no canonical coordinates, trials or steps too
            few, or an unknown way.
    """
    album = look.album
    if len(album.instances) <= _FEWEST or album.box is None:
        raise InvalidInputError(
            f"{album.name}: the spread needs canonical coordinates and {_FEWEST + 1} instances or"
            f" more; there are {len(album.instances)}"
        )
    if trials < 1 or steps < 3:
        raise InvalidInputError(f"trials = {trials}, steps = {steps}: at least 1 and 3")
    rng = np.random.default_rng(seed)
    usable = [n for n, picture in enumerate(album.pictures) if picture.known.any()]
    names = ("clicked", "between", "same", "jump", "clicked_on", "between_on")
    parts: dict[str, list[FloatArray]] = {name: [] for name in names}
    for _ in range(trials):
        number = int(rng.choice(usable))
        ends = _two_points(look, number, rng)
        codes = between(look, number, ends, steps, way)
        places = _places(look, codes, number)
        spreads = _spreads(places)
        parts["clicked"].append(spreads[[0, -1]])
        parts["between"].append(spreads[1:-1])
        inner = look.find(codes[1:-1]).pixels[number]
        parts["jump"].append(_jumps(places))
        parts["same"].append(_spreads(_places(look, look.codes(number, inner), number)))
        parts["clicked_on"].append(_on(places[:, [0, -1]], number, look))
        parts["between_on"].append(_on(places[:, 1:-1], number, look))
        if progress is not None:
            progress(1)
    clicked, middle, same = (np.array(parts[name]) for name in ("clicked", "between", "same"))
    drawn = rng.integers(0, trials, (_DRAWS, trials))
    ratios = [_median(middle[rows]) / _median(clicked[rows]) for rows in drawn]
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    low, high = np.quantile(known, (0.025, 0.975)).tolist() if known else (float("nan"),) * 2
    return Spread(
        album.name, way, trials, len(album.instances),
        1e3 * _median(clicked), 1e3 * _median(middle), 1e3 * _median(same),
        _median(middle) / _median(clicked), low, high, _median(middle) / _median(same),
        1e3 * _chance(look, rng), float(np.mean(parts["clicked_on"])),
        float(np.mean(parts["between_on"])), _median(np.concatenate(parts["jump"])),
        1 / (steps - 1), 1e3 * album.diagonal,
    )  # fmt: skip


def _two_points(look: Look, number: int, rng: np.random.Generator) -> FloatArray:
    """(2, 2) px of two surface points of a picture, well apart."""
    picture = look.album.pictures[number]
    rows, columns = np.nonzero(picture.known)
    for _ in range(100):
        pair = rng.integers(0, len(rows), 2)
        one, two = picture.places[rows[pair], columns[pair]]
        if float(np.linalg.norm(one - two)) >= _APART * look.album.diagonal:
            break
    return np.stack([columns[pair], rows[pair]], axis=1).astype(np.float64)


def _places(look: Look, codes: Tensor, number: int) -> FloatArray:
    """(I, M, 3) where M codes are on each instance, m; NaN beside it, and on the clicked one."""
    album, answers = look.album, look.find(codes)
    clicked = album.pictures[number].instance
    found = np.full((len(album.instances), len(codes), 3), np.nan)
    for i, name in enumerate(album.instances):
        if name == clicked:
            continue
        mine = np.array([n for n, one in enumerate(album.pictures) if one.instance == name])
        surest = mine[answers.seen[mine].argmax(axis=0)]
        for m, n in enumerate(surest):
            picture = album.pictures[n]
            place = picture.place_at(answers.pixels[n, m], _SNAP * picture.size)
            if place is not None:
                found[i, m] = place
    return found


def _spreads(places: FloatArray) -> FloatArray:
    """(M,) root mean square distance of (I, M, 3) places from their middle, m."""
    known = np.asarray(np.isfinite(places).all(axis=-1))
    count = known.sum(axis=0)
    filled = np.where(known[..., None], places, 0)
    middle = filled.sum(axis=0) / np.maximum(count, 1)[:, None]
    squared = np.where(known, ((filled - middle) ** 2).sum(axis=-1), 0).sum(axis=0)
    return np.where(count >= _FEWEST, np.sqrt(squared / np.maximum(count, 1)), np.nan)


def _jumps(places: FloatArray) -> FloatArray:
    """(I,) largest step of (I, M, 3) places along M, over the distance of the ends; or NaN."""
    steps = np.linalg.norm(np.diff(places, axis=1), axis=2).max(axis=1)  # NaN where one is missing
    whole = np.linalg.norm(places[:, -1] - places[:, 0], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, steps / whole, np.nan))


def _on(places: FloatArray, number: int, look: Look) -> FloatArray:
    """Share of answers that lie on the object, the clicked instance left out."""
    album = look.album
    others = [
        i for i, name in enumerate(album.instances) if name != album.pictures[number].instance
    ]
    return np.asarray(np.isfinite(places[others]).all(axis=-1).mean())


def _chance(look: Look, rng: np.random.Generator) -> float:
    """Median spread of places that are drawn at random, one from each instance, m."""
    album = look.album
    pools = [
        np.concatenate([p.places[p.known] for p in album.pictures if p.instance == name])
        for name in album.instances
    ]
    drawn = [
        pool[rng.integers(0, len(pool), 200)] if len(pool) else np.full((200, 3), np.nan)
        for pool in pools
    ]
    return _median(_spreads(np.stack(drawn).astype(np.float64)))


def _median(values: FloatArray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
