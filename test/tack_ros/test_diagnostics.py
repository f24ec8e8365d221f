# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from tack_ros import qos
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.node import TackNode

pytestmark = pytest.mark.ros


def test_the_report_says_what_happened_since_the_last_one(graph):
    node = graph.start(TackNode, "healthy")
    health = [Health(values={"labels": "mug"})]
    diagnostics = DiagnosticsPublisher(node, node.monitor, node.drops, lambda: health[0], "cam 1")
    now_ns = node.get_clock().now().nanoseconds
    node.monitor.received()
    node.monitor.received()
    node.monitor.handled(now_ns - 50_000_000)
    node.drops.add("overtaken", expected=True)

    status = diagnostics.status()
    values = {value.key: value.value for value in status.values}
    assert (status.name, status.hardware_id) == ("healthy", "cam 1")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "ok")
    assert (values["received"], values["handled"], values["labels"]) == ("2", "1", "mug")
    assert float(values["age, median [ms]"]) >= 50
    assert values["dropped: overtaken"] == "1"

    node.drops.add("wrong size")
    status = diagnostics.status()
    assert status.level == DiagnosticStatus.WARN
    assert status.message == "1 inputs dropped since the last report"
    assert diagnostics.status().level == DiagnosticStatus.OK

    health[0] = Health("no camera", broken=True)
    status = diagnostics.status()
    assert (status.level, status.message) == (DiagnosticStatus.ERROR, "no camera")


def test_the_report_is_published(graph):
    node = graph.start(TackNode, "healthy")
    DiagnosticsPublisher(node, node.monitor, node.drops)
    messages = graph.listen(DiagnosticArray, "/diagnostics", qos.RESULT)
    graph.wait(lambda: messages, "diagnostics")
    assert messages[0].status[0].name == "healthy"
    assert messages[0].header.stamp.sec > 0
