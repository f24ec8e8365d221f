# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tack_perception.errors import InvalidInputError
from tack_ros.launching import processes
from tack_ros.launching.description import NodeDescription
from tack_ros.launching.processes import ProcessGroup, command


def node(executable, name="", package="demo", **fields):
    values = {
        "namespace": "",
        "arguments": (),
        "parameters": (),
        "remappings": (),
        "environment": {},
        **fields,
    }
    return NodeDescription(package=package, executable=executable, name=name, **values)


@pytest.fixture
def environ(tmp_path):
    """A package `demo` whose executables are shell scripts."""
    folder = tmp_path / "prefix" / "lib" / "demo"
    folder.mkdir(parents=True)
    scripts = {
        "speak": 'echo "hello $WHO"; echo to stderr >&2',
        "fail": "exit 3",
        "sleep": "trap 'echo ending; exit 0' INT; echo ready; while :; do sleep 0.05; done",
        "stubborn": "trap '' INT TERM; echo ready; while :; do sleep 0.05; done",
    }
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return {"AMENT_PREFIX_PATH": str(tmp_path / "prefix"), "PATH": os.environ["PATH"]}


def run(environ, *nodes):
    output = io.StringIO()
    return ProcessGroup(environ, output, color=False).run(nodes), output.getvalue()


def interrupt_when(output, words, count, times=1):
    """Send SIGINT to this process as soon as the words were printed so often."""

    def watch():
        while output.getvalue().count(words) < count:
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    threading.Thread(target=watch, daemon=True).start()


def test_lines_carry_the_name_and_the_code_tells_of_success(environ):
    code, output = run(environ, node("speak", environment={"WHO": "world"}), node("speak", "two"))
    assert code == 0
    assert "[speak] hello world\n" in output
    assert "[two]   to stderr\n" in output
    assert output.count("has ended\n") == 2


def test_a_failure_shows_in_the_exit_code(environ):
    code, output = run(environ, node("fail"), node("speak"))
    assert code == 1
    assert "[fail]  has ended with code 3" in output


def test_ctrl_c_ends_all_cleanly(environ):
    output = io.StringIO()
    interrupt_when(output, "ready", 2)
    before = signal.getsignal(signal.SIGINT)
    group = ProcessGroup(environ, output, color=True)
    assert group.run([node("sleep", "a"), node("sleep", "b")]) == 0
    assert output.getvalue().count("ending") == 2
    assert "\x1b[36m[a]\x1b[0m" in output.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_does_not_end_is_ended(environ, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    output = io.StringIO()
    interrupt_when(output, "ready", 1, times=2)  # as `timeout` does; it must count once
    assert ProcessGroup(environ, output, color=False).run([node("stubborn")]) == 1
    text = output.getvalue()
    assert text.count("SIGTERM") == 1
    assert text.index("SIGTERM") < text.index("SIGKILL") < text.index("has ended with code -9")


def test_a_missing_executable_is_told_before_anything_starts(environ):
    output = io.StringIO()
    with pytest.raises(InvalidInputError, match="no executable 'nope' of package 'demo'"):
        ProcessGroup(environ, output, color=False).run([node("speak"), node("nope")])
    assert output.getvalue() == ""
    with pytest.raises(
        InvalidInputError, match="it has annotation, camera, cell, detector, move_group"
    ):
        command(node("nope", package="tack"), {}, None)


def test_the_command_line_of_a_node(tmp_path):
    words = command(
        node(
            "camera",
            "cam",
            package="tack",
            namespace="lab",
            arguments=("--x",),
            parameters=(tmp_path / "p.yaml", {"rate": 2.0}),
            remappings=(("a", "b"),),
        ),
        {},
        tmp_path,
    )
    assert words[1:4] == ["-m", "tack_ros.nodes.camera", "--x"]
    assert words[4:13] == [
        *("--ros-args", "-r", "__node:=cam", "-r", "__ns:=/lab", "-r", "a:=b"),
        *("--params-file", str(tmp_path / "p.yaml")),
    ]
    (inline,) = [word for word in words[13:] if word != "--params-file"]
    assert Path(inline).read_text() == "/**:\n  ros__parameters:\n    rate: 2.0\n"
