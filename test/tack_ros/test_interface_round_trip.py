# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""Every interface through rclpy: as bytes, and each kind over a real graph."""

from __future__ import annotations

import importlib
import threading

import pytest

for package in ("rclpy", "tf2_msgs", "vision_msgs", "moveit_msgs", "control_msgs"):
    pytest.importorskip(package)

import rclpy
from action_msgs.msg import GoalStatus
from control_msgs.action import FollowJointTrajectory, GripperCommand, ParallelGripperCommand
from moveit_msgs.action import ExecuteTrajectory, MoveGroup, Pickup, Place
from moveit_msgs.srv import (
    ApplyPlanningScene,
    GetCartesianPath,
    GetMotionPlan,
    GetPlanningScene,
    GetPositionIK,
    GraspPlanning,
)
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data, qos_profile_services_default
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosidl_parser.definition import (
    AbstractSequence,
    AbstractString,
    Array,
    BasicType,
    BoundedSequence,
    NamespacedType,
)
from tf2_msgs.action import LookupTransform
from tf2_msgs.msg import TFMessage
from tf2_msgs.srv import FrameGraph
from vision_msgs.msg import Detection3DArray

from tack_ros.interface_builder.field_lists import default_folder, read_field_lists
from tack_ros.spinning import SpinThread

pytestmark = pytest.mark.ros

PARTS = {"srv": ("Request", "Response"), "action": ("Goal", "Result", "Feedback")}
MESSAGES = [TFMessage, Detection3DArray]
SERVICES = [
    ApplyPlanningScene,
    FrameGraph,
    GetCartesianPath,
    GetMotionPlan,
    GetPlanningScene,
    GetPositionIK,
    GraspPlanning,
]
ACTIONS = [
    ExecuteTrajectory,
    FollowJointTrajectory,
    GripperCommand,
    LookupTransform,
    MoveGroup,
    ParallelGripperCommand,
    Pickup,
    Place,
]
LISTS = read_field_lists(default_folder())
WAIT = 30.0


def find_class(interface):
    module = importlib.import_module(f"{interface.package}.{interface.kind}")
    return getattr(module, interface.name)


def filled(cls, start=0):
    """A message whose every field differs from its default, and mostly from its neighbours."""
    message = cls()
    for number, (slot, kind) in enumerate(zip(message.__slots__, cls.SLOT_TYPES, strict=False)):
        setattr(message, slot.lstrip("_"), value(kind, start + number))
    return message


def value(kind, number):
    if isinstance(kind, Array):
        return [value(kind.value_type, number + i) for i in range(kind.size)]
    if isinstance(kind, AbstractSequence):
        size = 1 if isinstance(kind, BoundedSequence) else 2
        return [value(kind.value_type, number + i) for i in range(size)]
    if isinstance(kind, NamespacedType):
        return filled(
            getattr(importlib.import_module(".".join(kind.namespaces)), kind.name), number
        )
    if isinstance(kind, AbstractString):
        return f"Wörter {number}"
    assert isinstance(kind, BasicType)
    if kind.typename == "boolean":
        return True
    if kind.typename == "octet":
        return bytes([1 + number % 100])
    if kind.typename in ("float", "double"):
        return 0.5 + number
    return 1 + number % 100


def message_classes():
    for interface in sorted(LISTS.texts):
        cls = find_class(interface)
        for part in PARTS.get(interface.kind, ("",)):
            yield pytest.param(getattr(cls, part) if part else cls, id=f"{interface}{part}")


@pytest.mark.parametrize("cls", message_classes())
def test_each_message_survives_its_bytes(cls):
    message = filled(cls)
    assert message != cls() or not cls.get_fields_and_field_types()
    assert deserialize_message(serialize_message(message), cls) == message


@pytest.fixture(scope="module")
def type_store():
    store = get_typestore(Stores.ROS2_KILTED)
    for interface, text in LISTS.texts.items():
        if interface.kind == "msg" and str(interface) not in store.fielddefs:
            store.register(get_types_from_msg(text, str(interface)))
    return store


@pytest.mark.parametrize("interface", [i for i in sorted(LISTS.texts) if i.kind == "msg"], ids=str)
def test_another_implementation_reads_and_writes_the_same_bytes(type_store, interface):
    message = filled(find_class(interface))
    data = serialize_message(message)
    read = type_store.deserialize_cdr(data, str(interface))
    again = bytes(type_store.serialize_cdr(read, str(interface)))
    # Fast CDR leaves the bytes between fields as they were, so the bytes are not compared.
    assert len(again) <= len(data) < len(again) + 4
    assert deserialize_message(again, type(message)) == message


class Graph:
    """A server and a client node, each on an executor and a context of its own."""

    def __init__(self, executor_type):
        self.contexts = [Context(), Context()]
        self.threads = []
        self.nodes = []
        for context, name in zip(self.contexts, ("server", "client"), strict=True):
            rclpy.init(context=context)
            node = rclpy.create_node(f"interface_{name}", context=context, namespace="/tack_test")
            executor = executor_type(context=context)
            executor.add_node(node)
            self.nodes.append(node)
            self.threads.append(SpinThread(executor))
        self.server, self.client = self.nodes

    def close(self):
        for thread in self.threads:
            thread.end()
        for node, context in zip(self.nodes, self.contexts, strict=True):
            node.destroy_node()
            rclpy.shutdown(context=context)


@pytest.fixture(
    scope="module", params=[SingleThreadedExecutor, MultiThreadedExecutor], ids=["single", "multi"]
)
def graph(request):
    graph = Graph(request.param)
    yield graph
    graph.close()


def wait(future):
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(WAIT), f"no answer; threads: {[t.name for t in threading.enumerate()]}"
    return future.result()


@pytest.mark.parametrize("cls", MESSAGES)
@pytest.mark.parametrize(
    "qos", [qos_profile_sensor_data, qos_profile_services_default], ids=["sensor", "reliable"]
)
def test_a_message_arrives(graph, cls, qos):
    sent, received, arrived = filled(cls), [], threading.Event()

    def keep(message):
        received.append(message)
        arrived.set()

    topic = f"{cls.__name__}_{qos.reliability.name}"
    subscription = graph.client.create_subscription(cls, topic, keep, qos)
    publisher = graph.server.create_publisher(cls, topic, qos)
    for _ in range(int(WAIT / 0.05)):  # the two ends need a moment to find each other
        publisher.publish(sent)
        if arrived.wait(0.05):
            break
    assert received
    assert all(message == sent for message in received)
    graph.client.destroy_subscription(subscription)
    graph.server.destroy_publisher(publisher)


@pytest.mark.parametrize("cls", SERVICES)
def test_a_service_answers(graph, cls):
    requests = []

    def answer(request, _):
        requests.append(request)
        return filled(cls.Response, 7)

    service = graph.server.create_service(cls, cls.__name__, answer)
    client = graph.client.create_client(cls, cls.__name__)
    assert client.wait_for_service(WAIT)
    assert wait(client.call_async(filled(cls.Request))) == filled(cls.Response, 7)
    assert requests == [filled(cls.Request)]
    graph.client.destroy_client(client)
    graph.server.destroy_service(service)


def on_executor(node, call):
    """The result of a call that is made on the executor's thread.

    rclpy 9.1.2 hands an action client to the executor before it is complete, and registers the
    future of a goal and its feedback callback after the goal has been sent. From another thread
    the first ends the executor now and then, and the second loses a quick answer.
    """
    results = []
    done = threading.Event()

    def once():
        timer.cancel()
        results.append(call())
        done.set()

    timer = node.create_timer(0.0, once)
    assert done.wait(WAIT)
    node.destroy_timer(timer)
    return results[0]


@pytest.mark.parametrize("cls", ACTIONS)
def test_an_action_gives_feedback_and_a_result(graph, cls):
    goals, seen = [], []

    def execute(handle):
        goals.append(handle.request)
        handle.publish_feedback(filled(cls.Feedback, 1))
        handle.publish_feedback(filled(cls.Feedback, 2))
        answered.wait(WAIT)  # feedback and result travel apart: the result must not overtake
        handle.succeed()
        return filled(cls.Result, 3)

    def feedback(message):
        seen.append(message.feedback)
        if len(seen) == 2:
            answered.set()

    answered = threading.Event()
    group = ReentrantCallbackGroup()
    server = on_executor(
        graph.server,
        lambda: ActionServer(graph.server, cls, cls.__name__, execute, callback_group=group),
    )
    client = on_executor(graph.client, lambda: ActionClient(graph.client, cls, cls.__name__))
    assert client.wait_for_server(WAIT)
    goal = filled(cls.Goal)
    sent = on_executor(
        graph.client, lambda: client.send_goal_async(goal, feedback_callback=feedback)
    )
    handle = wait(sent)
    assert handle.accepted
    outcome = wait(handle.get_result_async())
    assert outcome.status == GoalStatus.STATUS_SUCCEEDED
    assert outcome.result == filled(cls.Result, 3)
    assert goals == [filled(cls.Goal)]
    assert seen == [filled(cls.Feedback, 1), filled(cls.Feedback, 2)]
    on_executor(graph.client, client.destroy)
    on_executor(graph.server, server.destroy)
