# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_grasping.motion import GripperState, MotionError
from tack_grasping.procedure import PickOutcome, pick_and_place
from tack_grasping.robot import Gripper
from tack_perception import geometry

GRIPPER = Gripper(
    "test_hand", ("finger",), 0.08, 0.0, 0.04, 0.05, 0.02, 0.01, 40.0, 0.1, np.eye(4), "grip",
    "gripper_command", ("hand",),
)  # fmt: skip


class Arm:
    """An arm in empty space that keeps a diary; it fails at the call with a given number."""

    def __init__(self, fails_at: int = -1, thing: float = 0.03) -> None:
        self.diary: list[str] = []
        self.gripper = geometry.make_transform(np.eye(3), (0, 0, 1))
        self._fails_at, self._thing = fails_at, thing

    def _note(self, what: str) -> None:
        self.diary.append(what)
        if len(self.diary) - 1 == self._fails_at:
            raise MotionError(MoveItErrorCode.NO_IK_SOLUTION)

    def move_to(self, base_from_gripper: np.ndarray) -> None:
        self._note("to")
        self.gripper = base_from_gripper

    def move_straight(self, base_from_gripper: np.ndarray, *, touching: bool = False) -> None:
        self._note("straight")
        np.testing.assert_allclose(base_from_gripper[:3, :3], self.gripper[:3, :3], atol=1e-12)
        self.gripper = base_from_gripper

    def move_home(self) -> None:
        self._note("home")

    def move_gripper(self, opening: float, force: float) -> GripperState:
        self._note(f"grip {opening:g}")
        held = opening < self._thing
        return GripperState(max(opening, self._thing), force if held else 0.0, held, not held)

    def stop(self) -> None:
        self._note("stop")


def goal(place: bool) -> PickPlaceGoal:
    def at(x: float, z: float) -> np.ndarray:
        return geometry.make_transform(np.diag([1.0, -1.0, -1.0]), (x, 0.0, z))

    poses = {"preplace": at(0.7, 0.3), "place": at(0.7, 0.1), "retreat": at(0.7, 0.25)}
    return PickPlaceGoal(
        "handle", "base", 0, at(0.4, 0.2), at(0.4, 0.1), at(0.4, 0.3), np.eye(3) * 1e-6, 0.06, 0.5,
        {}, "because", **(poses if place else {}),
    )  # fmt: skip


def run(arm: Arm, place: bool = True) -> tuple[PickOutcome, list[str]]:
    ticks = itertools.count()
    stages: list[str] = []
    outcome = pick_and_place(
        goal(place), arm, GRIPPER, on_stage=stages.append, clock=lambda: float(next(ticks))
    )
    return outcome, stages


def test_a_pick_and_place_goes_through_all_stages_in_order() -> None:
    arm = Arm()
    outcome, stages = run(arm)
    assert outcome.success
    assert stages == [
        "open", "pregrasp", "approach", "close", "lift", "carry", "place", "release", "retreat",
    ]  # fmt: skip
    assert arm.diary[0] == arm.diary[7] == "grip 0.06"
    assert arm.diary[3] == "grip 0"
    assert list(outcome.seconds) == stages
    assert set(outcome.seconds.values()) == {1.0}
    assert outcome.grasped_width == 0.03
    np.testing.assert_allclose(arm.gripper[:3, 3], (0.7, 0, 0.25))


def test_where_the_straight_way_to_the_place_is_blocked_any_free_way_will_do() -> None:
    class Blocked(Arm):
        def move_straight(self, pose: np.ndarray, *, touching: bool = False) -> None:
            if pose[0, 3] > 0.6:
                self.diary.append("blocked")
                raise MotionError(MoveItErrorCode.PLANNING_FAILED, "only 55 % is possible")
            super().move_straight(pose, touching=touching)

    arm = Blocked()
    outcome, _ = run(arm)
    assert outcome.success
    assert arm.diary[5:] == ["to", "blocked", "to", "grip 0.06", "blocked", "to"]


def test_an_object_that_touches_down_early_is_let_go_there() -> None:
    class Touching(Arm):
        def move_straight(self, pose: np.ndarray, *, touching: bool = False) -> None:
            if pose[0, 3] > 0.6 and pose[2, 3] < 0.15:
                raise MotionError(MoveItErrorCode.CONTROL_FAILED, "0.02 rad away from the goal")
            super().move_straight(pose, touching=touching)

    outcome, stages = run(Touching())
    assert outcome.success
    assert stages[-3:] == ["place", "release", "retreat"]


def test_a_pick_without_a_place_ends_with_the_lift() -> None:
    arm = Arm()
    outcome, stages = run(arm, place=False)
    assert outcome.success
    assert stages[-1] == "lift"


def test_fingers_that_meet_nothing_are_a_failed_grasp() -> None:
    arm = Arm(thing=0.0)
    outcome, stages = run(arm)
    assert (outcome.success, outcome.stage) == (False, "close")
    assert "the fingers met nothing (opening 0.0 mm)" in outcome.reason
    assert outcome.grasped_width == 0.0
    assert stages[-1] == "close"


@pytest.mark.parametrize("number", range(9))
def test_a_motion_that_fails_ends_the_sequence_with_its_code(number: int) -> None:
    arm = Arm(fails_at=number)
    outcome, stages = run(arm)
    assert not outcome.success
    assert outcome.code is MoveItErrorCode.NO_IK_SOLUTION
    assert outcome.stage == stages[-1] == stages[number]
    assert len(arm.diary) == number + 1
    assert outcome.reason == f"{stages[number]}: the pose cannot be reached (NO_IK_SOLUTION -31)"
    assert math.isnan(outcome.grasped_width) == (number <= 3)
