# SPDX-License-Identifier: Apache-2.0
"""The simulated cameras on the topics of realsense-ros, rendered beside the physics."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from tack_grasping.robot import CameraMount
from tack_perception.encodings import encode_depth
from tack_ros import qos
from tack_ros.conversions.images import to_camera_info, to_color_image, to_image
from tack_ros.conversions.stamps import to_header
from tack_ros.node import TackNode
from tack_sim.cameras.cell_camera import CameraImages, CellCamera
from tack_sim.cell.eyes import with_holes
from tack_sim.cell.faults import FaultKind, is_active
from tack_sim.cell.world import CellWorld

_WAIT_S = 0.002
_IDLE_S = 0.05  # between looks for somebody who listens
_DELAY_S = 1.5  # of the world's time, under the fault: more than anybody takes by default


_making = threading.Lock()  # a renderer changes the model's visual settings while it is made


class CameraThread:
    """Renders one camera at a rate of the world's time, on a thread of its own.

    A picture that is not ready in time is skipped, as a camera does: the stamps stay true. Nothing
    is rendered while nobody listens.

    Args:
        node: its publishers are made here.
        world: the cell.
        mount: which camera, and where it sits.
        stamp_ns: time of the world (s) → stamp.
        rate: images per second of the world's time.
        options: of `CellCamera`.

    Attributes:
        problem: why there are no pictures at all; "" while all is well.
    """

    def __init__(
        self,
        node: TackNode,
        world: CellWorld,
        mount: CameraMount,
        stamp_ns: Callable[[float], int],
        rate: float,
        **options: Any,
    ) -> None:
        self._node, self._world, self._mount = node, world, mount
        self._stamp_ns, self._period, self._options = stamp_ns, 1 / rate, options
        depth = "aligned_depth_to_color" if options.get("aligned", True) else "depth"
        depth_image = "image_raw" if options.get("aligned", True) else "image_rect_raw"
        prefix = f"/{mount.name}"
        self._publishers = {
            name: node.create_publisher(kind, f"{prefix}/{topic}", qos.SENSOR)
            for name, kind, topic in (
                ("color_info", CameraInfo, "color/camera_info"),
                ("depth_info", CameraInfo, f"{depth}/camera_info"),
                ("color", Image, "color/image_raw"),
                ("depth", Image, f"{depth}/{depth_image}"),
            )
        }
        self._late: deque[CameraImages] = deque()
        self.problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera {mount.name}", daemon=True)
        self._thread.start()
        node.at_end(self._join)

    def _join(self) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            with _making:
                camera = CellCamera(self._world.model, self._mount, **self._options)
            with camera:
                self._shoot_on(camera)
        except Exception as error:
            self.problem = f"camera {self._mount.name}: {error}"
            self._node.get_logger().error(self.problem)

    def _shoot_on(self, camera: CellCamera) -> None:
        due = 0.0
        while not self._stop.is_set() and self._node.context.ok():
            time = self._world.time
            if time < due:
                self._stop.wait(_WAIT_S)
                continue
            if not self._wanted():
                self._late.clear()  # whoever listens next gets none of the old ones
                self._stop.wait(_IDLE_S)
                continue
            # What rendering has missed is not caught up with.
            due = max(due + self._period, time)
            self._node.monitor.received()
            try:
                for ready in self._faulty(camera.shoot(self._world.snapshot())):
                    self._publish(ready)
            except Exception as error:
                if self._node.context.ok() and not self._stop.is_set():
                    self._node.drops.add_fault(error)

    def _wanted(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def _faulty(self, images: CameraImages) -> list[CameraImages]:
        """What goes out now, under the faults that hold."""

        def active(kind: FaultKind) -> bool:
            return is_active(self._world.faults, kind, images.time)

        if active(FaultKind.CAMERA_DROPOUT):
            return []
        if active(FaultKind.DEPTH_NAN):
            images = dataclasses.replace(images, depth=np.full_like(images.depth, np.nan))
        if active(FaultKind.DEPTH_HOLES):
            images = dataclasses.replace(images, depth=with_holes(images.depth))
        self._late.append(images)
        if active(FaultKind.CAMERA_DELAY):
            old = images.time - _DELAY_S
            return [self._late.popleft() for late in tuple(self._late) if late.time <= old]
        if active(FaultKind.CAMERA_DISORDER) and len(self._late) < 2:
            return []
        ready = list(self._late)
        self._late.clear()
        if active(FaultKind.CAMERA_DISORDER):
            ready.reverse()
        if active(FaultKind.CAMERA_DUPLICATE):
            ready = [images for images in ready for _ in range(2)]
        return ready

    def _publish(self, images: CameraImages) -> None:
        name = self._mount.name
        stamp_ns = self._stamp_ns(images.time)
        frames = f"{name}_color_optical_frame", f"{name}_depth_optical_frame"
        color_header = to_header(stamp_ns, frames[0])
        depth_header = to_header(stamp_ns, frames[0] if images.aligned else frames[1])
        out = self._publishers
        out["color_info"].publish(to_camera_info(images.color_intrinsics, color_header))
        out["depth_info"].publish(to_camera_info(images.depth_intrinsics, depth_header))
        out["color"].publish(to_color_image(images.color, color_header))
        # A 16UC1 image cannot hold NaN; drivers that send floats do.
        nan = is_active(self._world.faults, FaultKind.DEPTH_NAN, images.time)
        encoded = encode_depth(images.depth, "32FC1" if nan else "16UC1")
        out["depth"].publish(to_image(encoded, depth_header))
        self._node.monitor.handled(stamp_ns, self._stamp_ns(self._world.time))
