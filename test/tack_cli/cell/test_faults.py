# SPDX-License-Identifier: Apache-2.0
"""Every fault of the cell on the whole graph, a process each: nobody dies, and work goes on after.

What each fault does to a single node is tested with that node; here it passes through all of them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("mujoco", reason="the cell needs MuJoCo")
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from vision_msgs.msg import Detection3DArray

from tack_cli.cell.looking import ClickPlan, Looker, Sighting, Stages, true_position
from tack_cli.cell.nodes import cell_nodes
from tack_cli.cell.observer import Observer
from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_grasping.motion import MotionConfig, MotionError
from tack_perception import geometry
from tack_ros import qos
from tack_ros.cell.probe import Probe
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.stamps import to_ns
from tack_ros.moveit.client import MoveItMotion
from tack_sim.cell.faults import FaultKind
from tack_sim.cell.log import CellSetup

LABEL = "top_center"
AWAY = np.array([0.5, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
SLOW = MotionConfig(speed=0.15, acceleration=0.2)
WAIT_S = 300.0


class Running:
    """The cell with everything from its camera to grasps, and what it says."""

    def __init__(self, probe: Probe, healthy: Callable[[], None], setup: CellSetup) -> None:
        self.probe, self.healthy = probe, healthy
        self.layout = setup.layout()
        self.motion = MoveItMotion(self.layout.profile, probe.calls, SLOW)
        self.found: list[tuple[int, Detection3DArray]] = []  # with their stamps
        self.grasps: list[int] = []  # stamps
        self.states: list[JointState] = []
        add = probe.calls.node.create_subscription
        add(Detection3DArray, "/detector/detections", self._on_detections, qos.RESULT)
        add(PoseStamped, "/pick_place/grasp_pose", self._on_grasp, qos.RESULT)
        add(JointState, "/joint_states", self.states.append, qos.RESULT)

    def _on_detections(self, message: Detection3DArray) -> None:
        self.found.append((to_ns(message.header.stamp), message))

    def _on_grasp(self, message: PoseStamped) -> None:
        self.grasps.append(to_ns(message.header.stamp))

    def since(self, stamp_ns: int) -> list[tuple[int, Detection3DArray]]:
        """Stamps and detections of images after a stamp."""
        return [found for found in tuple(self.found) if found[0] > stamp_ns]

    def look(self) -> Sighting:
        """Click once, without moving anything, and find it again."""
        looker = Looker(
            ClickPlan(LABEL, move=False),
            self.layout, self.probe, Stages(Observer()), lambda text: None, Observer(),
        )  # fmt: skip
        return looker.look()

    def fault(self, node: str, *texts: str) -> int:
        """Ask for faults, or for none; the time by which they surely hold."""
        message = Parameter("faults", value=list(texts or [""])).to_parameter_msg()
        request = SetParameters.Request(parameters=[message])
        answer = self.probe.calls.call(SetParameters, f"/{node}/set_parameters", request)
        assert answer.results[0].successful, answer.results[0].reason
        return self.pass_time(0.3)

    def pass_time(self, seconds: float) -> int:
        """Wait until so much of the cell's time has passed; the time then, ns."""
        end_ns = self.probe.now_ns() + round(seconds * 1e9)
        self.until(lambda: self.probe.now_ns() >= end_ns, "time to pass")
        return self.probe.now_ns()

    def until(self, condition: Callable[[], Any], what: str) -> None:
        self.probe.wait(lambda: condition() or None, what, WAIT_S)

    def works(self) -> None:
        """From now on the point is found where it is, and grasps are planned."""
        now_ns = self.probe.now_ns()
        stamp_ns, keypoint = self.probe.keypoints(now_ns, LABEL)
        assert self.error(stamp_ns, keypoint.xyz) < 0.01
        self.until(lambda: any(stamp > now_ns for stamp in self.grasps), "a grasp")
        self.healthy()

    def error(self, stamp_ns: int, xyz: Any) -> float:
        """How far a point in the camera's frame is from the truth, m."""
        profile = self.layout.profile
        frame = "wrist_color_optical_frame"
        pose = self.probe.transform(profile.base_frame, frame, stamp_ns)
        truth = true_position(self.probe.ask("/cell/truth"), LABEL)
        return float(np.linalg.norm(geometry.apply(pose, xyz) - truth))

    def arm(self) -> np.ndarray:
        """(7,) positions of the arm's joints, rad."""
        return np.array(self.states[-1].position[:7])

    def speed(self) -> float:
        """Of the fastest joint, rad/s."""
        return float(np.abs(self.states[-1].velocity[:7]).max())

    def stands(self) -> None:
        """The arm comes to rest, and stays."""
        self.pass_time(0.3)
        before = self.arm()
        assert self.speed() < 0.05
        self.pass_time(0.3)
        np.testing.assert_allclose(self.arm(), before, atol=0.01)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("cell")
    setup = CellSetup(object_class="box", seed=7)
    log = folder / "cell.npz"
    with (
        cell_nodes(setup, setup.layout(), folder / "clicks", folder, log, "wrist") as healthy,
        Probe("/wrist", healthy) as probe,
    ):
        probe.frame(seconds=WAIT_S)
        probe.trigger("/annotation/list")
        running = Running(probe, healthy, setup)
        running.look()
        running.works()
        yield running
        healthy()
    said = {path.stem: path.read_text() for path in (folder / "logs").glob("*.log")}
    assert set(said) == {"cell", "move_group", "annotation", "detector", "pick_place"}
    for name, text in said.items():
        for noise in ("Traceback", "internal error", "terminate called", "never retrieved"):
            assert noise not in text, f"{name}: {text[-2000:]}"


@pytest.fixture
def cell(running: Running) -> Iterator[Running]:
    yield running
    running.fault("cell")
    running.fault("move_group")
    running.works()


TESTED = {
    "camera_dropout", "camera_delay", "camera_duplicate", "camera_disorder", "depth_nan",
    "depth_holes", "tf_silence", "controller_stall", "gripper_slip", "plan_refused", "plan_aborted",
}  # fmt: skip


def test_no_fault_is_left_out() -> None:
    assert {kind.value for kind in FaultKind} == TESTED


@pytest.mark.parametrize("fault", ["camera_dropout", "camera_delay"])
def test_no_stale_image_is_used(cell: Running, fault: str) -> None:
    since_ns = cell.fault("cell", fault)
    cell.pass_time(2.5)
    assert cell.since(since_ns) == []
    assert [stamp for stamp in cell.grasps if stamp > since_ns] == []


@pytest.mark.parametrize("fault", ["camera_duplicate", "camera_disorder"])
def test_each_image_is_used_once_and_in_order(cell: Running, fault: str) -> None:
    begun = len(cell.found)
    cell.fault("cell", fault)
    cell.until(lambda: len(cell.found) > begun + 10, "detections")
    stamps = [stamp for stamp, _ in cell.found[begun:]]
    assert all(late > early for early, late in itertools.pairwise(stamps))


def test_no_depth_is_no_point_and_no_grasp(cell: Running) -> None:
    since_ns = cell.fault("cell", "depth_nan")
    cell.until(lambda: len(cell.since(since_ns)) > 5, "detections")
    for _, message in cell.since(since_ns):
        for detection in message.detections:
            assert from_detection(detection).xyz is None
    assert [stamp for stamp in cell.grasps if stamp > since_ns] == []


def test_holes_are_not_filled_with_guesses(cell: Running) -> None:
    since_ns = cell.fault("cell", "depth_holes")
    cell.until(lambda: len(cell.since(since_ns)) > 5, "detections")
    for stamp_ns, message in cell.since(since_ns):
        for detection in message.detections:
            keypoint = from_detection(detection)
            if keypoint.xyz is not None:
                assert cell.error(stamp_ns, keypoint.xyz) < 0.01


def test_without_the_pose_of_an_image_there_is_no_grasp(cell: Running) -> None:
    since_ns = cell.fault("cell", "tf_silence")
    cell.until(lambda: len(cell.since(since_ns)) > 5, "detections")
    assert [stamp for stamp in cell.grasps if stamp > since_ns] == []


def test_a_stalled_arm_is_told_of_and_stands_when_it_can_move_again(cell: Running) -> None:
    raised: list[MotionError] = []

    def go() -> None:
        try:
            cell.motion.move_joints(cell.layout.profile.home + AWAY)
        except MotionError as error:
            raised.append(error)

    moving = threading.Thread(target=go)
    moving.start()
    cell.until(lambda: cell.speed() > 0.05, "the arm to move")
    cell.fault("cell", "controller_stall")
    moving.join(WAIT_S)
    assert [error.code for error in raised] == [Code.CONTROL_FAILED]
    cell.fault("cell")
    cell.stands()
    assert np.abs(cell.arm() - cell.layout.profile.home - AWAY).max() > 0.05
    cell.motion.move_home()


@pytest.mark.parametrize(
    ("fault", "code"), [("plan_refused", Code.FAILURE), ("plan_aborted", Code.ABORT)]
)
def test_without_a_plan_the_arm_does_not_move(cell: Running, fault: str, code: Code) -> None:
    cell.fault("move_group", fault)
    before = cell.arm()
    with pytest.raises(MotionError) as raised:
        cell.motion.move_joints(cell.layout.profile.home + AWAY)
    assert raised.value.code is code
    cell.pass_time(0.3)
    np.testing.assert_allclose(cell.arm(), before, atol=0.01)


def test_a_gripper_that_slips_still_answers(cell: Running) -> None:
    cell.fault("cell", "gripper_slip")
    for opening in (0.02, 0.08):
        state = cell.motion.move_gripper(opening, 20.0)
        assert state.reached
        assert state.opening == pytest.approx(opening, abs=3e-3)


def test_all_at_once_and_all_is_well_again(cell: Running) -> None:
    names = [k.value for k in FaultKind if not k.value.startswith("plan_")]
    cell.fault("cell", *names)
    cell.fault("move_group", "plan_aborted")
    time.sleep(1.0)
    cell.healthy()
