# SPDX-License-Identifier: Apache-2.0
"""A private ROS graph for each test that asks for one."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_ros.environment import graph_environment, private_domain_id

sys.path.insert(0, str(Path(__file__).parent))  # what several tests share
FRAME_ID = "camera_color_optical_frame"
WAIT_S = 120.0
"""Nothing waits for so long that is not broken, however busy the computer is."""


class Graph:
    """Nodes of one context, spun on a thread of their own, or on several."""

    def __init__(self, threads: int = 1) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from tack_ros.node import CallbackPool
        from tack_ros.spinning import SpinThread

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor: Any = (
            SingleThreadedExecutor(context=self.context)
            if threads == 1
            else CallbackPool(threads, context=self.context)
        )
        self._nodes: list[Any] = []
        self.probe = self.add(rclpy.create_node("probe", context=self.context))
        self._thread = SpinThread(self.executor)

    def add(self, node: Any) -> Any:
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def start(self, kind: Callable[..., Any], *args: Any, **parameters: Any) -> Any:
        """Start a node of tack with parameters; "planner.turns" is written planner__turns."""
        from rclpy.parameter import Parameter

        overrides = [Parameter(n.replace("__", "."), value=v) for n, v in parameters.items()]
        return self.add(kind(*args, context=self.context, parameter_overrides=overrides))

    def listen(self, kind: Any, topic: str, profile: Any) -> list[Any]:
        """The messages of a topic, in a list that grows."""
        messages: list[Any] = []
        self.probe.create_subscription(kind, topic, messages.append, profile)
        return messages

    def publisher(self, kind: Any, topic: str, profile: Any) -> Any:
        """A publisher that already has its subscriber."""
        publisher = self.probe.create_publisher(kind, topic, profile)
        self.wait(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.probe.create_client(kind, name)
        assert client.wait_for_service(WAIT_S), f"no service {name}"
        future = client.call_async(request)
        self.wait(future.done, f"an answer of {name}")
        return future.result()

    def set_parameter(self, node: Any, name: str, value: Any) -> Any:
        """Set it over the graph, as `ros2 param set` does."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        message = Parameter(name, value=value).to_parameter_msg()
        service = f"{node.get_fully_qualified_name()}/set_parameters"
        return self.call(
            SetParameters, service, SetParameters.Request(parameters=[message])
        ).results[0]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
        """Wait until the condition holds; its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"waited {seconds:g} s in vain for {what}")

    def close(self) -> None:
        from tack_ros.actions import destroy_actions

        self._thread.end()
        for node in reversed(self._nodes):
            destroy_actions(node)
            node.destroy_node()
        self.context.try_shutdown()


class CellGraph(Graph):
    """The simulated cell, move_group where it is wanted, and one who asks them."""

    def __init__(self, *, move_group: bool = False, **cell: Any) -> None:
        from tack_ros.calls import Calls
        from tack_ros.nodes.cell import CellNode
        from tack_ros.nodes.move_group import MoveGroupNode

        super().__init__(threads=16)
        parameters = {"cameras": [""], "speed": 2.0, **cell}
        self._speed = parameters["speed"]
        self.cell = self.start(CellNode, **parameters)
        self.world = self.cell.world
        self.profile = self.world.profile
        if move_group:
            self.move_group = self.start(MoveGroupNode, use_sim_time=True)
        self.calls = Calls("test_calls", self.context)

    def close(self) -> None:
        self.calls.close()
        super().close()

    def home(self) -> None:
        """Put the arm home and the gripper open at once, and let no fault be left."""
        assert self.set_parameter(self.cell, "faults", [""]).successful
        from tack_sim.robots.spec import set_joints

        with self.world.lock:
            set_joints(self.world.model, self.world.data, self.profile)
            self.world.data.qvel[:] = 0
            self.world.command_arm(self.profile.home)
            self.world.command_gripper(self.profile.gripper.stroke)
        self.pass_time(0.3)

    def pass_time(self, seconds: float) -> None:
        """Wait until so much of the cell's time has passed."""
        end = self.world.time + seconds
        self.wait(lambda: self.world.time >= end, "time to pass")

    @contextlib.contextmanager
    def slowly(self) -> Iterator[None]:
        """The cell's time passes slowly: what is to happen in the middle of a motion does."""
        assert self.set_parameter(self.cell, "speed", 0.1).successful
        try:
            yield
        finally:
            assert self.set_parameter(self.cell, "speed", self._speed).successful

    def now_ns(self) -> int:
        """The time on the clock of the cell's stamps."""
        return int(self.cell._state.now_ns())

    def speed(self) -> float:
        """Of the fastest joint of the arm, rad/s."""
        return float(np.abs(self.world.arm_motion()[1]).max())

    def stands(self, seconds: float = 0.2) -> bool:
        """Whether the arm stands still after so much of the cell's time, and goes on doing so."""
        self.pass_time(seconds)
        before, _ = self.world.arm_motion()
        slow = self.speed() < 0.05
        self.pass_time(0.2)
        return slow and float(np.abs(self.world.arm_motion()[0] - before).max()) < 0.01


@pytest.fixture
def context() -> Iterator[Any]:
    """A context of rclpy of its own, for tests that need no whole graph."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture(scope="module")
def start_cell() -> Iterator[Callable[..., CellGraph]]:
    """Starts a cell that ends with the module, or when the next one starts."""
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    if find_spec("mujoco") is None:  # to import it here would choose another OpenGL
        pytest.skip("the cell needs MuJoCo")
    graphs: list[CellGraph] = []

    def end() -> None:
        while graphs:
            graphs.pop().close()

    def start(**options: Any) -> CellGraph:
        end()
        graphs.append(CellGraph(**options))
        return graphs[-1]

    yield start
    end()


@pytest.fixture(scope="session", autouse=True)
def _private_graph() -> None:
    os.environ.update(graph_environment(domain_id=private_domain_id()))


@pytest.fixture
def graph() -> Iterator[Graph]:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    graph = Graph()
    try:
        yield graph
    finally:
        graph.close()


@pytest.fixture
def make_frame() -> Callable[..., RGBDFrame]:
    """A small textured plane at 0.5 m that faces the camera."""

    def make(stamp_ns: int = 1_000_000_000, frame_id: str = FRAME_ID, seed: int = 0) -> RGBDFrame:
        camera = CameraIntrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
        blocks = np.random.default_rng(seed).integers(0, 255, (15, 20, 3), dtype=np.uint8)
        color = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
        depth = np.full((120, 160), 0.5, np.float32)
        return RGBDFrame(color, depth, camera, stamp_ns, frame_id)

    return make
