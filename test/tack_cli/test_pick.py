# SPDX-License-Identifier: Apache-2.0
"""`tack pick`, as a person uses it; the node that it asks is a scripted one.

On the whole graph it is used in test/tack_ros/test_pick_place_actions.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
import rclpy
from moveit_msgs.action import Pickup, Place
from moveit_msgs.msg import Grasp
from moveit_msgs.srv import GraspPlanning
from rclpy.action.server import ActionServer, CancelResponse, ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger

from tack_cli.main import EXIT_ERROR, main
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_ros import qos
from tack_ros.actions import destroy_actions
from tack_ros.pick_place import client
from tack_ros.spinning import SpinThread


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which point? Give its LABEL"),
        (["--why"], "which point? Give its LABEL"),
        (["--put"], "--put needs --place-at X,Y,Z"),
        (["rim", "--domain-id", "1000"], "domain"),
    ],
)
def test_a_mistake_is_one_sentence(capsys: Any, arguments: list[str], words: str) -> None:
    assert main(["pick", *arguments]) == EXIT_ERROR
    said = capsys.readouterr().err
    assert said.startswith("tack: ")
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rim", "--place-at", "1,2"], "'1,2': X,Y,Z in m is expected"),
        (
            ["rim", "--near", "a,b,c"],
            "'a,b,c': a place X,Y,Z in m or a pixel U,V (column, row) is expected",
        ),
        (["rim", "--near", "3"], "'3': a place X,Y,Z in m or a pixel U,V"),
        (["rim", "--place-at", "nan,0,0"], "'nan,0,0': X,Y,Z in m is expected"),
        (["rim", "--place", "bin", "--place-at", "1,2,3"], "not allowed with"),
        (["--stop", "--rearm"], "not allowed with"),
    ],
)
def test_what_does_not_fit_is_refused(capsys: Any, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["pick", *arguments])
    assert end.value.code == EXIT_ERROR
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["rim"], ["rim", "--why"], ["--stop"], ["--rearm"]])
def test_without_the_node_it_says_what_to_start(
    capsys: Any, monkeypatch: Any, arguments: list[str]
) -> None:
    monkeypatch.setattr(client, "_FOUND_S", 0.3)
    assert main(["pick", *arguments, "--node", "nobody"]) == EXIT_ERROR
    said = capsys.readouterr().err
    assert said.startswith("tack: there is no node /nobody here: start it first")
    assert said.count("\n") == 1


class Scripted:
    """A node `pick_place` that does nothing, and says that it did."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("pick_place", context=self.context)
        self.node.declare_parameter("place", "")
        self.node.declare_parameter("near", "")
        self.code, self.sentence = Code.SUCCESS, ""
        self.goals: list[Any] = []
        self.stops, self.hears, self.serves = 0, True, False

    def serve(self) -> None:
        """All that the node serves once it knows its robot."""
        self.serves = True
        group = ReentrantCallbackGroup()
        for kind, name in ((Pickup, "pickup"), (Place, "place"), (Place, "~/pick_and_place")):
            ActionServer(
                self.node, kind, name, lambda handle, kind=kind: self._do(handle, kind),
                callback_group=group, cancel_callback=lambda goal: CancelResponse.ACCEPT,
            )  # fmt: skip
        self.node.create_service(GraspPlanning, "plan_grasps", self._plan)
        self.node.create_service(Trigger, "~/rearm", self._rearm)
        self.node.create_subscription(Empty, "~/stop", self._stop, qos.RESULT)
        self.stopped = self.node.create_publisher(Bool, "~/stopped", qos.LATCHED)
        self.stopped.publish(Bool(data=False))

    def parameter(self, name: str) -> str:
        return str(self.node.get_parameter(name).value)

    def _do(self, handle: ServerGoalHandle, kind: Any) -> Any:
        self.goals.append(handle.request)
        handle.publish_feedback(kind.Feedback(state="look"))
        result = kind.Result()
        self._answer(result.error_code)
        handle.succeed() if self.code is Code.SUCCESS else handle.abort()
        return result

    def _answer(self, code: Any) -> None:
        code.val, code.message = int(self.code), self.sentence

    def _plan(self, request: Any, response: Any) -> Any:
        self._answer(response.error_code)
        response.grasps = [Grasp()] * 3
        return response

    def _rearm(self, request: Any, response: Any) -> Any:
        self.stopped.publish(Bool(data=False))
        response.success, response.message = True, "armed again"
        return response

    def _stop(self, message: Empty) -> None:
        if self.hears:
            self.stops += 1
            self.stopped.publish(Bool(data=True))


@pytest.fixture(scope="module")
def spun() -> Iterator[Scripted]:
    made = Scripted()
    executor = MultiThreadedExecutor(4, context=made.context)
    executor.add_node(made.node)
    thread = SpinThread(executor)
    yield made
    thread.end()
    destroy_actions(made.node)
    made.node.destroy_node()
    made.context.try_shutdown()


@pytest.fixture
def node(spun: Scripted) -> Scripted:
    if not spun.serves:
        spun.serve()
    spun.code, spun.sentence = Code.SUCCESS, ""
    spun.goals.clear()
    spun.hears = True
    return spun


@pytest.mark.parametrize("arguments", [["rim"], ["--stop"]])
def test_a_node_that_knows_no_robot_is_told_of(
    spun: Scripted, capsys: Any, monkeypatch: Any, arguments: list[str]
) -> None:
    found = client.PickPlaceClient._is_there

    def is_there(self: client.PickPlaceClient) -> bool:
        if found(self):
            monkeypatch.setattr(client, "_FOUND_S", 0.3)  # for what comes next
            return True
        return False

    monkeypatch.setattr(client.PickPlaceClient, "_is_there", is_there)
    assert main(["pick", *arguments]) == EXIT_ERROR
    assert "does the node know its robot" in capsys.readouterr().err


def test_a_pick_tells_of_its_stages(node: Scripted, capsys: Any) -> None:
    assert main(["pick", "rim", "--near", "0.5,-0.1,0"]) == 0
    assert capsys.readouterr().out == "  look …\nDone.\n"
    assert [goal.target_name for goal in node.goals] == ["rim"]
    assert node.parameter("near") == "0.5,-0.1,0"
    assert main(["pick", "rim", "--near", "412,233.5", "--why"]) == 0
    assert node.parameter("near") == "412,233.5"
    assert main(["pick", "rim", "--place", "bin"]) == 0
    assert (node.parameter("near"), node.parameter("place")) == ("", "bin")  # near is not kept


def test_where_it_is_put(node: Scripted, capsys: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["pick", "rim", "--place", "own.yaml"]) == 0  # a path is the node's to read
    assert node.parameter("place") == str(tmp_path / "own.yaml")
    assert node.goals[-1].attached_object_name == "rim"
    assert node.goals[-1].place_locations == []
    for arguments, label in ((["rim"], "rim"), (["--put"], "")):
        assert main(["pick", *arguments, "--place-at", "0.5,0.2,0.08"]) == 0
        (location,) = node.goals[-1].place_locations
        position = location.place_pose.pose.position
        assert (position.x, position.y, position.z) == (0.5, 0.2, 0.08)
        assert node.goals[-1].attached_object_name == label


def test_what_went_wrong_is_a_sentence_and_exit_code_1(node: Scripted, capsys: Any) -> None:
    node.code, node.sentence = Code.NO_IK_SOLUTION, "the point is out of reach"
    for arguments in (["rim", "--place", "bin"], ["rim", "--why"]):
        assert main(["pick", *arguments]) == 1
        assert capsys.readouterr().out.endswith("the point is out of reach (NO_IK_SOLUTION -31)\n")
    node.sentence = ""  # a server that gives no sentence: the code has one
    assert main(["pick", "rim"]) == 1
    assert "(NO_IK_SOLUTION -31)" in capsys.readouterr().out


def test_why_stop_and_rearm(node: Scripted, capsys: Any) -> None:
    node.sentence = "from above"
    assert main(["pick", "rim", "--why"]) == 0
    assert capsys.readouterr().out == "3 grasps; the best: from above\n"
    assert node.goals == []
    before = node.stops
    assert main(["pick", "--stop"]) == 0
    assert "tack pick --rearm" in capsys.readouterr().out
    assert node.stops > before  # it said so before the command ended
    assert main(["pick", "--rearm"]) == 0
    assert capsys.readouterr().out == "armed again\n"


def test_a_stop_that_is_not_confirmed_is_no_stop(
    node: Scripted, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(client, "_STOP_S", 0.3)
    node.hears = False
    node.stopped.publish(Bool(data=False))  # a stop that was said twice may have come after a rearm
    assert main(["pick", "--stop"]) == EXIT_ERROR
    heard = capsys.readouterr()
    assert heard.out == ""
    assert heard.err.count("use the robot's own stop") == 1
