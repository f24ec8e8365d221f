# SPDX-License-Identifier: Apache-2.0
"""What is asked: clicks in one view, looked for in another, with the truth."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tack_perception.configuration import Configuration, setting
from tack_perception.evaluation.truth import State

FloatArray = NDArray[np.float64]

NAMED, SURFACE = "named", "surface"
"""Kinds of points: those that the class names, and random ones on the surface."""


@dataclasses.dataclass(frozen=True)
class ProtocolConfig(Configuration):
    """How many trials of what kind are drawn."""

    trials: int = setting(1000, "wanted in each column; fewer where the data has fewer", low=1)
    seed: int = setting(0, "of every choice", low=0)
    shots: int = setting(
        1, "of each click: beside it, where the point is in more views of the thing, as far as it"
        " is seen there", low=1, high=32,
    )  # fmt: skip
    named_points: int = setting(4, "named points of a pair of views, seen in both", low=0, high=64)
    surface_points: int = setting(4, "random surface points, seen in both", low=0, high=64)
    hidden_points: int = setting(
        4, "named and random points each that are hidden in the query", low=0, high=64
    )
    smallest_share: float = setting(
        0.004, "of the picture that a clicked or searched object fills", low=0, high=1
    )
    occlusions: tuple[int, ...] = setting(
        (20, 40, 60), "shares of the object's visible pixels to cover", unit="%", low=1, high=95
    )


@dataclasses.dataclass(frozen=True, eq=False)
class ClickedPoint:
    """One click.

    Attributes:
        label: `class.name` of a named point, `class.surface_N` of another.
        kind: `NAMED` or `SURFACE`.
        pixel: (u, v) in the click view.
        further: more shots of it: a view of the same set, and (u, v) there.
    """

    label: str
    kind: str
    pixel: tuple[float, float]
    further: tuple[tuple[int, tuple[float, float]], ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """The truth of one point in one query.

    Attributes:
        state: seen, hidden, covered or absent.
        pixel: (2,) where it is, seen or not; NaN where it is absent.
        xyz: (3,) in the query's optical frame, m; NaN where it is absent.
        equivalents: (M, 2) pixels of the seen places that a symmetry makes equal.
    """

    state: State
    pixel: FloatArray
    xyz: FloatArray
    equivalents: FloatArray


@dataclasses.dataclass(frozen=True, eq=False)
class Query:
    """One picture to search.

    Attributes:
        occlusion: share of the object's visible pixels that was covered, %.
        targets: one for each clicked point; None: not asked here.
    """

    occlusion: int
    targets: tuple[Target | None, ...]

    def count(self, state: State) -> int:
        """How many targets are in a state."""
        return sum(target is not None and target.state is state for target in self.targets)


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """Clicks on one object, looked for in one view, plain and with occluders.

    Attributes:
        number: of the pair of views: trials of one probe are not independent of each other.
        relation: "same" instance, "new" instance, "self" (the click view itself) or "absent".
        natural: drawn from all pairs alike, and not to fill up a rare range of viewpoints.
        category: class of the object.
        clicked: "clicks" or "queries": the set of the click view.
        click_view, click_thing: the object that is clicked on.
        query_view, query_thing: where it is looked for; -1: there is none.
        angle_deg: between the two viewing directions in the object's frame; NaN if absent.
        clutter: pixels of other things near it in the query, in units of the object's own;
            NaN where it is not known.
        box: (left, top, right, bottom) of the object in the query, px; NaN if absent.
        working: the object is at working size in both views, see `Appearance`.
        points: the clicks.
        queries: the plain one first, then those with occluders.
    """

    number: int
    relation: str
    natural: bool
    category: str
    clicked: str
    click_view: int
    click_thing: int
    query_view: int
    query_thing: int
    angle_deg: float
    clutter: float
    box: tuple[float, float, float, float]
    working: bool
    points: tuple[ClickedPoint, ...]
    queries: tuple[Query, ...]

    @property
    def box_px(self) -> float:
        """The longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @property
    def seen(self) -> int:
        """How many points are seen in the plain query."""
        return self.queries[0].count(State.SEEN)
