# SPDX-License-Identifier: Apache-2.0
"""What came of each constraint: value, uncertainty, and whether it is met."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_grasping.placing.problem import share
from tack_grasping.placing.scene import Scene
from tack_grasping.placing.search import MET
from tack_grasping.placing.state import State
from tack_grasping.placing.targets import degrees, millimetres
from tack_grasping.placing.terms import Term
from tack_grasping.points import NamedPoint

FloatArray = NDArray[np.float64]

_DRAWS = 512
_SEED = 3


@dataclasses.dataclass(frozen=True)
class Line:
    """One constraint, or one part of it, at the motion that was found.

    Attributes:
        words: what was asked for.
        value: how far off it is, m or rad; below 0 where there is room to spare.
        tolerance: largest value that is allowed (largest distance from 0), m or rad.
        unit: "m" or "rad".
        met: whether the value is within the tolerance.
        sigma: 1σ of the value by the uncertainty of the points; NaN where that is not known.
        probability: that the tolerance is met for the true points; NaN where not known.
    """

    words: str
    value: float
    tolerance: float
    unit: str
    met: bool
    sigma: float = math.nan
    probability: float = math.nan

    def __str__(self) -> str:
        written = degrees if self.unit == "rad" else millimetres
        sigma = "" if math.isnan(self.sigma) else f" ± {written(self.sigma)}"
        chance = "" if math.isnan(self.probability) else f", {self.probability:.0%} sure"
        return (
            f"{'met' if self.met else 'NOT MET'}: {self.words}: {written(self.value)}{sigma}"
            f" ({written(self.tolerance)} allowed{chance})"
        )


class Noise:
    """Draws of points' errors: the same for the same point, independent between points."""

    def __init__(self, scene: Scene) -> None:
        objects = (scene.points, *(scene.others[name] for name in sorted(scene.others)))
        points = [known[label] for known in objects for label in sorted(known)]
        self._places = {id(point): place for place, point in enumerate(points)}
        self._drawn: dict[int, FloatArray] = {}

    def __call__(self, point: NamedPoint) -> FloatArray:
        """(N, 3) m."""
        if id(point) not in self._drawn:
            sizes, axes = np.linalg.eigh(point.covariance)
            root = axes * np.sqrt(np.maximum(sizes, 0)) @ axes.T
            rng = np.random.default_rng((_SEED, self._places[id(point)]))
            half = rng.standard_normal((_DRAWS // 2, 3)) @ root
            self._drawn[id(point)] = np.vstack([half, -half])
        return self._drawn[id(point)]


def lines(terms: Sequence[Term], state: State, scene: Scene) -> tuple[tuple[Line, ...], float]:
    """A line for each term, and the probability that all are met whose uncertainty is known."""
    noise = Noise(scene)
    result, together = [], np.ones(_DRAWS, dtype=bool)
    known = False
    for term in terms:
        value = term.value(state)
        sigma = probability = math.nan
        drawn = term.drawn(state, noise)
        if drawn is not None:
            within = np.abs(drawn) <= term.tolerance * MET
            together &= within
            known = True
            sigma = float(np.sqrt(np.mean((drawn - value) ** 2)))
            probability = float(within.mean())
        met = share(term, state) <= MET
        result.append(Line(term.words, value, term.tolerance, term.unit, met, sigma, probability))
    return tuple(result), float(together.mean()) if known else math.nan
