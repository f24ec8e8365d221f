# SPDX-License-Identifier: Apache-2.0
"""Images as ROS carries them, to arrays and back: shared by the bag reader and the nodes.

Every function takes an object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage,
whichever library made it (rclpy, rosbags, or `RawImage` and `CompressedImage` of this package).
"""

from __future__ import annotations

from tack_perception.encodings.compressed import (
    CompressedFields,
    CompressedImage,
    decode_compressed_color,
    decode_compressed_depth,
    encode_compressed_color,
    encode_compressed_depth,
)
from tack_perception.encodings.pair import RawFrame
from tack_perception.encodings.raw import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    MILLIMETRE,
    ImageFields,
    RawImage,
    decode_color,
    decode_depth,
    encode_color,
    encode_depth,
)

__all__ = [
    "COLOR_ENCODINGS",
    "DEPTH_ENCODINGS",
    "MILLIMETRE",
    "CompressedFields",
    "CompressedImage",
    "ImageFields",
    "RawFrame",
    "RawImage",
    "decode_color",
    "decode_compressed_color",
    "decode_compressed_depth",
    "decode_depth",
    "encode_color",
    "encode_compressed_color",
    "encode_compressed_depth",
    "encode_depth",
]
