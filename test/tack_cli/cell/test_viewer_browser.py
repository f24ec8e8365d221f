# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: it draws, it stays on this machine, and a click comes back."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import numpy as np
import pytest

from tack_cli.cell.viewer.viewer import Viewer
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame
from tack_sim.cell.log import CellSetup

pytest.importorskip("viser", reason="needs viser: pip install tack[sim]")

# A shape that no window has, so that width and height are not mixed up unseen.
CAMERA = CameraIntrinsics(320, 240, 300.0, 300.0, 159.5, 119.5)
TARGET = (233, 71)  # u, v of a patch in the middle of nothing else


def marked() -> RGBDFrame:
    """A grey image with one green patch of 5 px."""
    color = np.full((240, 320, 3), 120, np.uint8)
    u, v = TARGET
    color[v - 2 : v + 3, u - 2 : u + 3] = (0, 255, 0)
    depth = np.full((240, 320), 0.5, np.float32)
    return RGBDFrame(color, depth, CAMERA, 7, "camera_color_optical_frame")


def patch(picture: np.ndarray) -> np.ndarray:
    """(N, 2) x and y of the green pixels of a page; its panel has some of its own."""
    picture = picture[:, : picture.shape[1] * 11 // 20]
    red, green, blue = (picture[..., i].astype(int) for i in range(3))
    y, x = np.nonzero((green > 150) & (green - red > 90) & (green - blue > 90))
    return np.column_stack([x, y])


def resting(browser: Any) -> tuple[float, float]:
    """The middle of the green patch once the page's camera has flown to the image."""
    before = np.zeros(2)
    for _ in range(200):
        green = patch(browser.picture())
        if len(green) > 20:
            middle = (green.min(axis=0) + green.max(axis=0)) / 2
            if np.abs(middle - before).max() < 0.5:
                return float(middle[0]), float(middle[1])
            before = middle
        time.sleep(0.5)
    raise AssertionError("the image does not come to rest in front of the person")


def shows_the_cell(browser: Any) -> bool:
    """Whether the scene comes to be more than the backdrop, or one grey image."""

    def wood(picture: np.ndarray) -> bool:
        scene = picture[100:-100, :400].astype(float)
        return bool((scene[..., 0] - scene[..., 2] > 40).mean() > 0.1)

    return bool(browser.settles(wood))


def test_the_page_draws_takes_a_click_and_asks_nobody_else(browser: Any) -> None:
    layout = CellSetup(object_class="box", seed=3).layout()
    with Viewer(layout, "wrist", "a box", port=8360, ask=True, meshes=False) as viewer:
        browser.open(viewer.address)
        browser.until("document.querySelector('canvas') !== null")
        browser.until("document.body.innerText.includes('a box')")
        assert shows_the_cell(browser)
        frame = marked()
        answers: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=lambda: answers.put(viewer.choose(frame)), daemon=True).start()
        x, y = resting(browser)
        browser.click(x, y)
        while answers.empty():
            browser.picture()  # lets the page work
        clicked, pixel = answers.get(timeout=60)
        assert clicked is frame
        np.testing.assert_allclose(pixel, TARGET, atol=2.0)
        assert shows_the_cell(browser)  # the view has gone back
        assert browser.foreign(viewer.address) == []
        assert any(address.startswith("ws://127.0.0.1") for address in browser.requests)
