# SPDX-License-Identifier: Apache-2.0
"""Starts nodes as processes, shows what they print, and ends them together."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

import yaml

from tack_perception.errors import InvalidInputError
from tack_ros.launching.description import NodeDescription

GRACE_S = 10.0
"""How long a node may take to end before it is asked more firmly."""
REPEAT_S = 0.5
"""Signals that follow each other faster are one: shells and `timeout` send them twice."""
_FIRMER = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_COLORS = (36, 33, 35, 32, 34, 96, 93, 95)


def command(node: NodeDescription, environ: Mapping[str, str], folder: Path) -> list[str]:
    """The command line of a node.

    Args:
        node: what to start.
        environ: where executables of other packages are looked for (AMENT_PREFIX_PATH).
        folder: inline parameters are written to files in it.

    Raises:
        InvalidInputError: there is no such executable.
    """
    ros: list[str] = []
    if node.name:
        ros += ["-r", f"__node:={node.name}"]
    if node.namespace:
        ros += ["-r", f"__ns:=/{node.namespace.lstrip('/')}"]
    for source, target in node.remappings:
        ros += ["-r", f"{source}:={target}"]
    for parameters in node.parameters:
        path = parameters
        if isinstance(parameters, dict):
            handle, name = tempfile.mkstemp(".yaml", "parameters_", folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                yaml.safe_dump({"/**": {"ros__parameters": parameters}}, file)
            path = Path(name)
        ros += ["--params-file", str(path)]
    return [
        *executable(node.package, node.executable, environ),
        *node.arguments,
        *(["--ros-args", *ros] if ros else []),
    ]


def executable(package: str, name: str, environ: Mapping[str, str]) -> list[str]:
    """How an executable of a package is called.

    Raises:
        InvalidInputError: there is no such executable; the message says where it was looked for.
    """
    if package == "tack":
        nodes = Path(__file__).parents[1] / "nodes"
        if (nodes / f"{name}.py").is_file() and not name.startswith("_"):
            return [sys.executable, "-m", f"tack_ros.nodes.{name}"]
        known = sorted(path.stem for path in nodes.glob("[a-z]*.py"))
        raise InvalidInputError(f"tack has no node {name!r}; it has {', '.join(known)}")
    for prefix in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix) / "lib" / package / name
        if prefix and os.access(path, os.X_OK):
            return [str(path)]
    raise InvalidInputError(
        f"there is no executable {name!r} of package {package!r} here (no lib/{package}/{name} in"
        " AMENT_PREFIX_PATH): install that package, or switch that node off"
    )


class ProcessGroup:
    """Runs nodes until all have ended, or until it is told to end them.

    Args:
        environ: environment of all; a node's own variables are added.
        output: where the lines go.
        color: colour the names.
    """

    def __init__(self, environ: Mapping[str, str], output: IO[str], *, color: bool) -> None:
        self._environ = environ
        self._output = output
        self._color = color
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._width = 0

    def run(self, nodes: Sequence[NodeDescription]) -> int:
        """Start all nodes and wait. SIGINT and SIGTERM to this process end the nodes.

        Returns:
            0, or 1 where a node failed, could not be ended kindly, or was never started.

        Raises:
            InvalidInputError: an executable is missing; then nothing was started.
        """
        with tempfile.TemporaryDirectory(prefix="tack_launch_") as folder:
            commands: dict[str, tuple[list[str], Mapping[str, str]]] = {}
            for node in nodes:
                name = self._unique(node.name or node.executable, commands)
                commands[name] = command(node, self._environ, Path(folder)), node.environment
            self._width = max(map(len, commands), default=0)
            before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
            try:
                for name, (words, changes) in commands.items():
                    self._start(name, words, changes)
                return self._wait()
            finally:
                self._kill_rest()
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _unique(self, name: str, taken: Mapping[str, object]) -> str:
        candidates = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
        return next(candidate for candidate in candidates if candidate not in taken)

    def _start(self, name: str, words: list[str], changes: Mapping[str, str]) -> None:
        process = subprocess.Popen(
            words,
            env={**self._environ, "PYTHONUNBUFFERED": "1", **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C of the terminal must reach this process only, which then asks each node once.
            start_new_session=True,
        )
        self._processes[name] = process
        self._say(name, f"started, process {process.pid}")
        threading.Thread(target=self._follow, args=(name, process), daemon=True).start()

    def _follow(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._say(name, line.decode(errors="replace").rstrip())
        process.wait()
        self._events.put(name)

    def _wait(self) -> int:
        running = set(self._processes)
        result, firmness, asked_s = 0, -1, 0.0
        while running:
            timeout_s = None if firmness < 0 else max(asked_s + GRACE_S - time.monotonic(), 0.0)
            try:
                event = self._events.get(timeout=timeout_s)
                asked_again = event is None
            except queue.Empty:
                event, asked_again = None, False
            if asked_again and firmness >= 0 and time.monotonic() - asked_s < REPEAT_S:
                continue
            if event is None:
                firmness, asked_s = min(firmness + 1, len(_FIRMER) - 1), time.monotonic()
                self._ask(running, _FIRMER[firmness])
                continue
            running.discard(event)
            code = self._processes[event].returncode
            # An end that was asked for is no failure, however the process puts it.
            well = code == 0 or (firmness >= 0 and code in (-signal.SIGINT, -signal.SIGTERM))
            result = result if well else 1
            self._say(event, "has ended" if code == 0 else f"has ended with code {code}")
        return result

    def _ask(self, names: set[str], number: signal.Signals) -> None:
        for name in sorted(names):
            if number != signal.SIGINT:
                self._say(name, f"does not end: {number.name}")
            self._signal(self._processes[name], number)

    def _kill_rest(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                self._signal(process, signal.SIGKILL)
                process.wait()

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        # It may have ended between our look and our word.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._events.put(None)

    def _say(self, name: str, line: str) -> None:
        label = f"[{name}]".ljust(self._width + 2)
        if self._color:
            shade = _COLORS[list(self._processes).index(name) % len(_COLORS)]
            label = f"\x1b[{shade}m{label}\x1b[0m"
        with self._lock:
            print(label, line, file=self._output, flush=True)
