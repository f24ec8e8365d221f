# SPDX-License-Identifier: Apache-2.0
"""The same scene in another frame: the same candidates, in the same order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tack_grasping.candidates import (
    AcrossPoints,
    AlongPoints,
    AtPoint,
    GraspConfig,
    GraspPlan,
    GraspSpec,
    plan_grasps,
    teach_frame,
)
from tack_grasping.candidates.uncertainty import moved_along
from tack_grasping.fingers import Surroundings
from tack_grasping.points import NamedPoint
from tack_grasping.robot import Gripper
from tack_perception import geometry

UP = np.array([0.0, 0.0, 1.0])
FLOOR = 0.003
PLACES = {
    "top": (0.004, -0.002, 0.05), "left": (-0.006, -0.0115, 0.038), "right": (0.002, 0.012, 0.038),
    "end": (0.07, 0.022, 0.038),
}  # fmt: skip
SPECS = {
    "normal": AtPoint("top"),
    "down": AtPoint("top", "down"),
    "across": AcrossPoints("left", "right"),
    "around": AcrossPoints("left", "right", "around"),
    "along": AlongPoints("top", "end"),
}


def scene() -> dict[str, NamedPoint]:
    rng = np.random.default_rng(8)
    points = {}
    for label, place in PLACES.items():
        root = rng.normal(size=(3, 3)) * 0.001
        normal = geometry.unit(rng.normal(0, 0.2, 3) + UP)
        points[label] = NamedPoint(label, np.array(place), root @ root.T, 0.9, normal)
    return points


def plan(
    spec: GraspSpec, move: np.ndarray, cloud: np.ndarray | None, gripper: Gripper, *, up: bool
) -> GraspPlan:
    surroundings = None
    if cloud is not None:
        floor = FLOOR + float(geometry.rotate(move, UP) @ move[:3, 3]) if up else None
        surroundings = Surroundings(geometry.apply(move, cloud), gripper, floor)
    return plan_grasps(
        {label: point.moved(move) for label, point in scene().items()},
        spec,
        "base",
        7,
        up=geometry.rotate(move, UP) if up else None,
        surroundings=surroundings,
        config=GraspConfig(insertion=0.02, max_tilt=180, max_sigma=0.1, turns=6),
    )


def same(here: GraspPlan, there: GraspPlan, move: np.ndarray, *, halves: bool = False) -> None:
    """Without a cloud nothing tells half a turn of the gripper: there, `halves` are the same."""
    assert len(here.goals) == len(there.goals)
    half = np.diag([-1.0, -1.0, 1.0, 1.0])
    for first, second in zip(here.goals, there.goals, strict=True):
        there_from_gripper, covariance = second.grasp, second.pose_covariance
        if halves and first.grasp[:3, 0] @ move[:3, :3].T @ second.grasp[:3, 0] < 0:
            there_from_gripper = there_from_gripper @ half
            covariance = moved_along(covariance, half)
        assert_allclose(there_from_gripper, move @ first.grasp, atol=1e-6)
        assert second.score == pytest.approx(first.score, rel=1e-6)
        assert dict(second.terms) == pytest.approx(dict(first.terms), rel=1e-6, abs=1e-9)
        assert second.why == first.why
        assert_allclose(covariance, first.pose_covariance, atol=1e-6 * first.pose_covariance.max())
    assert [one.reason for one in there.rejected] == [one.reason for one in here.rejected]
    for first, second in zip(here.rejected, there.rejected, strict=True):
        assert_allclose(second.frame_from_gripper, move @ first.frame_from_gripper, atol=1e-6)
    assert here.refusal == there.refusal


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("seen", [True, False], ids=["cloud", "no cloud"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
@example([0.0, 0.0, 0.0, 0.0, 0.0, 1.5707963])
def test_candidates_do_not_depend_on_the_frame(rod, gripper, spec, seen, twist) -> None:
    cloud = rod() if seen else None
    move = geometry.exp(twist)
    same(
        plan(spec, np.eye(4), cloud, gripper, up=True), plan(spec, move, cloud, gripper, up=True),
        move, halves=not seen,
    )  # fmt: skip


@pytest.mark.parametrize(
    "spec", [SPECS["normal"], SPECS["around"], SPECS["along"]], ids=["normal", "around", "along"]
)
@pytest.mark.parametrize("seen", [True, False], ids=["cloud", "no cloud"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_nor_do_they_where_up_is_not_known(rod, gripper, spec, seen, twist) -> None:
    cloud = rod() if seen else None
    move = geometry.exp(twist)
    same(
        plan(spec, np.eye(4), cloud, gripper, up=False), plan(spec, move, cloud, gripper, up=False),
        move, halves=not seen,
    )  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_a_taught_grasp_does_not_either(rod, gripper, twist) -> None:
    shown = geometry.make_transform(np.diag([1.0, -1.0, -1.0]), (0.0, 0.0, 0.03))
    spec = teach_frame(scene(), shown, 0.06)
    move = geometry.exp(twist)
    here = plan(spec, np.eye(4), rod(), gripper, up=True)
    assert here.goals
    same(here, plan(spec, move, rod(), gripper, up=True), move)
