# SPDX-License-Identifier: Apache-2.0
"""The actions of `pick_place` on the whole graph, a process each: camera, detector, move_group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("mujoco", reason="the cell needs MuJoCo")
from action_msgs.msg import GoalStatus
from cell_client import BASE, LABEL, SEED, WAIT_S, Cell, MoveGroup

from tack_cli.cell.looking import ClickPlan, Looker, Stages
from tack_cli.cell.observer import Observer
from tack_cli.main import main
from tack_grasping.behaviour.runs import read_run
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception import geometry
from tack_perception.annotations import load_annotations
from tack_ros.cell.probe import Probe
from tack_ros.conversions.transforms import from_pose
from tack_ros.environment import graph_environment, private_domain_id, share_folder
from tack_ros.launching.background import BackgroundNodes
from tack_ros.launching.description import read

PICK = ["look", "scene", "plan", "open", "pregrasp", "check", "approach", "close", "lift"]
PICK += ["hold", "verify lift"]
BINS = {f"bin_wall_{number}" for number in range(5)}
PLACE = ["carry", "place", "release", "retreat", "home", "verify place"]


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    return graph_environment(domain_id=private_domain_id())


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> Any:
    folder = tmp_path_factory.mktemp("cell")
    arguments = {
        "object": "box", "seed": str(SEED), "set": str(folder / "clicks"),
        "places": str(folder / "places.yaml"), "runs": str(folder / "runs"),
    }  # fmt: skip
    nodes = read(share_folder() / "launch" / "cell.launch.yaml", arguments, environ)
    quick = {
        "cell": {"shadows": False, "camera_rate": 8.0},
        # On a busy machine move_group takes 10 s from the end of one to the next that answers, and
        # so may the detector, which is the least important of all that runs.
        "pick_place": {"motion.server_patience": 40.0, "patience": 40.0},
    }
    strict = {"ROS_PYTHON_CHECK_FIELDS": "1"}  # a wrong type in a message ends in an error
    return folder, [
        dataclasses.replace(
            n,
            parameters=(*n.parameters, quick.get(n.executable, {})),
            environment={**n.environment, **(strict if n.executable == "pick_place" else {})},
        )
        for n in nodes
    ]


@pytest.fixture(scope="module")
def move_group(described: Any, environ: dict[str, str]) -> Iterator[MoveGroup]:
    folder, nodes = described
    (node,) = (one for one in nodes if one.executable == "move_group")
    made = MoveGroup(node, environ, folder / "logs")
    yield made
    made.end()


@pytest.fixture(scope="module")
def running(described: Any, environ: dict[str, str], move_group: MoveGroup) -> Iterator[Cell]:
    folder, nodes = described
    others = [node for node in nodes if node.executable != "move_group"]
    with (
        BackgroundNodes(others, environ, folder / "logs") as background,
        Probe("/wrist", background.check) as probe,
    ):
        probe.frame(seconds=WAIT_S)
        cell = Cell(probe, folder / "runs")
        # Until it knows where the camera is, it can carry no click.
        cell.until(lambda: cell.carries().startswith("nothing"), "the transforms at `annotation`")
        plan = ClickPlan(LABEL, move=False)
        clock = Stages(Observer())
        Looker(plan, cell.layout, probe, clock, lambda text: None, Observer()).look()
        yield cell
        background.check()
    for path in (folder / "logs").glob("*.log"):
        text = path.read_text()
        for noise in ("Traceback", "internal error", "terminate called", "never retrieved"):
            assert noise not in text, f"{path.name}: {text[-3000:]}"


@pytest.fixture
def cell(running: Cell) -> Cell:
    running.set("pick_place", "place", "")
    running.until(lambda: running.states, "joint states")
    return running


def test_what_would_be_done_is_told_and_nothing_moves(cell: Cell) -> None:
    before = cell.arm()
    answer = cell.plan()
    assert Code.of(answer.error_code.val) is Code.SUCCESS
    assert answer.grasps
    assert "closes from" in answer.error_code.message
    grasp = from_pose(answer.grasps[0].grasp_pose.pose)
    assert answer.grasps[0].grasp_pose.header.frame_id == BASE
    assert np.linalg.norm(grasp[:3, 3] - cell.lies_at()) < 0.05
    np.testing.assert_allclose(cell.arm(), before, atol=0.005)
    unknown = cell.plan("lid").error_code
    assert Code.of(unknown.val) is Code.INVALID_OBJECT_NAME
    assert unknown.message == f"nobody has clicked on 'lid'; known points: {LABEL}"


def test_of_several_things_the_one_at_a_pixel(cell: Cell) -> None:
    """There is one here; its pixel is as good as its place, and sky is none."""
    view = cell.probe.eyes(BASE).glance()
    camera_from_base = geometry.inverse(view.base_from_camera)
    u, v = view.frame.intrinsics.project(geometry.apply(camera_from_base, cell.lies_at()))
    for near, code in (
        (f"{u:.1f},{v:.1f}", Code.SUCCESS),
        (",".join(f"{x:.3f}" for x in cell.lies_at()), Code.SUCCESS),
        ("9000,10", Code.INVALID_GOAL_CONSTRAINTS),
    ):
        cell.set("pick_place", "near", near)
        answer = cell.plan().error_code
        assert Code.of(answer.val) is code, answer.message
    cell.set("pick_place", "near", "")


def test_one_click_becomes_several_by_looking_from_all_sides(
    cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_annotations(cell.runs.parent / "clicks")
    assert main(["pick", LABEL, "--teach"]) == 0
    assert f"'{LABEL}' is known from " in capsys.readouterr().out
    shots = load_annotations(cell.runs.parent / "clicks")
    assert len(before) == 1
    assert len(shots) >= 4
    stamps = {shot.frame.stamp_ns for shot in shots}
    assert len(stamps) == len(shots)
    np.testing.assert_allclose(cell.arm(), cell.layout.profile.home, atol=0.01)
    answer = cell.plan()
    assert Code.of(answer.error_code.val) is Code.SUCCESS, answer.error_code.message
    grasp = from_pose(answer.grasps[0].grasp_pose.pose)
    assert np.linalg.norm(grasp[:3, 3] - cell.lies_at()) < 0.05


def test_what_cannot_be_done_is_refused_at_once(cell: Cell) -> None:
    for job in (cell.pickup("lid"), cell.pick_and_place("lid", np.eye(4))):
        assert job.answer() == (
            Code.INVALID_OBJECT_NAME, f"nobody has clicked on 'lid'; known points: {LABEL}"
        )  # fmt: skip
        assert job.goal.status == GoalStatus.STATUS_ABORTED
        assert job.stages == []
    code, sentence = cell.place(np.eye(4)).answer()
    assert (code, sentence) == (Code.INVALID_OBJECT_NAME, "nothing is held: pick it first")
    code, sentence = cell.pick_and_place().answer()
    assert code is Code.INVALID_GOAL_CONSTRAINTS
    assert sentence.startswith("where to?")
    code, sentence = cell.place().answer()
    assert code is Code.INVALID_GOAL_CONSTRAINTS
    assert "place_locations is empty" in sentence
    nowhere = np.eye(4)
    nowhere[0, 3] = np.nan
    code, sentence = cell.pick_and_place(LABEL, nowhere).answer()
    assert code is Code.FAILURE
    assert sentence.startswith("place_pose: ")


def test_a_cancelled_job_stops_where_it_is_and_others_are_refused_meanwhile(cell: Cell) -> None:
    cell.set("pick_place", "place", "bin")
    job = cell.pick_and_place()
    job.until("pregrasp")
    with cell.slowly():
        cell.until(lambda: cell.speed() > 0.05, "the arm to move")
        for other in (cell.pickup(), cell.pick_and_place()):
            code, sentence = other.answer()
            assert code is Code.FAILURE
            assert "another job is under way" in sentence
        assert not job.goal.over
        job.goal.cancel()
        code, sentence = job.answer()
    assert code is Code.PREEMPTED, sentence
    assert job.goal.status == GoalStatus.STATUS_CANCELED
    assert job.stages[-1] == "pregrasp"
    cell.stands()
    assert cell.probe.ask("/cell/judge")["collisions"] == []
    before = cell.arm()
    job = cell.pick_and_place()
    job.goal.cancel()  # while it is still being prepared
    assert job.answer()[0] is Code.PREEMPTED
    assert job.goal.status == GoalStatus.STATUS_CANCELED
    np.testing.assert_allclose(cell.arm(), before, atol=0.01)


def test_after_a_stop_nothing_moves_until_it_is_armed_again(cell: Cell) -> None:
    cell.set("pick_place", "place", "bin")
    job = cell.pick_and_place()
    job.until("pregrasp")
    with cell.slowly():
        cell.until(lambda: cell.speed() > 0.05, "the arm to move")
        cell.stop()
        code, sentence = job.answer()
    assert code is Code.PREEMPTED, sentence
    assert job.goal.status == GoalStatus.STATUS_ABORTED
    cell.stands()
    before = cell.arm()
    for refused in (cell.pick_and_place(), cell.pickup()):
        code, sentence = refused.answer()
        assert code is Code.PREEMPTED
        assert "rearm" in sentence
        assert refused.stages == []
    np.testing.assert_allclose(cell.arm(), before, atol=0.01)
    cell.until(lambda: cell.stopped[-1], "word that it is stopped")
    assert cell.rearm() == "armed again; it was stopped: a stop was asked for"
    assert cell.rearm() == "it was not stopped"
    cell.until(lambda: not cell.stopped[-1], "word that it is armed again")


def test_a_given_grasp_is_used_and_what_is_held_is_put_where_the_pose_says(cell: Cell) -> None:
    # As it stood when it was clicked on: how a job before has left it is no business of this one.
    cell.begin()
    planned = cell.plan()
    assert len(planned.grasps) > 1, planned.error_code.message
    given = planned.grasps[1]  # not what it would take itself, and still a good one
    given.id = "mine"
    job = cell.pickup(LABEL, given)
    code, sentence = job.answer()
    assert code is Code.SUCCESS, sentence
    assert job.stages == PICK
    used = job.result().grasp
    np.testing.assert_allclose(
        from_pose(used.grasp_pose.pose), from_pose(given.grasp_pose.pose), atol=1e-6
    )
    assert cell.probe.ask("/cell/judge")["held"]
    code, sentence = cell.pickup().answer()
    assert code is Code.FAILURE
    assert f"'{LABEL}' is still held" in sentence
    code, sentence = cell.place(np.eye(4), label="lid").answer()
    assert (code, sentence) == (Code.INVALID_OBJECT_NAME, f"'{LABEL}' is held, not 'lid'")

    before = read_run(cell.runs).cycles[-1].record
    assert (before.label, before.place, before.success) == (LABEL, "", True)
    lay = cell.lies_at()
    target = geometry.make_transform(np.eye(3), (0.5, -0.1, 0.0))
    target[2, 3] = _height(cell)
    elsewhere = geometry.make_transform(np.eye(3), (0.4, 0.2, target[2, 3]))
    job = cell.place(target)
    job.until("carry")
    other = cell.place(elsewhere)
    code, sentence = other.answer()
    assert code is Code.FAILURE
    assert "another job is under way" in sentence
    code, sentence = job.answer()
    assert code is Code.SUCCESS, sentence
    assert job.stages == PLACE
    lies = cell.lies_at()
    assert np.linalg.norm(lies - lay) > 0.05
    np.testing.assert_allclose(lies[:2], target[:2, 3], atol=0.02)
    np.testing.assert_allclose(lies[2], target[2, 3], atol=0.002)
    code, sentence = cell.place(target).answer()
    assert sentence == "nothing is held: pick it first"


def _height(cell: Cell) -> float:
    """Of the point where the thing stood when the cell began, m."""
    placed = cell.layout.target
    return float(geometry.apply(placed.base_from_object, placed.model.position(LABEL))[2])


def test_into_the_bin(cell: Cell) -> None:
    cell.begin()
    cell.set("pick_place", "place", "bin")
    job = cell.pick_and_place()
    code, sentence = job.answer()
    assert code is Code.SUCCESS, sentence
    assert job.goal.status == GoalStatus.STATUS_SUCCEEDED
    assert [stage for stage in job.stages if stage != "wait"] == PICK + PLACE
    cell.pass_time(0.5)
    judged = cell.probe.ask("/cell/judge")
    assert judged["in_bin"], judged
    assert judged["released"], judged
    assert judged["collisions"] == []
    cell.until(lambda: _last(cell).place == "bin" and _last(cell).success, "the log")
    record = _last(cell)
    assert record.label == LABEL
    assert [stage.name for stage in record.stages] == PICK + PLACE


def _last(cell: Cell) -> Any:
    return read_run(cell.runs).cycles[-1].record


def test_without_move_group_it_says_so_and_goes_on_when_it_is_back(
    cell: Cell, move_group: MoveGroup
) -> None:
    cell.probe.trigger("/cell/reset")
    cell.set("pick_place", "place", "bin")
    move_group.kill()
    before = cell.arm()
    code, sentence = cell.pick_and_place().answer()
    assert code is Code.COMMUNICATION_FAILURE
    assert "apply_planning_scene" in sentence
    np.testing.assert_allclose(cell.arm(), before, atol=0.01)
    move_group.start()
    cell.until(cell.answers, "the new move_group")
    assert cell.scene() == set()
    job = cell.pick_and_place()
    job.until("pregrasp")
    move_group.end()  # as Ctrl-C does
    move_group.start()
    code, sentence = job.answer()
    assert code is Code.SUCCESS, sentence
    assert cell.scene() >= BINS  # nobody but this job has told the new one of them,
    assert cell.scene() - BINS  # and of what was seen before
    assert cell.probe.ask("/cell/judge")["in_bin"]


def test_from_the_command_line(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    cell.probe.trigger("/cell/reset")
    assert main(["pick", LABEL, "--why"]) == 0
    assert "grasps; the best: " in capsys.readouterr().out
    assert main(["pick", "lid", "--place", "bin"]) == 1
    said = capsys.readouterr().out
    assert said == f"nobody has clicked on 'lid'; known points: {LABEL} (INVALID_OBJECT_NAME -19)\n"
