# SPDX-License-Identifier: Apache-2.0
"""Does the simulated cell keep up: physics, images with shadows, and planning, all at once?

Starts the nodes `cell` (wrist camera with shadows and noise) and `move_group`, a process each, and
moves the arm between random joint positions all the time, each motion planned around the scene.

    python benchmarks/cell_rates.py                  25 s at 640×480, prints the table
    python benchmarks/cell_rates.py --no-shadows     what shadows cost
    python benchmarks/cell_rates.py --json out.json

Rates are per second of the wall clock. The age of an image is the cell's time on /clock when the
image arrives, minus its stamp. CPU is in cores, of each process: on a busy computer trust it more
than the rates. The target is 10 images a second on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tack_grasping.error_codes import MoveItErrorCode
from tack_grasping.motion import MotionConfig
from tack_grasping.profiles import load_profile
from tack_perception.errors import TackError
from tack_ros.environment import graph_environment, private_domain_id

START_UP_S = 60.0
STEP = 0.5  # rad, of a random motion
MOVE_S = 60.0


@contextmanager
def nodes(arguments: dict[str, list[str]]) -> Iterator[dict[str, int]]:
    """Run nodes, each in a process; name → process id."""
    with tempfile.TemporaryFile("w+") as log:
        started = {
            name: subprocess.Popen(
                [sys.executable, "-m", f"tack_ros.nodes.{name}", "--ros-args", *given],
                stdout=log,
                stderr=log,
            )
            for name, given in arguments.items()
        }
        try:
            yield {name: process.pid for name, process in started.items()}
        finally:
            for process in started.values():
                process.send_signal(signal.SIGINT)
            codes = {name: process.wait(30) for name, process in started.items()}
            if any(codes.values()):
                log.seek(0)
                print(f"exit codes {codes}:\n{log.read()}", file=sys.stderr)


class Listener:
    """Counts what arrives, and when."""

    def __init__(self, calls: Any) -> None:
        from rosgraph_msgs.msg import Clock
        from sensor_msgs.msg import Image, JointState

        from tack_ros import qos

        self.now_ns = 0
        self.ages_s: list[float] = []
        self.depth = self.states = 0
        node = calls.node
        node.create_subscription(Clock, "/clock", self._on_clock, 10)
        node.create_subscription(JointState, "/joint_states", self._on_state, qos.RESULT)
        wrist = "/wrist/aligned_depth_to_color/image_raw"
        node.create_subscription(Image, wrist, self._on_depth, qos.SENSOR)
        node.create_subscription(Image, "/wrist/color/image_raw", self._on_color, qos.SENSOR)

    def _on_clock(self, message: Any) -> None:
        self.now_ns = message.clock.sec * 1_000_000_000 + message.clock.nanosec

    def _on_state(self, message: Any) -> None:
        self.states += 1

    def _on_depth(self, message: Any) -> None:
        self.depth += 1

    def _on_color(self, message: Any) -> None:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self.ages_s.append((self.now_ns - stamp_ns) * 1e-9)

    def forget(self) -> None:
        """Begin to count."""
        self.ages_s.clear()
        self.depth = self.states = 0


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def move(calls: Any, profile: Any, rng: np.random.Generator, plans: list[float]) -> str:
    """Go somewhere; the planning time is noted. Returns the name of the code."""
    from moveit_msgs.action import MoveGroup

    from tack_ros.moveit import requests

    wanted = profile.home + rng.uniform(-STEP, STEP, len(profile.home))
    named = dict(zip(profile.joints, wanted.tolist(), strict=True))
    goal = requests.joint_goal(profile, named, MotionConfig())
    result = calls.send(MoveGroup, "/move_action", goal, wait_s=START_UP_S).result(MOVE_S)
    code = MoveItErrorCode.of(result.error_code.val)
    if code is MoveItErrorCode.SUCCESS:
        plans.append(result.planning_time)
    return code.name


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one run."""
    import rclpy

    from tack_ros.calls import Calls

    rclpy.init()
    cell = {"robot": options.robot, "clutter": options.clutter, "seed": options.seed}
    cell |= {"width": options.width, "height": options.height, "camera_rate": 30.0}
    cell |= {"shadows": options.shadows, "noise": options.noise}
    given = [word for name, value in cell.items() for word in ("-p", f"{name}:={_yaml(value)}")]
    planner = ["-p", f"robot:={options.robot}", "-p", "use_sim_time:=true"]
    profile, rng = load_profile(options.robot), np.random.default_rng(options.seed)
    with nodes({"cell": given, "move_group": planner}) as pids:
        calls = Calls("rates")
        try:
            heard = Listener(calls)
            _wait_for_images(heard)
            move(calls, profile, rng, [])  # the first one builds the collision model
            heard.forget()
            begun, began_ns = time.monotonic(), heard.now_ns
            used = {name: cpu_s(pid) for name, pid in pids.items()}
            own = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            plans: list[float] = []
            codes = []
            while time.monotonic() - begun < options.seconds:
                codes.append(move(calls, profile, rng, plans))
            span = time.monotonic() - begun
            cores = {name: (cpu_s(pid) - used[name]) / span for name, pid in pids.items()}
            cores["client"] = (sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - own) / span
            ages = np.array(heard.ages_s)
            return {
                "seconds": span,
                "load": os.getloadavg()[0],
                "images [Hz]": len(ages) / span,
                "depth images [Hz]": heard.depth / span,
                "age of images, median [ms]": float(np.median(ages)) * 1e3,
                "age of images, p95 [ms]": float(np.percentile(ages, 95)) * 1e3,
                "cell's time per wall clock": (heard.now_ns - began_ns) * 1e-9 / span,
                "joint states [Hz]": heard.states / span,
                "motions": len(codes),
                "motions that failed": sorted(c for c in codes if c != "SUCCESS"),
                "planning, median [ms]": float(np.median(plans)) * 1e3,
                "planning, largest [ms]": float(max(plans)) * 1e3,
                **{f"CPU of {name} [cores]": value for name, value in cores.items()},
                "CPU per image, cell [ms]": cores["cell"] * span / max(len(ages), 1) * 1e3,
            }
        finally:
            calls.close()
            rclpy.try_shutdown()


def _wait_for_images(heard: Listener) -> None:
    end = time.monotonic() + START_UP_S
    while not heard.ages_s:
        if time.monotonic() > end:
            raise TackError(f"no image within {START_UP_S:g} s")
        time.sleep(0.1)


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="how long (default: 25)")
    parser.add_argument("--robot", default="panda_2f85", help="profile (default: panda_2f85)")
    parser.add_argument("--width", type=int, default=640, help="of the images, px")
    parser.add_argument("--height", type=int, default=480, help="of the images, px")
    parser.add_argument("--clutter", type=int, default=3, help="objects beside the target")
    parser.add_argument("--seed", type=int, default=0, help="of scene and motions")
    parser.add_argument("--shadows", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--noise", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(argv)
    os.environ.update(graph_environment(domain_id=private_domain_id()))
    figures = measure(options)
    for name, value in figures.items():
        print(f"{name:30} {value:8.2f}" if isinstance(value, float) else f"{name:30} {value}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
