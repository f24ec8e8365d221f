# SPDX-License-Identifier: Apache-2.0
"""`tack demo` in the cell, as a person runs it: the whole job, its page, and its report."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("mujoco", reason="the cell needs MuJoCo")
pytest.importorskip("viser", reason="needs viser: pip install tack[sim]")

from tack_sim.cell.log import CellLog

WAIT_S = 900.0
STAGES = [
    "start", "click", "move it", "find again", "look", "scene", "plan", "open", "pregrasp", "check",
    "approach", "close", "lift", "hold", "verify lift", "carry", "place", "release", "retreat",
    "home", "verify place",
]  # fmt: skip


class Demo:
    """The command as a process, and what it has said."""

    def __init__(self, output: Path, *arguments: str) -> None:
        self.output, self.said = output, list[str]()
        self._lines: queue.Queue[str | None] = queue.Queue()
        command = [sys.executable, "-m", "tack_cli.main", "demo", "--output", str(output)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def until(self, words: str) -> str:
        """The next line that holds these words."""
        end = time.monotonic() + WAIT_S
        while True:
            line = self._lines.get(timeout=max(end - time.monotonic(), 0.01))
            assert line is not None, "it ended: " + "\n".join(self.said)
            self.said.append(line)
            if words in line:
                return line

    def ended(self) -> int:
        """Its exit code, once it has one."""
        code = self.process.wait(WAIT_S)
        while (line := self._lines.get(timeout=10)) is not None:
            self.said.append(line)
        return code

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def outcome(self) -> dict[str, Any]:
        told = json.loads((self.output / "outcome.json").read_text(encoding="utf-8"))
        assert isinstance(told, dict)
        return told

    def page(self) -> str:
        return (self.output / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A job that is done; its page still stands."""
    arguments = ("--class", "box", "--seed", "7", "--grasp", "top_center", "--view")
    demo = Demo(tmp_path_factory.mktemp("demo"), *arguments, "--port", "8370")
    try:
        demo.until("The page stays until Ctrl-C")
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


def test_it_picks_and_places_and_says_so(shown: Demo) -> None:
    said = "\n".join(shown.said)
    for words in ("One click on 'top_center'", "Found again at", "lies in the bin", "Report: "):
        assert words in said
    outcome = shown.outcome()
    assert outcome["success"]
    assert outcome["setup"]["object_class"] == "box"
    assert outcome["verdict"]["held"]
    assert outcome["verdict"]["in_bin"]
    assert outcome["point_error_m"] < 0.01
    assert set(STAGES) <= set(outcome["seconds"])


def test_the_report_shows_what_happened(shown: Demo) -> None:
    page = shown.page()
    for words in ("One click, found again", "The grasp", "What happened", "Where the time went"):
        assert words in page
    for stage in STAGES:
        assert f"<td>{stage}</td>" in page
    assert page.count("<img") == 4  # click, detection, and the grasp from two sides
    assert "http://" not in page.replace("http://www.w3.org", "")
    film = cv2.VideoCapture(str(shown.output / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) > 20
    pictures = [film.read()[1] for _ in range(20)]
    assert max(np.abs(pictures[0].astype(int) - p).mean() for p in pictures[1:]) > 0.5
    assert len(CellLog.load(shown.output / "cell.npz")) > 100


def test_the_live_page_shows_the_verdict_and_the_place(shown: Demo, browser: Any) -> None:
    address = next(line.split()[-1] for line in shown.said if "Look on at" in line)
    assert address.startswith("http://127.0.0.1:")
    browser.open(address)
    browser.until("document.querySelector('canvas') !== null")
    browser.until("document.body.innerText.includes('Picked and placed')", 180)
    text = browser.evaluate("document.body.innerText")
    for words in ("One click on a box", "lies in the bin", "find again"):
        assert words in text
    assert browser.settles(lambda picture: brown(picture[100:-100, :400]) > 0.1)
    assert browser.foreign(address) == []


def test_the_grasp_in_the_report_can_be_turned(shown: Demo, browser: Any) -> None:
    browser.open((shown.output / "report.html").as_uri())
    browser.until("document.getElementById('grasp') !== null")
    browser.evaluate("document.getElementById('grasp').scrollIntoView({block: 'center'})")
    box = browser.evaluate(
        "(() => { const b = document.getElementById('grasp').getBoundingClientRect();"
        " return [b.left, b.top, b.right, b.bottom].map(Math.round); })()"
    )
    left, top, right, bottom = box
    assert browser.settles(lambda picture: colors(picture[top:bottom, left:right]) > 500)
    middle = (left + right) / 2, (top + bottom) / 2
    browser.click(*middle)  # now it no longer turns by itself
    still = browser.picture()[top:bottom, left:right].astype(int)
    again = browser.picture()[top:bottom, left:right].astype(int)
    assert np.abs(again - still).mean() < 0.1
    browser.drag(middle, (middle[0] + 150, middle[1]))
    assert browser.settles(
        lambda picture: np.abs(picture[top:bottom, left:right].astype(int) - still).mean() > 2
    )
    assert browser.foreign("file://") == []


def test_ctrl_c_ends_the_page_well(shown: Demo) -> None:
    shown.interrupt()
    assert shown.ended() == 0
    assert "Traceback" not in "\n".join(shown.said)


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    demo = Demo(
        tmp_path, "--class", "box", "--seed", "7", "--still", "--fault", "plan_aborted", "--quiet"
    )
    assert demo.ended() == 1, demo.said
    outcome = demo.outcome()
    assert not outcome["success"]
    assert (outcome["stage"], outcome["code"]) == ("pregrasp", -30)  # MoveIt's ABORT
    assert "ABORT" in outcome["reason"]
    assert "The box was not picked: pregrasp: " in demo.page()


def brown(picture: np.ndarray) -> float:
    """Share of the table's wood."""
    return float((picture[..., 0].astype(int) - picture[..., 2] > 40).mean())


def colors(picture: np.ndarray) -> int:
    """How many different colours there are."""
    return len(np.unique(picture.reshape(-1, 3), axis=0))
