# SPDX-License-Identifier: Apache-2.0
"""Publishes a camera, or a recording of one, the way realsense-ros does.

Anything that yields frames can stand behind it: a RealSense, its .db3/.bag recordings, a rosbag2, a
folder of PNGs. A recording is played at the pace of its stamps, with its transforms and /clock.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from tack_perception.configuration import Configuration, setting
from tack_perception.encodings import encode_depth
from tack_perception.errors import TackError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.base import FrameSource
from tack_perception.sources.opening import open_source
from tack_perception.sources.rosbag2 import BagConfiguration
from tack_perception.transforms import TransformBuffer, TransformError
from tack_ros import qos
from tack_ros.conversions.images import to_camera_info, to_color_image, to_image
from tack_ros.conversions.stamps import to_header, to_stamp
from tack_ros.conversions.transforms import to_transform
from tack_ros.diagnostics import DiagnosticsPublisher, Health
from tack_ros.node import TackNode, run
from tack_ros.playback import Playback

REALSENSE = "realsense:"
RETRY_S = 1.0


@dataclasses.dataclass(frozen=True)
class CameraConfig(Configuration):
    """Parameters of the camera node. All are read at start-up."""

    source: str = setting(
        "realsense:",
        "what to publish: 'realsense:' (the only camera), 'realsense:SERIAL', or the path of a bag,"
        " a RealSense recording or a folder",
    )
    depth_encoding: str = setting(
        "16UC1",
        "16UC1 is in mm as in realsense-ros; 32FC1 is in m and keeps what is finer than 1 mm",
        choices=("16UC1", "32FC1"),
    )
    rate: float = setting(1.0, "speed of a recording", low=0.01, high=100.0)
    loop: bool = setting(False, "start a recording again at its end")
    clock: bool = setting(True, "publish /clock while a recording plays (for use_sim_time)")
    transforms: bool = setting(True, "publish the transforms that come with the frames")
    wait_for_subscribers: float = setting(
        0.0,
        "hold a recording back until somebody listens to colour, depth and info, at most this long",
        unit="s",
        low=0.0,
        high=3600.0,
    )


class CameraNode(TackNode):
    """The node `camera`.

    Args:
        source: stands in for the one that the parameter names.
        options: as of `rclpy.node.Node`.

    Raises:
        TackError: a parameter is refused, or the source cannot be opened.
    """

    def __init__(self, source: FrameSource | None = None, **options: Any) -> None:
        super().__init__("camera", **options)
        self._config = self.parameters.declare(CameraConfig, fixed="*").value
        self._source = self._open() if source is None else source
        self.parameters.warn_of_unknown()
        self._recorded = not self._config.source.startswith(REALSENSE)
        if self._recorded:
            self._source.__enter__()  # a recording that cannot be read is told at once
            self.at_end(lambda: self._source.__exit__(None, None, None))
        self._images = {
            name: self.create_publisher(kind, f"~/{name}", qos.SENSOR)
            for name, kind in (
                ("color/camera_info", CameraInfo),
                ("aligned_depth_to_color/camera_info", CameraInfo),
                ("color/image_raw", Image),
                ("aligned_depth_to_color/image_raw", Image),
            )
        }
        self._clock_publisher: Publisher[Any] | None = None
        if self._recorded and self._config.clock:
            self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        self._tf: Publisher[Any] | None = None
        self._source_drops: Counter[str] = Counter()
        self._state = Health()
        self._playback: Playback | None = None
        DiagnosticsPublisher(self, self.monitor, self.drops, lambda: self._state, self._source.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera source", daemon=True)
        self._thread.start()
        self.at_end(self._join)

    def _open(self) -> FrameSource:
        """The source that the parameters name; they include its own settings."""
        name = self._config.source
        if not name.startswith(REALSENSE):
            return open_source(
                name, self.parameters.declare(BagConfiguration, "bag", fixed="*").value
            )
        # Imported here: a recording must play where librealsense is not installed.
        from tack_perception.sources.realsense import RealSenseConfiguration, RealSenseSource

        camera = self.parameters.declare(RealSenseConfiguration, "realsense", fixed="*").value
        serial = name.removeprefix(REALSENSE).strip() or camera.serial
        return RealSenseSource(dataclasses.replace(camera, serial=serial))

    def _join(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _ending(self) -> bool:
        return self._stop.is_set() or not self.context.ok()

    def _run(self) -> None:
        """Publish until the source ends; a camera that is lost is opened again and again."""
        while not self._ending():
            try:
                if self._recorded:
                    self._wait_for_subscribers()
                    self._publish_all()
                    self._say(f"{self._source.name} has ended")
                    return
                with self._source:
                    self._say(f"camera {self._source.name}")
                    self._publish_all()
            except TackError as error:
                self._fail(str(error))
            except Exception as error:
                if not self._ending():  # a publisher may vanish under our hands at the end
                    self.drops.add_fault(error)
                    self._fail(f"internal error: {type(error).__name__}: {error}")
            if self._recorded:
                return
            self._stop.wait(RETRY_S)

    def _publish_all(self) -> None:
        for frame in self._frames():
            if self._ending():
                return
            self._publish(frame)

    def _frames(self) -> Iterable[RGBDFrame]:
        transforms = self._source.transforms
        if transforms is not None and self._config.transforms:
            self._tf = self.create_publisher(TFMessage, "/tf", qos.TF)
            self._publish_static(transforms)
        if not self._recorded:
            return self._source
        config = self._config
        self._playback = Playback(
            self._source, config.rate, config.loop, self._publish_clock, self._stop
        )
        return self._playback

    def _publish(self, frame: RGBDFrame) -> None:
        self.monitor.received()
        header = to_header(frame.stamp_ns, frame.frame_id)
        info = to_camera_info(frame.intrinsics, header)
        if self._tf is not None and self._source.transforms is not None:
            self._tf.publish(_moving_transforms(self._source.transforms, frame.stamp_ns))
        self._images["color/camera_info"].publish(info)
        self._images["aligned_depth_to_color/camera_info"].publish(info)
        self._images["color/image_raw"].publish(to_color_image(frame.color, header))
        depth = to_image(encode_depth(frame.depth, self._config.depth_encoding), header)
        self._images["aligned_depth_to_color/image_raw"].publish(depth)
        now_ns = None if self._playback is None else self._playback.now_ns
        self.monitor.handled(frame.stamp_ns, now_ns)
        drops = Counter(self._source.drops)
        for reason, count in (drops - self._source_drops).items():
            self.drops.add(reason, count)
        self._source_drops = drops

    def _publish_static(self, transforms: TransformBuffer) -> None:
        static = self.create_publisher(TFMessage, "/tf_static", qos.TF_STATIC)
        static.publish(
            TFMessage(
                transforms=[
                    to_transform(transforms.lookup(parent, child, None), parent, child, 0)
                    for parent, child, is_static in transforms.edges()
                    if is_static
                ]
            )
        )

    def _publish_clock(self, now_ns: int) -> None:
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=to_stamp(now_ns)))

    def _wait_for_subscribers(self) -> None:
        """Discovery takes a moment; without this a short recording would play to nobody."""
        if not self._recorded:
            return
        needed = ("color/camera_info", "color/image_raw", "aligned_depth_to_color/image_raw")
        waited_s = 0.0
        while waited_s < self._config.wait_for_subscribers and not self._stop.wait(0.05):
            waited_s += 0.05
            if all(self._images[name].get_subscription_count() for name in needed):
                return

    def _say(self, sentence: str) -> None:
        if self._ending():
            return
        self._state = Health(values={"state": sentence})
        self.get_logger().info(sentence)

    def _fail(self, sentence: str) -> None:
        self._state = Health(sentence, broken=True)
        self.get_logger().error(sentence)


def _moving_transforms(transforms: TransformBuffer, stamp_ns: int) -> TFMessage:
    """The tree at the stamp of an image; what is not known then is left out."""
    moving = []
    for parent, child, is_static in transforms.edges():
        if is_static:
            continue
        try:
            matrix = transforms.lookup(parent, child, stamp_ns)
        except TransformError:
            continue
        moving.append(to_transform(matrix, parent, child, stamp_ns))
    return TFMessage(transforms=moving)


def main() -> int:
    """Run the node."""
    return run(CameraNode)


if __name__ == "__main__":
    raise SystemExit(main())
