# SPDX-License-Identifier: Apache-2.0
"""What must not change the motion: the frame of the goals, the order of writing, another run."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from tack_grasping.placing.reading import load_place, place_names
from tack_grasping.placing.scene import Container, Support
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import (
    Axis,
    Box,
    ClearOf,
    Cost,
    Direction,
    KeepTurn,
    Near,
    On,
    PlaceSpec,
    PointAt,
    Where,
)
from tack_perception import geometry
from test.tack_grasping.placing import scenes

TABLE = scenes.pose((0, 0, 1), 30, (0.3, 0.1, 0.02))
SPECS = {
    **{name: load_place(name) for name in place_names()},
    "free yaw": PlaceSpec("free", (Axis("bottom", "rim"), On("table", 0.005))),
    "peg": PlaceSpec(
        "peg",
        (
            PointAt("middle", Where(object="neighbour", point="rim", above=0.05), 0.01),
            Axis("bottom", "rim", towards=Where((0.5, 0.5, 0.5), frame="table")),
        ),
    ),
    "clear": PlaceSpec(
        "clear",
        (
            Near("bottom", Where((0.1, 0, 0), frame="table"), 0.2),
            ClearOf(0.03, box=Box((0.1, 0, 0.1), (0.1, 0.1, 0.2), frame="table")),
            On("table", 0.005),
        ),
        (Cost(KeepTurn(0.5)),),
    ),
    "lying": PlaceSpec("lying", (Axis("bottom", "rim", angle=math.pi / 2), On("table", 0.005))),
    "within reach": PlaceSpec(
        "reach",
        (Axis("bottom", "handle", along=Direction("vector", (0, 1, 1), "table"), tolerance=0.1),),
        (Cost(Near("rim", Where((0.1, 0.2, 0.3), "table"), 0.05)),),
    ),
}


def scene(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    points, cloud = scenes.mug(scenes.random_pose(rng))
    neighbour, _ = scenes.mug(TABLE @ scenes.pose(at=(0.1, -0.2, 0)))
    return {
        "points": points,
        "up": np.array([0.0, 0, 1]),
        "cloud": cloud,
        "supports": {"table": Support(TABLE, (1.5, 1.5))},
        "bins": {"bin": Container(TABLE @ scenes.pose(at=(0.2, 0.3, 0)), (0.3, 0.25, 0.1))},
        "others": {"neighbour": neighbour},
        "frames": {"table": TABLE},
    }


def seen_from(scene: dict, other_from_this: np.ndarray) -> dict:
    def moved(points: dict) -> dict:
        return {label: point.moved(other_from_this) for label, point in points.items()}

    def pose(matrix: np.ndarray) -> np.ndarray:
        return geometry.nearest_transform(other_from_this @ matrix)

    return {
        "points": moved(scene["points"]),
        "up": geometry.rotate(other_from_this, scene["up"]),
        "cloud": geometry.apply(other_from_this, scene["cloud"]),
        "supports": {n: Support(pose(s.pose), s.size) for n, s in scene["supports"].items()},
        "bins": {n: Container(pose(b.pose), b.size) for n, b in scene["bins"].items()},
        "others": {n: moved(points) for n, points in scene["others"].items()},
        "frames": {n: pose(frame) for n, frame in scene["frames"].items()},
    }


def solve(spec: PlaceSpec, scene: dict) -> Placement:
    found = solve_placement(spec, **scene)
    assert found.motion is not None, found.refusal
    return found


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("seed", range(4))
def test_the_frame_does_not_matter(name: str, seed: int) -> None:
    here = scene(seed)
    other_from_this = scenes.random_pose(np.random.default_rng(100 + seed))
    first, second = solve(SPECS[name], here), solve(SPECS[name], seen_from(here, other_from_this))
    expected = other_from_this @ first.motion @ geometry.inverse(other_from_this)
    np.testing.assert_allclose(second.motion, expected, atol=1e-6)
    for one, other in zip(first.report, second.report, strict=True):
        assert other.value == pytest.approx(one.value, abs=1e-6)
        assert other.sigma == pytest.approx(one.sigma, rel=1e-3, abs=1e-6, nan_ok=True)


def test_the_order_of_constraints_does_not_matter() -> None:
    here = scene(1)
    spec = SPECS["row"]
    first = solve(spec, here)
    lines = {line.words: line for line in first.report}
    for order in itertools.islice(itertools.permutations(spec.constraints), 0, 120, 17):
        again = solve(dataclasses.replace(spec, constraints=order), here)
        np.testing.assert_array_equal(again.motion, first.motion)
        assert {line.words: line for line in again.report}.keys() == lines.keys()
        assert again.report[0].words.startswith(order[0].words)


def test_the_same_input_gives_the_same_bits() -> None:
    for name in ("upright", "clear"):
        first, second = (solve(SPECS[name], scene(2)) for _ in range(2))
        np.testing.assert_array_equal(first.motion, second.motion)
        assert str(first.report) == str(second.report)


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_where_all_can_be_met_the_tolerances_do_not_matter(factor: float) -> None:
    spec, here = SPECS["row"], scene(3)
    scaled = tuple(
        dataclasses.replace(item, tolerance=item.tolerance * factor) for item in spec.constraints
    )
    first, second = solve(spec, here), solve(dataclasses.replace(spec, constraints=scaled), here)
    np.testing.assert_allclose(second.motion, first.motion, atol=1e-6)


def test_from_where_it_shall_be_it_does_not_move() -> None:
    here = scene(0)
    for name in ("upright", "row", "mug_handle_right", "free yaw"):
        there = solve(SPECS[name], here).motion
        points = {label: point.moved(there) for label, point in here["points"].items()}
        cloud = geometry.apply(there, here["cloud"])
        again = solve(SPECS[name], {**here, "points": points, "cloud": cloud})
        np.testing.assert_allclose(again.motion, np.eye(4), atol=1e-5)
