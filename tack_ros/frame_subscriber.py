# SPDX-License-Identifier: Apache-2.0
"""Colour, depth and camera info of a ROS camera, brought together to frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from sensor_msgs.msg import CameraInfo, Image

from tack_perception.camera import CameraIntrinsics
from tack_perception.configuration import setting
from tack_perception.encodings import RawFrame
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.synchroniser import ApproximateTimeSynchroniser
from tack_ros import qos
from tack_ros.conversions.images import to_intrinsics, to_raw_frame
from tack_ros.conversions.stamps import to_ns
from tack_ros.node import TackNode
from tack_ros.stamp_check import RESTART_NS, StampCheck, StampConfig

COLOR_TOPIC = "color/image_raw"
DEPTH_TOPIC = "aligned_depth_to_color/image_raw"
INFO_TOPIC = "color/camera_info"


@dataclasses.dataclass(frozen=True)
class FrameInputConfig(StampConfig):
    """How images are taken in."""

    slop: float = setting(
        0.02, "largest difference of the stamps of colour and depth", unit="s", low=0.0, high=1.0
    )
    depth_unit: float = setting(
        0.001, "length of one step of a 16UC1 depth image", unit="m", low=1e-6, high=1.0
    )


@dataclasses.dataclass(frozen=True)
class FrameMessages:
    """A matched pair of images, not decoded yet: most of them may never be looked at."""

    color: Image
    depth: Image
    intrinsics: CameraIntrinsics
    stamp_ns: int
    depth_unit: float

    def raw(self) -> RawFrame:
        """The two as one.

        Raises:
            InvalidInputError: they lie in different frames.
        """
        return to_raw_frame(self.color, self.depth, self.intrinsics, self.stamp_ns, self.depth_unit)

    def frame(self) -> RGBDFrame:
        """Decode.

        Raises:
            InvalidInputError: encodings, sizes or frames that do not fit.
        """
        return self.raw().frame()


class FrameSubscriber:
    """Subscribes to a camera and hands out matched images.

    The newest valid camera info serves every image: cameras repeat it, and some send it rarely.

    Args:
        node: its subscriptions are made here, on the relative topics of realsense-ros; matches
            are counted in its `monitor`, and what is dropped in its `drops`.
        on_frame: called with each match on the executor's thread; must return at once.
        config: returns the settings in force.
        counted: whether matches are the node's input, as its diagnostics report it.
    """

    def __init__(
        self,
        node: TackNode,
        on_frame: Callable[[FrameMessages], None],
        config: Callable[[], FrameInputConfig],
        *,
        counted: bool = True,
    ) -> None:
        self._stamps = StampCheck(node.get_clock(), config)
        self._on_frame = on_frame
        self._config = config
        self._drops = node.drops
        self._monitor = node.monitor if counted else None
        self._info: CameraInfo | None = None
        self._intrinsics: CameraIntrinsics | None = None
        self._newest_ns = -1
        self._synchroniser = self._fresh_synchroniser()
        self.topics = [
            node.create_subscription(kind, topic, callback, qos.SENSOR).topic_name
            for kind, topic, callback in (
                (CameraInfo, INFO_TOPIC, self._on_info),
                (Image, COLOR_TOPIC, self._on_color),
                (Image, DEPTH_TOPIC, self._on_depth),
            )
        ]
        """The resolved names of the topics that are listened to."""
        node.when_time_jumps_back(self._forget)

    def _on_info(self, message: CameraInfo) -> None:
        old = self._info
        if old is not None and _same_camera(old, message):
            return
        self._info = message
        try:
            self._intrinsics = to_intrinsics(message)
        except InvalidInputError as error:
            self._intrinsics = None
            self._drops.add(f"camera info: {error}")

    def _on_color(self, message: Image) -> None:
        self._on_image("colour", message)

    def _on_depth(self, message: Image) -> None:
        self._on_image("depth", message)

    def _on_image(self, stream: str, message: Image) -> None:
        stamp_ns = to_ns(message.header.stamp)
        refusal = self._stamps.refusal(stamp_ns, f"{stream} image")
        if refusal:
            self._drops.add(refusal)
            return
        if stamp_ns < self._newest_ns - RESTART_NS:
            self._drops.add("stamps jumped back: the camera or the bag was started again")
            self._forget()
        self._newest_ns = max(self._newest_ns, stamp_ns)
        matches = self._synchroniser.add(stream, stamp_ns, message)
        for reason, count in self._synchroniser.drops.items():
            self._drops.add(reason, count)
        self._synchroniser.drops.clear()
        for color, depth in matches:
            if self._monitor is not None:
                self._monitor.received()
            if self._intrinsics is None:
                what = "no camera info has come yet" if self._info is None else "it is not valid"
                self._drops.add(f"image without camera info: {what} on {self.topics[0]}")
                continue
            unit = self._config().depth_unit
            self._on_frame(
                FrameMessages(color, depth, self._intrinsics, to_ns(color.header.stamp), unit)
            )

    def _forget(self) -> None:
        self._synchroniser = self._fresh_synchroniser()
        self._newest_ns = -1

    def _fresh_synchroniser(self) -> ApproximateTimeSynchroniser:
        slop_ns = round(self._config().slop * 1e9)
        return ApproximateTimeSynchroniser(("colour", "depth"), slop_ns, capacity=10)


def _same_camera(old: CameraInfo, new: CameraInfo) -> bool:
    return (
        (old.width, old.height, old.distortion_model)
        == (new.width, new.height, new.distortion_model)
        and (old.binning_x, old.binning_y, old.roi) == (new.binning_x, new.binning_y, new.roi)
        and bool((old.k == new.k).all())
        and list(old.d) == list(new.d)
    )
