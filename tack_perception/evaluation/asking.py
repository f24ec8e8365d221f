# SPDX-License-Identifier: Apache-2.0
"""From two appearances to a probe: which points are clicked, and what is true of them."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence import View
from tack_perception.evaluation.appearances import Appearance
from tack_perception.evaluation.clutter import clutter_around
from tack_perception.evaluation.occluders import covered_view
from tack_perception.evaluation.pictures import QUERIES, Pictures
from tack_perception.evaluation.probe import (
    NAMED,
    SURFACE,
    ClickedPoint,
    Probe,
    ProtocolConfig,
    Query,
    Target,
)
from tack_perception.evaluation.symmetry import equivalents
from tack_perception.evaluation.truth import State, named_points, surface_look

FloatArray = NDArray[np.float64]

_CANDIDATES = 64  # pixels that are tried for surface points
_NOWHERE = np.full(2, np.nan)


@dataclasses.dataclass(frozen=True, eq=False)
class _Candidate:
    """A point that may be clicked: `face` and `weights` are its canonical coordinate."""

    name: str
    pixel: tuple[float, float]
    face: int
    weights: FloatArray


class Asker:
    """Makes probes.

    Args:
        pictures: the views.
        config: how many points.
    """

    def __init__(self, pictures: Pictures, config: ProtocolConfig) -> None:
        self._pictures, self._config = pictures, config

    def probe(
        self,
        number: int,
        relation: str,
        clicked: str,
        click: Appearance,
        query: Appearance,
        *,
        natural: bool = True,
    ) -> Probe | None:
        """A probe of an object that is in the query; None where nothing can be asked."""
        rng = self._rng(relation, click, query.view, query.thing)
        second = self._pictures.view(QUERIES, query.view)
        found = self._found(clicked, click, query, rng)
        points: list[ClickedPoint] = []
        targets: list[Target] = []
        others = self._other_views(relation, clicked, click, query.view)
        for kind, state, most in self._quotas(relation):
            some = [(one, t) for k, one, t in found if k == kind and t.state is state]
            for i in rng.permutation(len(some))[:most]:
                one, target = some[int(i)]
                point = _clicked(click.category, kind, one, len(points))
                points.append(self._with_shots(point, one, clicked, others))
                targets.append(self._with_equivalents(second, query, one, target))
        if not points:
            return None
        data = self._pictures.data(QUERIES)
        clutter = clutter_around(data, second, query.thing)
        return Probe(
            number, relation, natural, click.category, clicked, click.view, click.thing,
            query.view, query.thing, click.angle_deg(query), clutter,
            query.box, click.working and query.working, tuple(points),
            (Query(0, tuple(targets)),),
        )  # fmt: skip

    def absent(self, number: int, clicked: str, click: Appearance, query_view: int) -> Probe | None:
        """A probe of a view whose scene has nothing of the class."""
        rng = self._rng("absent", click, query_view, -1)
        view = self._pictures.view(clicked, click.view)
        points: list[ClickedPoint] = []
        others = self._other_views("absent", clicked, click, query_view)
        for kind, some, most in (
            (NAMED, self._visible_names(clicked, click, view), self._config.named_points),
            (SURFACE, _surface_candidates(view, click, rng), self._config.surface_points),
        ):
            for i in rng.permutation(len(some))[:most]:
                point = _clicked(click.category, kind, some[int(i)], len(points))
                points.append(self._with_shots(point, some[int(i)], clicked, others))
        if not points:
            return None
        nothing = Target(State.ABSENT, _NOWHERE, np.full(3, np.nan), np.zeros((0, 2)))
        return Probe(
            number, "absent", True, click.category, clicked, click.view, click.thing, query_view,
            -1, float("nan"), float("nan"), (float("nan"),) * 4, False, tuple(points),
            (Query(0, (nothing,) * len(points)),),
        )  # fmt: skip

    def occluded(self, probe: Probe) -> Probe:
        """The probe with a query for each share of occlusion; asked are the points seen before."""
        view = self._pictures.view(QUERIES, probe.query_view)
        occluder = self._pictures.occluder(probe.query_view, probe.query_thing, probe.number)
        queries = list(probe.queries)
        for percent in self._config.occlusions:
            taken = covered_view(view, probe.query_thing, occluder, percent / 100)[1]
            targets = tuple(_covered(target, taken) for target in probe.queries[0].targets)
            queries.append(Query(percent, targets))
        return dataclasses.replace(probe, queries=tuple(queries))

    def _other_views(
        self, relation: str, clicked: str, click: Appearance, query_view: int
    ) -> list[Appearance]:
        """More views of what is clicked on, for further shots: not the one that is searched."""
        if self._config.shots == 1:
            return []
        searched = query_view if self._same_set(clicked) else -1
        others = [
            one
            for one in self._pictures.appearances(clicked, click.instance)
            if one.view not in (click.view, searched)
        ]
        # By a generator of its own: the same is asked, however many shots there are.
        words = [*relation.encode(), click.view, click.thing, query_view + 1]
        rng = np.random.default_rng([self._config.seed, 11, *words])
        return [others[int(i)] for i in rng.permutation(len(others))[: self._config.shots - 1]]

    def _same_set(self, clicked: str) -> bool:
        return self._pictures.data(clicked) is self._pictures.data(QUERIES)

    def _with_shots(
        self, point: ClickedPoint, one: _Candidate, clicked: str, others: list[Appearance]
    ) -> ClickedPoint:
        data, further = self._pictures.data(clicked), []
        face, weights = np.array([one.face]), one.weights[None]
        for other in others:
            look = surface_look(
                data, self._pictures.view(clicked, other.view), other.thing, face, weights
            )
            if look.states[0] is State.SEEN:
                u, v = look.pixels[0].tolist()
                further.append((other.view, (u, v)))
        return dataclasses.replace(point, further=tuple(further))

    def _rng(
        self, relation: str, click: Appearance, query_view: int, query_thing: int
    ) -> np.random.Generator:
        words = [*relation.encode(), click.view, click.thing, query_view, query_thing + 1]
        return np.random.default_rng([self._config.seed, 5, *words])

    def _visible_names(self, clicked: str, click: Appearance, view: View) -> list[_Candidate]:
        info = self._pictures.data(clicked).manifest.classes[click.category]
        return [
            _Candidate(point.name, point.pixel, face, np.array(weights))
            for point in view.points
            if point.object == click.thing
            and point.visible
            and view.intrinsics.contains(*point.pixel)
            and point.name in info.points
            for face, weights in [info.points[point.name]]
        ]

    def _quotas(self, relation: str) -> list[tuple[str, State, int]]:
        config = self._config
        # In the picture that is clicked on, every clicked point is seen.
        hidden = 0 if relation == "self" else config.hidden_points
        return [
            (NAMED, State.SEEN, config.named_points),
            (SURFACE, State.SEEN, config.surface_points),
            (NAMED, State.HIDDEN, hidden),
            (SURFACE, State.HIDDEN, hidden),
        ]

    def _found(
        self, clicked: str, click: Appearance, query: Appearance, rng: np.random.Generator
    ) -> list[tuple[str, _Candidate, Target]]:
        """Points that are seen in the click view, and what is true of them in the query."""
        data, none = self._pictures.data(QUERIES), np.zeros((0, 2))
        first = self._pictures.view(clicked, click.view)
        second = self._pictures.view(QUERIES, query.view)
        there = named_points(data, second, query.thing)
        found = [
            (NAMED, one, Target(look.states[0], look.pixels[0], look.xyz[0], none))
            for one in self._visible_names(clicked, click, first)
            if (look := there.get(one.name)) is not None
        ]
        some = _surface_candidates(first, click, rng)
        if not some:
            return found
        face, weights = np.array([one.face for one in some]), np.array([o.weights for o in some])
        look = surface_look(data, second, query.thing, face, weights)
        return found + [
            (SURFACE, one, Target(look.states[i], look.pixels[i], look.xyz[i], none))
            for i, one in enumerate(some)
        ]

    def _with_equivalents(
        self, view: View, query: Appearance, one: _Candidate, target: Target
    ) -> Target:
        if target.state is not State.SEEN:
            return target
        data = self._pictures.data(QUERIES)
        face = np.array([one.face])
        place = data.surface(query.instance, face, one.weights[None])[0]
        normal = data.normals(query.instance, face)[0]
        others = equivalents(data, view, query.thing, one.name, one.face, place, normal)
        return dataclasses.replace(target, equivalents=others)


def _surface_candidates(
    view: View, click: Appearance, rng: np.random.Generator
) -> list[_Candidate]:
    """Random pixels of an object, not at its outline, with their canonical coordinates."""
    if view.instance is None or view.canonical is None:
        return []
    mask = (view.instance == click.thing + 1).astype(np.uint8)
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT)
    rows, columns = np.nonzero(inner)
    chosen = rng.permutation(len(rows))[:_CANDIDATES]
    return [
        _Candidate(
            "",
            (float(columns[i]), float(rows[i])),
            int(view.canonical.face[rows[i], columns[i]]),
            view.canonical.weights[rows[i], columns[i]].astype(np.float64),
        )
        for i in chosen
    ]


def _clicked(category: str, kind: str, one: _Candidate, number: int) -> ClickedPoint:
    return ClickedPoint(f"{category}.{one.name or f'surface_{number}'}", kind, one.pixel)


def _covered(target: Target | None, taken: NDArray[np.bool_]) -> Target | None:
    """What becomes of a target when some pixels are taken; at the rim nothing is asked."""
    if target is None or target.state is not State.SEEN:
        return None
    around = _hits(target.pixel[None], taken)[0]
    if around not in (0, 4):
        return None
    free = target.equivalents[_hits(target.equivalents, taken) == 0]
    state = State.COVERED if around else State.SEEN
    return dataclasses.replace(target, state=state, equivalents=free)


def _hits(pixels: FloatArray, taken: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of the four pixels around each of (N, 2) positions are taken."""
    last = np.array(taken.shape)[::-1] - 1
    low = np.clip(np.floor(pixels).astype(np.int64), 0, last)
    high = np.minimum(low + 1, last)
    count = np.zeros(len(pixels), dtype=np.int64)
    for row in (low, high):
        for column in (low, high):
            count += taken[row[:, 1], column[:, 0]]
    return count
