# SPDX-License-Identifier: Apache-2.0
"""A place specification in a scene, as rows over a step of the motion."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tack_grasping.placing.regions import Clearing, Dropping, Touching, edges, walls
from tack_grasping.placing.scene import Scene
from tack_grasping.placing.spec import (
    Axis,
    ClearOf,
    Constraint,
    Cost,
    In,
    KeepTurn,
    Near,
    On,
    PointAt,
)
from tack_grasping.placing.state import State
from tack_grasping.placing.terms import Pointing, Position, Term, Turning

FloatArray = NDArray[np.float64]
Rows = tuple[FloatArray, FloatArray]
"""(K,) rows and their derivative (K, 6) by the step."""

_STILL = np.zeros(6)

FEW = 1e-7
"""What counts as zero of a row, in tolerances."""


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """A problem at one motion: rows that shall be zero, and rows that shall not be above zero."""

    state: State
    equal: Rows
    below: Rows

    @property
    def aims(self) -> Rows:
        """All rows that shall be zero: of the second kind only what is above zero is left."""
        return (
            np.concatenate([self.equal[0], np.maximum(self.below[0], 0)]),
            np.vstack([self.equal[1], self.below[1] * (self.below[0] > 0)[:, None]]),
        )

    @property
    def penalty(self) -> float:
        """Sum of the squares of what is missed, in tolerances."""
        rows, _ = self.aims
        return float(rows @ rows)


class Problem:
    """Terms of the constraints, and levels of cost, in a scene whose z axis is up.

    Each level of costs gives way to those before it: wishes, then turning little, then moving
    little (or, in a bin, being in its middle).

    Args:
        constraints: in an order that does not depend on how they were written.
        costs: wishes.
        scene: in the frame of the solver.
        extremes: (N, 3) of the thing, where a constraint needs them.
    """

    def __init__(
        self,
        constraints: tuple[Constraint, ...],
        costs: tuple[Cost, ...],
        scene: Scene,
        extremes: FloatArray,
    ) -> None:
        self.terms: list[list[Term]] = [make_terms(item, scene) for item in constraints]
        self.flat: list[Term] = [term for terms in self.terms for term in terms]
        self.scene = scene
        self._extremes = extremes
        touching = next((t for t in self.flat if isinstance(t, Touching) and t.lowest), None)
        self._normal = None if touching is None else touching.normal
        self.wishes = [_wish(cost.wish, scene) for cost in costs]
        self._weights = [math.sqrt(cost.weight) for cost in costs]
        self.levels = (self._wished, self._turned, self._moved) if costs else (
            self._turned, self._moved)  # fmt: skip
        self._bins = [
            (scene.bins[item.bin].pose, item.drop) for item in constraints if isinstance(item, In)
        ]
        # An axis that looks at a place turns less the farther away the thing goes.
        self._looking = any(isinstance(t, Pointing) and t.place is not None for t in self.flat)
        self._last: tuple[bytes, Evaluation] | None = None

    def at(self, base: FloatArray, step: FloatArray = _STILL) -> Evaluation:
        """The problem at a motion, a step (6,) from another; the last one is remembered.

        Args:
            base: (4, 4) as `State` takes it.
            step: (6,).
        """
        key = base.tobytes() + step.tobytes()
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        state = State(base, step, self._extremes, self._normal)
        rows: dict[bool, list[Rows]] = {True: [], False: []}
        for term in self.flat:
            values, derivative = term.rows(state)
            rows[term.equal].append((values - term.reach, derivative))
        equal, below = (
            (
                np.concatenate([values for values, _ in found]),
                state.by_step(np.vstack([derivative for _, derivative in found])),
            )
            if found
            else (np.zeros(0), np.zeros((0, 6)))
            for found in (rows[True], rows[False])
        )
        result = Evaluation(state, equal, below)
        self._last = (key, result)
        return result

    def worst(self, base: FloatArray) -> float:
        """The largest share of a tolerance that is used up; at most 1 where all are met."""
        state = self.at(base).state
        return max(share(term, state) for term in self.flat)

    def start(self, rotation: FloatArray) -> FloatArray:
        """(4, 4) base with a rotation (3, 3), and a translation that brings points to places."""
        base = np.eye(4)
        base[:3, :3] = rotation
        state = State(base, _STILL, self._extremes, self._normal)
        offsets = [
            term.goal - state.point(term.point.position)[0]
            for term in self.flat
            if isinstance(term, Position)
        ]
        if offsets:
            base[:3, 3] = np.mean(offsets, axis=0)
        return base

    def _wished(self, at: Evaluation) -> Rows:
        values, derivatives = [], []
        for term, weight in zip(self.wishes, self._weights, strict=True):
            rows, derivative = term.rows(at.state)
            # Vectors are smooth where their lengths are not.
            if isinstance(term, Turning | Position):
                vector = at.state.turn() if isinstance(term, Turning) else term.off(at.state)
                rows, derivative = vector[0] / term.tolerance, vector[1] / term.tolerance
            values.append(weight * rows)
            derivatives.append(weight * at.state.by_step(derivative))
        return np.concatenate(values), np.vstack(derivatives)

    def _turned(self, at: Evaluation) -> Rows:
        turn, slope = at.state.turn()
        slope = at.state.by_step(slope)
        if not self._looking:
            return turn, slope
        middle, further = self._moved(at)
        return np.concatenate([turn, middle]), np.vstack([slope, further])

    def _moved(self, at: Evaluation) -> Rows:
        if not self._bins:
            middle, slope = at.state.point(np.zeros(3))
            return middle, at.state.by_step(slope)
        values, derivatives = [], []
        for pose, drop in self._bins:
            axes, middle = pose[:3, :3].T, pose[:3, :3].T @ pose[:3, 3]
            reach, slope = at.state.beyond(np.vstack([axes[:2], -axes]))
            # As much room on one side as on the other, and half of the way that it may drop.
            off = (reach[:2] - reach[2:4]) / 2 - middle[:2]
            low = -reach[4:] - (middle[2] + drop / 2)
            values.append(np.concatenate([off, low]))
            derivatives.append(np.vstack([(slope[:2] - slope[2:4]) / 2, -slope[4:]]))
        return np.concatenate(values), at.state.by_step(np.vstack(derivatives))


def share(term: Term, state: State) -> float:
    """The share of its tolerance that a term uses up; 0 where there is room to spare."""
    rows = term.rows(state)[0]
    return float(np.linalg.norm(rows)) if term.equal else max(float(rows.max()), 0.0)


def make_terms(item: Constraint, scene: Scene) -> list[Term]:
    """The lines that one constraint has in the report."""
    if isinstance(item, On):
        standing = edges(item, scene)
        touching = Touching(item, scene)
        return [touching] if standing is None else [touching, standing]
    if isinstance(item, In):
        return [walls(item, scene), Dropping(item, scene)]
    if isinstance(item, ClearOf):
        return [Clearing(item, scene)]
    return [_wish(item, scene)]


def _wish(item: PointAt | Near | Axis | KeepTurn, scene: Scene) -> Term:
    if isinstance(item, KeepTurn):
        return Turning(item.words, item.tolerance)
    return Pointing(item, scene) if isinstance(item, Axis) else Position(item, scene)
