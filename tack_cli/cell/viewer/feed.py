# SPDX-License-Identifier: Apache-2.0
"""Brings what the graph knows to the page, as often as a person can follow."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_cli.cell.observer import Source
from tack_perception import geometry
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]

_ROBOT_S, _OBJECTS_S, _IMAGE_S = 0.08, 0.2, 0.45  # between two states, and two images
_BEHIND_NS = 60_000_000  # so old a state has surely arrived
_PATIENCE_S = 30.0  # without an image
_SLICE_S = 1.0


class Shown(Protocol):
    """Where things are brought to."""

    def move(self, parent_from_body: Mapping[str, FloatArray]) -> None:
        """Bodies have moved: name → (4, 4) in the frame of their parent body, m."""

    def show_frame(self, frame: RGBDFrame, base_from_camera: FloatArray | None) -> None:
        """A new image; (4, 4) pose of its camera, m, where it is known."""


class Feed:
    """Asks a graph for robot, objects and images, each in a thread of its own.

    Args:
        source: of everything.
        shown: gets everything.
        links: body → its parent, of all that the robot's joints move.
        base_frame: name of the robot's base.
        objects: bodies of which only the simulation knows where they are.

    Attributes:
        error: why something no longer comes, if so.
    """

    def __init__(
        self,
        source: Source,
        shown: Shown,
        links: Mapping[str, str],
        base_frame: str,
        objects: frozenset[str],
    ) -> None:
        self._source, self._shown, self._links = source, shown, links
        self._base, self._objects = base_frame, objects
        self._image_ns = -1
        self._image_at = time.monotonic()
        self._stop = threading.Event()
        self.error: Exception | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Feed while the block lasts, and once more at its end."""
        self._image_at = time.monotonic()
        work = (
            (self._quietly(self.bring_robot), _ROBOT_S),
            (self._quietly(self.bring_objects), _OBJECTS_S),
            (self.bring_image, _IMAGE_S),
        )
        threads = [
            threading.Thread(target=self._repeat, args=step, name="viewer", daemon=True)
            for step in work
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self._quietly(self.bring_robot)()
            self._quietly(self.bring_objects)()

    def _repeat(self, step: Callable[[], None], period: float) -> None:
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                step()
                spent = time.monotonic() - began
                # A pause at least as long as the work: the job comes first.
                self._stop.wait(max(spent, period - spent))
        except Exception as error:  # the page stands still, the job goes on
            self.error = error

    @staticmethod
    def _quietly(step: Callable[[], None]) -> Callable[[], None]:
        """The step, for which nothing is done when the graph is silent."""

        def quiet() -> None:
            with contextlib.suppress(TackError):
                step()

        return quiet

    def bring_robot(self) -> None:
        """Bring the links to where they are.

        Raises:
            TackError: not known.
        """
        stamp_ns = self._source.now_ns() - _BEHIND_NS
        self._shown.move(
            {
                body: self._source.transform(parent, body, stamp_ns)
                for body, parent in self._links.items()
            }
        )

    def bring_objects(self) -> None:
        """Bring the objects to where they are.

        Raises:
            TackError: nobody answers.
        """
        known = self._source.ask("/cell/truth")["objects"]
        poses = {name: np.array(known[name]["base_from_object"]) for name in known}
        self._shown.move(
            {n: geometry.nearest_transform(p) for n, p in poses.items() if n in self._objects}
        )

    def bring_image(self) -> None:
        """Bring the newest image, if there is a new one.

        Raises:
            TackError: none came for a long time.
        """
        try:
            frame = self._source.frame(self._image_ns, _SLICE_S)
        except TackError:
            begun = self._image_ns >= 0  # the first one may take as long as it wants
            if begun and time.monotonic() - self._image_at > _PATIENCE_S:
                raise
            return
        self._image_ns, self._image_at = frame.stamp_ns, time.monotonic()
        pose = None
        with contextlib.suppress(TackError):
            pose = self._source.transform(self._base, frame.frame_id, frame.stamp_ns)
        self._shown.show_frame(frame, pose)
