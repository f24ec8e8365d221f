# SPDX-License-Identifier: Apache-2.0
"""Compressed images: the conventions of compressed_image_transport and compressedDepth.

The `format` field of a sensor_msgs/CompressedImage says how to read the data:

- ``"rgb8; jpeg compressed bgr8"``: encoding of the original, codec, order of the channels as the
  codec saw them; ``"jpeg"`` or ``"png"`` alone from older or other publishers.
- ``"16UC1; compressedDepth png"``: a header of 12 bytes (int32 format, float32 A, float32 B), then
  a 16-bit PNG, or with ``rvl`` two uint32 (columns, rows) and the RVL stream. For 32FC1 the 16 bits
  hold inverse depth q, so that depth = A / (q - B), and q = 0 is unknown.
- ``"16UC1; png compressed"``: a 16-bit PNG without a header.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.encodings import rvl
from tack_perception.encodings.raw import (
    DEPTH_ENCODINGS,
    MILLIMETRE,
    ColorArray,
    DepthArray,
    check_color,
    check_depth,
    depth_units,
    metres,
)
from tack_perception.errors import InvalidInputError

_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<II")
_INVERSE_DEPTH = 0
_MAX_PIXELS = 1 << 28
_COLOR_CODECS = ("jpeg", "png")
_DEPTH_CODECS = ("png", "rvl")

# Defaults of compressed_depth_image_transport for 32FC1.
_QUANTISATION = 100.0
_DEPTH_MAX = 10.0


class CompressedFields(Protocol):
    """The fields of a sensor_msgs/CompressedImage, as rclpy, rosbags and `CompressedImage` have."""

    @property
    def format(self) -> str:
        """Codec and original encoding, see the head of this module."""
        ...

    @property
    def data(self) -> Any:
        """The file: bytes, array.array or (N,) uint8."""
        ...


@dataclasses.dataclass(frozen=True)
class CompressedImage:
    """A sensor_msgs/CompressedImage without its header."""

    format: str
    data: bytes


def decode_compressed_color(image: CompressedFields) -> ColorArray:
    """A sensor_msgs/CompressedImage as an RGB array.

    Args:
        image: JPEG or PNG, 8 bits, grey, colour or with alpha (which is dropped).

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InvalidInputError: a format that is not known, data that is damaged or cut off, or an
            image that is not one of 8 bits.
    """
    codec = _color_codec(image.format)
    data = np.frombuffer(image.data, dtype=np.uint8)
    if codec == "jpeg" and b"\xff\xd9" not in data[-1024:].tobytes():
        raise InvalidInputError(f"JPEG image of {data.size} bytes has no end: it is cut off")
    pixels = _imdecode(data, image.format, cv2.IMREAD_UNCHANGED)
    if pixels.dtype != np.uint8:
        raise InvalidInputError(
            f"compressed colour image ({image.format!r}) holds {pixels.dtype}; 8 bits are expected"
        )
    if pixels.ndim == 2:
        converted = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    elif "compressed rgb" in image.format:
        # The publisher skipped the swap that OpenCV's encoder expects, so none is due here.
        converted = pixels[..., :3]
    else:
        converted = cv2.cvtColor(
            pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
        )
    return np.ascontiguousarray(converted, dtype=np.uint8)


def decode_compressed_depth(image: CompressedFields, unit: float = MILLIMETRE) -> DepthArray:
    """A sensor_msgs/CompressedImage as depth in metres.

    Args:
        image: compressedDepth (PNG or RVL, from 16UC1 or 32FC1), or a plain 16-bit PNG.
        unit: length of one step where the original was of 16 bits, m.

    Returns:
        (H, W) float32, m, NaN where unknown.

    Raises:
        InvalidInputError: a format that is not known (lossy JPEG among them), or data that is
            damaged or cut off.
    """
    encoding, header, codec = _depth_format(image.format)
    data = np.frombuffer(image.data, dtype=np.uint8)
    a = b = 0.0
    if header:
        if data.size <= _HEADER.size:
            raise InvalidInputError(
                f"compressedDepth image of {data.size} bytes: its header alone has {_HEADER.size}"
            )
        _, a, b = _HEADER.unpack(data[: _HEADER.size].tobytes())
        data = data[_HEADER.size :]
    values = _rvl_image(data) if codec == "rvl" else _png16(data, image.format)
    if encoding != "32FC1":
        return metres(values, unit)
    if not (header and np.isfinite((a, b)).all() and a > 0):
        raise InvalidInputError(
            f"32FC1 depth image ({image.format!r}) with quantisation A = {a}, B = {b}:"
            " finite values and A > 0 are expected"
        )
    with np.errstate(divide="ignore"):
        inverse = np.float32(a) / (values.astype(np.float32) - np.float32(b))
    np.copyto(inverse, np.nan, where=values == 0)
    return metres(inverse, unit)


def encode_compressed_color(
    color: ColorArray, codec: str = "jpeg", quality: int = 95
) -> CompressedImage:
    """An RGB array as compressed_image_transport would publish an rgb8 image.

    Args:
        color: (H, W, 3) uint8, RGB.
        codec: "jpeg" (lossy) or "png" (exact).
        quality: of JPEG, 1 to 100.

    Raises:
        InvalidInputError: a codec that is not known, or an array of another shape or type.
    """
    check_color(color)
    if codec not in _COLOR_CODECS:
        raise InvalidInputError(f"colour codec {codec!r}: known are {', '.join(_COLOR_CODECS)}")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if codec == "jpeg" else _PNG_FAST
    data = _imencode(codec, cv2.cvtColor(color, cv2.COLOR_RGB2BGR), options)
    return CompressedImage(f"rgb8; {codec} compressed bgr8", data)


def encode_compressed_depth(
    depth: DepthArray, encoding: str = "16UC1", codec: str = "png", unit: float = MILLIMETRE
) -> CompressedImage:
    """Depth in metres as compressed_depth_image_transport would publish it.

    Args:
        depth: (H, W) float32, m, NaN where unknown.
        encoding: "16UC1" rounds to the unit; "32FC1" rounds inverse depth, with a step of
            depth² / 10100 m, and keeps 0.16 m to 10 m (the transport's default settings); depths
            outside become unknown.
        codec: "png" or "rvl".
        unit: length of one step of 16UC1, m.

    Raises:
        InvalidInputError: an encoding or codec that is not known, an array of another shape or
            type, or a unit that is not positive.
    """
    if encoding not in ("16UC1", "32FC1"):
        raise InvalidInputError(f"compressed depth {encoding!r}: known are 16UC1, 32FC1")
    if codec not in _DEPTH_CODECS:
        raise InvalidInputError(f"depth codec {codec!r}: known are {', '.join(_DEPTH_CODECS)}")
    a = b = 0.0
    if encoding == "16UC1":
        values = depth_units(depth, unit)
    else:
        a = _QUANTISATION * (_QUANTISATION + 1)
        b = 1 - a / _DEPTH_MAX
        values = _inverse_units(check_depth(depth), a, b)
    rows, columns = values.shape
    body = (
        _RVL_SIZE.pack(columns, rows) + rvl.encode(values)
        if codec == "rvl"
        else _imencode("png", values, _PNG_FAST)
    )
    header = _HEADER.pack(_INVERSE_DEPTH, a, b)
    return CompressedImage(f"{encoding}; compressedDepth {codec}", header + body)


_PNG_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def _color_codec(text: str) -> str:
    words = text.lower().replace(";", " ").split()
    if "compresseddepth" in words:
        raise InvalidInputError(f"compressed image format {text!r} is depth, not colour")
    for codec, names in (("jpeg", ("jpeg", "jpg")), ("png", ("png",))):
        if any(name in words for name in names):
            return codec
    raise InvalidInputError(
        f"compressed image format {text!r}: known are JPEG and PNG, e.g."
        " 'rgb8; jpeg compressed bgr8', 'jpeg', 'png'"
    )


def _depth_format(text: str) -> tuple[str, bool, str]:
    """(encoding of the original, whether the 12-byte header is there, codec)."""
    original, _, rest = text.partition(";")
    original, words = original.strip(), rest.split()
    if original in DEPTH_ENCODINGS:
        # Old publishers name no codec, and the oldest nothing but the encoding: that was PNG.
        if not words or words[0] == "compressedDepth":
            codec = words[1] if len(words) > 1 else "png"
            if codec in _DEPTH_CODECS:
                return original, True, codec
        elif words[0] == "png" and original != "32FC1":
            return original, False, "png"
    elif original == "png" and not words:
        return "16UC1", False, "png"
    raise InvalidInputError(
        f"compressed depth format {text!r}: known are '16UC1; compressedDepth png', the same with"
        " rvl or 32FC1, '16UC1; png compressed' and 'png' (JPEG destroys depth)"
    )


def _png16(data: NDArray[np.uint8], text: str) -> NDArray[np.uint16]:
    values = _imdecode(data, text, cv2.IMREAD_UNCHANGED)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InvalidInputError(
            f"compressed depth image ({text!r}) holds {values.dtype} {values.shape};"
            " one channel of 16 bits is expected"
        )
    return np.asarray(values, dtype=np.uint16)


def _rvl_image(data: NDArray[np.uint8]) -> NDArray[np.uint16]:
    if data.size < _RVL_SIZE.size:
        raise InvalidInputError(f"RVL image of {data.size} bytes: its size alone takes 8")
    columns, rows = _RVL_SIZE.unpack(data[: _RVL_SIZE.size].tobytes())
    if not 0 < rows * columns <= _MAX_PIXELS:
        raise InvalidInputError(f"RVL image of {columns}×{rows} px: the data is damaged")
    return rvl.decode(data[_RVL_SIZE.size :], rows * columns).reshape(rows, columns)


def _inverse_units(depth: DepthArray, a: float, b: float) -> NDArray[np.uint16]:
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.rint(a / depth.astype(np.float64) + b)
    return np.where((steps >= 1) & (steps <= 65535), steps, 0).astype(np.uint16)


def _imdecode(data: NDArray[np.uint8], text: str, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise InvalidInputError(f"compressed image ({text!r}): {error.err}") from error
    if pixels is None:
        raise InvalidInputError(
            f"compressed image ({text!r}) of {data.size} bytes is damaged or cut off"
        )
    return pixels


def _imencode(codec: str, pixels: NDArray[Any], options: list[int]) -> bytes:
    _, data = cv2.imencode("." + codec, pixels, options)
    return bytes(data)
