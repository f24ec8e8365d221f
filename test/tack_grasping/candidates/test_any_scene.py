# SPDX-License-Identifier: Apache-2.0
"""Whatever the scene is like, there are goals, or sentences that say why not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tack_grasping.candidates import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    GraspConfig,
    plan_grasps,
    teach_frame,
)
from tack_grasping.fingers import Surroundings
from tack_grasping.points import NamedPoint
from tack_perception import geometry

SPECS = {
    "normal": AtPoint("a"),
    "down": AtPoint("a", "down", opening=0.03),
    "across": AcrossPoints("a", "b"),
    "normals": AcrossPoints("a", "b", "normal"),
    "around": AcrossPoints("a", "b", "around", opening=0.05),
    "along": AlongPoints("b", "c", "middle"),
    "taught": None,
}


def clouds(rng: np.random.Generator) -> np.ndarray:
    """A cloud of any kind: none, a point many times, a line, a plane, a lump, or far away."""
    count = int(rng.choice([0, 1, 7, 40, 800]))
    shape = rng.choice(["point", "line", "plane", "lump", "far"])
    flat = {"point": (0, 0, 0), "line": (1, 0, 0), "plane": (1, 1, 0), "lump": (1, 1, 1)}
    scale = np.array(flat.get(shape, (1, 1, 1))) * rng.choice([0.003, 0.03, 0.2])
    turn = geometry.exp([0, 0, 0, *rng.normal(0, 1, 3)])
    away = 5.0 if shape == "far" else 0.0
    return geometry.rotate(turn, rng.uniform(-1, 1, (count, 3)) * scale) + away


def scene(rng: np.random.Generator) -> dict[str, NamedPoint]:
    points = {}
    for label in "abc":
        root = rng.normal(size=(3, 3)) * rng.choice([0.0, 1e-4, 2e-3, 1e-2])
        place = rng.normal(0, 1, 3) * rng.choice([0.0, 1e-3, 0.03, 0.5])
        normal = geometry.unit(rng.normal(size=3)) if rng.random() < 0.8 else None
        if rng.random() < 0.95:
            points[label] = NamedPoint(label, place, root @ root.T, rng.uniform(0.2, 1), normal)
    return points


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans(), st.floats(-0.05, 0.1))
def test_every_candidate_is_a_goal_or_has_a_reason(gripper, name, seed, seen, up, insertion):
    rng = np.random.default_rng(seed)
    spec = SPECS[name] or teach_frame(
        {k: NamedPoint(k, np.eye(3)[i] * 0.05, np.eye(3)) for i, k in enumerate("abc")},
        geometry.exp(rng.normal(0, 1, 6)),
        0.06,
    )
    needs_up = getattr(spec, "approach", "") == "down"
    around = Surroundings(clouds(rng), gripper, -0.01 if rng.random() < 0.5 else None)
    plan = plan_grasps(
        scene(rng), spec, "base", 7,
        up=geometry.unit(rng.normal(size=3)) if up or needs_up else None,
        surroundings=around if seen else None,
        reachable=(lambda pose: float(pose[0, 0] > -0.5)) if rng.random() < 0.5 else None,
        config=GraspConfig(insertion=insertion, turns=int(rng.integers(1, 10))),
    )  # fmt: skip
    assert bool(plan.goals) != bool(plan.refusal)
    for goal in plan.goals:
        geometry.check_transform(goal.grasp)
        assert 0 <= goal.score <= 1
        assert np.isfinite(goal.pose_covariance).all()
        assert goal.why
    for rejected in plan.rejected:
        geometry.check_transform(rejected.frame_from_gripper)
        assert "nan" not in rejected.reason
        assert rejected.reason
    scores = [round(goal.score, 9) for goal in plan.goals]
    assert scores == sorted(scores, reverse=True)
