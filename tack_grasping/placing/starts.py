# SPDX-License-Identifier: Apache-2.0
"""Where the search for a motion begins: turns that meet the constraints on directions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tack_grasping.placing.problem import Problem
from tack_grasping.placing.terms import Pointing, Position

FloatArray = NDArray[np.float64]

_UP = np.array([0.0, 0.0, 1.0])
_TURNS = 8  # about a direction that leaves the turn open
_SHORT = 0.01  # m; points nearer to each other say little about directions
_SAME = 1e-3  # rad


def starts(problem: Problem) -> list[FloatArray]:
    """Motions (4, 4), as `State` takes them, to begin with; their turns are all different."""
    found: list[Rotation] = []
    for rotation in _rotations(problem):
        if all(_between(rotation, known) > _SAME for known in found):
            found.append(rotation)
    return [problem.start(rotation.as_matrix()) for rotation in found]


def _rotations(problem: Problem) -> Iterator[Rotation]:
    yield Rotation.identity()
    pairs, level = _pairs(problem)
    if not pairs:
        for axis, aim in level:
            yield _about(_UP, axis, aim)
        for turn in (*np.eye(3), *-np.eye(3), 2 * _UP):
            yield Rotation.from_rotvec(turn * math.pi / 2)
        return
    for index, (axis, aim) in enumerate(pairs[:2]):
        least = _least(axis, aim)
        rest = [*pairs[:index], *pairs[index + 1 :], *level]
        for second, towards in rest:
            yield _about(aim, least.apply(second), towards) * least
        if index == 0:
            for k in range(_TURNS):
                yield Rotation.from_rotvec(aim * k * 2 * math.pi / _TURNS) * least


def _pairs(problem: Problem) -> tuple[list[tuple[FloatArray, FloatArray]], ...]:
    """Unit vectors of the thing and those that they shall become; those of headings apart."""
    pairs: list[tuple[FloatArray, FloatArray]] = []
    level: list[tuple[FloatArray, FloatArray]] = []
    points = [t for t in problem.flat if isinstance(t, Position) and t.equal]
    for term in (t for t in (*problem.flat, *problem.wishes) if isinstance(t, Pointing)):
        pair = term.pair
        if term.place is not None and not term.item.angle:
            stands = [point.goal for point in points] or [term.start.position]
            pair = (term.axis, term.place - np.mean(stands, axis=0))
        if pair is not None:
            (level if term.level else pairs).append(pair)
    whole = [point for point in points if not point.level]
    for first, second in itertools.combinations(whole, 2):
        pairs.append((second.point.position - first.point.position, second.goal - first.goal))
    kept = [
        [(a / np.linalg.norm(a), b / np.linalg.norm(b)) for a, b in found if _long(a) and _long(b)]
        for found in (pairs, level)
    ]
    return kept[0], kept[1]


def _long(vector: FloatArray) -> bool:
    return float(np.linalg.norm(vector)) > _SHORT


def _least(axis: FloatArray, aim: FloatArray) -> Rotation:
    """The least turn that takes one unit vector to another."""
    cross = np.cross(axis, aim)
    sine, cosine = float(np.linalg.norm(cross)), float(axis @ aim)
    if sine < 1e-9:
        if cosine > 0:
            return Rotation.identity()
        # Any axis across will do, as long as it is always the same one.
        cross = np.cross(axis, np.eye(3)[int(np.abs(axis).argmin())])
        sine = float(np.linalg.norm(cross))
        return Rotation.from_rotvec(cross / sine * math.pi)
    return Rotation.from_rotvec(cross / sine * math.atan2(sine, cosine))


def _about(direction: FloatArray, vector: FloatArray, aim: FloatArray) -> Rotation:
    """The turn about a direction that brings a vector as near as possible to another."""
    cross = np.cross(vector, aim) @ direction
    dot = vector @ aim - (vector @ direction) * (aim @ direction)
    return Rotation.from_rotvec(direction * math.atan2(cross, dot))


def _between(first: Rotation, second: Rotation) -> float:
    return float((first.inv() * second).magnitude())
