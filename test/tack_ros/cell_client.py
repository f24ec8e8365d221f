# SPDX-License-Identifier: Apache-2.0
"""A client of the whole graph, for tests that have one run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from moveit_msgs.action import Pickup, Place
from moveit_msgs.msg import CollisionObject, Grasp, PlaceLocation, PlanningSceneComponents
from moveit_msgs.srv import GetPlanningScene, GraspPlanning
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger

from tack_grasping.error_codes import MoveItErrorCode as Code
from tack_perception import geometry
from tack_ros import qos
from tack_ros.calls import CallError, Goal
from tack_ros.cell.probe import Probe
from tack_ros.conversions.stamps import to_header
from tack_ros.conversions.transforms import to_pose
from tack_ros.launching.background import BackgroundNodes
from tack_ros.launching.description import NodeDescription
from tack_ros.moveit.client import MoveItMotion
from tack_sim.cell.log import CellSetup

LABEL = "top_center"
BASE = "panda_link0"
SEED = 7  # of the cell that is started, and of what is known of it here
WAIT_S = 300.0


class Job:
    """A goal under way, and what was told of it."""

    def __init__(self, cell: Cell, kind: Any, name: str, goal: Any) -> None:
        self.stages: list[str] = []
        self._cell = cell
        self.goal: Goal = cell.probe.calls.send(
            kind, name, goal, wait_s=WAIT_S, on_feedback=lambda told: self.stages.append(told.state)
        )

    def until(self, stage: str) -> None:
        """Wait until a stage begins."""
        self._cell.until(lambda: stage in self.stages or self.goal.over, stage)
        assert not self.goal.over, self.answer()

    def result(self) -> Any:
        return self.goal.result(WAIT_S)

    def answer(self) -> tuple[Code, str]:
        """Code and sentence."""
        code = self.result().error_code
        return Code.of(code.val), code.message


class Cell:
    """The running graph, and what a client asks of it."""

    def __init__(self, probe: Probe, runs: Path) -> None:
        self.probe, self.runs = probe, runs
        self.setup = CellSetup(object_class="box", seed=SEED)
        self.layout = self.setup.layout()
        self.states: list[JointState] = []
        node = probe.calls.node
        node.create_subscription(JointState, "/joint_states", self.states.append, qos.RESULT)
        self._stop = node.create_publisher(Empty, "/pick_place/stop", qos.RESULT)
        self.stopped: list[bool] = []
        node.create_subscription(
            Bool, "/pick_place/stopped", lambda said: self.stopped.append(said.data), qos.LATCHED
        )

    def begin(self) -> None:
        """The arm at home, nothing held, and everything else where it was at first."""
        self.place(geometry.make_transform(np.eye(3), (0.5, -0.1, 0.2))).answer()
        MoveItMotion(self.layout.profile, self.probe.calls).move_home()
        self.probe.trigger("/cell/reset")
        self.pass_time(0.5)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        self.probe.wait(lambda: condition() or None, what, WAIT_S)

    def set(self, node: str, name: str, value: Any) -> None:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        answer = self.probe.calls.call(SetParameters, f"/{node}/set_parameters", request)
        assert answer.results[0].successful, answer.results[0].reason

    def pickup(self, label: str = LABEL, *grasps: Grasp) -> Job:
        goal = Pickup.Goal(target_name=label, possible_grasps=list(grasps))
        return Job(self, Pickup, "/pickup", goal)

    def place(self, *base_from_place: np.ndarray, label: str = "") -> Job:
        return Job(self, Place, "/place", self._place_goal(label, base_from_place))

    def pick_and_place(self, label: str = LABEL, *base_from_place: np.ndarray) -> Job:
        goal = self._place_goal(label, base_from_place)
        return Job(self, Place, "/pick_place/pick_and_place", goal)

    def _place_goal(self, label: str, poses: tuple[np.ndarray, ...]) -> Place.Goal:
        goal = Place.Goal(attached_object_name=label)
        for pose in poses:
            stamped = PoseStamped(header=to_header(0, BASE), pose=to_pose(pose))
            goal.place_locations.append(PlaceLocation(place_pose=stamped))
        return goal

    def plan(self, label: str = LABEL) -> GraspPlanning.Response:
        request = GraspPlanning.Request(target=CollisionObject(id=label))
        return self.probe.calls.call(GraspPlanning, "/plan_grasps", request, timeout_s=WAIT_S)

    def stop(self) -> None:
        self.until(self._stop.get_subscription_count, "a listener to ~/stop")
        self._stop.publish(Empty())

    def rearm(self) -> str:
        request = Trigger.Request()
        return str(self.probe.calls.call(Trigger, "/pick_place/rearm", request).message)

    def arm(self) -> np.ndarray:
        """(7,) rad."""
        return np.array(self.states[-1].position[:7])

    def speed(self) -> float:
        """Of the fastest joint, rad/s."""
        return float(np.abs(self.states[-1].velocity[:7]).max())

    def pass_time(self, seconds: float) -> None:
        end_ns = self.probe.now_ns() + round(seconds * 1e9)
        self.until(lambda: self.probe.now_ns() >= end_ns, "time to pass")

    def stands(self) -> None:
        """The arm comes to rest, and stays."""
        self.pass_time(0.3)
        before = self.arm()
        assert self.speed() < 0.05
        self.pass_time(0.3)
        np.testing.assert_allclose(self.arm(), before, atol=0.01)

    def lies_at(self) -> np.ndarray:
        """(3,) of the point, by the truth, m."""
        truth = self.probe.ask("/cell/truth")
        return np.array(truth["objects"][truth["target"]]["points"][LABEL])

    def carries(self) -> str:
        """What `annotation` says when it is to carry the clicks."""
        return str(self.probe.calls.call(Trigger, "/annotation/carry", Trigger.Request()).message)

    def scene(self) -> set[str]:
        """What move_group knows of."""
        wanted = PlanningSceneComponents(components=PlanningSceneComponents.WORLD_OBJECT_NAMES)
        request = GetPlanningScene.Request(components=wanted)
        answer = self.probe.calls.call(GetPlanningScene, "/get_planning_scene", request)
        return {known.id for known in answer.scene.world.collision_objects}

    def answers(self) -> bool:
        """Whether move_group does."""
        with contextlib.suppress(CallError):
            self.scene()
            return True
        return False

    @contextlib.contextmanager
    def slowly(self) -> Iterator[None]:
        """What is to happen in the middle of a motion does."""
        self.set("cell", "speed", 0.2)
        try:
            yield
        finally:
            self.set("cell", "speed", 1.0)


class MoveGroup:
    """A process that can be killed and started again."""

    def __init__(self, node: NodeDescription, environ: dict[str, str], logs: Path) -> None:
        self._make = lambda: BackgroundNodes([node], environ, logs)
        self.start()

    def start(self) -> None:
        self._nodes = self._make().__enter__()

    def kill(self) -> None:
        """Without a word to anybody."""
        (process,) = self._nodes._processes.values()
        process.kill()
        process.wait()
        self.end()

    def end(self) -> None:
        self._nodes.__exit__(None, None, None)
