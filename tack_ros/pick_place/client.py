# SPDX-License-Identifier: Apache-2.0
"""A client of the pick_place node, for programs that wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import rclpy
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from moveit_msgs.action import Pickup, Place
from moveit_msgs.msg import CollisionObject, MoveItErrorCodes, PlaceLocation
from moveit_msgs.srv import GraspPlanning
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, Empty
from std_srvs.srv import Trigger

from tack_grasping.behaviour.pointing import Pointed
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.frame import RGBDFrame
from tack_ros import qos
from tack_ros.calls import CallError, Calls
from tack_ros.conversions.stamps import to_header
from tack_ros.frame_subscriber import (
    COLOR_TOPIC,
    DEPTH_TOPIC,
    INFO_TOPIC,
    FrameInputConfig,
    FrameMessages,
    FrameSubscriber,
)
from tack_ros.node import TackNode

Say = Callable[[str], None]
Answer = tuple[bool, str]
"""Whether it was done, and a sentence."""

_LONGEST_S = 3600.0
_FOUND_S = 10.0
_POLL_S = 0.02
_STOP_S = 3.0
_AGAIN_S = 0.2  # how often a stop is said again until it is confirmed
_NOT_SERVED = "nobody serves it; does the node know its robot (its parameter `robot`)?"


class PickPlaceClient:
    """Asks the node. A context manager; blocks, so not for callbacks.

    Args:
        node: its name.

    Raises:
        CallError: on entering, there is no such node; and by all methods, it does not answer.
    """

    def __init__(self, node: str = "/pick_place") -> None:
        self._node = f"/{node.strip('/')}"
        namespace = self._node.rpartition("/")[0]
        self._pickup, self._place = f"{namespace}/pickup", f"{namespace}/place"
        self._plan = f"{namespace}/plan_grasps"
        self._context = Context()
        rclpy.init(context=self._context)
        self._calls = Calls("tack_pick", self._context)

    def __enter__(self) -> PickPlaceClient:
        try:
            self._wait_for(
                self._is_there,
                f"there is no node {self._node} here: start it first (`tack launch cell`, or"
                " `tack launch perception` beside a robot), and mind --domain-id",
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._calls.close()
        self._context.try_shutdown()

    def pick(self, label: str, say: Say = lambda stage: None) -> Answer:
        """Pick a thing at a point, and hold it.

        Raises:
            CallError: the node does not answer.
        """
        return self._run(Pickup, self._pickup, Pickup.Goal(target_name=label), say)

    def put(self, xyz: tuple[float, float, float], say: Say = lambda stage: None) -> Answer:
        """Put what is held down: its point comes to (3,) in the base frame, m."""
        goal = Place.Goal(place_locations=[self._location(xyz)])
        return self._run(Place, self._place, goal, say)

    def pick_and_place(
        self,
        label: str,
        xyz: tuple[float, float, float] | None = None,
        say: Say = lambda stage: None,
    ) -> Answer:
        """Pick a thing and put it where the specification in force says, or its point at (3,), m.

        Raises:
            CallError: the node does not answer.
        """
        goal = Place.Goal(attached_object_name=label)
        if xyz is not None:
            goal.place_locations = [self._location(xyz)]
        return self._run(Place, f"{self._node}/pick_and_place", goal, say)

    def plan(self, label: str) -> Answer:
        """What would be done now, and why."""
        calls = self._calls.node
        self._wait_for(
            lambda: any(name == self._plan for name, _ in calls.get_service_names_and_types()),
            f"{self._plan}: {_NOT_SERVED}",
        )
        request = GraspPlanning.Request(target=CollisionObject(id=label))
        answer = self._calls.call(GraspPlanning, self._plan, request, timeout_s=60.0)
        done, sentence = _answer(answer.error_code)
        return done, f"{len(answer.grasps)} grasps; the best: {sentence}" if done else sentence

    def click(self, label: str, pixel: tuple[float, float], node: str = "/annotation") -> str:
        """Click on a pixel of the newest image, through the annotation node; a sentence.

        Raises:
            CallError: the click was refused, or the detector does not find the point.
        """
        values = {"label": label, "pixel": list(pixel), "pixel_stamp": 0}
        self._set_all(node, values)
        answer = self._calls.call(Trigger, f"{node}/annotate", Trigger.Request(), timeout_s=20.0)
        if not answer.success:
            raise CallError(f"{node}: {answer.message}")
        end = time.monotonic() + _FOUND_S
        while True:  # the detector learns it meanwhile
            done, sentence = self.plan(label)
            if done or "not seen" not in sentence or time.monotonic() > end:
                return str(answer.message)

    def teach(self, label: str) -> Answer:
        """Have the robot look at a point that was just clicked on from all sides."""
        self._set("teach", label)
        answer = self._calls.call(
            Trigger, f"{self._node}/teach", Trigger.Request(), timeout_s=_LONGEST_S
        )
        return bool(answer.success), str(answer.message)

    def picture(self) -> RGBDFrame:
        """The newest image of the camera that is there.

        Raises:
            CallError: there is none, or there are several.
        """
        names = self._calls.node.get_topic_names_and_types
        end = time.monotonic() + _FOUND_S
        while not (found := [name for name, _ in names() if name.endswith(f"/{COLOR_TOPIC}")]):
            if time.monotonic() > end:
                raise CallError(f"no camera publishes …/{COLOR_TOPIC}")
            time.sleep(0.05)
        if len(found) > 1:
            raise CallError(f"there are several cameras: {', '.join(sorted(found))}")
        prefix = found[0].removesuffix(f"/{COLOR_TOPIC}")
        topics = (COLOR_TOPIC, DEPTH_TOPIC, INFO_TOPIC)
        remaps = [word for t in topics for word in ("-r", f"{t}:={prefix}/{t}")]
        node = TackNode("tack_look", context=self._context, cli_args=["--ros-args", *remaps])
        images: list[FrameMessages] = []
        FrameSubscriber(node, images.append, lambda: FrameInputConfig(max_age=0.0))
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(node)
        end = time.monotonic() + _FOUND_S
        while not images and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()
        node.destroy_node()
        if not images:
            raise CallError(f"{prefix}: no image with depth came within {_FOUND_S:g} s")
        return images[-1].frame()

    def place_by(self, spec: str) -> None:
        """Choose the place specification: a name, or a path on the node's machine."""
        self._set("place", spec)

    def prefer(self, near: Pointed | None) -> None:
        """Of several things take the one nearest to a place; None: the surest that is graspable."""
        self._set("near", "" if near is None else str(near))

    def stop(self) -> None:
        """Stop the arm, until `rearm`; returns once the node says that it is stopped.

        Raises:
            CallError: nobody listens, or the node does not say so in time.
        """
        node, topic = self._calls.node, f"{self._node}/stop"
        told = threading.Event()

        def listen(said: Bool) -> None:
            if said.data:
                told.set()

        node.create_subscription(Bool, f"{self._node}/stopped", listen, qos.LATCHED)
        publisher = node.create_publisher(Empty, topic, qos.RESULT)
        self._wait_for(publisher.get_subscription_count, f"{topic}: {_NOT_SERVED}")
        end = time.monotonic() + _STOP_S
        while True:  # a listener that does not know of this publisher yet misses what was said
            publisher.publish(Empty())
            if told.wait(_AGAIN_S):
                return
            if time.monotonic() > end:
                raise CallError(
                    f"{self._node} does not say that it is stopped: use the robot's own stop"
                )

    def rearm(self) -> str:
        """Allow motions again; a sentence."""
        answer = self._calls.call(Trigger, f"{self._node}/rearm", Trigger.Request())
        return str(answer.message)

    def _is_there(self) -> bool:
        known = self._calls.node.get_node_names_and_namespaces()
        return any(f"{space.rstrip('/')}/{name}" == self._node for name, space in known)

    def _wait_for(self, condition: Callable[[], Any], problem: str) -> None:
        end = time.monotonic() + _FOUND_S
        while not condition():
            if time.monotonic() > end:
                raise CallError(problem)
            time.sleep(_POLL_S)

    def _location(self, xyz: tuple[float, float, float]) -> PlaceLocation:
        pose = Pose(position=Point(x=xyz[0], y=xyz[1], z=xyz[2]), orientation=Quaternion(w=1.0))
        return PlaceLocation(place_pose=PoseStamped(header=to_header(0, ""), pose=pose))

    def _set(self, name: str, value: str) -> None:
        self._set_all(self._node, {name: value})

    def _set_all(self, node: str, values: Mapping[str, Any]) -> None:
        request = SetParameters.Request(
            parameters=[Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
        )
        answer = self._calls.call(
            SetParameters, f"{node}/set_parameters", request, timeout_s=_FOUND_S
        )
        for result in answer.results:
            if not result.successful:
                raise CallError(f"{node}: {result.reason}")

    def _run(self, kind: Any, name: str, goal: Any, say: Say) -> Answer:
        status = f"{name}/_action/status"
        self._wait_for(
            lambda: self._calls.node.count_publishers(status), f"{name}: {_NOT_SERVED}"
        )  # fmt: skip
        sent = self._calls.send(
            kind, name, goal, wait_s=_FOUND_S, on_feedback=lambda told: say(str(told.state))
        )
        try:
            result = sent.result(_LONGEST_S)
        except KeyboardInterrupt:
            sent.cancel()
            with contextlib.suppress(CallError):
                sent.result(_FOUND_S)
            raise
        return _answer(result.error_code)


def _answer(code: MoveItErrorCodes) -> Answer:
    known = MoveItErrorCode.of(code.val)
    sentence = getattr(code, "message", "")
    if known is MoveItErrorCode.SUCCESS:
        return True, sentence
    return False, f"{sentence or known.sentence} ({known.name} {code.val})"
