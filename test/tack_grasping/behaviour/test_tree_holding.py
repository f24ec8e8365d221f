# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import (
    CALLS,
    ONE_TRY,
    PLACE,
    SOURCE,
    Scripted,
    always,
    down,
    error,
    moves,
    names,
    slip,
    stage_error,
)

from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.error_codes import MoveItErrorCode as Code


@pytest.mark.parametrize("call", ["straight lift", "to preplace"])
def test_what_slips_is_grasped_again(call: str) -> None:
    robot = Scripted({call: [slip]})
    record = robot.run()
    assert record.success
    failed = [stage for stage in record.stages if not stage.success]
    assert len(failed) == 1
    assert "it was lost: the fingers went from 40.0 to 0.0 mm" in failed[0].reason
    assert record.attempts == 2


@pytest.mark.parametrize("by", [0.008, 0.012])
def test_what_turns_in_the_fingers_is_held_and_what_slips_is_put_back(by: float) -> None:
    def turn(robot: Scripted) -> None:
        robot.grip -= by

    robot = Scripted({"straight lift": [turn]})
    record = robot.run()
    assert record.success
    assert record.attempts == (1 if by < BehaviourConfig().slip else 2)
    if record.attempts == 2:
        after = robot.calls[robot.calls.index("straight lift") :]
        assert [c for c in after if c not in ("glance", "hold", "let go")][:5] == [
            "straight lift", "gripper close", "to lift", "straight grasp", "gripper open",
        ]  # fmt: skip


def test_what_is_seen_to_lie_there_still_is_put_back_rather_than_dropped() -> None:
    """The fingers hold something all the same: a part of it, or what stood beside it."""
    robot = Scripted({"straight lift": [lambda r: r.blocks.append(SOURCE)]})
    record = robot.run(config=ONE_TRY)
    assert names(record)[-2:] == ["verify lift!", "come back"]
    assert "it still lies where it was" in record.reason
    assert robot.calls[-3:] == ["straight grasp", "gripper open", "straight pregrasp"]


@pytest.mark.parametrize("code", [Code.PLANNING_FAILED, Code.CONTROL_FAILED, Code.FAILURE])
def test_what_cannot_be_carried_is_put_back_and_grasped_again(code: Code) -> None:
    robot = Scripted({"to preplace": [error(code)]})
    record = robot.run()
    assert record.success
    assert record.attempts == 2
    back = robot.calls[robot.calls.index("to preplace") :]
    assert back[:7] == [
        "to preplace", "let go", "glance", "hold", "to lift", "let go", "straight grasp",
    ]  # fmt: skip


def test_what_is_held_beside_its_neighbours_goes_up_until_it_is_clear() -> None:
    beside = error(Code.START_STATE_IN_COLLISION, "held and thing_1 overlap by 12 mm")
    heights: list[float] = []
    robot = Scripted(
        {
            "to preplace": [beside, beside],
            "straight ": [None, lambda robot: heights.append(robot.pose[2, 3])],
        }
    )
    record = robot.run()
    assert record.success
    assert record.attempts == 1
    way = robot.calls[robot.calls.index("straight lift") :]
    rise = ["hold", "to preplace", "let go", "glance", "straight "]
    begun = way.index("hold")
    assert way[begun : begun + 12] == [*rise, *rise, "hold", "to preplace"]
    lift = robot._pose_of("lift")[2, 3]
    assert heights == pytest.approx([lift + 0.06])  # where it was when the second rise began


def test_what_never_gets_clear_is_put_back_as_it_came() -> None:
    beside = error(Code.START_STATE_IN_COLLISION, "held and thing_1 overlap by 12 mm")
    robot = Scripted({"to preplace": always(beside)})
    record = robot.run(config=ONE_TRY)
    assert record.reason.startswith("carry: held and thing_1 overlap by 12 mm")
    assert robot.calls.count("straight ") == 3
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


def test_a_stop_while_it_goes_up_is_a_stop() -> None:
    beside = error(Code.START_STATE_IN_COLLISION, "held and thing_1 overlap by 12 mm")
    robot = Scripted({"to preplace": [beside], "straight ": [error(Code.PREEMPTED, "stopped")]})
    assert robot.run().code is Code.PREEMPTED


def test_what_was_lowered_in_vain_goes_up_before_it_is_put_back() -> None:
    robot = Scripted({"straight place": [error(Code.FAILURE)]})
    record = robot.run(config=ONE_TRY)
    assert record.failed_stage == "place"
    back = robot.calls[robot.calls.index("straight place") :]
    assert [call for call in back if call not in ("glance", "hold", "let go")] == [
        "straight place", "straight preplace", "to lift", "straight grasp", "gripper open",
        "straight pregrasp",
    ]  # fmt: skip
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


def test_what_overlaps_its_neighbours_where_it_was_lifted_goes_back_from_higher_up() -> None:
    beside = error(Code.GOAL_IN_COLLISION, "at the goal held and thing_1 overlap by 15 mm")
    robot = Scripted({"to preplace": [error(Code.FAILURE)], "to lift": [beside]})
    above = down(*SOURCE, 0.17 + 0.06)
    robot._named.append(("above", above))
    record = robot.run(config=ONE_TRY)
    assert record.failed_stage == "carry"
    back = [call for call in robot.calls if call.startswith(("to ", "straight", "gripper"))]
    assert back[back.index("to lift") :] == [
        "to lift", "to above", "straight grasp", "gripper open", "straight pregrasp",
    ]  # fmt: skip
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


def test_an_arm_that_cannot_put_back_what_it_holds_keeps_it_and_says_so() -> None:
    lost = error(Code.CONTROL_FAILED, "the arm does not follow")
    robot = Scripted({"to preplace": always(lost), "to lift": always(lost)})
    record = robot.run(config=BehaviourConfig(returns=2))
    assert robot.held
    assert record.code is Code.CONTROL_FAILED
    assert record.reason == (
        "carry: the arm does not follow; the arm did not come back: the arm does not follow;"
        " something may still be in the fingers"
    )
    assert names(record)[-4:] == ["carry!", "come back!", "wait", "come back!"]
    assert robot.calls.count("look") == 1


def test_an_arm_that_does_not_get_out_begins_nothing_else() -> None:
    robot = Scripted(
        {
            "straight grasp": [error(Code.CONTROL_FAILED, "stall")],
            "straight pregrasp": always(error(Code.PLANNING_FAILED, "a joint is at its limit")),
        }
    )
    record = robot.run()
    assert record.reason == ("approach: stall; the arm did not come back: a joint is at its limit")
    assert robot.calls.count("look") == 1


def test_coming_back_goes_on_where_it_failed() -> None:
    robot = Scripted(
        {
            "to preplace": [error(Code.FAILURE)],
            "straight grasp": [None, error(Code.ABORT)],
            "straight pregrasp": [error(Code.COMMUNICATION_FAILURE)],
        }
    )
    record = robot.run(config=BehaviourConfig(repeats=2))
    assert record.success
    assert names(record).count("come back!") == 2
    assert record.attempts == 2


def test_the_next_candidate_gets_out_of_the_way_of_the_one_before_first() -> None:
    robot = Scripted({"straight grasp": [error(Code.TIMED_OUT)]})
    record = robot.run()
    assert record.success
    after = robot.calls[robot.calls.index("straight grasp") + 1 :]
    assert [c for c in after if c != "glance"][:3] == [
        "gripper open", "straight pregrasp", "to pregrasp",
    ]  # fmt: skip


def test_a_goal_in_another_frame_moves_nothing() -> None:
    robot = Scripted()
    robot.frame_id = "wrist_color_optical_frame"
    record = robot.run(config=ONE_TRY)
    assert record.code is Code.NO_IK_SOLUTION
    assert "in the frame 'wrist_color_optical_frame', the robot moves in 'panda_link0'" in (
        record.reason
    )
    assert len(record.rejected) == 3
    assert moves(robot.calls) == 0


def test_a_goal_without_a_place_is_not_picked_for_a_place() -> None:
    robot = Scripted()
    robot.with_place = False
    record = robot.run(config=ONE_TRY)
    assert record.reason == "plan: the goal says nothing of where to put it ('bin')"
    assert moves(robot.calls) == 0


def test_what_is_in_the_fingers_from_before_is_not_dropped_to_begin() -> None:
    robot = Scripted()
    robot.with_place = False
    assert robot.run(place="").success
    assert robot.held
    before = moves(robot.calls)
    record = robot.run()
    assert record.code is Code.INVALID_ROBOT_STATE
    assert record.reason == (
        "ready: something is between the fingers already, 40.0 mm wide: take it out, and open them"
    )
    assert moves(robot.calls) == before


def test_an_arm_that_cannot_say_what_it_holds_begins_all_the_same() -> None:
    robot = Scripted()
    robot.gripper_state = None  # type: ignore[assignment,method-assign]
    assert robot.run().success


def test_fingers_that_do_not_open_do_not_go_down() -> None:
    def jam(robot: Scripted) -> None:
        raise error(Code.CONTROL_FAILED, "jammed")

    robot = Scripted({"gripper open": always(jam)})
    record = robot.run()
    assert record.reason == "open: jammed; the arm did not come back: jammed"
    assert "straight grasp" not in robot.calls


EVENTS = st.one_of(
    st.none(),
    st.sampled_from([code for code in Code if code is not Code.SUCCESS]).map(stage_error),
    st.sampled_from([TypeError("no number"), RuntimeError("broken")]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    script=st.dictionaries(
        st.sampled_from(CALLS), st.lists(EVENTS, min_size=1, max_size=6), max_size=6
    ),
    slips=st.sampled_from(["", "straight lift", "to preplace", "straight grasp"]),
    config=st.builds(
        BehaviourConfig,
        tries=st.integers(1, 4), repeats=st.integers(0, 2), candidates=st.integers(1, 3),
        verify=st.booleans(),
    ),
)  # fmt: skip
def test_whatever_goes_wrong_it_ends_and_nothing_is_dropped(
    script: dict, slips: str, config: BehaviourConfig
) -> None:
    def fall(robot: Scripted) -> None:
        if robot.held:
            slip(robot)

    if slips:
        script = {**script, slips: [*script.get(slips, [])[:2], fall]}
    robot = Scripted(script)
    record = robot.run(config=config)
    assert 1 <= max(stage.attempt for stage in record.stages) <= config.tries
    assert all(bool(stage.reason) != stage.success for stage in record.stages)
    if record.success:
        np.testing.assert_allclose(robot.blocks, [PLACE], atol=0.03)
        assert record.attempts >= 1
    else:
        assert record.failed_stage
        assert record.reason.startswith(f"{record.failed_stage}:")
        assert not robot.held or "something may still be in the fingers" in record.reason
