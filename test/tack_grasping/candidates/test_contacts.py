# SPDX-License-Identifier: Apache-2.0
"""What the fingers meet, and the shape of the cloud, on surfaces of known shape."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tack_grasping.candidates.contacts import Contacts, Side, contacts, run, width_needed
from tack_grasping.candidates.local_cloud import LocalCloud, closing_directions, turn_between
from tack_grasping.candidates.plan import counted

ABOVE = np.array([0.0, 0.0, -1.0])


def wall(y: float, slope: float = 0.0) -> np.ndarray:
    """A wall beside the gripper's middle, leaning by `slope` rad from facing the finger."""
    rng = np.random.default_rng(int(1000 * abs(y)) + int(1000 * slope))
    x, z = rng.uniform(-0.01, 0.01, 400), rng.uniform(-0.02, -0.003, 400)
    return np.column_stack([x, y + (z + 0.003) * math.copysign(math.tan(slope), y), z])


def seen_from(points: np.ndarray, gripper) -> Contacts | None:
    cloud = LocalCloud(points, np.eye(4))
    return contacts(cloud.points, cloud.normals, 0.08, gripper)


@pytest.mark.parametrize("slope", [0.0, 0.3, 0.6])
def test_the_angle_of_a_side_is_that_of_its_wall(gripper, slope) -> None:
    met = seen_from(np.concatenate([wall(-0.015, slope), wall(0.02, 0.1)]), gripper)
    assert met is not None
    assert (met.low.angle, met.high.angle) == pytest.approx((slope, 0.1), abs=0.02)
    assert met.depth == pytest.approx(0.02, abs=0.001)
    half = gripper.finger_width / 2
    assert met.across == pytest.approx((-0.01 - half, 0.01 + half), abs=0.001)


def test_a_top_is_no_side(gripper) -> None:
    rng = np.random.default_rng(0)
    top = np.column_stack([rng.uniform(-0.012, 0.012, (900, 2)), np.full(900, -0.02)])
    met = seen_from(top, gripper)
    assert met is not None
    assert not met.low.seen
    assert not met.high.seen
    assert met.beyond(0.1) == 0
    assert seen_from(np.zeros((0, 3)), gripper) is None


def test_antipodality_falls_towards_the_cone_and_is_nothing_beyond() -> None:
    def term(low: float, high: float) -> float:
        return Contacts(Side(low), Side(high), (-1, 1), 0.01).antipodality(math.radians(40))

    angles = np.radians([0, 10, 20, 30, 40])
    terms = [term(angle, 0.0) for angle in angles]
    assert terms[0] == 1
    assert terms == sorted(terms, reverse=True)
    assert term(math.radians(41), 0.0) == 0
    assert term(0.0, 0.0) > term(math.nan, 0.0) > term(math.nan, math.nan) > 0
    assert term(math.nan, 0.0) > term(math.radians(38), 0.0)
    doubtful = Side(math.radians(45), math.radians(3))
    assert doubtful.worth(math.radians(40)) == pytest.approx(0.2)
    assert doubtful.beyond(math.radians(35)) == pytest.approx(math.radians(4))


def test_the_stretch_in_the_middle_ends_at_a_gap() -> None:
    values = np.concatenate([np.linspace(-0.05, -0.03, 20), np.linspace(-0.01, 0.02, 30), [0.06]])
    assert run(values) == pytest.approx((-0.01, 0.02))
    assert run(np.array([0.03, 0.031])) == pytest.approx((0.03, 0.031))
    assert run(np.zeros(0)) == (0.0, 0.0)


def test_the_width_needed_counts_what_the_fingers_would_stand_on(gripper) -> None:
    y = np.linspace(-0.06, 0.05, 200)
    bar = np.column_stack([np.zeros(200), y, np.full(200, -0.01)])
    assert width_needed(bar, gripper) == pytest.approx(0.11)


def surface(bend_x: float, bend_y: float, turn: float, seed: int = 3) -> np.ndarray:
    """A surface z = -(bend_x x² + bend_y y²)/2 seen from above, turned about z."""
    x, y = np.random.default_rng(seed).uniform(-0.02, 0.02, (2, 4000))
    z = -(bend_x * x * x + bend_y * y * y) / 2
    cos, sin = math.cos(turn), math.sin(turn)
    return np.column_stack([cos * x - sin * y, sin * x + cos * y, z])


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
def test_the_strongest_bend_proposes_the_closing_direction(turn) -> None:
    (found, reason), *_ = closing_directions(surface(60, 5, turn), np.zeros(3), ABOVE, 0.02)
    assert abs(found @ (math.cos(turn), math.sin(turn), 0)) > math.cos(math.radians(2))
    assert reason == "across the strongest bend"


def test_a_ball_a_plane_and_a_groove_propose_no_bend() -> None:
    for shape in (surface(40, 40, 0), surface(0, 0, 0), surface(-60, -5, 0)):
        reasons = [reason for _, reason in closing_directions(shape, np.zeros(3), ABOVE, 0.02)]
        assert "across the strongest bend" not in reasons
    assert closing_directions(np.zeros((3, 3)), np.zeros(3), ABOVE, 0.02) == []


def test_a_flat_long_thing_proposes_its_narrow_side() -> None:
    x, y = np.random.default_rng(5).uniform((-0.05, -0.012), (0.05, 0.012), (3000, 2)).T
    bar = np.column_stack([x, y, np.zeros(3000)])
    ((found, reason),) = closing_directions(bar, np.zeros(3), ABOVE, 0.02)
    assert abs(found[1]) > math.cos(math.radians(3))
    assert reason == "across its width"


def test_turns_between_closing_directions_are_less_than_half_a_turn() -> None:
    x, y = np.eye(3)[:2]
    assert turn_between(x, y, np.array([0, 0, 1])) == pytest.approx(math.pi / 2)
    assert turn_between(x, -x, np.array([0, 0, 1])) == 0
    assert turn_between(x, np.array([1, -1e-13, 0]), np.array([0, 0, 1])) == 0


def test_normals_are_nothing_where_there_is_no_surface() -> None:
    rng = np.random.default_rng(6)
    ball = LocalCloud(rng.uniform(-0.01, 0.01, (300, 3)), np.eye(4))
    plane = LocalCloud(rng.uniform(-0.02, 0.02, (900, 3)) * (1, 1, 0), np.eye(4))
    assert np.isnan(ball.normals(np.ones(len(ball.points), bool))).any(axis=1).mean() > 0.8
    flat = plane.normals(np.ones(len(plane.points), bool))
    assert np.nanmin(np.abs(flat[:, 2])) > 0.999
    few = LocalCloud(rng.uniform(0, 1, (5, 3)), np.eye(4))
    assert np.isnan(few.normals(np.ones(5, bool))).all()


def test_reasons_are_counted_by_kind() -> None:
    reasons = ["turn 1 of 3: fingers would hit 4 cells", "turn 2 of 3: fingers would hit 9 cells",
               "turn 3 of 3: opening 93 mm needed"]  # fmt: skip
    assert counted(reasons) == "2 × fingers would hit 4 cells; opening 93 mm needed"
