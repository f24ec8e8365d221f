# SPDX-License-Identifier: Apache-2.0
"""The motion that puts a thing where a specification wants it, or what stands in the way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_grasping.placing.missing import missing
from tack_grasping.placing.problem import Problem
from tack_grasping.placing.report import Line, lines
from tack_grasping.placing.scene import Container, Scene, Support
from tack_grasping.placing.search import feasible, search
from tack_grasping.placing.spec import Constraint, In, On, PlaceSpec
from tack_grasping.placing.targets import degrees, millimetres
from tack_grasping.points import NamedPoint
from tack_perception import geometry

FloatArray = NDArray[np.float64]

_WIDEST = 5.0  # times the tolerances, above which wider ones are no advice


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """Where a thing shall go, or why it cannot.

    Attributes:
        name: of the specification.
        motion: (4, 4) m, the rigid motion of the thing in the frame of the goals: a point p of it
            goes to motion @ p. None where it was refused.
        report: all constraints, in the specification's order; where it was refused, at the motion
            that came nearest to meeting them. Empty where something that is named is missing.
        costs: the wishes, likewise.
        probability: that all constraints are met for the true points; those on the whole surface
            are left out. NaN where no uncertainty is known.
        refusal: one sentence; "" where there is a motion.
    """

    name: str
    motion: FloatArray | None = None
    report: tuple[Line, ...] = ()
    costs: tuple[Line, ...] = ()
    probability: float = math.nan
    refusal: str = ""

    @property
    def turn(self) -> float:
        """How far the thing turns, rad; NaN where it was refused."""
        return math.nan if self.motion is None else geometry.rotation_angle(self.motion)


def solve_placement(
    spec: PlaceSpec,
    points: Mapping[str, NamedPoint],
    *,
    up: ArrayLike,
    cloud: ArrayLike | None = None,
    supports: Mapping[str, Support] | None = None,
    bins: Mapping[str, Container] | None = None,
    others: Mapping[str, Mapping[str, NamedPoint]] | None = None,
    frames: Mapping[str, FloatArray] | None = None,
    start: ArrayLike | None = None,
) -> Placement:
    """Solve a place specification. The same input gives the same motion, bit for bit.

    Everything is in the frame of the goals; the result does not depend on which frame that is, as
    long as the specification writes its positions in named frames.

    Args:
        spec: what is asked for.
        points: of the thing, by label, where it is now.
        up: (3,) direction against gravity.
        cloud: (N, 3) seen surface of the thing where it is now, m, for `stand_on`, `in` and
            `clear_of`; without it the named points stand for it.
        supports, bins: by name.
        others: points of other objects, by the object's name.
        frames: name → (4, 4) goal_from_named, m.
        start: (4, 4) motion from which turning and moving are counted; None: from where it is now.

    Returns:
        The motion with the least costs; where several are as good, the one that turns and then
        moves the thing the least. Or a refusal.

    Raises:
        InvalidInputError: no point at all, or values that are not finite or of the wrong shape.
    """
    begin = np.eye(4) if start is None else geometry.check_transform(start, "start")
    scene = Scene(
        points=points,
        up=np.asarray(up, dtype=np.float64),
        cloud=None if cloud is None else np.asarray(cloud, dtype=np.float64),
        supports=supports or {},
        bins=bins or {},
        others=others or {},
        frames=frames or {},
    )
    scene = dataclasses.replace(
        scene,
        points={label: point.moved(begin) for label, point in points.items()},
        cloud=None if scene.cloud is None else geometry.apply(begin, scene.cloud),
    )
    lacking = missing(spec, scene)
    if lacking:
        return Placement(spec.name, refusal=f"{spec.name}: {lacking}")
    own, goal_from_own = scene.canonical()
    extremes = np.zeros((1, 3))
    if any(isinstance(item, On | In) for item in spec.constraints):
        extremes = own.extremes()
    # The order in which constraints are written must not matter, not even by rounding.
    ordered = sorted(spec.constraints, key=repr)
    costs = tuple(sorted(spec.costs, key=repr))
    problem = Problem(tuple(ordered), costs, own, extremes)
    found, wider = search(problem)
    state = problem.at(found).state
    places = sorted(range(len(ordered)), key=lambda i: spec.constraints.index(ordered[i]))
    report, probability = lines([t for i in places for t in problem.terms[i]], state, own)
    wishes = sorted(range(len(costs)), key=lambda i: spec.costs.index(costs[i]))
    wished, _ = lines([problem.wishes[i] for i in wishes], state, own)
    if not all(line.met for line in report):
        reason = f"{spec.name}: {_refusal(tuple(ordered), own, extremes, report, wider)}"
        return Placement(spec.name, None, report, wished, probability, reason)
    motion = goal_from_own @ state.motion @ geometry.inverse(goal_from_own) @ begin
    motion = geometry.nearest_transform(motion)
    motion.flags.writeable = False
    return Placement(spec.name, motion, report, wished, probability)


def _refusal(
    ordered: tuple[Constraint, ...],
    scene: Scene,
    extremes: FloatArray,
    report: tuple[Line, ...],
    wider: float,
) -> str:
    """Which constraint cannot be met, by how much, and what would help; without the full stop."""
    worst = max(
        (line for line in report if not line.met), key=lambda line: abs(line.value) / line.tolerance
    )
    written = degrees if worst.unit == "rad" else millimetres
    sentence = (
        f"'{worst.words}' cannot be met: at the best compromise it is off by"
        f" {written(abs(worst.value))}, {written(worst.tolerance)} is allowed"
    )
    alone = [item for item in ordered if not _possible((item,), scene, extremes)]
    if alone:
        return f"{sentence}; {_list(alone)} cannot be met even alone"
    without = [
        item
        for index, item in enumerate(ordered)
        if _possible(ordered[:index] + ordered[index + 1 :], scene, extremes)
    ]
    if len(without) > 1:
        help_ = f"{_list(without)} contradict each other: without one of them the rest can be met"
    elif without:
        help_ = f"without {_list(without)} the rest can be met"
    else:
        help_ = "leaving out one constraint does not help: more than two contradict each other"
    if wider < _WIDEST:
        help_ += f"; so can all, with tolerances {wider:.2g} times as wide"
    return f"{sentence}; {help_}"


def _possible(items: tuple[Constraint, ...], scene: Scene, extremes: FloatArray) -> bool:
    return feasible(Problem(items, (), scene, extremes))


def _list(items: list[Constraint]) -> str:
    quoted = [f"'{item.words}'" for item in items]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
