# SPDX-License-Identifier: Apache-2.0
"""Writes frames and transforms as a rosbag2 that looks like one of realsense-ros."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import ArrayLike
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from tack_perception import geometry
from tack_perception.encodings import (
    MILLIMETRE,
    encode_color,
    encode_compressed_color,
    encode_compressed_depth,
    encode_depth,
)
from tack_perception.errors import InvalidInputError, TackError
from tack_perception.files import write_error
from tack_perception.frame import RGBDFrame
from tack_perception.sources import bag_messages

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
CAMERA = "/camera/camera"
"""The namespace of the topics: realsense-ros' camera_namespace and camera_name by default."""

_FOREVER = QosTime(9223372036, 854775807)


class BagWriter:
    """Writes a rosbag2 with the topics, encodings and QoS of realsense-ros.

    The same calls give the same bytes. Messages are recorded at their own stamps. When the block
    that uses it raises, the bag is closed with all that was written before.

    Args:
        path: folder of the new bag.
        storage: "mcap" or "sqlite3".
        compressed: JPEG colour and PNG compressedDepth, in place of raw images.
        camera: namespace of the topics.
        depth_encoding: "16UC1" (rounded to the unit) or "32FC1" (exact unless compressed).
        depth_unit: length of one step of 16UC1, m; readers assume 0.001.

    Raises:
        InvalidInputError: on construction, if the path exists or a name is not known.
        TackError: the bag cannot be written (disk full, no permission).
    """

    def __init__(
        self,
        path: Path | str,
        storage: str = "mcap",
        compressed: bool = False,
        *,
        camera: str = CAMERA,
        depth_encoding: str = "16UC1",
        depth_unit: float = MILLIMETRE,
    ) -> None:
        self._path = Path(path)
        if storage not in STORAGES:
            raise InvalidInputError(f"storage {storage!r}: known are {', '.join(STORAGES)}")
        if depth_encoding not in ("16UC1", "32FC1"):
            raise InvalidInputError(f"depth encoding {depth_encoding!r}: known are 16UC1, 32FC1")
        if self._path.exists():
            raise InvalidInputError(f"{self._path} exists already; choose another name")
        # Version 8 is the newest whose QoS every reader from Humble on understands.
        self._writer = Writer(self._path, version=8, storage_plugin=STORAGES[storage])
        self._compressed = compressed
        self._camera = camera.rstrip("/")
        self._depth_encoding = depth_encoding
        self._depth_unit = depth_unit
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        try:
            self._writer.open()
        except OSError as error:
            raise write_error(self._path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._writer.close()
        except (OSError, sqlite3.Error) as failure:
            with contextlib.suppress(OSError, sqlite3.Error):
                self._writer.abort()
            if error is None:
                raise _disk_error(self._path, failure) from failure

    def write(self, frame: RGBDFrame) -> None:
        """Write colour, aligned depth and a camera_info for each."""
        color, depth = f"{self._camera}/color", f"{self._camera}/aligned_depth_to_color"
        stamp, frame_id = frame.stamp_ns, frame.frame_id
        info = bag_messages.camera_info_message(frame.intrinsics, stamp, frame_id)
        encoding, unit = self._depth_encoding, self._depth_unit
        if self._compressed:
            image = encode_compressed_color(frame.color)
            units = encode_compressed_depth(frame.depth, encoding, unit=unit)
            message = bag_messages.compressed_message
            self.write_message(
                f"{color}/image_raw/compressed", message(image, stamp, frame_id), stamp
            )
            self.write_message(
                f"{depth}/image_raw/compressedDepth", message(units, stamp, frame_id), stamp
            )
        else:
            for topic, raw in (
                (color, encode_color(frame.color)),
                (depth, encode_depth(frame.depth, encoding, unit)),
            ):
                image_message = bag_messages.image_message(raw, stamp, frame_id)
                self.write_message(f"{topic}/image_raw", image_message, stamp)
        self.write_message(f"{color}/camera_info", info, stamp)
        self.write_message(f"{depth}/camera_info", info, stamp)

    def write_transform(
        self,
        parent: str,
        child: str,
        stamp_ns: int,
        parent_from_child: ArrayLike,
        *,
        static: bool = False,
    ) -> None:
        """Write one transform to /tf, or to /tf_static.

        Args:
            parent, child: frame names.
            stamp_ns: time at which it holds, ns; a static one is recorded at this time.
            parent_from_child: (4, 4), m.
            static: it holds at all times.

        Raises:
            InvalidInputError: the matrix is not rigid.
        """
        matrix = geometry.check_transform(parent_from_child, f"transform {parent} ← {child}")
        message = bag_messages.transform_message(parent, child, stamp_ns, matrix)
        self.write_message("/tf_static" if static else "/tf", message, stamp_ns)

    def write_message(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Write any message of rosbags' type store for ROS 2.

        Args:
            topic: its name; each topic has one type.
            message: as `bag_messages.ros2_types().types[...]` makes it.
            stamp_ns: time of recording, ns.
        """
        types = bag_messages.ros2_types()
        kind = message.__msgtype__
        data = types.serialize_cdr(message, kind)
        try:
            if topic not in self._connections:
                qos = _qos(latched=topic.endswith(("/tf_static", "/extrinsics/depth_to_color")))
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=types, offered_qos_profiles=[qos]
                )
            self._writer.write(self._connections[topic], stamp_ns, data)
        except (OSError, sqlite3.Error) as error:
            raise _disk_error(self._path, error) from error


def _disk_error(path: Path, error: OSError | sqlite3.Error) -> TackError:
    if isinstance(error, OSError):
        return write_error(path, error)
    return TackError(f"{path}: cannot be written: {error}")


def _qos(*, latched: bool) -> Qos:
    """Reliable, as realsense-ros and tf2 offer; a latched topic keeps its last message."""
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )
