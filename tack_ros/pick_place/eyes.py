# SPDX-License-Identifier: Apache-2.0
"""The eyes of the behaviour on a graph: images, detections in them, and where the camera was."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock
from vision_msgs.msg import Detection3DArray

from tack_grasping.behaviour.sight import Sight, SightError, Thing, View, things_of
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.transforms import TransformError
from tack_ros.conversions.detections import from_detection
from tack_ros.conversions.stamps import to_ns
from tack_ros.frame_subscriber import FrameMessages

T = TypeVar("T")
FloatArray = NDArray[np.float64]
Lookup = Callable[[str, str, int], FloatArray]
"""(target, source, stamp in ns) → (4, 4) target_from_source, m; raises TransformError."""

IMAGES_KEPT = 45
"""Images are kept until their detections come."""
_STILL_NS = 100_000_000  # the arm has come to rest only just now
_WAIT_S = 0.1


class RosEyes:
    """The newest of what comes in. `on_frame` and `on_detections` return at once; the rest waits.

    Args:
        clock: of the node.
        base_frame: of the robot.
        lookup: where the camera was.
        patience: returns how long to wait for an image, s.
    """

    def __init__(
        self, clock: Clock, base_frame: str, lookup: Lookup, patience: Callable[[], float]
    ) -> None:
        self._clock, self._base_frame, self._lookup = clock, base_frame, lookup
        self._patience = patience
        self._news = threading.Condition()  # of an RLock: `find` may ask for an image
        self._frames: deque[FrameMessages] = deque(maxlen=IMAGES_KEPT)
        self._detections: Detection3DArray | None = None

    def on_frame(self, messages: FrameMessages) -> None:
        """An image has come."""
        with self._news:
            self._frames.append(messages)
            self._news.notify_all()

    def on_detections(self, message: Detection3DArray) -> None:
        """What was found in an image has come."""
        with self._news:
            self._detections = message
            self._news.notify_all()

    def forget(self) -> None:
        """What has come is of another time: the clock has jumped back."""
        with self._news:
            self._frames.clear()
            self._detections = None

    def messages_at(self, stamp_ns: int) -> FrameMessages | None:
        """The image of a stamp, while it is kept."""
        with self._news:
            return next((one for one in self._frames if one.stamp_ns == stamp_ns), None)

    def look(self) -> Sight:
        """What was found in the next image.

        Raises:
            SightError: none comes, nothing is looked for in it, or the camera's place is not known.
        """
        after_ns = self._clock.now().nanoseconds + _STILL_NS
        message, messages = self._wait(lambda: self._found_after(after_ns), after_ns, "detections")
        view = self._view(messages)
        return Sight(view.frame, view.base_from_camera, detected_things(message, view))

    def glance(self) -> View:
        """The next image alone.

        Raises:
            SightError: as `look`.
        """
        after_ns = self._clock.now().nanoseconds + _STILL_NS
        return self._view(self._wait(lambda: self._frame_after(after_ns), after_ns, "image"))

    def _view(self, messages: FrameMessages) -> View:
        try:
            frame: RGBDFrame = messages.frame()
        except InvalidInputError as error:
            raise SightError(
                MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA, f"the image cannot be used: {error}"
            ) from error
        try:
            pose = self._lookup(self._base_frame, frame.frame_id, frame.stamp_ns)
        except TransformError as error:
            raise SightError(
                MoveItErrorCode.FRAME_TRANSFORM_FAILURE, f"where the camera was: {error}"
            ) from error
        return View(frame, pose)

    def _detections_after(self, stamp_ns: int) -> Detection3DArray | None:
        message = self._detections
        return message if message and to_ns(message.header.stamp) > stamp_ns else None

    def _found_after(self, stamp_ns: int) -> tuple[Detection3DArray, FrameMessages] | None:
        """Detections with their image, which on a busy computer may come a little later."""
        message = self._detections_after(stamp_ns)
        messages = None if message is None else self.messages_at(to_ns(message.header.stamp))
        return None if message is None or messages is None else (message, messages)

    def _frame_after(self, stamp_ns: int) -> FrameMessages | None:
        newest = self._frames[-1] if self._frames else None
        return newest if newest and newest.stamp_ns > stamp_ns else None

    def _wait(self, find: Callable[[], T | None], after_ns: int, what: str) -> T:
        """Wait until it is there.

        Raises:
            SightError: it does not come; says what has come instead.
        """
        patience_s = self._patience()
        end = time.monotonic() + patience_s
        with self._news:
            while (found := find()) is None:
                if time.monotonic() > end:
                    break
                self._news.wait(_WAIT_S)
            else:
                return found
            code, why = self._excuse(after_ns)
        raise SightError(code, f"no new {what} within {patience_s:g} s: {why}")

    def _excuse(self, after_ns: int) -> tuple[MoveItErrorCode, str]:
        """Why nothing new is there, by what has come instead."""
        newest = self._frames[-1].stamp_ns if self._frames else None
        if newest is None:
            return (
                MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA,
                "no image has come at all: does the camera run, and with aligned depth?",
            )
        if newest <= after_ns:
            late_s = (after_ns - newest) / 1e9
            return MoveItErrorCode.SENSOR_INFO_STALE, f"the newest image is {late_s:.1f} s too old"
        if self._detections is None:
            return (
                MoveItErrorCode.UNABLE_TO_AQUIRE_SENSOR_DATA,
                "images come, but the detector has answered none: is anything annotated?",
            )
        if self._detections_after(after_ns) is not None:
            return (
                MoveItErrorCode.SENSOR_INFO_STALE,
                "detections come, but not with an image that is still there: the detector is"
                f" {IMAGES_KEPT} images behind",
            )
        answered = to_ns(self._detections.header.stamp)
        return (
            MoveItErrorCode.SENSOR_INFO_STALE,
            "images come, but the detector's last answer was to one that is"
            f" {(newest - answered) / 1e9:.1f} s older than the newest: it is too slow here"
            " ('patience' makes a job wait longer), or has stopped",
        )


def detected_things(message: Detection3DArray, view: View) -> tuple[Thing, ...]:
    """Things of detections, by what each is on.

    Args:
        message: of one image.
        view: that image.

    Returns:
        The things; none without detections. Detections that are not valid are left out.
    """
    keypoints = []
    for detection in message.detections:
        try:
            keypoint = from_detection(detection)
        except InvalidInputError:
            continue
        if keypoint.xyz is not None:
            # The message has no pixel; for pictures, the point's own is as good.
            u, v = view.frame.intrinsics.project(keypoint.xyz)
            keypoint = dataclasses.replace(keypoint, u=float(u), v=float(v))
            keypoints.append(keypoint)
    return things_of(keypoints, view.base_from_camera)
