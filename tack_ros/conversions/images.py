# SPDX-License-Identifier: Apache-2.0
"""Images and camera info, with the names and encodings of realsense-ros."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import RawFrame, RawImage, encode_color
from tack_perception.errors import InvalidInputError


def to_image(raw: RawImage, header: Header) -> Image:
    """An encoded image as a message."""
    # rclpy copies numpy arrays and lists element by element (56 ms for one colour image); with
    # checks on, bytes too (80 ms). An array.array is copied as a block.
    data = array.array("B")
    data.frombytes(np.frombuffer(raw.data, dtype=np.uint8).data)
    return Image(
        header=header,
        height=raw.height,
        width=raw.width,
        encoding=raw.encoding,
        is_bigendian=raw.is_bigendian,
        step=raw.step,
        data=data,
    )


def to_color_image(color: NDArray[np.uint8], header: Header) -> Image:
    """An (H, W, 3) uint8 RGB array as an rgb8 message."""
    return to_image(encode_color(color), header)


def to_camera_info(intrinsics: CameraIntrinsics, header: Header) -> CameraInfo:
    """The camera as realsense-ros describes it: K, D, R = identity, P = [K | 0]."""
    k = intrinsics.matrix
    undistorted = intrinsics.model == "none"
    return CameraInfo(
        header=header,
        width=intrinsics.width,
        height=intrinsics.height,
        distortion_model="plumb_bob" if undistorted else intrinsics.model,
        d=[0.0] * 5 if undistorted else list(intrinsics.coefficients),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel(),
    )


def to_intrinsics(info: CameraInfo) -> CameraIntrinsics:
    """The camera of a message.

    Raises:
        InvalidInputError: NaN, zeros (uncalibrated), an unknown distortion model, or binning or a
            region of interest, which shift the pixels of K.
    """
    if max(info.binning_x, info.binning_y) > 1:
        raise InvalidInputError(
            f"camera info with binning {info.binning_x}×{info.binning_y}: K is of the full image;"
            " publish the info of the image that is sent"
        )
    roi = info.roi
    if roi.x_offset or roi.y_offset:
        raise InvalidInputError(
            f"camera info with a region of interest at ({roi.x_offset}, {roi.y_offset}): publish"
            " the info of the image that is sent"
        )
    return CameraIntrinsics.from_camera_info(
        info.width, info.height, info.k, info.distortion_model, info.d
    )


def to_raw_frame(
    color: Image, depth: Image, intrinsics: CameraIntrinsics, stamp_ns: int, depth_unit: float
) -> RawFrame:
    """A pair of messages, not decoded yet; it shares their memory.

    Args:
        color: of any colour encoding.
        depth: registered to colour, 16UC1 or 32FC1.
        intrinsics: the colour camera.
        stamp_ns: of the colour image, ns.
        depth_unit: length of one step of 16UC1, m.

    Raises:
        InvalidInputError: the two lie in different frames.
    """
    _check_registered(color, depth)
    return RawFrame(
        _raw(color), _raw(depth), intrinsics, stamp_ns, color.header.frame_id, depth_unit
    )


def _raw(image: Image) -> RawImage:
    data = np.frombuffer(image.data, dtype=np.uint8)
    return RawImage(image.height, image.width, image.encoding, image.step, data, image.is_bigendian)


def _check_registered(color: Any, depth: Any) -> None:
    theirs, ours = depth.header.frame_id, color.header.frame_id
    if theirs != ours:
        raise InvalidInputError(
            f"depth lies in frame {theirs!r} and colour in {ours!r}: subscribe to depth that is"
            " registered to colour (aligned_depth_to_color of realsense-ros)"
        )
