# SPDX-License-Identifier: Apache-2.0
"""The page: a small server on this machine that shows a job and takes a click."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.observer import Observer, Pixel, Source
from tack_cli.cell.outcome import CellOutcome
from tack_cli.cell.viewer.clicks import ClickScreen
from tack_cli.cell.viewer.cloud import Cloud
from tack_cli.cell.viewer.feed import Feed
from tack_cli.cell.viewer.panel import ASKS, Panel
from tack_cli.cell.viewer.scene import CLICK, FOUND, PLAN, CellScene
from tack_grasping.goal import PickPlaceGoal
from tack_perception import geometry, overlay
from tack_perception.errors import DependencyError
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint
from tack_sim.cell.layout import CellLayout

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

HOST = "127.0.0.1"
PORT = 8008
_POLL_S = 0.2
_LAST_WORDS_S = 0.5
_AROUND = 2  # px
_MARKS = 2
_SEARCHED = "find again"
_CARRIED = frozenset(("lift", "carry", "place", "release", "retreat", "home"))


class Viewer(Observer):
    """Shows a job in the browser. A context manager; the page lives as long as the block.

    Args:
        layout: what stands where.
        camera: name of the profile's camera whose images are shown.
        title: what is done, in a few words.
        port: of the page on 127.0.0.1; the next free one where it is taken.
        ask: wait for a person's click.
        meshes: whether the robot has its good-looking meshes; None: where they are installed.

    Raises:
        DependencyError: viser is missing; says what to install.
    """

    def __init__(
        self,
        layout: CellLayout,
        camera: str,
        title: str,
        *,
        port: int = PORT,
        ask: bool = False,
        meshes: bool | None = None,
    ) -> None:
        self._layout, self._ask = layout, ask
        self._server = _server(port)
        self._scene = CellScene(self._server, layout, layout.profile.cameras[camera], meshes=meshes)
        self._panel = Panel(self._server, title, (480, 640), self._scene.show_cloud)
        self._screen = ClickScreen(self._server)
        self._lock = threading.Lock()
        self._found: tuple[Keypoint, FloatArray] | None = None  # and (3,) in the base frame, m
        self._goal: PickPlaceGoal | None = None
        self._clicked: Pixel | None = None
        self._feed: Feed | None = None

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *error: object) -> None:
        with _silenced():
            self._server.stop()

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self._server.get_port()}"

    def watching(self, source: Source) -> AbstractContextManager[None]:
        """See `Observer`."""
        model, profile = self._scene.model, self._layout.profile
        links = {
            model.body(body).name: model.body(int(model.body_parentid[body])).name
            for body in range(1, model.nbody)
            if model.body_jntnum[body]
            and model.body_rootid[body] == model.body(profile.base_frame).id
        }
        objects = frozenset(placed.name for placed in self._layout.objects)
        self._feed = Feed(source, self, links, profile.base_frame, objects)
        return self._feed.running()

    def move(self, parent_from_body: Mapping[str, FloatArray]) -> None:
        """Bodies have moved: name → (4, 4) in the frame of its parent body, m."""
        self._scene.move(parent_from_body)

    def show_frame(self, frame: RGBDFrame, base_from_camera: FloatArray | None) -> None:
        """A new image; (4, 4) pose of its camera, m, where it is known."""
        cloud = None if base_from_camera is None else Cloud.of(frame, base_from_camera)
        picture = self._picture(frame, base_from_camera)
        self._panel.show_image(picture)
        self._panel.refresh()
        self._scene.show_image(frame, picture, cloud)
        self._screen.update(frame, cloud)

    def stage(self, name: str) -> None:
        """See `Observer`."""
        self._panel.stage(name)
        if name == _SEARCHED:  # the object has been moved from under the click
            with self._lock:
                self._clicked = None
        if name in _CARRIED:  # the point has left the place where it was found
            with self._lock:
                self._found = self._goal = None

    def choose(self, frame: RGBDFrame, why: str = "") -> tuple[RGBDFrame, Pixel] | None:
        """See `Observer`."""
        if not self._ask:
            return None
        refused = f'<div style="margin:6px 0 0">{escape(why)}</div>' if why else ""
        self._panel.say("Click on the point to grasp", ASKS, refused)
        self._screen.open(frame)
        try:
            while (click := self._screen.poll(_POLL_S)) is None:
                if self._feed is not None and self._feed.error is not None:
                    raise self._feed.error
            return click
        finally:
            self._screen.close()

    def clicked(
        self, label: str, pixel: Pixel, frame: RGBDFrame, base_from_camera: FloatArray
    ) -> None:
        """See `Observer`."""
        with self._lock:
            self._clicked = pixel
        depth = depth_at(frame, pixel)
        if depth is not None:
            xyz = frame.intrinsics.deproject(pixel, depth)
            self._scene.show_click(label, geometry.apply(base_from_camera, xyz))

    def detected(self, keypoint: Keypoint, base_from_camera: FloatArray) -> None:
        """See `Observer`."""
        with self._lock:
            self._clicked = None
            if keypoint.xyz is not None:
                self._found = keypoint, geometry.apply(base_from_camera, keypoint.xyz)
        self._scene.show_keypoint(keypoint, base_from_camera)

    def planned(self, goal: PickPlaceGoal) -> None:
        """See `Observer`."""
        with self._lock:
            self._goal = goal
        self._scene.show_goal(goal)

    def done(self, outcome: CellOutcome) -> None:
        """See `Observer`."""
        self._panel.verdict(outcome)

    def failed(self, reason: str) -> None:
        """The job ended without an outcome."""
        self._panel.failed(reason)
        time.sleep(_LAST_WORDS_S)  # the server ends next

    def _picture(self, frame: RGBDFrame, base_from_camera: FloatArray | None) -> Image:
        """The image with the click, or with what was found and planned as it is seen now."""
        with self._lock:
            clicked, found, goal = self._clicked, self._found, self._goal
        canvas = np.array(frame.color)
        # The panel shows it small: marks are drawn as on an image of half the size.
        camera = frame.intrinsics.scaled(canvas.shape[1] // _MARKS, canvas.shape[0] // _MARKS)
        if clicked is not None:
            place = (np.array(clicked) + 0.5) / _MARKS - 0.5
            overlay.draw_click(canvas, place, CLICK, scale=_MARKS)
        if found is None or base_from_camera is None:
            return canvas
        camera_from_base = geometry.inverse(base_from_camera)
        if goal is not None:
            pose = camera_from_base @ goal.grasp
            overlay.draw_gripper(canvas, camera, pose, goal.width, PLAN, scale=_MARKS)
        keypoint, position = found
        u, v = camera.project(geometry.apply(camera_from_base, position))
        if camera.contains(u, v):
            seen = dataclasses.replace(keypoint, u=u, v=v, pixel_covariance=None)
            overlay.mark_keypoints(canvas, [seen], {keypoint.label: FOUND}, scale=_MARKS)
        return canvas


def depth_at(frame: RGBDFrame, pixel: Pixel) -> float | None:
    """The depth around a pixel, m; None where none is known."""
    u, v = (round(value) for value in pixel)
    patch = frame.depth[
        max(0, v - _AROUND) : v + _AROUND + 1, max(0, u - _AROUND) : u + _AROUND + 1
    ]
    known = patch[np.isfinite(patch)]
    return float(np.median(known)) if known.size else None


def _silenced() -> AbstractContextManager[Any]:
    """The server announces itself whatever one says."""
    return contextlib.redirect_stdout(io.StringIO())


def _server(port: int) -> Any:
    try:
        import viser
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"the live view needs {error.name}: pip install 'tack[sim]'"
        ) from error
    with _silenced():
        return viser.ViserServer(host=HOST, port=port, verbose=False)
