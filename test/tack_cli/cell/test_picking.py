# SPDX-License-Identifier: Apache-2.0
"""What is told and kept of a pick-and-place, in a cell in one process instead of the graph."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="needs the simulation: pip install 'tack[sim]'")
pytest.importorskip("ompl", reason="needs the simulation: pip install 'tack[sim]'")

from tack_cli.cell.looking import Stages
from tack_cli.cell.observer import Observer
from tack_cli.cell.outcome import CellOutcome
from tack_cli.cell.picking import Teller, run_writer
from tack_cli.cell.timings import timings
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.planning import PointPlanner, placer
from tack_grasping.behaviour.robot import Robot
from tack_grasping.behaviour.runs import RunWriter, read_run
from tack_grasping.behaviour.settings import BehaviourConfig, PickPlaceTask
from tack_grasping.behaviour.tree import BehaviourTree
from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.keypoint import Keypoint
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.faults import Fault
from tack_sim.cell.judge import GraspJudge
from tack_sim.cell.log import CellSetup
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.places import places_in
from tack_sim.cell.trial import GRASPS, TrialSetup, place_spec
from tack_sim.cell.world import CellWorld
from tack_sim.planning.planner import MotionPlanner

LABEL = "rim_front"
SETUP = CellSetup("panda_2f85", "mug", 1)


class Cell:
    """Answers as the probe does, from a world."""

    def __init__(self, world: CellWorld) -> None:
        self.world, self.broken = world, False
        self._judge = GraspJudge(world, world.layout.target.name)

    def ask(self, service: str) -> Any:
        if service == "/cell/judge":
            verdict = self._judge.verdict()
            return {"held": verdict.success, "grasp": verdict.reason, "lifted": verdict.lifted}
        target = self.world.layout.target
        pose = self.world.object_pose(target.name)
        points = {
            name: geometry.apply(pose, target.model.position(name)).tolist()
            for name in target.model.points
        }
        return {
            "time": self.world.time, "target": target.name, "objects": {target.name: {
                "class": target.model.family, "points": points,
            }},
        }  # fmt: skip

    def check(self) -> None:
        if self.broken:
            raise TackError("node cell has ended")


class Watching(Observer):
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.found: list[Keypoint] = []
        self.goals: list[PickPlaceGoal] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def detected(self, keypoint: Keypoint, base_from_camera: np.ndarray) -> None:
        self.found.append(keypoint)

    def planned(self, goal: PickPlaceGoal) -> None:
        self.goals.append(goal)


@dataclasses.dataclass
class Told:
    said: list[str]
    observer: Watching
    clock: Stages
    teller: Teller
    record: CycleRecord
    cell: Cell

    def outcome(self) -> CellOutcome:
        teller = self.teller
        assert teller.goal is not None
        assert teller.sight is not None
        assert teller.keypoint is not None
        truth = self.cell.ask("/cell/truth")
        frame = teller.sight.frame
        return CellOutcome(
            SETUP, truth["objects"][truth["target"]], (Annotation(LABEL, 10, 10, frame),), frame,
            teller.keypoint, teller.point_error, teller.goal, teller.tried_from, self.record,
            teller.start, {"placed": True, **teller.lifted}, teller.sight.base_from_camera,
            self.clock.seconds, Path(),
        )  # fmt: skip


def picked(*faults: str, tries: int = 2, broken: bool = False) -> Told:
    layout = SETUP.layout()
    world = CellWorld(layout, faults=[Fault.parse(fault) for fault in faults])
    world.step(0.3)
    planner = MotionPlanner(layout.profile)
    motion = CellMotion(world, planner=planner, faults=world.faults)
    cell, said, observer = Cell(world), list[str](), Watching()
    cell.broken = broken
    clock = Stages(Observer())
    teller = Teller(LABEL, cell, clock, said.append, observer)
    into_bin, _ = place_spec(TrialSetup(SETUP), layout, LABEL)
    with CellEyes(world, TruePoints(world), wait=motion.wait, seed=1) as eyes:
        robot = Robot(
            layout.profile, motion, eyes,
            PointPlanner(
                layout.profile, place=placer(into_bin, places_in(layout)),
                reachable=motion.reach, config=GRASPS,
            ),
        )  # fmt: skip
        tree = BehaviourTree(
            PickPlaceTask(LABEL, "bin"), robot, motion.clock, BehaviourConfig(tries=tries), teller
        )
        teller.give_up = tree.stop
        record = tree.run()
    return Told(said, observer, clock, teller, record, cell)


@pytest.fixture(scope="module")
def won_back() -> Told:
    """The first grasp slips out of the fingers, the second one holds."""
    return picked("gripper_slip@0+9")


def test_a_failed_stage_and_what_follows_are_told_in_words(won_back: Told) -> None:
    said = [line.strip() for line in won_back.said]
    assert said[0] == "look …"
    failed = next(i for i, line in enumerate(said) if line.startswith("hold failed: it "))
    again = ["come back …", "once more from the beginning: looking from elsewhere …", "look …"]
    assert said[failed + 1 : failed + 4] == again
    assert said[-1] == "verify place …"
    assert "the next grasp:" not in said  # after another look it is the first one of that look
    told = [stage.name for stage in won_back.record.stages]
    assert won_back.observer.stages == told
    assert len(won_back.observer.found) == told.count("look") == 2


def test_what_is_kept_is_of_the_last_grasp(won_back: Told) -> None:
    outcome, stages = won_back.outcome(), won_back.record.stages
    assert outcome.goal is won_back.observer.goals[-1]
    assert stages[outcome.tried_from].name == "open"
    assert {stage.attempt for stage in stages[outcome.tried_from :]} == {2}
    close = [stage for stage in stages if stage.name == "close"]
    assert outcome.grasped == outcome.began + close[-1].began
    assert outcome.point_error is not None
    assert outcome.point_error < 0.01
    assert outcome.held  # after the second lift, by the judge
    times = [time for _, time in outcome.moments]
    assert times == sorted(times)
    names = [name for name, _ in outcome.moments]
    assert {"lift", "come back", "lift, try 2", "end"} <= set(names)
    told = "the mug was picked at 'rim_front' and lies in the bin, after 2 tries"
    assert outcome.sentence == told
    assert (outcome.summary()["tries"], outcome.summary()["grasps"]) == (2, 2)
    both = sum(stage.seconds for stage in close)
    assert outcome.seconds["close"] == pytest.approx(both)


def test_the_report_shows_every_stage_and_why_one_failed(won_back: Told) -> None:
    record, seconds = won_back.record, {"click": 1.0, **won_back.clock.seconds, "shut down": 2.0}
    page = timings(record, seconds)
    rows = re.findall(
        r"<tr><td>(.*?)</td><td>(.*?)</td>.*?<td class=\"words\">(.*?)</td></tr>", page
    )
    expected = [(stage.name, str(stage.attempt), stage.success) for stage in record.stages]
    told = [(name, attempt, not wrong) for name, attempt, wrong in rows]
    assert told == [("click", "", True), *expected, ("shut down", "", True)]
    (wrong,) = [wrong for _, _, wrong in rows if wrong]
    assert wrong.startswith("CONTROL_FAILED: it ")
    assert page.count("<circle") == 1  # in the bar


def test_other_grasps_of_the_same_look_are_told() -> None:
    told = picked("plan_aborted", tries=1)
    said = [line.strip() for line in told.said]
    first = said.index("pregrasp …")
    assert said[first + 1].startswith("pregrasp failed: ")
    assert said[first + 2 : first + 4] == ["the same once more, after a moment", "pregrasp …"]
    assert said.count("the next grasp:") == len(told.observer.goals) - 1 > 1
    outcome = told.outcome()
    assert not outcome.success
    assert outcome.sentence.startswith("the mug was not picked: pregrasp: ")
    assert outcome.goal is told.observer.goals[-1]
    begun = told.record.stages[outcome.tried_from + 1]
    assert (begun.name, outcome.grasped) == ("pregrasp", outcome.began + begun.began)


def test_after_a_node_has_ended_nothing_is_tried_any_more() -> None:
    told = picked("plan_aborted", tries=6, broken=True)
    assert told.record.code is MoveItErrorCode.PREEMPTED
    assert told.said[-1].strip().startswith("pregrasp failed: ")
    assert len(told.observer.goals) == 1


def test_what_was_held_and_not_placed_was_picked(won_back: Told) -> None:
    record = dataclasses.replace(
        won_back.record, code=MoveItErrorCode.TIMED_OUT, reason="carry: it took too long"
    )
    outcome = dataclasses.replace(won_back.outcome(), pick=record)
    assert (
        outcome.sentence
        == "the mug was picked, but not placed: carry: it took too long (TIMED_OUT -6)"
    )


def test_the_account_of_an_earlier_demo_is_replaced_and_no_other(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_writer(run, SETUP).begin()
    other = dataclasses.replace(SETUP, object_class="shoe")
    run_writer(run, other)
    assert [path.name for path in run.iterdir()] == ["run.json"]
    assert read_run(run).about["object_class"] == "shoe"
    mine = tmp_path / "mine"
    cycle = RunWriter(mine, {"robot": "panda_2f85"}).begin()
    with pytest.raises(InvalidInputError, match="run of something else"):
        run_writer(mine, SETUP)
    assert cycle.is_dir()
