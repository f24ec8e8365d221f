# SPDX-License-Identifier: Apache-2.0
"""Place specifications: how often a place that exists is found, and how long that takes.

A mug of 600 seen points lies anyhow. First the examples that come with tack. Then random
specifications that a random motion is known to meet: one to four constraints of all kinds, without
and with a wish. Last, such ones with a contradiction: a point that shall be in two places.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_grasping.placing.reading import load_place, place_names
from tack_grasping.placing.scene import Container, Support
from tack_grasping.placing.solve import Placement, solve_placement
from tack_grasping.placing.spec import (
    Axis,
    Box,
    ClearOf,
    Constraint,
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
from tack_grasping.points import NamedPoint
from tack_perception import geometry

FloatArray = NDArray[np.float64]
POINTS = {
    "bottom": (0, 0, 0),
    "rim": (0, 0, 0.1),
    "handle": (0.06, 0, 0.06),
    "side": (0, 0.04, 0.05),
}


def anyhow(rng: np.random.Generator) -> FloatArray:
    """(4, 4) a random pose over the table, m."""
    at = rng.uniform((0.3, -0.3, 0.05), (0.7, 0.3, 0.3))
    return geometry.from_axis_angle(rng.normal(size=3), rng.uniform(0, math.pi), at)


def mug(motion: FloatArray, rng: np.random.Generator) -> tuple[dict[str, NamedPoint], FloatArray]:
    """Named points and a cloud (600, 3) of a mug at a pose, m."""
    angles, heights = rng.uniform(0, 2 * math.pi, 600), rng.uniform(0, 0.1, 600)
    cloud = np.column_stack([0.04 * np.cos(angles), 0.04 * np.sin(angles), heights])
    points = {
        label: NamedPoint(label, np.array(at, float), 1e-6 * np.eye(3)).moved(motion)
        for label, at in POINTS.items()
    }
    return points, geometry.apply(motion, cloud)


def example(seed: int) -> tuple[dict[str, NamedPoint], dict[str, Any]]:
    """Points, and all else that the examples name."""
    rng = np.random.default_rng(seed)
    points, cloud = mug(anyhow(rng), rng)
    turn = float(rng.uniform(0, 2 * math.pi))
    neighbour, _ = mug(geometry.from_axis_angle((0, 0, 1), turn, (0.4, -0.2, 0)), rng)
    middle = np.eye(4)
    middle[0, 3] = 0.4
    return points, {
        "up": (0, 0, 1),
        "cloud": cloud,
        "supports": {"table": Support(middle, (0.8, 1.0))},
        "bins": {"bin": Container(middle, (0.3, 0.25, 0.1))},
        "others": {"neighbour": neighbour},
        "frames": {"table": middle},
    }


def random_spec(seed: int) -> tuple[PlaceSpec, dict[str, NamedPoint], dict[str, Any]]:
    """A specification that some motion meets exactly, with points and scene."""
    rng = np.random.default_rng(seed)
    here, there = anyhow(rng), anyhow(rng)
    if rng.random() < 0.5:  # most things are put down upright
        there = geometry.from_axis_angle((0, 0, 1), rng.uniform(0, 2 * math.pi), there[:3, 3])
    points, cloud = mug(here, rng)
    motion = there @ geometry.inverse(here)
    goal = {label: geometry.apply(motion, point.position) for label, point in points.items()}
    after = geometry.apply(motion, cloud)
    floor = np.eye(4)
    floor[:3, 3] = (*after.mean(axis=0)[:2], after[:, 2].min() - 0.02)
    beside = after.mean(axis=0) + np.array([0.25, 0, 0])
    table = np.eye(4)
    table[2, 3] = after[:, 2].min()
    constraints: list[Constraint] = []
    for kind in rng.choice(10, size=rng.integers(1, 5), replace=False):
        a, b = (str(label) for label in rng.choice(sorted(POINTS), 2, replace=False))
        axis = goal[b] - goal[a]
        where = Where(tuple(goal[a]))
        along = Direction("vector", tuple(axis))
        tilt = math.acos(float(axis[2] / np.linalg.norm(axis)))
        leaning = 0.2 < tilt < 2.9  # others have no heading, and no angle that is allowed
        made: Constraint = (
            PointAt(a, where, 0.005),
            PointAt(a, where, 0.005, level=True),
            Axis(a, b, along, tolerance=0.1),
            Axis(a, b, along, level=leaning, tolerance=0.1),
            Axis(a, b, towards=Where(tuple(goal[a] + 3 * axis)), tolerance=0.1),
            Axis(a, b, angle=tilt, tolerance=0.05) if leaning else Axis(a, b, along),
            On("table", 0.003),
            In("bin", 0.05),
            ClearOf(0.03, box=Box(tuple(beside), (0.2, 0.2, 0.2))),
            KeepTurn(min(geometry.rotation_angle(motion) + 0.05, math.pi)),
        )[kind]  # fmt: skip
        constraints.append(made)
    wish = Cost(Near("handle", Where((0.5, 0.5, 0.1)), 0.1))
    costs = (wish,) if rng.random() < 0.25 else ()
    scene = {
        "up": (0, 0, 1),
        "cloud": cloud,
        "supports": {"table": Support(table)},
        "bins": {"bin": Container(floor, (0.34, 0.34, 0.15))},
    }
    return PlaceSpec(f"random {seed}", tuple(constraints), costs), points, scene


def solved(
    spec: PlaceSpec, points: dict[str, NamedPoint], scene: dict[str, Any]
) -> tuple[Placement, float]:
    """The placement, and the CPU time that it took, ms."""
    started = time.process_time()
    placement = solve_placement(spec, points, **scene)
    return placement, 1e3 * (time.process_time() - started)


def tell(what: str, found: int, times: list[float]) -> None:
    """Print one line."""
    print(
        f"{what:24} {found:4} of {len(times):4}; CPU time median {np.median(times):5.1f} ms,"
        f" 95th percentile {np.percentile(times, 95):5.1f} ms, longest {max(times):5.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300, help="of each kind (default 300)")
    arguments = parser.parse_args()
    for name in place_names():
        spec = load_place(name)
        done = [solved(spec, *example(seed)) for seed in range(arguments.trials)]
        tell(f"{name}: found", sum(p.motion is not None for p, _ in done), [t for _, t in done])
    for wishes in (False, True):
        cases = [random_spec(seed) for seed in range(4 * arguments.trials)]
        cases = [case for case in cases if bool(case[0].costs) is wishes][: arguments.trials]
        done = [solved(*case) for case in cases]
        words = "random with wish: found" if wishes else "random: found"
        tell(words, sum(p.motion is not None for p, _ in done), [t for _, t in done])
    twice = (PointAt("rim", Where((0.5, 0, 0)), 0.01), PointAt("rim", Where((0.5, 0, 0.1)), 0.01))
    done = []
    for seed in range(arguments.trials):
        spec, points, scene = random_spec(seed)
        spec = dataclasses.replace(spec, constraints=(*spec.constraints, *twice))
        done.append(solved(spec, points, scene))
    tell("contradiction: refused", sum(p.motion is None for p, _ in done), [t for _, t in done])


if __name__ == "__main__":
    main()
