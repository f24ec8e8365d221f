# SPDX-License-Identifier: Apache-2.0
"""The search for a motion: first what meets the constraints, then down the costs.

A motion is a (4, 4) base as `State` takes it; each optimisation is over a step from a base.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from tack_grasping.placing.problem import FEW, Evaluation, Problem, Rows
from tack_grasping.placing.starts import starts

FloatArray = NDArray[np.float64]
Held = list[Callable[[Evaluation], Rows]]

MET = 1 + 1e-6
"""Share of a tolerance up to which a constraint is met, rounding included."""

_STILL = np.zeros(6)
_KEPT = 4  # motions that are followed down the costs
_ROUNDS = 4
_GAIN = 1e-5  # of a cost, below which the next round is not worth its time
_FARTHEST = 1.0  # that one descent goes: rad, m
_NOTHING = 1e-12  # of a cost
_AS_GOOD = 0.01  # of the squares of what is missed, in tolerances: a tenth of one
_PULL = 1e-4  # in tolerances: bends what is met by less than rounding in a report


def search(problem: Problem) -> tuple[FloatArray, float]:
    """The best motion, and the factor on all tolerances with which it could be met.

    Where some constraints cannot be met, it is the motion with the least squares of what is
    missed, so that those that have nothing to do with it are met.
    """
    begin = starts(problem)
    found = [_settled(problem, begin[0])]
    if problem.at(found[0]).penalty < FEW:
        first = _descended(problem, found[0])
        if all(_cost(problem, level, first) < _NOTHING for level in problem.levels[:-1]):
            return first, 0.0  # wishes are granted without a turn: no other start does better
    found += [_settled(problem, start) for start in begin[1:]]
    found.sort(key=lambda one: problem.at(one).penalty)
    met = [one for one in found if problem.worst(one) <= MET]
    if not met:
        tried = (_balanced(problem, one) for one in _different(found)[:_KEPT])
        balanced = min(tried, key=problem.worst)
        worst = problem.worst(balanced)
        return (balanced if worst <= MET else found[0]), worst
    least = problem.at(met[0]).penalty
    near = [one for one in met if problem.at(one).penalty <= least + _AS_GOOD]
    near.sort(key=lambda one: costs(problem, one))
    ends = [_descended(problem, one) for one in _different(near)[:_KEPT]]
    best = min(ends, key=lambda one: costs(problem, one))
    return best, problem.worst(best)


def feasible(problem: Problem) -> bool:
    """Whether a motion that meets all constraints was found."""
    found = []
    for start in starts(problem):
        found.append(_settled(problem, start))
        if problem.worst(found[-1]) <= MET:
            return True
    best = min(found, key=lambda one: problem.at(one).penalty)
    return problem.worst(_balanced(problem, best)) <= MET


def costs(problem: Problem, base: FloatArray) -> tuple[float, ...]:
    """Costs by level, rounded so that what differs by rounding is equal."""
    return tuple(round(_cost(problem, level, base), 9) for level in problem.levels)


def _cost(problem: Problem, level: Callable[[Evaluation], Rows], base: FloatArray) -> float:
    """One level's cost."""
    rows = level(problem.at(base))[0]
    return float(rows @ rows)


def _settled(
    problem: Problem, base: FloatArray, held: Held | None = None, to: FloatArray | None = None
) -> FloatArray:
    """Where the constraints are met as well as possible, by least squares from a motion.

    A weak pull to the start keeps what no constraint asks for as it is.

    Args:
        problem: with the constraints.
        base: the start.
        held: rows that shall be `to`; None takes those of the constraints, to be zero.
        to: (K,) see `held`.
    """
    pull = _PULL * np.eye(6)

    def rows(step: FloatArray) -> FloatArray:
        at = problem.at(base, step)
        equal = at.equal[0] if held is None or to is None else _stacked(held, at)[0] - to
        return np.concatenate([equal, np.maximum(at.below[0], 0), _PULL * step])

    def slopes(step: FloatArray) -> FloatArray:
        at = problem.at(base, step)
        equal = at.equal[1] if held is None else _stacked(held, at)[1]
        return np.vstack([equal, at.below[1] * (at.below[0] > 0)[:, None], pull])

    # x_scale keeps the first step below 1 rad and 1 m.
    found = optimize.least_squares(
        rows, _STILL, slopes, method="lm", max_nfev=30, xtol=1e-12, ftol=1e-12, gtol=1e-14,
        x_scale=0.01,
    )  # fmt: skip
    return problem.at(base, found.x).state.base


def _descended(problem: Problem, base: FloatArray) -> FloatArray:
    """Down one level of costs after the other, without giving up what was reached before."""
    held: Held = [lambda at: at.equal]
    for level in problem.levels:
        for _ in range(_ROUNDS):
            better, gain = _step(problem, base, held, level)
            if gain > 0:
                base = better
            if gain < _GAIN * (_cost(problem, level, base) + _GAIN):
                break
        held.append(level)
    return base


def _step(
    problem: Problem, base: FloatArray, held: Held, cost: Callable[[Evaluation], Rows]
) -> tuple[FloatArray, float]:
    """One descent of a cost with other rows held: the end, and what was gained."""
    here = problem.at(base)
    before, slopes = _stacked(held, here)
    room = np.maximum(here.below[0], 0)
    # Rows may say the same twice; SLSQP wants them independent.
    axes, sizes, _ = np.linalg.svd(slopes, full_matrices=False)
    axes = axes[:, sizes > 1e-6 * max(float(sizes.max(initial=0)), 1e-9)]
    if axes.shape[1] >= 6:
        return base, 0.0

    def value(step: FloatArray) -> tuple[float, FloatArray]:
        rows, slopes = cost(problem.at(base, step))
        return float(rows @ rows), 2 * rows @ slopes

    limits = []
    if axes.size:
        limits.append(
            {
                "type": "eq",
                "fun": lambda step: axes.T @ (_stacked(held, problem.at(base, step))[0] - before),
                "jac": lambda step: axes.T @ _stacked(held, problem.at(base, step))[1],
            }
        )
    if len(room):
        limits.append(
            {
                "type": "ineq",
                "fun": lambda step: room - problem.at(base, step).below[0],
                "jac": lambda step: -problem.at(base, step).below[1],
            }
        )
    was, _ = value(_STILL)
    found = optimize.minimize(
        value, _STILL, jac=True, method="SLSQP", options={"ftol": 1e-13, "maxiter": 40},
        constraints=limits, bounds=[(-_FARTHEST, _FARTHEST)] * 6,
    )  # fmt: skip
    if not np.isfinite(found.x).all():
        return base, 0.0
    end = problem.at(base, found.x).state.base
    if _drift(problem, end, held, before, room) > FEW:
        end = _settled(problem, end, held, before)
        if _drift(problem, end, held, before, room) > 10 * FEW:
            return base, 0.0
    if problem.worst(end) > max(MET, problem.worst(base)):  # many small drifts add up
        return base, 0.0
    rows, _ = cost(problem.at(end))
    return end, was - float(rows @ rows)


def _drift(
    problem: Problem, base: FloatArray, held: Held, before: FloatArray, room: FloatArray
) -> float:
    """How far a motion leaves what was to be held, in tolerances."""
    at = problem.at(base)
    off = np.abs(_stacked(held, at)[0] - before)
    return float(max(off.max(initial=0), (at.below[0] - room).max(initial=0)))


def _stacked(held: Held, at: Evaluation) -> Rows:
    found = [rows(at) for rows in held]
    if len(found) == 1:
        return found[0]
    return np.concatenate([one[0] for one in found]), np.vstack([one[1] for one in found])


def _balanced(problem: Problem, base: FloatArray) -> FloatArray:
    """Where the worst constraint is missed the least, all in shares of their tolerances."""

    def shares(extended: FloatArray) -> Rows:
        state = problem.at(base, extended[:6].copy()).state
        values, slopes = [], []
        for term in problem.flat:
            rows, derivative = term.rows(state)
            if term.equal:
                length = max(float(np.linalg.norm(rows)), 1e-9)
                rows, derivative = np.array([length]), (rows / length @ derivative)[None]
            values.append(rows)
            slopes.append(state.by_step(derivative))
        return np.concatenate(values), np.vstack(slopes)

    def slope(extended: FloatArray) -> FloatArray:
        by = -shares(extended)[1]
        return np.hstack([by, np.ones((len(by), 1))])

    last = np.eye(7)[6]
    found = optimize.minimize(
        lambda e: (e[6], last), np.append(_STILL, problem.worst(base)), jac=True, method="SLSQP",
        constraints=[{"type": "ineq", "fun": lambda e: e[6] - shares(e)[0], "jac": slope}],
        options={"ftol": 1e-12, "maxiter": 40},
    )  # fmt: skip
    end = problem.at(base, found.x[:6].copy()).state.base
    return end if problem.worst(end) < problem.worst(base) else base


def _different(found: list[FloatArray]) -> list[FloatArray]:
    kept: list[FloatArray] = []
    for one in found:
        if all(np.abs(one - other).max() > 1e-5 for other in kept):
            kept.append(one)
    return kept
