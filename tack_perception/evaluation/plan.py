# SPDX-License-Identifier: Apache-2.0
"""Draws the probes of an evaluation: the same for every detector, and the same by seed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.appearances import Appearance, Catalogue, catalogue
from tack_perception.evaluation.asking import Asker
from tack_perception.evaluation.pictures import CLICKS, QUERIES, Pictures
from tack_perception.evaluation.probe import Probe, ProtocolConfig
from tack_perception.evaluation.truth import State

ANGLES_DEG = (0.0, 30.0, 60.0, 90.0, 180.0)
"""Bounds of the ranges of viewpoint change."""

Pair = tuple[Appearance, Appearance]
Progress = Callable[[int], object]
_T = TypeVar("_T")

_SURPLUS = 2  # times the pairs that seen points need, for the sake of hidden ones


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """All probes and the pictures that they are made on.

    Attributes:
        config: what was asked for.
        pictures: of both sets.
        probes: in the order in which they are run.
        rivals: appearances that were left out for another object of their class in the view.
        own_clicks: new instances are clicked in the query set itself.
    """

    config: ProtocolConfig
    pictures: Pictures
    probes: tuple[Probe, ...]
    rivals: int
    own_clicks: bool

    @property
    def queries(self) -> int:
        """How many pictures a detector has to search."""
        return sum(len(probe.queries) for probe in self.probes)


def make_plan(
    queries: CorrespondenceSet,
    clicks: CorrespondenceSet | None = None,
    config: ProtocolConfig | None = None,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Draw the probes.

    Args:
        queries: set of held-out instances, which are looked for.
        clicks: set whose instances are clicked to find new ones; None: those of `queries`. Clicks
            for the same instance and for absent objects are made in `queries`.
        config: how many.
        classes: to ask about; None: all.
        progress: called with the number of probes made since the last call.

    Raises:
        InvalidInputError: the sets do not fit together, or nothing can be asked.
        FileFormatError: a view is damaged; names the file.
    """
    config = config or ProtocolConfig()
    there = catalogue(queries, config.smallest_share, classes)
    here = there
    if clicks is not None:
        _check_faces(queries, clicks, there)
        here = catalogue(clicks, config.smallest_share, {one.category for one in there.appearances})
    pictures = Pictures(there, here, config.seed)
    drawer = _Drawer(there, here, pictures, config, progress or (lambda _: None))
    probes = drawer.draw()
    if not probes:
        raise InvalidInputError(
            f"{queries.folder}: nothing can be asked: objects with known poses, depth, and two"
            " views of one instance or of one class are needed"
        )
    rivals = there.rivals + (0 if here is there else here.rivals)
    return Plan(config, pictures, tuple(probes), rivals, clicks is None)


def _check_faces(queries: CorrespondenceSet, clicks: CorrespondenceSet, there: Catalogue) -> None:
    for category in sorted({one.category for one in there.appearances}):
        if category in clicks.manifest.classes and not np.array_equal(
            queries.faces(category), clicks.faces(category)
        ):
            raise InvalidInputError(
                f"{clicks.folder}: class {category} has other triangles than in {queries.folder}:"
                " canonical coordinates mean different places; render one of the sets anew"
            )


class _Drawer:
    """Draws probes, class by class in turn, until each column has its trials."""

    def __init__(
        self,
        there: Catalogue,
        here: Catalogue,
        pictures: Pictures,
        config: ProtocolConfig,
        progress: Progress,
    ) -> None:
        self._there, self._here, self._config = there, here, config
        self._asker, self._progress = Asker(pictures, config), progress
        self._made: list[Probe] = []
        self._classes = sorted({one.category for one in there.appearances})
        self._rng = np.random.default_rng([config.seed, 3])

    def draw(self) -> list[Probe]:
        same = self._same()
        new = self._new()
        covered = {probe.number: probe for some in (same, new) for probe in self._occluded(some)}
        own = self._self()
        absent = self._absent()
        probes = [covered.get(probe.number, probe) for probe in (*same, *new, *own, *absent)]
        # Neighbours share their click view: reading it again is spared.
        return sorted(probes, key=lambda p: (p.clicked, p.click_view, p.click_thing, p.number))

    def _same(self) -> list[Probe]:
        pairs = [
            self._shuffled(_same_pairs(self._there.of_class(category)))
            for category in self._classes
        ]
        waiting = _in_turn(pairs)
        made = self._until_enough("same", QUERIES, waiting)
        left = list(waiting)
        for low, high in itertools.pairwise(ANGLES_DEG):
            wanted = [p for p in left if in_range(p[0].angle_deg(p[1]), low, high)]
            count = sum(p.seen for p in made if in_range(p.angle_deg, low, high))
            made += self._filled("same", QUERIES, wanted, count)
        asked = {(p.click_view, p.click_thing, p.query_view) for p in made}
        fresh = (p for p in left if (p[0].view, p[0].thing, p[1].view) not in asked)
        return made + self._at_work("same", QUERIES, fresh, made)

    def _new(self) -> list[Probe]:
        pairs = [
            self._crossed(self._here.of_class(category), self._there.of_class(category))
            for category in self._classes
        ]
        clicked = QUERIES if self._here is self._there else CLICKS
        waiting = _in_turn(pairs)
        made = self._until_enough("new", clicked, waiting)
        return made + self._at_work("new", clicked, waiting, made)

    def _self(self) -> list[Probe]:
        pairs = [
            self._shuffled([(one, one) for one in self._there.of_class(category)])
            for category in self._classes
        ]
        return self._until_enough("self", QUERIES, _in_turn(pairs))

    def _at_work(
        self, relation: str, clicked: str, pairs: Iterable[Pair], made: list[Probe]
    ) -> list[Probe]:
        """Further probes of objects at working size, until there are enough of these."""
        wanted = (pair for pair in pairs if pair[0].working and pair[1].working)
        return self._filled(relation, clicked, wanted, sum(p.seen for p in made if p.working))

    def _filled(
        self, relation: str, clicked: str, pairs: Iterable[Pair], count: int
    ) -> list[Probe]:
        """Further probes, where `count` points are seen already."""
        made: list[Probe] = []
        if count >= self._config.trials:
            return made
        for pair in pairs:
            for probe in self._ask(relation, clicked, pair, natural=False):
                made.append(probe)
                count += probe.seen
            if count >= self._config.trials:
                break
        return made

    def _until_enough(self, relation: str, clicked: str, pairs: Iterator[Pair]) -> list[Probe]:
        """Probes until there are trials enough of seen points, and of hidden ones if they come."""
        wanted, limit = self._config.trials, None
        made: list[Probe] = []
        seen = hidden = 0
        while limit is None or (hidden < wanted and len(made) < limit):
            pair = next(pairs, None)
            if pair is None:
                break
            for probe in self._ask(relation, clicked, pair):
                made.append(probe)
                seen, hidden = seen + probe.seen, hidden + probe.queries[0].count(State.HIDDEN)
            if limit is None and seen >= wanted:
                limit = len(made) * (1 if relation == "self" else _SURPLUS)
        return made

    def _absent(self) -> list[Probe]:
        lists = [self._missing(category) for category in self._classes]
        made: list[Probe] = []
        for click, view in _in_turn(lists):
            if sum(len(probe.points) for probe in made) >= self._config.trials:
                break
            probe = self._asker.absent(len(self._made), QUERIES, click, view)
            made += self._kept(probe)
        return made

    def _missing(self, category: str) -> Iterator[tuple[Appearance, int]]:
        """Clicks on a class, and views without it; each click once."""
        clicks, views = self._there.of_class(category), self._there.without(category)
        if not views:
            return
        for i in self._rng.permutation(len(clicks)):
            yield clicks[int(i)], views[int(self._rng.integers(len(views)))]

    def _occluded(self, probes: list[Probe]) -> list[Probe]:
        """As many with occluders as the heaviest occlusion needs for its trials."""
        if not self._config.occlusions:
            return []
        # Class by class again: what fills up ranges of viewpoints came after all others.
        made: list[Probe] = []
        uncovered = 0
        for probe in probes:
            if uncovered >= self._config.trials:
                break
            if not probe.seen:
                continue
            made.append(self._asker.occluded(probe))
            uncovered += made[-1].queries[-1].count(State.SEEN)
            self._progress(1)
        return made

    def _ask(self, relation: str, clicked: str, pair: Pair, *, natural: bool = True) -> list[Probe]:
        number = len(self._made)
        return self._kept(self._asker.probe(number, relation, clicked, *pair, natural=natural))

    def _kept(self, probe: Probe | None) -> list[Probe]:
        if probe is None:
            return []
        self._made.append(probe)
        self._progress(1)
        return [probe]

    def _shuffled(self, pairs: list[Pair]) -> list[Pair]:
        return [pairs[int(i)] for i in self._rng.permutation(len(pairs))]

    def _crossed(self, clicks: list[Appearance], queries: list[Appearance]) -> Iterator[Pair]:
        """Pairs of different instances in random order; never two pairs of the same two views."""
        for i in self._rng.permutation(len(clicks) * len(queries)):
            click, query = clicks[int(i) // len(queries)], queries[int(i) % len(queries)]
            if click.instance != query.instance:
                yield click, query


def in_range(angle_deg: float, low: float, high: float) -> bool:
    """Whether an angle lies in a range of viewpoint change (the last one is closed)."""
    return low <= angle_deg < high or angle_deg == high == ANGLES_DEG[-1]


def _same_pairs(appearances: list[Appearance]) -> list[Pair]:
    """Ordered pairs of views of one instance."""
    by_instance: dict[str, list[Appearance]] = {}
    for one in appearances:
        by_instance.setdefault(one.instance, []).append(one)
    return [
        (click, query)
        for several in by_instance.values()
        for click in several
        for query in several
        if click.view != query.view
    ]


def _in_turn(lists: Sequence[Iterable[_T]]) -> Iterator[_T]:
    """The first of each list, the second of each, and so on, until all are at their end."""
    waiting = [iter(one) for one in lists]
    while waiting:
        left = []
        for one in waiting:
            try:
                item = next(one)
            except StopIteration:
                continue
            left.append(one)
            yield item
        waiting = left
