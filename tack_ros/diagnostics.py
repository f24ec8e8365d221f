# SPDX-License-Identifier: Apache-2.0
"""The health of a node once a second on /diagnostics: rate, age, drops with their reasons."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]
from rclpy.node import Node

from tack_ros import qos
from tack_ros.drops import DropCounter

PERIOD_S = 1.0


@dataclasses.dataclass(frozen=True)
class Health:
    """What a node adds to its own report.

    Attributes:
        problem: a sentence that makes the report a warning, "" for none.
        values: more lines of the report.
        broken: the problem makes it an error: the node cannot do its work at all.
    """

    problem: str = ""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    broken: bool = False


class StreamMonitor:
    """Counts what comes in and what goes out, and how old it is by then. Thread-safe.

    Args:
        clock: the node's clock, which the stamps are compared with.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._received = 0
        self._ages_s: list[float] = []
        self.received_total = 0
        self.handled_total = 0

    def received(self) -> None:
        """One input came in."""
        with self._lock:
            self._received += 1
            self.received_total += 1

    def handled(self, stamp_ns: int, now_ns: int | None = None) -> None:
        """The result for one input is out.

        Args:
            stamp_ns: stamp of the input, ns.
            now_ns: the time on the clock of the stamps; by default that of the node's clock.
        """
        if now_ns is None:
            now_ns = self._clock.now().nanoseconds
        with self._lock:
            self._ages_s.append((now_ns - stamp_ns) * 1e-9)
            self.handled_total += 1

    def report(self) -> dict[str, str]:
        """The lines for the time since the last report."""
        with self._lock:
            now = time.monotonic()
            span, self._since = max(now - self._since, 1e-3), now
            received, self._received = self._received, 0
            ages, self._ages_s = self._ages_s, []
            lines = {
                "rate in [Hz]": f"{received / span:.1f}",
                "rate out [Hz]": f"{len(ages) / span:.1f}",
                "received": str(self.received_total),
                "handled": str(self.handled_total),
            }
        if ages:
            lines["age, median [ms]"] = f"{float(np.median(ages)) * 1e3:.1f}"
            lines["age, largest [ms]"] = f"{max(ages) * 1e3:.1f}"
        return lines


class DiagnosticsPublisher:
    """Publishes a `DiagnosticStatus` of the node each second.

    Args:
        node: whose health it is.
        hardware_id: what stands behind it (a camera's serial number, a file), or "".
        monitor: its stream.
        drops: its drops; new unexpected ones make the report a warning.
        health: the node's own part, called on the executor's thread.
    """

    def __init__(
        self,
        node: Node,
        monitor: StreamMonitor,
        drops: DropCounter,
        health: Callable[[], Health] = Health,
        hardware_id: str = "",
    ) -> None:
        self._node = node
        self._monitor = monitor
        self._drops = drops
        self._health = health
        self.hardware_id = hardware_id
        self._drops_before = 0
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.RESULT)
        # A steady clock: simulated time may stand still, which is when a report is wanted most.
        self._timer = node.create_timer(
            PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def status(self) -> DiagnosticStatus:
        """The report since the last call."""
        health = self._health()
        values = {**self._monitor.report(), **health.values}
        for reason, count in sorted(self._drops.counts().items()):
            values[f"dropped: {reason}"] = str(count)
        total = self._drops.unexpected
        new, self._drops_before = total - self._drops_before, total
        level, message = DiagnosticStatus.OK, "ok"
        if new:
            level, message = DiagnosticStatus.WARN, f"{new} inputs dropped since the last report"
        if health.problem:
            level = DiagnosticStatus.ERROR if health.broken else DiagnosticStatus.WARN
            message = health.problem
        return DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=message,
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )

    def _publish(self) -> None:
        message = DiagnosticArray(status=[self.status()])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
