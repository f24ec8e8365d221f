# SPDX-License-Identifier: Apache-2.0
"""What the cell says of itself: /clock, joint states, TF, parameters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

from tack_perception.errors import TackError
from tack_perception.transforms import TransformBuffer
from tack_ros import qos
from tack_ros.conversions.stamps import to_ns
from tack_ros.conversions.transforms import from_transform
from tack_ros.nodes.cell import CellNode
from tack_sim.cell.faults import FaultKind
from tack_sim.cell.log import CellLog

pytestmark = pytest.mark.ros
COUNT = 12


@pytest.fixture(scope="module")
def cell(start_cell, tmp_path_factory):
    return start_cell(log=str(tmp_path_factory.mktemp("log") / "cell.npz"))


@pytest.fixture(scope="module")
def heard(cell):
    topics = {
        "clock": (Clock, "/clock", 10),
        "joints": (JointState, "/joint_states", qos.RESULT),
        "tf": (TFMessage, "/tf", qos.TF),
        "static": (TFMessage, "/tf_static", qos.TF_STATIC),
    }
    lists = {name: cell.listen(*topic) for name, topic in topics.items()}
    cell.wait(lambda: all(len(heard) >= COUNT for n, heard in lists.items() if n != "static"), "it")
    cell.wait(lambda: lists["static"], "static transforms")
    return lists


def test_joint_states_name_arm_and_gripper_in_order_and_their_stamps_rise(cell, heard):
    messages = heard["joints"][:COUNT]
    names = [*cell.profile.joints, *cell.profile.gripper.joints]
    stamps = [to_ns(message.header.stamp) for message in messages]
    for message in messages:
        assert message.name == names
        assert len(message.position) == len(message.velocity) == len(message.effort) == len(names)
    assert all(late > early for early, late in itertools.pairwise(stamps))
    np.testing.assert_allclose(messages[-1].position[:7], cell.profile.home, atol=0.02)


def test_the_clock_moves_on_and_states_carry_its_time(heard):
    times = [to_ns(message.clock) for message in heard["clock"][:COUNT]]
    assert all(late > early for early, late in itertools.pairwise(times))
    stamps = {to_ns(message.header.stamp) for message in heard["joints"]}
    assert stamps & {to_ns(message.clock) for message in heard["clock"]}


def test_the_tree_reaches_from_the_base_to_the_tip_and_the_frames_of_realsense(cell, heard):
    tree = TransformBuffer()
    for message in (*heard["static"], *heard["tf"][:COUNT]):
        for edge in message.transforms:
            tree.add(
                edge.header.frame_id, edge.child_frame_id, to_ns(edge.header.stamp),
                from_transform(edge.transform), static=message in heard["static"],
            )  # fmt: skip
    base, tip = cell.profile.base_frame, cell.profile.tip_frame
    np.testing.assert_allclose(
        tree.lookup(base, tip, None), cell.world.base_from_link(tip), atol=2e-3
    )
    for camera in cell.profile.cameras:
        for end in (
            "link", "depth_frame", "depth_optical_frame", "color_frame", "color_optical_frame",
        ):  # fmt: skip
            assert tree.can_transform(base, f"{camera}_{end}", None)
    mount = cell.profile.cameras["wrist"]
    np.testing.assert_allclose(
        tree.lookup(tip, "wrist_color_optical_frame", None), mount.parent_from_optical, atol=1e-9
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gripper_slop", "there are controller_stall"),
        ("controller_stall@soon", "not a number of seconds"),
        ("controller_stall@3+0", "must be positive"),
        ("plan_refused", "this node knows controller_stall"),
    ],
)
def test_a_bad_fault_is_refused_with_the_reason_and_changes_nothing(cell, fault, words):
    assert cell.set_parameter(cell.cell, "faults", ["gripper_slip@1000"]).successful
    answer = cell.set_parameter(cell.cell, "faults", ["tf_silence", fault])
    assert not answer.successful
    assert words in answer.reason
    assert [fault.kind for fault in cell.world.faults] == [FaultKind.GRIPPER_SLIP]
    assert cell.set_parameter(cell.cell, "faults", []).successful
    assert cell.world.faults == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"cameras": ["wrist", "elbow"]}, "camera 'elbow': panda_2f85 has wrist, scene"),
        ({"faults": ["no"]}, "fault 'no'"),
        ({"robot": "r2d2"}, "r2d2"),
        ({"object_class": "spoon"}, "spoon"),
    ],
)
def test_a_cell_that_cannot_start_says_why(graph, parameters, words):
    with pytest.raises(TackError, match=words):
        graph.start(CellNode, **parameters)


def test_tf_falls_silent_and_comes_back_while_joint_states_go_on(cell, heard):
    assert cell.set_parameter(cell.cell, "faults", ["tf_silence"]).successful
    cell.pass_time(0.1)
    since_ns, joints = cell.now_ns(), len(heard["joints"])

    def spoken():
        stamps = [to_ns(message.transforms[0].header.stamp) for message in heard["tf"]]
        return [stamp_ns for stamp_ns in stamps if stamp_ns > since_ns]

    cell.wait(lambda: len(heard["joints"]) > joints + COUNT, "joint states")
    assert spoken() == []
    assert cell.set_parameter(cell.cell, "faults", [""]).successful
    cell.wait(spoken, "transforms again")


def test_diagnostics_tell_the_object_and_the_faults(cell):
    assert cell.set_parameter(cell.cell, "faults", ["gripper_slip@1000"]).successful
    reports = cell.listen(DiagnosticArray, "/diagnostics", qos.RESULT)

    def told():
        values = {value.key: value.value for r in reports for value in r.status[0].values}
        return values.get("faults") == "gripper_slip@1000" and values

    assert cell.wait(told, "a report")["object"] == cell.world.layout.target.model.name
    assert cell.set_parameter(cell.cell, "faults", [""]).successful


def test_reset_puts_objects_back_and_time_goes_on(cell):
    target, before = cell.world.layout.target, cell.world.time
    moved = target.base_from_object.copy()
    moved[:3, 3] += (0.05, 0.0, 0.2)
    cell.world.place_object(target.name, moved)
    assert cell.call(Trigger, "/cell/reset", Trigger.Request()).success
    assert cell.world.time >= before
    found = cell.world.object_pose(target.name)
    np.testing.assert_allclose(found[:3, 3], target.base_from_object[:3, 3], atol=5e-3)


def test_the_log_can_be_saved_while_the_cell_runs(cell):
    answer = cell.call(Trigger, "/cell/save_log", Trigger.Request())
    assert answer.success
    log = CellLog.load(cell.cell.get_parameter("log").value)
    assert len(log) == len(log.snapshots()) > 0
