# SPDX-License-Identifier: Apache-2.0
"""Who looks on while a job is done in the cell."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tack_grasping.goal import PickPlaceGoal
from tack_perception.frame import RGBDFrame
from tack_perception.keypoint import Keypoint

if TYPE_CHECKING:
    from tack_cli.cell.outcome import CellOutcome

FloatArray = NDArray[np.float64]
Pixel = tuple[float, float]


class Source(Protocol):
    """What an observer may ask while a job is done, from any thread; `Probe` offers it."""

    def now_ns(self) -> int:
        """The time of the graph, ns."""

    def transform(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        """(4, 4) target_from_source at a stamp, m; TackError where it is not known."""

    def frame(self, after_ns: int = -1, seconds: float = 30.0) -> RGBDFrame:
        """The next image taken after a stamp; TackError where none comes in time."""

    def ask(self, service: str) -> Any:
        """The JSON that a service answers; TackError where it does not."""


class Observer:
    """Is told what happens in a job. This one does not look; all methods return at once."""

    def watching(self, source: Source) -> AbstractContextManager[None]:
        """Entered when the graph can be asked, left before it ends."""
        return contextlib.nullcontext()

    def stage(self, name: str) -> None:
        """A stage begins; so the one before has ended."""

    def choose(self, frame: RGBDFrame, why: str = "") -> tuple[RGBDFrame, Pixel] | None:
        """Have a person click: the image clicked on and its pixel; None: nobody is asked.

        Args:
            frame: what the camera sees.
            why: the click before was refused; "" the first time.

        Raises:
            TackError: the cell has ended before the click.
        """
        return None

    def clicked(
        self, label: str, pixel: Pixel, frame: RGBDFrame, base_from_camera: FloatArray
    ) -> None:
        """The click, (u, v) in an image; (4, 4) pose of its camera, m."""

    def detected(self, keypoint: Keypoint, base_from_camera: FloatArray) -> None:
        """The point was found again; (4, 4) pose of the camera then, m."""

    def planned(self, goal: PickPlaceGoal) -> None:
        """What the arm is asked to do; poses in the base frame."""

    def done(self, outcome: CellOutcome) -> None:
        """What came of it."""
