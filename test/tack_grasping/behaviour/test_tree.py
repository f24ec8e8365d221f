# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
from scripted import (
    ONE_TRY,
    PLACE,
    SOURCE,
    Scripted,
    Watching,
    always,
    error,
    names,
)

from tack_grasping.behaviour.cycle import Work
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.sight import Sight, SightError, Thing
from tack_grasping.candidates import GraspPlan
from tack_grasping.error_codes import MoveItErrorCode as Code

PICK = [
    "look",
    "plan",
    "open",
    "pregrasp",
    "check",
    "approach",
    "close",
    "lift",
    "hold",
    "verify lift",
]
PUT = ["carry", "place", "release", "retreat", "home", "verify place"]


def test_a_cycle_without_faults_does_each_stage_once() -> None:
    robot = Scripted()
    record = robot.run()
    assert record.success
    assert names(record) == PICK + PUT
    assert record.attempts == 1
    assert {stage.attempt for stage in record.stages} == {1}
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)
    assert not robot.held


def test_a_pick_alone_ends_with_the_thing_in_the_fingers() -> None:
    robot = Scripted()
    robot.with_place = False
    record = robot.run(place="")
    assert record.success
    assert names(record) == PICK
    assert robot.held
    assert robot.at == "lift"


def test_times_and_kinds_of_work_are_those_of_the_stages() -> None:
    record = Scripted().run()
    works = {stage.name: stage.work for stage in record.stages}
    assert works["look"] is works["check"] is works["verify place"] is Work.PERCEPTION
    assert works["plan"] is Work.PLANNING
    assert works["approach"] is works["carry"] is works["home"] is Work.EXECUTION
    assert works["open"] is works["close"] is works["release"] is Work.GRIPPER
    for one, other in itertools.pairwise(record.stages):
        assert one.began + one.seconds <= other.began
    assert record.seconds == pytest.approx(sum(stage.seconds for stage in record.stages))


# What follows a failure


@pytest.mark.parametrize(
    ("stage", "call"),
    [
        ("look", "look"), ("plan", "plan"), ("open", "gripper open"), ("pregrasp", "to pregrasp"),
        ("check", "glance"), ("approach", "straight grasp"), ("lift", "straight lift"),
        ("carry", "to preplace"), ("place", "straight place"), ("retreat", "straight retreat"),
        ("home", "home"),
    ],
)  # fmt: skip
def test_what_may_work_a_moment_later_is_done_again_after_a_pause(stage: str, call: str) -> None:
    robot = Scripted({call: [error(Code.COMMUNICATION_FAILURE, "no answer of the server")]})
    record = robot.run()
    assert record.success
    at = names(record).index(f"{stage}!")
    assert names(record)[at : at + 3] == [f"{stage}!", "wait", stage]
    wait = record.stages[at + 1]
    assert wait.work is Work.WAITING
    assert wait.seconds == pytest.approx(0.5)
    assert record.seconds_of([Work.WAITING]) == wait.seconds
    assert record.stages[at].code is Code.COMMUNICATION_FAILURE
    assert record.stages[at].reason == "no answer of the server"
    assert record.attempts == 1


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_no_stage_is_repeated_more_often_than_asked_for(repeats: int) -> None:
    robot = Scripted({"look": always(error(Code.UNABLE_TO_AQUIRE_SENSOR_DATA))})
    record = robot.run(config=BehaviourConfig(repeats=repeats, tries=2))
    assert record.code is Code.UNABLE_TO_AQUIRE_SENSOR_DATA
    assert robot.calls.count("look") == 2 * (1 + repeats)
    assert names(record).count("wait") == 2 * repeats
    assert [s.attempt for s in record.stages if s.name == "look"] == [1] * (1 + repeats) + [2] * (
        1 + repeats
    )


def test_a_repeat_that_works_gives_the_next_failure_its_repeats_back() -> None:
    fault = error(Code.FRAME_TRANSFORM_FAILURE)
    robot = Scripted({"to pregrasp": [fault, None], "to preplace": [fault], "glance": [fault]})
    record = robot.run()
    assert record.success
    assert names(record).count("wait") == 3
    assert record.attempts == 1


def test_where_one_grasp_cannot_be_reached_the_next_is_tried() -> None:
    robot = Scripted({"to pregrasp": [error(Code.NO_IK_SOLUTION, "out of reach")] * 2})
    record = robot.run()
    assert record.success
    assert names(record).count("pregrasp!") == 2
    assert names(record).count("look") == 1
    assert record.rejected == tuple(
        f"pregrasp: out of reach; turned by {turn}" for turn in ("0", "0.01")
    )


def test_once_no_grasp_is_left_it_is_looked_at_from_elsewhere() -> None:
    robot = Scripted({"to pregrasp": [error(Code.NO_IK_SOLUTION)] * 3})
    record = robot.run()
    assert record.success
    assert [s.attempt for s in record.stages if s.name == "look"] == [1, 2]
    assert names(record)[names(record).index("come back") :][:3] == ["come back", "view", "look"]
    assert robot.calls.count("view") == 1
    assert record.stages[-1].attempt == 2


def test_no_more_candidates_are_tried_than_asked_for() -> None:
    robot = Scripted({"to pregrasp": always(error(Code.NO_IK_SOLUTION))}, goals=5)
    record = robot.run(config=BehaviourConfig(tries=2, candidates=2))
    assert robot.calls.count("to pregrasp") == 4
    assert record.code is Code.NO_IK_SOLUTION
    assert record.attempts == 0


def test_tries_are_limited_and_the_account_says_how_many() -> None:
    robot = Scripted({"straight grasp": always(error(Code.CONTROL_FAILED, "the arm stalls"))})
    record = robot.run(config=BehaviourConfig(tries=4))
    assert record.code is Code.CONTROL_FAILED
    assert record.reason == "approach: the arm stalls"
    assert record.failed_stage == "approach"
    assert max(stage.attempt for stage in record.stages) == 4
    assert robot.calls.count("look") == 4
    assert not robot.held


def test_a_grasp_that_met_nothing_is_tried_again() -> None:
    def vanish(robot: Scripted) -> None:
        robot.blocks = [SOURCE + np.array([0.0, 0.1])]

    robot = Scripted({"straight grasp": [vanish]})
    record = robot.run()
    assert record.success
    assert "close!" in names(record)
    assert "the fingers met nothing" in record.stages[names(record).index("close!")].reason
    assert record.attempts == 2


def test_what_was_moved_between_look_and_grasp_is_noticed_and_looked_for_again() -> None:
    def move(robot: Scripted) -> None:
        robot.blocks = [SOURCE + np.array([0.0, 0.15])]

    robot = Scripted({"to pregrasp": [move]})
    record = robot.run()
    assert record.success
    assert names(record)[:6] == ["look", "plan", "open", "pregrasp", "check!", "come back"]
    checked = record.stages[4]
    assert checked.code is Code.SENSOR_INFO_STALE
    assert "it was moved meanwhile" in checked.reason
    assert record.attempts == 1


def test_a_set_up_that_a_person_has_to_mend_is_not_tried_again() -> None:
    robot = Scripted({"to pregrasp": [error(Code.INVALID_GROUP_NAME, "no group 'arm'")]})
    record = robot.run()
    assert record.code is Code.INVALID_GROUP_NAME
    assert record.reason == "pregrasp: no group 'arm'"
    assert robot.calls.count("to pregrasp") == 1


def test_without_depth_it_says_so() -> None:
    robot = Scripted()
    robot.no_depth = True
    record = robot.run()
    assert record.code is Code.INVALID_OBJECT_NAME
    assert record.reason == "look: no depth there"
    assert robot.calls.count("look") == BehaviourConfig().tries
    assert robot.calls.count("gripper close") == 0


def test_depth_that_comes_back_is_enough() -> None:
    def comes_back(robot: Scripted) -> None:
        robot.no_depth = False

    robot = Scripted({"look": [None, comes_back]})
    robot.no_depth = True
    assert robot.run().success


def test_an_image_that_was_seen_before_is_not_trusted() -> None:
    def freeze(robot: Scripted) -> None:
        robot.old_image = True

    robot = Scripted({"to pregrasp": [freeze]})
    record = robot.run(config=ONE_TRY)
    assert record.code is Code.SENSOR_INFO_STALE
    assert record.reason.startswith("check: the image is of 0.000 s, no later than")


def test_lost_transforms_and_images_are_waited_for_but_not_photographed() -> None:
    lost = SightError(Code.FRAME_TRANSFORM_FAILURE, "no transform")
    robot = Scripted({"look": [lost, lost]})
    watching = Watching()
    record = robot.tree(witness=watching).run()
    assert record.success
    assert not [told for told in watching.told if "evidence" in told]
    assert robot.calls[:5] == ["look", "look", "home", "glance", "view"] or robot.calls[:4] == [
        "look", "look", "home", "look",
    ]  # fmt: skip


def test_an_unreached_view_is_passed_over_but_a_dead_arm_is_not_asked_for_all() -> None:
    hidden = {"look": [lambda r: r.blocks.clear(), lambda r: r.blocks.append(SOURCE)]}
    robot = Scripted({**hidden, "view": [error(Code.NO_IK_SOLUTION, "out of reach")] * 3})
    record = robot.run()
    assert record.success
    assert robot.calls.count("view") == 4
    assert record.rejected == ("view: out of reach",) * 3
    dead = Scripted(
        {
            "look": [lambda r: r.blocks.clear()],
            "view": always(error(Code.COMMUNICATION_FAILURE, "no server")),
        }
    )
    record = dead.run(config=BehaviourConfig(tries=2))
    assert dead.calls.count("view") == 2
    assert record.code is Code.COMMUNICATION_FAILURE
    assert record.reason == "view: no server"


def test_views_begin_anew_once_all_were_tried() -> None:
    robot = Scripted(blocks=())
    record = robot.run(config=BehaviourConfig(tries=20))
    assert robot.calls.count("look") == 20
    assert robot.calls.count("view") > 10
    assert record.reason == "look: 'top' is not seen"


def test_a_doubtful_point_will_do_in_the_last_third_of_the_tries() -> None:
    asked: list[float | None] = []

    class Choosy(Scripted):
        def plan(self, sight: Sight, thing: Thing, task: PickPlaceTask) -> GraspPlan:
            asked.append(task.doubtful)
            if task.doubtful is None:
                return GraspPlan(refusal="top: confidence 0.15 is below 0.3")
            return super().plan(sight, thing, task)

    record = Choosy().run(config=BehaviourConfig(tries=6, doubtful=0.1))
    assert record.success
    assert asked == [None, None, None, None, 0.1]


def test_what_was_picked_can_be_put_down_in_a_cycle_of_its_own() -> None:
    robot = Scripted()
    picked = robot.tree("")
    assert picked.run().success
    assert robot.held
    assert picked.stages.point is not None
    put = robot.tree("bin", held=picked.stages)
    record = put.run()
    assert record.success, record.reason
    assert names(record) == PUT
    assert not robot.held
    assert robot.faults == []
    np.testing.assert_allclose(robot.blocks, [PLACE], atol=1e-9)


def test_what_cannot_be_put_down_is_put_back_and_not_picked_again() -> None:
    robot = Scripted({"to preplace": always(error(Code.NO_IK_SOLUTION))})
    picked = robot.tree("")
    assert picked.run().success
    record = robot.tree("bin", held=picked.stages).run()
    assert record.code is Code.NO_IK_SOLUTION
    assert "look" not in names(record)
    assert not robot.held
    assert robot.faults == []
    np.testing.assert_allclose(robot.blocks, [SOURCE], atol=1e-9)


def test_what_stands_beside_it_is_told_from_it_once_it_is_lifted() -> None:
    """One image shows both as one thing, and what stays is not what was taken."""
    robot = Scripted(blocks=[SOURCE, SOURCE + np.array([0.0, 0.042])])
    tree = robot.tree()
    assert tree.run().success
    extent = tree.stages._extent
    assert extent is not None
    beside = extent.points[:, 1] > 0.022
    assert len(extent.points) > 400
    assert beside.mean() < 0.3  # half of them were, and some are hidden by what is held
