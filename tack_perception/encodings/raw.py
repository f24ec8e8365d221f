# SPDX-License-Identifier: Apache-2.0
"""Uncompressed images: the encodings of sensor_msgs/Image."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import InvalidInputError

ColorArray = NDArray[np.uint8]
DepthArray = NDArray[np.float32]

MILLIMETRE = 0.001
"""The unit of 16-bit depth images by REP 118 and in realsense-ros, m."""


class ImageFields(Protocol):
    """The fields of a sensor_msgs/Image, as rclpy, rosbags and `RawImage` have them."""

    @property
    def height(self) -> int:
        """Rows, px."""
        ...

    @property
    def width(self) -> int:
        """Columns, px."""
        ...

    @property
    def encoding(self) -> str:
        """A name of sensor_msgs/image_encodings."""
        ...

    @property
    def is_bigendian(self) -> int:
        """1 if the high byte comes first."""
        ...

    @property
    def step(self) -> int:
        """Bytes from one row to the next."""
        ...

    @property
    def data(self) -> Any:
        """The rows: bytes, array.array or (N,) uint8."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class RawImage:
    """A sensor_msgs/Image without its header.

    Attributes:
        height, width: px.
        encoding: one of the names in sensor_msgs/image_encodings.
        step: bytes from one row to the next.
        data: the rows, `height * step` bytes.
        is_bigendian: 1 if values of 16 and 32 bits have their high byte first.
    """

    height: int
    width: int
    encoding: str
    step: int
    data: bytes | memoryview | NDArray[np.uint8]
    is_bigendian: int = 0


class _Color(NamedTuple):
    channels: int
    to_rgb: int | None
    from_rgb: int | None


_RGB = _Color(3, None, None)
_BGR = _Color(3, cv2.COLOR_BGR2RGB, cv2.COLOR_RGB2BGR)
_MONO = _Color(1, cv2.COLOR_GRAY2RGB, cv2.COLOR_RGB2GRAY)
_UYVY = _Color(2, cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_RGB2YUV_UYVY)
_YUYV = _Color(2, cv2.COLOR_YUV2RGB_YUYV, cv2.COLOR_RGB2YUV_YUYV)

_COLORS: dict[str, _Color] = {
    "rgb8": _RGB,
    "bgr8": _BGR,
    "rgba8": _Color(4, cv2.COLOR_RGBA2RGB, cv2.COLOR_RGB2RGBA),
    "bgra8": _Color(4, cv2.COLOR_BGRA2RGB, cv2.COLOR_RGB2BGRA),
    "mono8": _MONO,
    "8UC1": _MONO,
    "8UC3": _BGR,  # without a colour name the order is OpenCV's
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
}
_DEPTHS: dict[str, str] = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}

COLOR_ENCODINGS = tuple(_COLORS)
"""The encodings that can be read and written as colour."""
DEPTH_ENCODINGS = tuple(_DEPTHS)
"""The encodings that can be read and written as depth."""


def decode_color(image: ImageFields) -> ColorArray:
    """A sensor_msgs/Image as an RGB array.

    Args:
        image: of one of `COLOR_ENCODINGS`; grey is repeated in the three channels, alpha dropped.

    Returns:
        (H, W, 3) uint8, RGB. For rgb8 without padding it is a view of the message's data.

    Raises:
        InvalidInputError: an encoding that is not known, or a size that does not fit the data.
    """
    spec = _COLORS.get(image.encoding)
    if spec is None:
        raise _unknown("colour", image.encoding, COLOR_ENCODINGS)
    if spec.channels == 2 and image.width % 2:
        raise InvalidInputError(
            f"{image.encoding} image of odd width {image.width}: two pixels share their colour"
        )
    pixels = _rows(image, np.dtype(np.uint8), spec.channels)
    return pixels if spec.to_rgb is None else _convert(pixels, spec.to_rgb)


def decode_depth(image: ImageFields, unit: float = MILLIMETRE) -> DepthArray:
    """A sensor_msgs/Image as depth in metres.

    Args:
        image: of one of `DEPTH_ENCODINGS`; 32FC1 is in metres.
        unit: length of one step of a 16-bit image, m.

    Returns:
        (H, W) float32, m, NaN where the image holds 0, a negative value, infinity or NaN.

    Raises:
        InvalidInputError: an encoding that is not known, a size that does not fit the data, or a
            unit that is not positive.
    """
    kind = _DEPTHS.get(image.encoding)
    if kind is None:
        raise _unknown("depth", image.encoding, DEPTH_ENCODINGS)
    pixels = _rows(image, np.dtype((">" if image.is_bigendian else "<") + kind), 1)
    return metres(pixels[..., 0], unit)


def encode_color(color: ColorArray, encoding: str = "rgb8") -> RawImage:
    """An RGB array as an image message without padding: the inverse of `decode_color`.

    Grey and the YUV encodings lose colour; all others are exact.

    Args:
        color: (H, W, 3) uint8, RGB.
        encoding: one of `COLOR_ENCODINGS`.

    Raises:
        InvalidInputError: an encoding that is not known, or an array of another shape or type.
    """
    spec = _COLORS.get(encoding)
    if spec is None:
        raise _unknown("colour", encoding, COLOR_ENCODINGS)
    check_color(color)
    height, width = color.shape[:2]
    if spec.channels == 2 and width % 2:
        raise InvalidInputError(f"{encoding} image of odd width {width}: an even one is needed")
    pixels = np.ascontiguousarray(color)
    if spec.from_rgb is not None:
        pixels = _convert(pixels, spec.from_rgb)
    return RawImage(height, width, encoding, width * spec.channels, _bytes(pixels))


def encode_depth(depth: DepthArray, encoding: str = "16UC1", unit: float = MILLIMETRE) -> RawImage:
    """Depth in metres as an image message: the inverse of `decode_depth`.

    Args:
        depth: (H, W) float32, m, NaN where unknown.
        encoding: one of `DEPTH_ENCODINGS`. 16 bits round to the unit; depths beyond 65535 units or
            below half a unit become unknown. 32FC1 is exact.
        unit: length of one step of a 16-bit image, m.

    Raises:
        InvalidInputError: an encoding that is not known, an array of another shape or type, or a
            unit that is not positive.
    """
    kind = _DEPTHS.get(encoding)
    if kind is None:
        raise _unknown("depth", encoding, DEPTH_ENCODINGS)
    pixels: NDArray[Any] = depth_units(depth, unit) if kind == "u2" else check_depth(depth)
    height, width = depth.shape
    little = np.ascontiguousarray(pixels, dtype=np.dtype("<" + kind))
    return RawImage(height, width, encoding, width * little.itemsize, _bytes(little))


def metres(values: NDArray[Any], unit: float) -> DepthArray:
    """(H, W) 16-bit units or 32-bit metres → float32 metres with NaN where unknown."""
    _check_unit(unit)
    if values.dtype.kind == "u":
        result: DepthArray = np.multiply(values, np.float32(unit), dtype=np.float32)
        np.copyto(result, np.nan, where=values == 0)
        return result
    result = values.astype(np.float32)
    # The comparison is false for NaN too, so this catches all that is not a distance.
    np.copyto(result, np.nan, where=~((result > 0) & (result < np.inf)))
    return result


def depth_units(depth: DepthArray, unit: float) -> NDArray[np.uint16]:
    """(H, W) float32 metres → 16-bit units, 0 where unknown or out of range."""
    _check_unit(unit)
    steps = np.rint(check_depth(depth) / np.float32(unit))
    known = (steps >= 1) & (steps <= 65535)
    units: NDArray[np.uint16] = np.where(known, steps, 0).astype(np.uint16)
    return units


def check_color(color: ColorArray) -> None:
    """Raise InvalidInputError unless the array is (H, W, 3) uint8."""
    if color.dtype != np.uint8 or color.ndim != 3 or color.shape[2] != 3 or not color.size:
        raise InvalidInputError(
            f"colour array is {color.dtype} {color.shape}; uint8 (H, W, 3) is expected"
        )


def check_depth(depth: DepthArray) -> DepthArray:
    """Return the array; raise InvalidInputError unless it is (H, W) float32."""
    if depth.dtype != np.float32 or depth.ndim != 2 or not depth.size:
        raise InvalidInputError(
            f"depth array is {depth.dtype} {depth.shape}; float32 (H, W) in metres is expected"
        )
    return depth


def _rows(image: ImageFields, dtype: np.dtype[Any], channels: int) -> NDArray[Any]:
    """(H, W, channels) view of the message's data, with the padding at the row ends left out."""
    height, width, step = image.height, image.width, image.step
    what = f"{image.encoding} image of {width}×{height} px"
    if height < 1 or width < 1:
        raise InvalidInputError(f"{what}: it has no pixels")
    row = width * channels * dtype.itemsize
    if step < row:
        raise InvalidInputError(f"{what}: step is {step} bytes, a row needs {row}")
    data = np.frombuffer(image.data, dtype=np.uint8)
    if data.size != height * step:
        raise InvalidInputError(
            f"{what}: {data.size} bytes of data, {height * step} expected"
            f" ({height} rows of {step} bytes)"
        )
    rows = data.reshape(height, step)[:, :row]
    if step != row:
        rows = np.ascontiguousarray(rows)
    return rows.view(dtype).reshape(height, width, channels)


def _convert(pixels: ColorArray, code: int) -> ColorArray:
    converted = cv2.cvtColor(pixels, code)
    return np.asarray(converted, dtype=np.uint8)


def _bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return pixels.reshape(-1).view(np.uint8)


def _check_unit(unit: float) -> None:
    if not (math.isfinite(unit) and unit > 0):
        raise InvalidInputError(f"depth unit {unit!r} m: a positive length is expected")


def _unknown(what: str, encoding: str, known: tuple[str, ...]) -> InvalidInputError:
    return InvalidInputError(f"{what} encoding {encoding!r}: known are {', '.join(known)}")
