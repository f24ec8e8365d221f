# SPDX-License-Identifier: Apache-2.0
"""Do images get from the camera to the detector to the planner, and how long does it take?

Runs the real nodes `camera`, `detector` and `pick_place`, each in a process of its own, on one
computer. The camera publishes a rendered pattern, 640×480 colour and depth, at 30 Hz. Every message
is noted when it is published and when its callback is entered.

    python benchmarks/transport.py                    30 s at 30 Hz, prints the table
    python benchmarks/transport.py --seconds 10 --json out.json

Stamp → callback is counted from the image's stamp, so it holds the camera node's work (encoding)
and the transport; publish → callback is the transport alone. For detections only the latter says
something: their stamp is that of the image, and the detector's work lies in between. Latencies
depend on what else the computer does: the load is printed with them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationSet, AnnotationStore
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_ros.environment import graph_environment, private_domain_id

ROLES = ("camera", "detector", "planner")
CAMERA = CameraIntrinsics(640, 480, 610.0, 610.0, 319.5, 239.5)
FRAME_ID = "camera_color_optical_frame"
PATTERNS = 8
SETTLE_S = 1.0
START_UP_S = 60.0
DONE = "done"
Event = tuple[str, str, int, int]  # what ("sent", "got"), topic, stamp ns, time ns


def pattern(number: int) -> RGBDFrame:
    """A frame of coloured blocks on a slanted, noisy plane."""
    random = np.random.default_rng(number)
    blocks = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    color = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    color = np.roll(color, 2 * number, axis=1) ^ random.integers(0, 4, color.shape, dtype=np.uint8)
    depth = np.linspace(0.5, 0.8, 480, dtype=np.float32)[:, None].repeat(640, axis=1)
    depth += random.normal(0, 0.001, depth.shape).astype(np.float32)
    depth[random.random(depth.shape) < 0.02] = np.nan
    return RGBDFrame(color, depth, CAMERA, 0, FRAME_ID)


class PatternSource:
    """A live camera that shows the patterns in turn, stamped at the moment they are taken."""

    name, transforms, drops = "pattern", None, Counter[str]()

    def __init__(self, count: int, rate: float, done: Path) -> None:
        self._patterns = [pattern(number) for number in range(PATTERNS)]
        self._count = count
        self._period_s = 1 / rate
        self._done = done
        self.ready: Callable[[], bool] = lambda: True

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[RGBDFrame]:
        while not self.ready():
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        start_s = time.monotonic()
        for number in range(self._count):
            time.sleep(max(start_s + number * self._period_s - time.monotonic(), 0))
            shown = self._patterns[number % PATTERNS]
            yield dataclasses.replace(shown, stamp_ns=time.time_ns())
        self._done.touch()
        while True:  # a camera does not end
            time.sleep(0.1)

    def __enter__(self) -> PatternSource:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def recorded(kind: type[Any], log: Path) -> type[Any]:
    """A node class that notes each stamped message it publishes and receives."""
    from tack_ros.conversions.stamps import to_ns

    events: list[Event] = []
    started_s = time.monotonic()

    class Recorded(kind):  # type: ignore[misc]
        def create_publisher(self, message: Any, topic: str, profile: Any, **rest: Any) -> Any:
            publisher = super().create_publisher(message, topic, profile, **rest)
            send = publisher.publish

            def publish(sent: Any) -> None:
                if hasattr(sent, "header"):
                    stamp_ns = to_ns(sent.header.stamp)
                    events.append(("sent", publisher.topic_name, stamp_ns, time.time_ns()))
                send(sent)

            publisher.publish = publish
            return publisher

        def create_subscription(
            self, message: Any, topic: str, callback: Any, profile: Any, **rest: Any
        ) -> Any:
            def note(got: Any) -> None:
                if hasattr(got, "header"):
                    now_ns = time.time_ns()
                    events.append(("got", subscription.topic_name, to_ns(got.header.stamp), now_ns))
                callback(got)

            subscription = super().create_subscription(message, topic, note, profile, **rest)
            return subscription

        def destroy_node(self) -> None:
            lasted_s = time.monotonic() - started_s
            super().destroy_node()  # children count when they have ended
            kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
            own, children = (resource.getrusage(kind) for kind in kinds)
            used_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
            noted = {"events": events, "drops": dict(self.drops.counts())}
            log.write_text(json.dumps({**noted, "cores": used_s / lasted_s}))

    return Recorded


def run_role(role: str, folder: Path, count: int, rate: float) -> int:
    """The body of one of the three processes."""
    from tack_ros.node import TackNode, run
    from tack_ros.nodes.camera import CameraNode
    from tack_ros.nodes.detector import DetectorNode
    from tack_ros.nodes.pick_place import PickPlaceNode

    kind = {"camera": CameraNode, "detector": DetectorNode, "planner": PickPlaceNode}[role]
    node_class = recorded(kind, folder / f"{role}.json")

    def make() -> TackNode:
        arguments = ["--ros-args", "--log-level", "warn"]
        if role == "camera":
            source = PatternSource(count, rate, folder / DONE)
            node: TackNode = node_class(source, cli_args=arguments)
            names = ("color/image_raw", "aligned_depth_to_color/image_raw", "color/camera_info")
            source.ready = lambda: all(node.count_subscribers(f"/camera/{n}") for n in names)
            return node
        if role == "detector":
            arguments += ["-p", f"annotations:={folder / 'set'}"]
            for name in (
                "color/image_raw",
                "color/camera_info",
                "aligned_depth_to_color/image_raw",
            ):
                arguments += ["-r", f"{name}:=/camera/{name}"]
        else:
            arguments += ["-p", "base_frame:=''", "-r", "detections:=/detector/detections"]
        node = node_class(cli_args=arguments)
        return node

    return run(make, [])


def measure(seconds: float, rate: float, points: int) -> dict[str, Any]:
    """Run the three processes and gather what they noted."""
    count = round(seconds * rate)
    with tempfile.TemporaryDirectory(prefix="tack_transport_") as name:
        folder = Path(name)
        annotations = AnnotationSet()
        shot = pattern(0)
        for number, u in enumerate(np.linspace(80.0, 560.0, points)):
            annotations.add(Annotation(f"point {number}", float(u), 240.0, shot))
        AnnotationStore(folder / "set").save(annotations)
        # As `tack_ros.nodes` has it; this program imports numpy before that.
        environ = {"OPENBLAS_NUM_THREADS": "1", **graph_environment(domain_id=private_domain_id())}
        words = [sys.executable, __file__, "--seconds", str(seconds), "--rate", str(rate)]
        children = [
            subprocess.Popen([*words, "--role", role, "--folder", name], env=environ)
            for role in reversed(ROLES)
        ]
        try:
            _wait_for_end(children, folder / DONE, seconds + START_UP_S)
            time.sleep(SETTLE_S)
        finally:
            for child in children:
                child.send_signal(signal.SIGINT)
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(15)
                child.kill()
        logs = {role: json.loads((folder / f"{role}.json").read_text()) for role in ROLES}
    return {"seconds": seconds, "rate": rate, "sent": count, "load": os.getloadavg()[0], **logs}


def _wait_for_end(children: list[subprocess.Popen[bytes]], done: Path, at_most_s: float) -> None:
    end = time.monotonic() + at_most_s
    while not done.exists():
        if time.monotonic() > end:
            raise SystemExit(f"the camera was not done after {at_most_s:g} s")
        if any(child.poll() is not None for child in children):
            raise SystemExit("a node ended before its time; its message is above")
        time.sleep(0.2)


def summary(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each hop of each topic."""
    hops = [
        ("camera", "detector", "/camera/color/image_raw"),
        ("camera", "detector", "/camera/aligned_depth_to_color/image_raw"),
        ("detector", "planner", "/detector/detections"),
    ]
    lines = []
    for source, target, topic in hops:
        sent = {e[2]: e[3] for e in result[source]["events"] if e[:2] == ["sent", topic]}
        got = {e[2]: e[3] for e in result[target]["events"] if e[:2] == ["got", topic]}
        both = sorted(sent.keys() & got.keys())
        from_stamp = [(got[stamp] - stamp) * 1e-6 for stamp in both]
        transport = [(got[stamp] - sent[stamp]) * 1e-6 for stamp in both]
        lines.append(
            {
                "hop": f"{source} → {target}",
                "topic": topic,
                "sent": len(sent),
                "received": len(got),
                "lost": len(sent) - len(both),
                "stamp_ms": _percentiles(from_stamp),
                "transport_ms": _percentiles(transport),
            }
        )
    return lines


def _percentiles(values: list[float]) -> list[float]:
    if not values:
        return [float("nan")] * 3
    return [round(float(v), 2) for v in (*np.percentile(values, (50, 95)), max(values))]


def table(result: dict[str, Any], lines: list[dict[str, Any]]) -> str:
    """The result for a person."""
    rows = [
        f"{result['rate']:g} Hz for {result['seconds']:g} s, 640×480 colour and depth;"
        f" {os.cpu_count()} cores, load {result['load']:.1f}",
        f"{'':44}{'sent':>6}{'got':>6}{'lost':>6}"
        f"{'stamp → callback [ms]':>26}{'publish → callback [ms]':>26}",
        f"{'':62}{'p50     p95     max':>26}{'p50     p95     max':>26}",
    ]
    for line in lines:
        what = f"{line['hop']}  {line['topic'].removeprefix('/camera/')}"
        numbers = "".join(
            f"{'':2}" + "".join(f"{value:8.1f}" for value in line[kind])
            for kind in ("stamp_ms", "transport_ms")
        )
        rows.append(f"{what:44}{line['sent']:6}{line['received']:6}{line['lost']:6}{numbers}")
    for role in ROLES:
        drops = "; ".join(f"{n} × {why}" for why, n in result[role]["drops"].items()) or "no drops"
        rows.append(f"{role}: {100 * result[role]['cores']:.0f} % of a core; {drops}")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=30.0, help="Hz")
    parser.add_argument(
        "--points", type=int, default=8, help="to look for: with 8 the detector is always busy"
    )
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role:
        return run_role(args.role, args.folder, round(args.seconds * args.rate), args.rate)
    result = measure(args.seconds, args.rate, args.points)
    lines = summary(result)
    print(table(result, lines))
    if args.json:
        args.json.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    images = lines[:2]
    lost = any(line["lost"] or line["sent"] < result["sent"] for line in images) or lines[2]["lost"]
    slow = any(line["stamp_ms"][1] > 10 for line in images) or lines[2]["transport_ms"][1] > 10
    print("no frame lost" if not lost else "FRAMES WERE LOST", end="; ")
    print("p95 within 10 ms" if not slow else "p95 ABOVE 10 ms")
    return int(bool(lost or slow))


if __name__ == "__main__":
    raise SystemExit(main())
