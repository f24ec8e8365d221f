# SPDX-License-Identifier: Apache-2.0
"""The camera model: pixels to rays and back, with the lens distortions that ROS names."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

COEFFICIENT_COUNTS: dict[str, tuple[int, ...]] = {
    "none": (0,),
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}
"""Distortion model → the numbers of coefficients it may have (names of sensor_msgs/CameraInfo)."""

_INVERSION = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
_INVERSION_TOLERANCE = 1e-6  # in normalised image units; beyond it the pixel has no inverse


@dataclasses.dataclass(frozen=True)
class CameraIntrinsics:
    """A pinhole camera with lens distortion.

    Pixels are (u, v) = (column, row); integer values are pixel centres, so the image covers
    u in [-0.5, width - 0.5). Camera axes are OpenCV's: x right, y down, z forward.

    Attributes:
        width, height: image size, px.
        fx, fy: focal lengths, px.
        cx, cy: principal point, px.
        model: "none", "plumb_bob", "rational_polynomial" or "equidistant".
        coefficients: distortion coefficients in the order of sensor_msgs/CameraInfo.

    Raises:
        InvalidInputError: on construction, for NaN or infinite values, sizes or focal lengths
            that are not positive, an unknown model or a wrong number of coefficients.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "none"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if int(value) != value or not 0 < value <= 65535:
                raise InvalidInputError(f"camera {name} = {value!r}: 1 to 65535 px is expected")
            object.__setattr__(self, name, int(value))
        for name in ("fx", "fy", "cx", "cy"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InvalidInputError(f"camera {name} = {value}: a finite number is expected")
            object.__setattr__(self, name, value)
        if self.fx <= 0 or self.fy <= 0:
            raise InvalidInputError(
                f"camera fx = {self.fx}, fy = {self.fy}: focal lengths must be positive;"
                " an uncalibrated CameraInfo (K of zeros) cannot be used"
            )
        coefficients = tuple(float(c) for c in self.coefficients)
        if self.model not in COEFFICIENT_COUNTS:
            raise InvalidInputError(
                f"distortion model {self.model!r}: known are {', '.join(COEFFICIENT_COUNTS)}"
            )
        if not all(math.isfinite(c) for c in coefficients):
            raise InvalidInputError(f"distortion coefficients {coefficients}: must be finite")
        if len(coefficients) not in COEFFICIENT_COUNTS[self.model]:
            raise InvalidInputError(
                f"distortion model {self.model!r} takes {COEFFICIENT_COUNTS[self.model]}"
                f" coefficients, {len(coefficients)} given"
            )
        object.__setattr__(self, "coefficients", coefficients)

    @classmethod
    def from_camera_info(
        cls, width: int, height: int, k: ArrayLike, model: str = "", d: ArrayLike = ()
    ) -> CameraIntrinsics:
        """From the fields of a sensor_msgs/CameraInfo.

        Args:
            width, height: image size, px.
            k: (9,) or (3, 3) intrinsic matrix, row-major.
            model: `distortion_model`; empty means no distortion.
            d: distortion coefficients; all zeros count as no distortion.

        Raises:
            InvalidInputError: as the constructor; also for a matrix of the wrong shape or skewed.
        """
        matrix = np.asarray(k, dtype=np.float64)
        if matrix.size != 9:
            raise InvalidInputError(f"intrinsic matrix has {matrix.size} values, 9 are expected")
        matrix = matrix.reshape(3, 3)
        if not np.isfinite(matrix).all():
            raise InvalidInputError(f"intrinsic matrix {matrix.tolist()}: must be finite")
        if abs(matrix[0, 1]) > 1e-9:
            raise InvalidInputError(f"intrinsic matrix has skew {matrix[0, 1]}; 0 is expected")
        coefficients = tuple(np.asarray(d, dtype=np.float64).ravel())
        undistorted = not any(coefficients) and (model in COEFFICIENT_COUNTS or not model)
        return cls(
            width,
            height,
            matrix[0, 0],
            matrix[1, 1],
            matrix[0, 2],
            matrix[1, 2],
            "none" if undistorted else model,
            () if undistorted else coefficients,
        )

    @property
    def matrix(self) -> FloatArray:
        """(3, 3) intrinsic matrix K, px."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def contains(self, u: float, v: float) -> bool:
        """Whether the pixel lies on the image (False for NaN)."""
        return -0.5 <= u < self.width - 0.5 and -0.5 <= v < self.height - 0.5

    def scaled(self, width: int, height: int) -> CameraIntrinsics:
        """The same camera read out at another resolution of the same field of view."""
        sx, sy = width / self.width, height / self.height
        return dataclasses.replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def project(self, points: ArrayLike) -> FloatArray:
        """Project points to pixels.

        Args:
            points: (..., 3) in the camera frame, m.

        Returns:
            (..., 2) pixels (u, v), float64; NaN for points at or behind the camera plane, for NaN
            points, and for points so far outside the view that the lens polynomial turns back and
            would fold them into the image. Pixels may lie outside the image.
        """
        xyz = _with_last_axis(points, 3, "points")
        x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
        normalised = np.empty((*z.shape, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            seen = (z > 0) & np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
            normalised[..., 0] = np.where(seen, x / z, np.nan)
            normalised[..., 1] = np.where(seen, y / z, np.nan)
            if self.model != "none":
                radius = np.linalg.norm(normalised, axis=-1, keepdims=True)
                normalised = np.where(radius < _turning_radius(self), normalised, np.nan)
        distorted = self._distort(normalised)
        return distorted * (self.fx, self.fy) + (self.cx, self.cy)

    def rays(self, pixels: ArrayLike) -> FloatArray:
        """The viewing ray of each pixel, scaled to z = 1.

        Args:
            pixels: (..., 2) pixels (u, v).

        Returns:
            (..., 3) rays in the camera frame, float64; NaN where the pixel is NaN or where the
            distortion model has no inverse (outside the lens's image circle).
        """
        uv = _with_last_axis(pixels, 2, "pixels")
        distorted = (uv - (self.cx, self.cy)) / (self.fx, self.fy)
        normalised = self._undistort(distorted)
        return np.concatenate([normalised, np.ones_like(normalised[..., :1])], axis=-1)

    def deproject(self, pixels: ArrayLike, depth: ArrayLike) -> FloatArray:
        """Pixels and depths to points.

        Args:
            pixels: (..., 2) pixels (u, v).
            depth: (...) distance along the optical axis (z), m.

        Returns:
            (..., 3) points in the camera frame, m, float64; NaN where either input is NaN.
        """
        return self.rays(pixels) * np.asarray(depth, dtype=np.float64)[..., None]

    def image_rays(self) -> NDArray[np.float32]:
        """(height, width, 3) rays of all pixel centres, z = 1, read-only and computed once."""
        return _image_rays(self)

    def deproject_image(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """A depth image to an organised cloud.

        Args:
            depth: (height, width) float32, m, NaN where unknown.

        Returns:
            (height, width, 3) float32 points in the camera frame, m, NaN where depth is NaN.

        Raises:
            InvalidInputError: the image is not of this camera's size.
        """
        if depth.shape != (self.height, self.width):
            raise InvalidInputError(
                f"depth image {depth.shape} does not fit a {self.width}×{self.height} camera"
            )
        cloud: NDArray[np.float32] = self.image_rays() * depth[..., None].astype(np.float32)
        return cloud

    def _distort(self, normalised: FloatArray) -> FloatArray:
        if self.model == "none":
            return normalised
        flat = normalised.reshape(-1, 1, 2)
        valid = np.isfinite(flat).all(axis=(1, 2))
        result = np.full_like(flat, np.nan)
        if valid.any():
            identity, d = np.eye(3), np.array(self.coefficients)
            if self.model == "equidistant":
                result[valid] = cv2.fisheye.distortPoints(flat[valid], identity, d)
            else:
                xyz = cv2.convertPointsToHomogeneous(flat[valid])
                result[valid] = cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), identity, d)[0]
        return result.reshape(normalised.shape)

    def _undistort(self, distorted: FloatArray) -> FloatArray:
        if self.model == "none":
            return distorted
        flat = distorted.reshape(-1, 1, 2)
        valid = np.isfinite(flat).all(axis=(1, 2))
        result = np.full_like(flat, np.nan)
        if valid.any():
            inverse: FloatArray = np.asarray(self._opencv_inverse(flat[valid]), dtype=np.float64)
            # The inverse is kept only where it maps back: past a model's turning point it does not.
            back = self._distort(inverse)
            error = np.abs(back - flat[valid]).max(axis=(1, 2), keepdims=True)
            result[valid] = np.where(error < _INVERSION_TOLERANCE, inverse, np.nan)
        return result.reshape(distorted.shape)

    def _opencv_inverse(self, distorted: FloatArray) -> Any:
        identity, d = np.eye(3), np.array(self.coefficients)
        if self.model == "equidistant":
            return cv2.fisheye.undistortPoints(distorted, identity, d)
        return cv2.undistortPointsIter(distorted, identity, d, identity, identity, _INVERSION)


def _with_last_axis(values: ArrayLike, size: int, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != size:
        raise InvalidInputError(f"{name} of shape {array.shape}: (..., {size}) is expected")
    return array


@functools.lru_cache(maxsize=8)
def _image_rays(intrinsics: CameraIntrinsics) -> NDArray[np.float32]:
    v, u = np.mgrid[0 : intrinsics.height, 0 : intrinsics.width]
    rays = intrinsics.rays(np.stack([u, v], axis=-1)).astype(np.float32)
    rays.flags.writeable = False
    return rays


@functools.lru_cache(maxsize=8)
def _turning_radius(intrinsics: CameraIntrinsics) -> float:
    """The normalised radius up to which the distortion grows with it; a lens is valid so far."""
    radius = np.tan(np.linspace(0, np.radians(89), 4001))
    along_x = np.column_stack([radius, np.zeros_like(radius)])
    distorted = intrinsics._distort(along_x)[:, 0]
    turns = np.flatnonzero(np.diff(distorted) <= 0)
    return float(radius[turns[0]]) if turns.size else math.inf
