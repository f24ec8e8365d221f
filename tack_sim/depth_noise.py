# SPDX-License-Identifier: Apache-2.0
"""The noise of an active stereo depth camera, applied to a perfect depth image.

A stereo camera measures disparity d = f·B / z, so its errors live there: Gaussian noise with the
correlation of the matching window, sub-pixel quantisation, ragged and flying pixels along depth
edges, and holes where the second imager sees nothing.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from tack_perception.camera import CameraIntrinsics
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DISPARITY_STEPS = 32  # sub-pixel steps of the D400 ASIC
_DISPARITY_LIMIT = 126  # px, its search range
_EDGE_STEP_PX = 0.5  # a disparity step between neighbours that counts as a depth edge
_BLOB_PX = 3.0  # scale of the holes on materials that return no pattern


@dataclasses.dataclass(frozen=True)
class StereoNoise(Configuration):
    """What is known of one stereo depth camera. Defaults are those of an Intel RealSense D435."""

    baseline_m: float = setting(0.05, "distance between the imagers", unit="m", low=1e-3, high=1)
    subpixel_px: float = setting(
        0.08, "RMS disparity noise on a textured surface seen head-on", unit="px", low=0, high=2
    )
    correlation_px: float = setting(
        1.0, "standard deviation of the Gaussian that correlates it", unit="px", low=0.1, high=10
    )
    edge_jitter_px: float = setting(
        0.7, "standard deviation of the raggedness of depth edges", unit="px", low=0, high=5
    )
    unit_m: float = setting(0.001, "depth of one count", unit="m", low=1e-6, high=0.1)
    min_m: float = setting(
        0.0, "nearest depth; 0 takes the end of the disparity range", unit="m", low=0, high=10
    )
    max_m: float = setting(10.0, "farthest depth", unit="m", low=0.1, high=65)
    grazing_cosine: float = setting(
        0.3, "cosine of incidence below which depth gets lost", low=0, high=1
    )

    def depth_sigma(self, depth: ArrayLike, intrinsics: CameraIntrinsics) -> FloatArray:
        """RMS depth noise of one pixel seen head-on, m, at depth (...) m: z²·σ / (f·B)."""
        z = np.asarray(depth, dtype=np.float64)
        return z**2 * self.subpixel_px / (intrinsics.fx * self.baseline_m)


D435 = StereoNoise()
D435_INTRINSICS = CameraIntrinsics(640, 480, 385.0, 385.0, 319.5, 239.5)
D405 = StereoNoise(baseline_m=0.018, unit_m=0.0001, min_m=0.07)
D405_INTRINSICS = CameraIntrinsics(640, 480, 382.0, 382.0, 319.5, 239.5)


def noisy_depth(
    depth: NDArray[np.float32],
    intrinsics: CameraIntrinsics,
    model: StereoNoise,
    rng: np.random.Generator,
    hole_probability: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """What the camera would report for a perfect depth image.

    Args:
        depth: (H, W) float32 in the left imager, m, NaN where nothing is there.
        intrinsics: the left imager, undistorted (depth cameras rectify).
        model: the camera.
        rng: source of all randomness.
        hole_probability: (H, W) 0 to 1, share of each pixel's surroundings that the material
            loses in blobs (black, reflective or clear things); None for none.

    Returns:
        (H, W) float32, m, NaN where the camera reports nothing.

    Raises:
        InvalidInputError: an image is not of the camera's size.
    """
    shape = (intrinsics.height, intrinsics.width)
    for image in (depth, hole_probability):
        if image is not None and image.shape != shape:
            raise InvalidInputError(f"image {image.shape}: {shape} is expected for this camera")
    scale = intrinsics.fx * model.baseline_m
    disparity = np.nan_to_num(scale / depth.astype(np.float64), nan=0.0)
    cosine = incidence_cosine(disparity, intrinsics)
    shadowed = _right_occluded(disparity)
    ragged = _jittered(disparity, model.edge_jitter_px, rng)
    noise = _correlated(shape, model.correlation_px, rng)
    noise *= model.subpixel_px / np.sqrt(np.maximum(cosine, model.grazing_cosine / 2))
    measured = np.rint((ragged + noise) * _DISPARITY_STEPS) / _DISPARITY_STEPS

    lost = shadowed | (ragged <= 0) | (measured <= 0)
    lost |= np.arange(shape[1]) < measured
    lost |= rng.random(shape) * model.grazing_cosine > cosine
    if hole_probability is not None:
        lost |= _blobs(hole_probability, rng)
    with np.errstate(divide="ignore"):
        z = np.rint(scale / measured / model.unit_m) * model.unit_m
    nearest = model.min_m or scale / _DISPARITY_LIMIT
    lost |= (z < nearest) | (z > model.max_m)
    return np.where(lost, np.nan, z).astype(np.float32)


def incidence_cosine(disparity: FloatArray, intrinsics: CameraIntrinsics) -> FloatArray:
    """Cosine between each pixel's viewing ray and its surface normal.

    A plane is linear in disparity, so the normal follows from its gradient. At a depth edge the
    smaller of the two one-sided differences is taken: the edge itself is not a surface.

    Args:
        disparity: (H, W), any multiple of 1 / z; 0 where unknown.
        intrinsics: the camera.

    Returns:
        (H, W) in 0 to 1.
    """
    du = _smaller_difference(disparity, axis=1) * intrinsics.fx
    dv = _smaller_difference(disparity, axis=0) * intrinsics.fy
    x = (np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx
    y = (np.arange(intrinsics.height)[:, None] - intrinsics.cy) / intrinsics.fy
    # disparity = (b, c, a)·(x, y, 1) on a plane, and that vector is along its normal.
    a = disparity - du * x - dv * y
    normal_length = np.sqrt(du**2 + dv**2 + a**2)
    ray_length = np.sqrt(x**2 + y**2 + 1)
    with np.errstate(invalid="ignore"):
        return np.where(disparity > 0, disparity / (normal_length * ray_length), 1.0)


def _smaller_difference(values: FloatArray, axis: int) -> FloatArray:
    forward = np.diff(values, axis=axis, append=np.take(values, [-1], axis=axis))
    backward = np.diff(values, axis=axis, prepend=np.take(values, [0], axis=axis))
    smaller: FloatArray = np.where(np.abs(forward) < np.abs(backward), forward, backward)
    # At the border one of the two is an artificial 0.
    first, last = [slice(None)] * 2, [slice(None)] * 2
    first[axis], last[axis] = slice(0, 1), slice(-1, None)
    smaller[tuple(first)] = forward[tuple(first)]
    smaller[tuple(last)] = backward[tuple(last)]
    return smaller


def _right_occluded(disparity: FloatArray) -> Mask:
    """Pixels hidden from the right imager: a pixel farther right lands at or left of them there."""
    columns = np.arange(disparity.shape[1])
    landing = np.where(disparity > 0, columns - disparity, np.inf)
    blocked = np.minimum.accumulate(landing[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(disparity.shape, dtype=np.bool_)
    hidden[:, :-1] = landing[:, :-1] > blocked[:, 1:]
    return hidden & (disparity > 0)


def _jittered(disparity: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
    """Sample positions moved at random where the disparity steps: ragged and flying pixels."""
    jump = np.zeros(disparity.shape, dtype=np.uint8)
    for axis in (0, 1):
        steps = np.abs(np.diff(disparity, axis=axis)) > _EDGE_STEP_PX
        jump |= np.pad(steps, [(0, 1), (0, 0)] if axis == 0 else [(0, 0), (0, 1)])
        jump |= np.pad(steps, [(1, 0), (0, 0)] if axis == 0 else [(0, 0), (1, 0)])
    reach = 2 * math.ceil(2 * sigma) + 1
    rows, columns = np.nonzero(cv2.dilate(jump, np.ones((reach, reach), np.uint8)))
    moved = rng.normal(0.0, sigma, (2, rows.size)).clip(-3 * sigma, 3 * sigma)
    positions = (rows + moved[0], columns + moved[1])
    sampled = ndimage.map_coordinates(disparity, positions, order=1, mode="nearest")
    # Beside emptiness there is nothing to mix with: a depth between here and infinity is no depth.
    nearest = ndimage.map_coordinates(disparity, positions, order=0, mode="nearest")
    empty = ndimage.map_coordinates((disparity <= 0).astype(float), positions, order=1) > 0
    result: FloatArray = disparity.copy()
    result[rows, columns] = np.where(empty, nearest, sampled)
    return result


def _correlated(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> FloatArray:
    """(H, W) Gaussian field of unit variance, smoothed with `sigma` px."""
    white = rng.standard_normal(shape, dtype=np.float32)
    size = 2 * math.ceil(4 * sigma) + 1
    kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_32F)
    smooth = cv2.sepFilter2D(white, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    # Dividing by the kernel's norm restores unit variance.
    field: FloatArray = np.asarray(smooth, dtype=np.float64) / float((kernel**2).sum())
    return field


def _blobs(probability: NDArray[np.float32], rng: np.random.Generator) -> Mask:
    """Holes of a few pixels that cover each pixel with the given probability."""
    field = _correlated(probability.shape, _BLOB_PX, rng)
    # The logistic approximation of the normal distribution is good to 1 % here.
    covered: Mask = 1 / (1 + np.exp(-1.702 * field)) < probability
    return covered
