# SPDX-License-Identifier: Apache-2.0
"""Down to the place, away from it, and whether it stands there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scripted import (
    ONE_TRY,
    PLACE,
    SOURCE,
    Script,
    Scripted,
    always,
    error,
    names,
)

from tack_grasping.behaviour.settings import BehaviourConfig
from tack_grasping.behaviour.sight import SightError
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.placing.scene import Container
from tack_perception import geometry


def test_an_arm_that_stalls_high_above_the_place_does_not_let_go() -> None:
    stall = error(Code.CONTROL_FAILED, "the arm does not follow")
    robot = Scripted({"straight place": [stall, stall]})
    record = robot.run(config=ONE_TRY)
    assert record.reason == "place: the arm does not follow"
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)
    once = Scripted({"straight place": [stall]})
    assert once.run(config=ONE_TRY).success


def test_without_an_image_nobody_knows_that_it_is_at_its_place() -> None:
    stall = error(Code.CONTROL_FAILED, "the arm does not follow")
    dark = SightError(Code.UNABLE_TO_AQUIRE_SENSOR_DATA, "no image")
    robot = Scripted({"straight place": [stall, stall], "glance": [None, None, *[dark] * 2]})
    record = robot.run(config=ONE_TRY)
    assert record.failed_stage == "place"
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


@pytest.mark.parametrize("code", [Code.CONTROL_FAILED, Code.TIMED_OUT])
def test_an_arm_that_meets_the_support_early_lets_go(code: Code) -> None:
    def meets(robot: Scripted) -> None:
        robot.pose = robot._pose_of("place").copy()
        robot.pose[2, 3] += 0.02
        raise error(code, "pressed on something")

    robot = Scripted({"straight place": always(meets)})
    assert robot.run().success


def _late(heights: list[float]) -> Callable[[Scripted], None]:
    """An arm that ends so high above the place, one after the other, because time is up."""

    def late(robot: Scripted) -> None:
        robot.pose = robot._pose_of("place").copy()
        robot.pose[2, 3] += heights.pop(0)
        raise error(Code.TIMED_OUT, "it took too long")

    return late


def test_an_arm_that_was_only_too_slow_goes_all_the_way_before_it_lets_go() -> None:
    robot = Scripted({"straight place": [_late([0.05, 0.02, 0.01])] * 3})
    assert robot.run().success
    assert robot.calls.count("straight place") == 4
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)
    assert robot.at == "home"


def test_an_arm_that_is_always_too_slow_puts_it_back() -> None:
    heights = [0.029, 0.025, 0.021, 0.017, 0.013]
    robot = Scripted({"straight place": [_late(heights)] * 5})
    record = robot.run(config=ONE_TRY)
    assert record.reason == "place: it took too long"
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


@pytest.mark.parametrize("call", ["straight retreat", "home", "glance"])
def test_what_lies_at_its_place_is_not_looked_for_again(call: str) -> None:
    fault = SightError(Code.UNABLE_TO_AQUIRE_SENSOR_DATA, "no image") if call == "glance" else None
    events = [None, None, *[fault or error(Code.CONTROL_FAILED, "stall")] * 99]
    robot = Scripted({call: events if call == "glance" else events[2:]})
    record = robot.run()
    assert not record.success
    assert record.reason.endswith("; it was let go at its place")
    assert robot.calls.count("look") == 1
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)


@pytest.mark.parametrize("call", ["straight retreat", "home"])
def test_what_is_left_to_do_after_the_release_is_done_in_another_try(call: str) -> None:
    robot = Scripted({call: [error(Code.CONTROL_FAILED, "stall")] * 2})
    record = robot.run()
    assert record.success
    assert record.attempts == 1
    assert robot.calls.count("look") == robot.calls.count("gripper close") - 2 == 1
    last = ["come back", "retreat", "home", "verify place"]
    assert names(record)[-4:] == last
    assert [stage.attempt for stage in record.stages[-4:]] == [1, 2, 2, 2]


def test_what_lies_where_it_was_taken_from_after_all_is_picked_again() -> None:
    def fall_back(robot: Scripted) -> None:
        robot.blocks = [SOURCE]

    robot = Scripted({"straight retreat": [fall_back]})
    record = robot.run()
    assert record.success
    assert record.attempts == 2
    failed = next(stage for stage in record.stages if not stage.success)
    assert failed.name == "verify place"
    assert "it lies where it was taken from" in failed.reason


def _on_the_way_home(boxes: list[np.ndarray]) -> Callable[[Scripted], None]:
    """Notes where the boxes lie that the planner then knows of."""
    return lambda robot: boxes.extend(pose[:3, 3] for pose, _ in robot.boxes.values())


def test_the_way_home_is_clear_of_what_was_put_down() -> None:
    boxes = list[np.ndarray]()
    robot = Scripted({"home": [_on_the_way_home(boxes)]})
    assert robot.run().success
    (middle,) = boxes
    np.testing.assert_allclose(middle[:2], PLACE, atol=0.01)
    assert robot.boxes == {}  # the next look shows what is there


def test_the_way_home_is_clear_of_what_was_put_back() -> None:
    boxes = list[np.ndarray]()
    robot = Scripted({"straight place": [error(Code.FAILURE)], "home": [_on_the_way_home(boxes)]})
    assert robot.run().success
    (middle,) = boxes
    np.testing.assert_allclose(middle[:2], SOURCE, atol=0.01)


def test_what_the_gripper_is_still_beside_is_not_minded() -> None:
    beside = error(Code.START_STATE_IN_COLLISION, "put_down and right_finger overlap by 2 mm")
    robot = Scripted({"home": [beside]})
    record = robot.run()
    assert record.success
    assert all(stage.success for stage in record.stages)
    assert robot.calls[-4:] == ["home", "remove box", "home", "glance"]
    robot = Scripted({"home": always(beside)})
    assert robot.run().reason.startswith("home: put_down and right_finger")


BESIDE = np.array([0.5, 0.13])  # in view from home


def _falls(robot: Scripted) -> None:
    robot.blocks[-1] = robot.blocks[-1] - (0.1, 0.0)


def _puts_beside(script: Script) -> Scripted:
    robot = Scripted(script)
    robot.place = BESIDE
    return robot


def test_what_does_not_stand_where_it_was_put_is_taken_and_put_there_again() -> None:
    robot = _puts_beside({"home": [_falls]})
    record = robot.run()
    assert record.success
    assert record.attempts == 2
    (failed,) = [stage for stage in record.stages if not stage.success]
    assert failed.name == "verify place"
    assert failed.reason.startswith("it does not stand where it was put: 0% of what was seen")
    np.testing.assert_allclose(robot.blocks, [BESIDE], atol=1e-9)

    robot = _puts_beside({"home": always(_falls)})
    assert robot.run(config=ONE_TRY).reason.startswith("verify place: it does not stand where")
    unseen = BehaviourConfig(verify=False)
    assert _puts_beside({"home": always(_falls)}).run(config=unseen).success


def test_what_stands_a_little_beside_its_place_stands() -> None:
    def slides(robot: Scripted) -> None:
        robot.blocks[-1] = robot.blocks[-1] - (0.05, 0.0)

    near = BehaviourConfig(stands=0.7, tries=1)
    far = dataclasses.replace(near, astray=0.05)
    assert not _puts_beside({"home": [slides]}).run(config=near).success
    assert _puts_beside({"home": [slides]}).run(config=far).success


@pytest.mark.parametrize("away", [0.0, 0.004])
def test_a_place_where_it_lay_already_is_its_place(away: float) -> None:
    robot = Scripted()
    robot.place = SOURCE + away
    record = robot.run()
    assert record.success
    assert record.attempts == 1


def test_how_it_lies_in_a_bin_is_no_matter() -> None:
    robot = _puts_beside({"home": [_falls]})
    pose = geometry.make_transform(np.eye(3), (*BESIDE, 0.0))
    robot.bins = {"bin": Container(pose, (0.3, 0.16, 0.1))}
    record = robot.run()
    assert record.success
    assert record.attempts == 1
