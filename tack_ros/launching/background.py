# SPDX-License-Identifier: Apache-2.0
"""Nodes that run beside a program for as long as a with-block lasts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tack_perception.errors import TackError
from tack_ros.launching.description import NodeDescription
from tack_ros.launching.processes import command

_GRACE_S = 8.0
_LAST_LINES = 8


class BackgroundNodes:
    """Starts nodes as processes and ends them together. A context manager.

    Args:
        nodes: what to start.
        environ: environment of all; a node's own variables are added.
        logs: folder for what each node prints, one file each.

    Raises:
        InvalidInputError: on entering, an executable is missing; then nothing was started.
    """

    def __init__(
        self, nodes: Sequence[NodeDescription], environ: Mapping[str, str], logs: Path
    ) -> None:
        self._nodes, self._environ, self._logs = nodes, environ, logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> BackgroundNodes:
        self._logs.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tack_nodes_"))
            commands = {
                node.name or node.executable: (
                    command(node, self._environ, Path(folder)),
                    node.environment,
                )
                for node in self._nodes
            }
            stack.callback(self._end)
            for name, (words, changes) in commands.items():
                log = stack.enter_context((self._logs / f"{name}.log").open("wb"))
                self._processes[name] = subprocess.Popen(
                    words,
                    env={**self._environ, "PYTHONUNBUFFERED": "1", **changes},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches this program only, which ends them
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def check(self) -> None:
        """Raise TackError, with its last words, if a node has ended."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                path = self._logs / f"{name}.log"
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                raise TackError(
                    f"node {name} has ended with code {code}; {path} ends with:\n  "
                    + "\n  ".join(lines[-_LAST_LINES:])
                )

    def _end(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            running = [p for p in self._processes.values() if p.poll() is None]
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            end = time.monotonic() + _GRACE_S
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(end - time.monotonic(), 0.01))
