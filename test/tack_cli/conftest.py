# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over its own debugging protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
CLOSE_NOTICES = (
    "document.querySelectorAll('.mantine-Notification-closeButton').forEach(b => b.click())"
)


class Browser:
    """One page. A context manager.

    Attributes:
        requests: addresses that the page and its workers asked for.
    """

    def __init__(self, folder: Path, width: int = 960, height: int = 600) -> None:
        from websockets.sync.client import connect

        executable = shutil.which("chromium") or shutil.which("chromium-browser")
        assert executable is not None
        self.requests: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._process = subprocess.Popen(
            [
                executable,
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--window-size={width},{height}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port_file = folder / "DevToolsActivePort"
        self._wait(lambda: port_file.is_file() and port_file.read_text().count("\n"), 60)
        port, path = port_file.read_text().split()[:2]
        self._socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None)
        target = self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session: str | None = attached["sessionId"]
        self._watch(self._session)
        self.call("Page.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _watch(self, session: str | None) -> None:
        self._post("Network.enable", {}, session)
        # Web workers have requests of their own: viser's connection lives in one.
        automatic = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        self._post("Target.setAutoAttach", automatic, session)

    def _post(self, method: str, arguments: dict[str, Any], session: str | None) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": arguments}
        if session is not None:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        return self._number

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        session = getattr(self, "_session", None)
        number = self._post(method, arguments, session)
        self._wait(lambda: self._read(0.2) and number in self._answers, 120)
        answer = self._answers.pop(number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, seconds: float) -> bool:
        try:
            message = json.loads(self._socket.recv(timeout=seconds))
        except TimeoutError:
            return False
        if "id" in message:
            self._answers[message["id"]] = message
        elif message["method"] == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            self.requests.append(message["params"]["url"])
        elif message["method"] == "Target.attachedToTarget":
            self._watch(message["params"]["sessionId"])
            self._post("Runtime.runIfWaitingForDebugger", {}, message["params"]["sessionId"])
        return True

    def _wait(self, done: Callable[[], Any], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "the browser does not answer"
            assert self._process.poll() is None, "the browser has ended"
            time.sleep(0.01)

    def open(self, address: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get(
            "value"
        )

    def until(self, script: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true."""
        self._wait(lambda: self.evaluate(script), seconds)

    def picture(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB of the page."""
        self.evaluate(CLOSE_NOTICES)
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return image[..., ::-1]

    def settles(self, condition: Callable[[np.ndarray], Any], pictures: int = 120) -> bool:
        """Whether a picture of the page comes to meet a condition."""
        for _ in range(pictures):
            if condition(self.picture()):
                return True
            time.sleep(0.1)
        return False

    def foreign(self, address: str) -> list[str]:
        """What the page asked of others than the server at an address."""
        own = (address, address.replace("http", "ws"), "data:", "blob:", "about:")
        return [asked for asked in self.requests if not asked.startswith(own)]

    def hover(self, x: float, y: float) -> None:
        """Move the mouse to a place of the page, px."""
        self._mouse("mouseMoved", (x, y))

    def click(self, x: float, y: float) -> None:
        """Press and release the left button at a place of the page, px."""
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the left button at a place of the page, px, move, and release it at another."""
        self._mouse("mouseMoved", start)
        self._mouse("mousePressed", start, button="left", buttons=1, clickCount=1)
        if end != start:
            for share in (0.25, 0.5, 0.75, 1.0):
                place = tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))
                self._mouse("mouseMoved", place, button="left", buttons=1)
        self._mouse("mouseReleased", end, button="left", clickCount=1)

    def _mouse(self, kind: str, place: tuple[float, ...], **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **more)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A page in headless Chromium; skips where there is none."""
    if shutil.which("chromium") is None and shutil.which("chromium-browser") is None:
        pytest.skip("needs Chromium: apt install chromium")
    with Browser(tmp_path / "profile") as page:
        yield page
