# SPDX-License-Identifier: Apache-2.0
"""The rows that the solver sees: their derivatives, and that what can be met is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tack_grasping.placing.problem import Problem
from tack_grasping.placing.scene import Container, Scene
from tack_grasping.placing.solve import solve_placement
from tack_grasping.placing.spec import (
    Axis,
    Box,
    ClearOf,
    Cost,
    Direction,
    In,
    KeepTurn,
    Near,
    On,
    PlaceSpec,
    PointAt,
    Where,
)
from tack_grasping.placing.state import hat, left_jacobian
from tack_perception import geometry
from test.tack_grasping.placing import scenes

SIDE = Direction("vector", (1.0, -0.3, 0.4))
FACE = Where((0.9, 0.6, 0.8))
SPOT = Where((0.2, 0.3, 0.4))
ALL = (
    PointAt("rim", SPOT, 0.01),
    PointAt("rim", SPOT, 0.01, level=True),
    Near("handle", SPOT, 0.1),
    Axis("bottom", "rim"),
    Axis("bottom", "handle", along=SIDE),
    Axis("bottom", "handle", along=SIDE, level=True),
    Axis("bottom", "handle", towards=FACE),
    Axis("bottom", "handle", towards=FACE, level=True),
    Axis("bottom", "rim", along=SIDE, angle=math.pi / 2),
    Axis("bottom", "rim", towards=FACE, angle=math.radians(40)),
    On("table", 0.01),
    On("table", 0.01, point="bottom", centre=(0.3, 0.1), size=(0.2, 0.2)),
    In("bin", 0.05),
    KeepTurn(0.5),
    ClearOf(0.05, object="peg"),
    ClearOf(0.05, box=Box((0.4, 0.1, 0.1), (0.2, 0.1, 0.1))),
)


def make(constraints, costs=()) -> Problem:
    points, cloud = scenes.mug(scenes.pose((1, 2, 3), 50, (0.4, 0.1, 0.2)))
    scene = Scene(
        points=points,
        up=np.array([0.0, 0, 1]),
        cloud=cloud,
        supports={"table": scenes.table(0.1)},
        bins={"bin": Container(scenes.pose((0, 0, 1), 30, (0.5, 0.2, 0)), (0.3, 0.2, 0.1))},
        others={"peg": {"tip": scenes.point("tip", (0.5, 0.1, 0.2))}},
    )
    own, _ = scene.canonical()
    return Problem(constraints, costs, own, own.extremes())


def differences(function, size: int = 6, step: float = 1e-6) -> np.ndarray:
    steps = step * np.eye(size)
    return np.column_stack([(function(s) - function(-s)) / (2 * step) for s in steps])


@pytest.mark.parametrize("standing", [False, True])
@pytest.mark.parametrize("item", ALL, ids=lambda item: item.words)
def test_derivatives_of_the_rows(item, standing: bool) -> None:
    problem = make((item, On("table", 0.01)) if standing else (item,))
    base = scenes.pose((0.3, -0.2, 0.5), 65, (0.05, -0.02, 0.1))
    there = problem.at(base)
    for which in ("equal", "below"):
        expected = differences(lambda step, which=which: getattr(problem.at(base, step), which)[0])
        rows, derivative = getattr(there, which)
        assert derivative.shape == (len(rows), 6)
        scale = max(np.abs(derivative).max(initial=1), 1)
        np.testing.assert_allclose(derivative / scale, expected / scale, atol=1e-6)


@pytest.mark.parametrize(
    "constraint", [On("table", 0.01), In("bin"), Axis("rim", "handle", towards=FACE)]
)
def test_derivatives_of_the_costs(constraint) -> None:
    wishes = (Cost(Near("rim", SPOT, 0.1)), Cost(Axis("bottom", "handle", along=SIDE), 3.0),
              Cost(KeepTurn(0.5)))  # fmt: skip
    problem = make((constraint,), wishes)
    base = scenes.pose((0.3, -0.2, 0.5), 65, (0.05, -0.02, 0.1))
    for level in problem.levels:
        expected = differences(lambda step, level=level: level(problem.at(base, step))[0])
        np.testing.assert_allclose(level(problem.at(base))[1], expected, atol=1e-6)


def test_the_left_jacobian_of_a_rotation() -> None:
    for turn in (np.array([0.4, -1.1, 2.0]), np.array([1e-6, 2e-6, 0]), np.zeros(3)):
        back = Rotation.from_rotvec(turn).inv()
        steps = 1e-7 * np.eye(3)
        expected = [(Rotation.from_rotvec(turn + d) * back).as_rotvec() / 1e-7 for d in steps]
        np.testing.assert_allclose(left_jacobian(turn).T, expected, atol=1e-5)
    np.testing.assert_allclose(
        hat(np.array([1.0, 2, 3])) @ (4, 5, 6), np.cross((1, 2, 3), (4, 5, 6))
    )


def upright_or_any(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.5:
        return scenes.pose((0, 0, 1), rng.uniform(0, 360), rng.uniform(0.1, 0.5, 3))
    return scenes.random_pose(rng)


@pytest.mark.parametrize("seed", range(40))
def test_what_can_be_met_is_found(seed: int) -> None:
    """Constraints that a random motion meets exactly."""
    rng = np.random.default_rng(seed)
    here, there = scenes.random_pose(rng), upright_or_any(rng)
    points, cloud = scenes.mug(here)
    goal, after = scenes.mug(there)
    place = {label: Where(tuple(point.position)) for label, point in goal.items()}

    def axis(start: str, end: str) -> Direction:
        return Direction("vector", tuple(goal[end].position - goal[start].position))

    middle, low = after.mean(axis=0), float(after[:, 2].min())
    turn = geometry.rotation_angle(there @ geometry.inverse(here))
    choices = (
        PointAt("rim", place["rim"], 0.003),
        PointAt("handle", place["handle"], 0.003, level=True),
        Axis("bottom", "rim", along=axis("bottom", "rim"), tolerance=0.05),
        Axis("middle", "handle", towards=place["handle"], tolerance=0.1),
        On("table", 0.002),
        In("bin", 0.03),
        ClearOf(0.03, box=Box(tuple(middle + np.array([0.0, 0.25, 0])), (0.2, 0.2, 0.2))),
        KeepTurn(min(turn + 0.02, math.pi)),
        Near("bottom", place["bottom"], 0.05),
    )
    chosen = rng.choice(len(choices), size=rng.integers(1, 5), replace=False)
    spec = PlaceSpec("any", tuple(choices[i] for i in chosen))
    floor = scenes.pose(at=(*middle[:2], low - 0.01))
    found = solve_placement(
        spec,
        points,
        up=(0, 0, 1),
        cloud=cloud,
        supports={"table": scenes.table(low)},
        bins={"bin": Container(floor, (0.3, 0.3, 0.1))},
    )
    assert found.motion is not None, found.refusal
    assert all(line.met for line in found.report)
