# SPDX-License-Identifier: Apache-2.0
"""The columns of the comparison: which trials each condition holds."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

from tack_perception.evaluation.plan import ANGLES_DEG, in_range
from tack_perception.evaluation.probe import NAMED, SURFACE
from tack_perception.evaluation.trials import PointTrial

CLUTTER = (0.0, 0.5, 2.0, math.inf)
"""Bounds of clutter: pixels of other things near the object, in units of its own."""

RELATIONS = {"same": "same instance", "new": "new instance"}

Holds = Callable[[PointTrial], bool]


@dataclasses.dataclass(frozen=True)
class Column:
    """A condition.

    Attributes:
        key: for files.
        title: for people.
        group: what it is a part of: main, viewpoint, occlusion, clutter, kind, hidden or other.
        holds: whether a trial belongs to it.
    """

    key: str
    title: str
    group: str
    holds: Holds

    def of(self, trials: Sequence[PointTrial]) -> list[PointTrial]:
        """Its trials."""
        return [one for one in trials if self.holds(one)]


def plain(relation: str, state: str = "seen") -> Holds:
    """Trials of a relation without occluder, drawn from all pairs alike."""

    def holds(t: PointTrial) -> bool:
        return t.relation == relation and t.state == state and not t.occlusion and t.natural

    return holds


def make_columns(occlusions: Sequence[int], covered: frozenset[int]) -> tuple[Column, ...]:
    """All columns in which pixel errors are measured.

    Args:
        occlusions: shares that were covered, %.
        covered: pairs of views that were also searched with occluders (`covered_pairs`).
    """
    made = [
        Column("same", "same instance, new view", "main", plain("same")),
        Column("new", "new instance of the class", "main", plain("new")),
    ]
    made += [_working(relation) for relation in RELATIONS]
    made += [_viewpoint(low, high) for low, high in itertools.pairwise(ANGLES_DEG)]
    for relation in RELATIONS:
        made += [_occlusion(relation, share, covered) for share in (0, *occlusions)]
    for relation in RELATIONS:
        made += [_clutter(relation, low, high) for low, high in itertools.pairwise(CLUTTER)]
    for relation in RELATIONS:
        made += [_kind(relation, kind, "seen") for kind in (NAMED, SURFACE)]
    made += [
        Column(f"{relation}_hidden", f"{title}, hidden point", "hidden", plain(relation, "hidden"))
        for relation, title in RELATIONS.items()
    ]
    for relation in RELATIONS:
        made += [_kind(relation, kind, "hidden") for kind in (NAMED, SURFACE)]
    for relation in RELATIONS:
        made += [_covered(relation, share) for share in occlusions]
    made.append(Column("self", "the clicked picture itself", "other", plain("self")))
    return tuple(made)


def covered_pairs(trials: Sequence[PointTrial]) -> frozenset[int]:
    """Numbers of the pairs of views that were also searched with occluders."""
    return frozenset(one.probe for one in trials if one.occlusion)


def _working(relation: str) -> Column:
    def holds(t: PointTrial) -> bool:
        return t.relation == relation and t.state == "seen" and not t.occlusion and t.working

    return Column(f"{relation}_working", f"{RELATIONS[relation]}, at working size", "main", holds)


def _viewpoint(low: float, high: float) -> Column:
    def holds(t: PointTrial) -> bool:
        plainly = t.relation == "same" and t.state == "seen" and not t.occlusion
        return plainly and in_range(t.angle_deg, low, high)

    words = f"over {low:g}°" if high == ANGLES_DEG[-1] else f"{low:g} to {high:g}°"
    title = f"same instance, viewpoint changed by {words}"
    return Column(f"viewpoint_{low:g}_{high:g}", title, "viewpoint", holds)


def _occlusion(relation: str, share: int, covered: frozenset[int]) -> Column:
    def holds(t: PointTrial) -> bool:
        uncovered = t.relation == relation and t.state == "seen" and t.occlusion == share
        return uncovered and t.probe in covered

    words = f"{share} % covered, the point free" if share else "the pairs of the rows below, free"
    title = f"{RELATIONS[relation]}, {words}"
    return Column(f"{relation}_occlusion_{share}", title, "occlusion", holds)


def _covered(relation: str, share: int) -> Column:
    def holds(t: PointTrial) -> bool:
        return t.relation == relation and t.state == "covered" and t.occlusion == share

    title = f"{RELATIONS[relation]}, {share} % covered, the point too"
    return Column(f"{relation}_covered_{share}", title, "hidden", holds)


def _clutter(relation: str, low: float, high: float) -> Column:
    inside = plain(relation)

    def holds(t: PointTrial) -> bool:
        return inside(t) and low <= t.clutter < high

    words = f"under {high:g}" if not low else f"over {low:g}" if math.isinf(high) else ""
    title = f"{RELATIONS[relation]}, clutter {words or f'{low:g} to {high:g}'} × its pixels"
    return Column(f"{relation}_clutter_{low:g}", title, "clutter", holds)


def _kind(relation: str, kind: str, state: str) -> Column:
    inside = plain(relation, state)

    def holds(t: PointTrial) -> bool:
        return inside(t) and t.kind == kind

    words = "named points" if kind == NAMED else "random surface points"
    if state == "seen":
        return Column(f"{relation}_{kind}", f"{RELATIONS[relation]}, {words}", "kind", holds)
    title = f"{RELATIONS[relation]}, hidden {words}"
    return Column(f"{relation}_hidden_{kind}", title, "kind", holds)
