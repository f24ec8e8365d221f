# SPDX-License-Identifier: Apache-2.0
"""Depth seen from the colour camera: what a separate depth imager measured, on the colour grid."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.geometry import check_transform

Image = NDArray[np.float32]
Matrix = NDArray[np.float64]

_OVERLAP = 1.1  # footprints are this much larger than a pixel, for surfaces stretched by parallax
_LARGEST_FOOTPRINT = 12  # colour px; beyond it a depth pixel is no usable measurement
_SMALLEST_AREA = 0.01  # colour px² per depth pixel; below it the cameras look across each other


def register_depth(
    depth: Image,
    depth_intrinsics: CameraIntrinsics,
    color_intrinsics: CameraIntrinsics,
    color_from_depth: ArrayLike,
) -> Image:
    """Move a depth image into the colour camera.

    Each depth pixel covers the colour pixels that its footprint covers, so the result has no holes
    where the colour image is the finer one; within the footprint, depth follows the slope of the
    surface. Where several surfaces meet, the nearest is seen. Nothing is filled in across a depth
    discontinuity.

    Args:
        depth: (h, w) float32, m along the depth camera's axis, NaN where unknown.
        depth_intrinsics: the depth camera, its distortion included.
        color_intrinsics: the colour camera, its distortion included.
        color_from_depth: (4, 4) rigid transform between their optical frames, m.

    Returns:
        (H, W) float32, m along the colour camera's axis, NaN where nothing is known.

    Raises:
        InvalidInputError: the depth image is not float32 of the depth camera's size, or the
            transform is not rigid.
    """
    transform = check_transform(color_from_depth, "color_from_depth")
    shape = (depth_intrinsics.height, depth_intrinsics.width)
    if depth.dtype != np.float32 or depth.shape != shape:
        raise InvalidInputError(
            f"depth image is {depth.dtype} {depth.shape};"
            f" float32 {shape} in metres is expected for this depth camera"
        )
    rays = _rotated_rays(depth_intrinsics, transform[:3, :3].tobytes())
    tx, ty, tz = (np.float32(value) for value in transform[:3, 3])
    z = depth * rays[2] + tz
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / z
        x, y = (depth * rays[0] + tx) * inverse, (depth * rays[1] + ty) * inverse
        magnification = depth * inverse
    u, v = _pixels(x, y, color_intrinsics)
    color_per_depth = _pixel_matrix(depth_intrinsics, color_intrinsics, transform[:3, :3])
    span_u, span_v = np.abs(color_per_depth).sum(axis=1)
    valid = (z > 0) & (depth > 0) & np.isfinite(u) & np.isfinite(v)
    valid &= (u > -_LARGEST_FOOTPRINT) & (u < color_intrinsics.width + _LARGEST_FOOTPRINT)
    valid &= (v > -_LARGEST_FOOTPRINT) & (v < color_intrinsics.height + _LARGEST_FOOTPRINT)
    valid &= max(span_u, span_v) * magnification <= _LARGEST_FOOTPRINT
    slopes = _slopes(inverse, magnification, color_per_depth, valid)
    magnification = magnification[valid] * np.float32(_OVERLAP / 2)
    return _splat(
        u[valid],
        v[valid],
        inverse[valid],
        slopes,
        (np.float32(span_u) * magnification, np.float32(span_v) * magnification),
        (color_intrinsics.height, color_intrinsics.width),
    )


def _splat(
    u: Image,
    v: Image,
    inverse: Image,
    slope: tuple[Image, Image],
    half: tuple[Image, Image],
    shape: tuple[int, int],
) -> Image:
    """Write every point over its footprint, the nearest on top. All arguments are (N,)."""
    height, width = shape
    first_u, first_v = np.ceil(u - half[0]), np.ceil(v - half[1])
    last_u, last_v = np.floor(u + half[0]), np.floor(v + half[1])
    nearest = np.zeros(height * width, dtype=np.float32)
    columns = int((last_u - first_u).max(initial=-1)) + 1
    rows = int((last_v - first_v).max(initial=-1)) + 1
    for row in range(rows):
        for column in range(columns):
            target_u, target_v = first_u + column, first_v + row
            inside = (target_u <= last_u) & (target_v <= last_v)
            inside &= (target_u >= 0) & (target_u < width) & (target_v >= 0) & (target_v < height)
            at = np.flatnonzero(inside)
            to_u, to_v = target_u[at], target_v[at]
            value = inverse[at]
            value = value + slope[0][at] * (to_u - u[at]) + slope[1][at] * (to_v - v[at])
            index = to_v.astype(np.int32) * np.int32(width) + to_u.astype(np.int32)
            _keep_larger(nearest, index, value)
    with np.errstate(divide="ignore"):
        depth: Image = np.reciprocal(nearest)
    depth[nearest <= 0] = np.nan
    return depth.reshape(shape)


def _keep_larger(target: Image, index: NDArray[np.int32], value: Image) -> None:
    """target[index] = max(target[index], value) where indices repeat.

    An assignment keeps the last of several values; the few that were larger try again.
    """
    while index.size:
        larger = value > target[index]
        index, value = index[larger], value[larger]
        target[index] = value


def _slopes(
    inverse: Image, magnification: Image, color_per_depth: Matrix, valid: NDArray[np.bool_]
) -> tuple[Image, Image]:
    """Change of inverse depth per colour pixel along u and v, (N,) for the N valid pixels."""
    if abs(np.linalg.det(color_per_depth)) < _SMALLEST_AREA:
        nothing = np.zeros(np.count_nonzero(valid), dtype=np.float32)
        return nothing, nothing
    along = _difference(inverse, axis=1)[valid] / magnification[valid]
    down = _difference(inverse, axis=0)[valid] / magnification[valid]
    back = np.linalg.inv(color_per_depth).astype(np.float32)
    return back[0, 0] * along + back[1, 0] * down, back[0, 1] * along + back[1, 1] * down


def _difference(inverse: Image, axis: int) -> Image:
    """Change of inverse depth per depth pixel.

    Of the differences to the two neighbours the smaller is taken, and none where they are of
    opposite sign, so that no slope leads across a discontinuity.
    """
    rise = np.nan_to_num(np.diff(inverse, axis=axis), nan=0.0, posinf=0.0, neginf=0.0)
    ahead, behind = np.zeros_like(inverse), np.zeros_like(inverse)
    if axis == 1:
        ahead[:, :-1], behind[:, 1:] = rise, rise
    else:
        ahead[:-1], behind[1:] = rise, rise
    smaller: Image = np.where(np.abs(ahead) < np.abs(behind), ahead, behind)
    smaller[ahead * behind <= 0] = 0
    return smaller


def _pixels(x: Image, y: Image, camera: CameraIntrinsics) -> tuple[Image, Image]:
    if camera.model == "none":
        u = x * np.float32(camera.fx) + np.float32(camera.cx)
        return u, y * np.float32(camera.fy) + np.float32(camera.cy)
    points = np.stack([x, y, np.ones_like(x)], axis=-1)
    uv = camera.project(points).astype(np.float32)
    return uv[..., 0], uv[..., 1]


def _pixel_matrix(
    depth_camera: CameraIntrinsics, color_camera: CameraIntrinsics, rotation: Matrix
) -> Matrix:
    """(2, 2) colour pixels per depth pixel, at equal distance from both cameras."""
    per_ray = np.diag([color_camera.fx, color_camera.fy]) @ rotation[:2, :2]
    return per_ray @ np.diag([1 / depth_camera.fx, 1 / depth_camera.fy])


@functools.lru_cache(maxsize=8)
def _rotated_rays(camera: CameraIntrinsics, rotation: bytes) -> NDArray[np.float32]:
    """(3, h, w) rays of the depth camera in the axes of the colour camera."""
    matrix = np.frombuffer(rotation, dtype=np.float64).reshape(3, 3)
    rays = np.moveaxis(camera.image_rays() @ matrix.T, -1, 0)
    result: NDArray[np.float32] = np.ascontiguousarray(rays, dtype=np.float32)
    result.flags.writeable = False
    return result
