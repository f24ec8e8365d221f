# SPDX-License-Identifier: Apache-2.0
"""Between the messages of a bag (as rosbags has them) and the values of this package."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import CompressedImage, RawImage

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TF = "tf2_msgs/msg/TFMessage"
EXTRINSICS = "realsense2_camera_msgs/msg/Extrinsics"

# The fields of the one message that realsense-ros adds to the standard ones.
_EXTRINSICS_FIELDS = "float64[9] rotation\nfloat64[3] translation\n"


@functools.cache
def ros2_types() -> Typestore:
    """The message types of ROS 2 that a bag of a camera needs."""
    store = get_typestore(Stores.LATEST)
    store.register(get_types_from_msg(_EXTRINSICS_FIELDS, EXTRINSICS))
    return store


@functools.cache
def ros1_types() -> Typestore:
    """The same of ROS 1."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register(get_types_from_msg("std_msgs/Header header\n" + _EXTRINSICS_FIELDS, EXTRINSICS))
    return store


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header, ns."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def intrinsics_of(message: Any) -> CameraIntrinsics:
    """The camera of a CameraInfo.

    Raises:
        InvalidInputError: as `CameraIntrinsics.from_camera_info`.
    """
    k, d = (message.k, message.d) if hasattr(message, "k") else (message.K, message.D)
    return CameraIntrinsics.from_camera_info(
        message.width, message.height, k, message.distortion_model, d
    )


def transform_of(message: Any) -> NDArray[np.float64]:
    """The (4, 4) parent_from_child of a TransformStamped, m.

    Raises:
        InvalidInputError: values that are not finite, or a quaternion that is not of length 1.
    """
    q, t = message.transform.rotation, message.transform.translation
    return geometry.from_quaternion((q.x, q.y, q.z, q.w), (t.x, t.y, t.z))


def extrinsics_of(message: Any) -> NDArray[np.float64]:
    """The (4, 4) color_from_depth of an Extrinsics message `depth_to_color`, m.

    Raises:
        InvalidInputError: values that are not finite, or no rotation.
    """
    transform = np.eye(4)
    transform[:3, :3] = np.asarray(message.rotation).reshape(3, 3).T  # it is column-major
    transform[:3, 3] = message.translation
    return geometry.nearest_transform(transform)


def image_message(image: RawImage, stamp: int, frame_id: str) -> Any:
    """A sensor_msgs/Image."""
    return ros2_types().types[IMAGE](
        header=_header(stamp, frame_id),
        height=image.height,
        width=image.width,
        encoding=image.encoding,
        is_bigendian=image.is_bigendian,
        step=image.step,
        data=np.frombuffer(image.data, np.uint8),
    )


def compressed_message(image: CompressedImage, stamp: int, frame_id: str) -> Any:
    """A sensor_msgs/CompressedImage."""
    return ros2_types().types[COMPRESSED](
        header=_header(stamp, frame_id),
        format=image.format,
        data=np.frombuffer(image.data, np.uint8),
    )


def camera_info_message(intrinsics: CameraIntrinsics, stamp: int, frame_id: str) -> Any:
    """A sensor_msgs/CameraInfo; no distortion becomes plumb_bob with zeros, as realsense-ros."""
    types = ros2_types().types
    k = intrinsics.matrix
    p = np.hstack([k, np.zeros((3, 1))])
    undistorted = intrinsics.model == "none"
    return types[CAMERA_INFO](
        header=_header(stamp, frame_id),
        height=intrinsics.height,
        width=intrinsics.width,
        distortion_model="plumb_bob" if undistorted else intrinsics.model,
        d=np.zeros(5) if undistorted else np.array(intrinsics.coefficients),
        k=k.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=p.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )


def transform_message(
    parent: str, child: str, stamp: int, parent_from_child: NDArray[np.float64]
) -> Any:
    """A tf2_msgs/TFMessage with one transform."""
    types = ros2_types().types
    x, y, z = (float(value) for value in parent_from_child[:3, 3])
    qx, qy, qz, qw = (float(value) for value in geometry.to_quaternion(parent_from_child))
    stamped = types["geometry_msgs/msg/TransformStamped"](
        header=_header(stamp, parent),
        child_frame_id=child,
        transform=types["geometry_msgs/msg/Transform"](
            translation=types["geometry_msgs/msg/Vector3"](x=x, y=y, z=z),
            rotation=types["geometry_msgs/msg/Quaternion"](x=qx, y=qy, z=qz, w=qw),
        ),
    )
    return types[TF](transforms=[stamped])


def extrinsics_message(color_from_depth: NDArray[np.float64]) -> Any:
    """A realsense2_camera_msgs/Extrinsics."""
    return ros2_types().types[EXTRINSICS](
        rotation=np.ascontiguousarray(color_from_depth[:3, :3].T).reshape(-1),
        translation=np.ascontiguousarray(color_from_depth[:3, 3]),
    )


def _header(stamp: int, frame_id: str) -> Any:
    types = ros2_types().types
    sec, nanosec = divmod(stamp, 1_000_000_000)
    time = types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    return types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)
