# SPDX-License-Identifier: Apache-2.0
"""How the arm comes to a grasp where the first way there is not free."""

from __future__ import annotations

import itertools

import pytest
from scripted import Scripted, error, names
from test_tree import PICK, PUT

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.scene.touching import Touching


def test_an_arm_that_is_in_its_own_way_comes_in_another_posture() -> None:
    robot = Scripted({"straight grasp": [error(Code.PLANNING_FAILED, "only 60%")]})
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    at = robot.calls.index("straight grasp")
    assert robot.calls[at : at + 3] == ["straight grasp", "to pregrasp", "straight grasp"]
    assert robot.onwards == [("pregrasp", "grasp")]


def test_without_such_a_posture_the_next_grasp_is_tried() -> None:
    robot = Scripted(
        {
            "straight grasp": [error(Code.PLANNING_FAILED, "only 60%")],
            "to pregrasp": [None, error(Code.PLANNING_FAILED, "in none of 8 postures")],
        }
    )
    record = robot.run()
    assert record.success
    assert "approach!" in names(record)
    assert record.rejected == ("approach: only 60%; turned by 0",)


def test_an_arm_that_stalls_on_its_way_is_in_no_wrong_posture() -> None:
    robot = Scripted({"straight grasp": [error(Code.CONTROL_FAILED, "it stalls")]})
    assert robot.run().success
    assert robot.onwards == []


def test_a_stop_on_the_way_to_another_posture_is_a_stop() -> None:
    robot = Scripted(
        {
            "straight grasp": [error(Code.PLANNING_FAILED, "only 60%")],
            "to pregrasp": [None, error(Code.PREEMPTED)],
        }
    )
    assert robot.run().code is Code.PREEMPTED
    assert robot.calls[-1] == "to pregrasp"


def test_where_the_open_gripper_has_no_room_it_opens_less() -> None:
    robot = Scripted({"to pregrasp": [error(Code.GOAL_IN_COLLISION, "a knuckle and a board")]})
    robot.least_width = 0.03
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    assert robot.openings[:2] == [0.08, 0.03]
    assert robot.openings[-1] == 0.03  # so it lets go as well


@pytest.mark.parametrize("least", [None, 0.078])
def test_a_gripper_that_cannot_open_less_begins_farther_away(least: float | None) -> None:
    robot = Scripted({"to pregrasp": [error(Code.GOAL_IN_COLLISION, "a knuckle and a board")]})
    robot.least_width = least
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    assert set(robot.openings) == {0.08, 0.0}
    assert robot.calls.count("to pregrasp") == 2
    assert record.attempts == 1


def test_what_is_out_of_reach_is_not_tried_from_farther_away() -> None:
    robot = Scripted({"to pregrasp": [error(Code.NO_IK_SOLUTION, "too far")]})
    record = robot.run()
    assert record.success
    assert "pregrasp!" in names(record)
    assert robot.calls.count("to pregrasp") == 2  # the next candidate


def test_of_several_ways_in_the_first_reason_is_told() -> None:
    beyond = [error(Code.GOAL_IN_COLLISION, "a board"), *3 * [error(Code.NO_IK_SOLUTION, "far")]]
    robot = Scripted({"to pregrasp": itertools.cycle(beyond)}, goals=1)
    robot.least_width = 0.03
    record = robot.run()
    assert not record.success
    assert "pregrasp: a board" in record.reason
    assert any("opened to 30 mm only; begun 180 mm farther away" in w for w in record.rejected)


BEGUN = error(Code.START_STATE_IN_COLLISION, "a knuckle and thing_1 overlap by 0.4 mm")


@pytest.mark.parametrize("refused", [BEGUN, error(Code.PLANNING_FAILED, "only 0%")])
def test_what_touches_something_already_may_go_on_touching_it_on_its_way_out(
    refused: Exception,
) -> None:
    robot = Scripted(
        {
            "straight grasp": [error(Code.CONTROL_FAILED, "it stalls")],
            "straight pregrasp": [refused],
        }
    )
    assert robot.run().success
    assert robot.touching["pregrasp"] is Touching.OUT


def test_it_lifts_what_it_holds_out_of_what_it_touches() -> None:
    robot = Scripted({"straight lift": [BEGUN]})
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    assert robot.touching["lift"] is Touching.OUT
    assert robot.touching["grasp"] is Touching.THINGS


@pytest.mark.parametrize(("call", "times"), [("to pregrasp", 1), ("home", 2)])
def test_a_motion_that_begins_touching_something_begins_higher_up(call: str, times: int) -> None:
    """Home: first without the box of what was let go."""
    robot = Scripted({call: [BEGUN] * times})
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    calls = [name for name in robot.calls if "box" not in name]
    at = calls.index(call) + times
    assert calls[at : at + 3] == ["glance", "straight ", call]


def test_a_view_is_gone_to_from_higher_up_too() -> None:
    robot = Scripted({"straight grasp": [error(Code.CONTROL_FAILED, "it stalls")], "home": [BEGUN]})
    record = robot.run()
    assert record.success
    assert "view!" not in names(record)
