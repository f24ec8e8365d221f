# SPDX-License-Identifier: Apache-2.0
"""The noise of an active stereo depth camera, applied to a perfect depth image.

A stereo camera measures disparity d = f·B / z, so its errors live there: Gaussian noise with the
correlation of the matching window, sub-pixel quantisation, ragged and flying pixels along depth
edges, and holes where the second imager sees nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]

_EDGE_STEP_PX = 0.5  # a disparity step between neighbours that counts as a depth edge
_MAP_COLUMNS = 1024
_BLOB_PX = 3.0  # scale of the holes on materials that return no pattern
_POOL_PX = 512  # beyond the image's size, how far the place varies that a noise field is cut from


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
    steps: float = setting(
        32.0, "sub-pixel steps of the measured disparity", unit="per px", low=1, high=1024
    )
    limit_px: float = setting(126.0, "largest disparity searched", unit="px", low=1, high=1024)

    def scaled(self, factor: float) -> StereoNoise:
        """The same camera on an image `factor` times as wide: the same errors in metres."""
        return dataclasses.replace(
            self,
            subpixel_px=self.subpixel_px * factor,
            correlation_px=max(0.1, self.correlation_px * factor),
            edge_jitter_px=self.edge_jitter_px * factor,
            steps=self.steps / factor,
            limit_px=self.limit_px * factor,
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
    *,
    first_column: int = 0,
) -> NDArray[np.float32]:
    """What the camera would report for a perfect depth image.

    Args:
        depth: (H, W) float32 in the left imager, m, NaN where nothing is there.
        intrinsics: the left imager, undistorted (depth cameras rectify).
        model: the camera.
        rng: source of all randomness.
        hole_probability: (H, W) 0 to 1, share of each pixel's surroundings that the material
            loses in blobs (black, reflective or clear things); None for none.
        first_column: of the imager that the image begins with, where it is a part of the whole.

    Returns:
        (H, W) float32, m, NaN where the camera reports nothing.

    Raises:
        InvalidInputError: an image is not of the camera's size.
    """
    shape = (intrinsics.height, intrinsics.width)
    for image in (depth, hole_probability):
        if image is not None and image.shape != shape:
            raise InvalidInputError(f"image {image.shape}: {shape} is expected for this camera")
    scale = np.float32(intrinsics.fx * model.baseline_m)
    disparity = scale / depth
    disparity[~(depth > 0)] = 0
    cosine = incidence_cosine(disparity, intrinsics)
    lost = _right_occluded(disparity)
    ragged = _jittered(disparity, model.edge_jitter_px, rng)
    measured = _correlated(shape, model.correlation_px, rng)
    measured *= np.float32(model.subpixel_px)
    measured /= np.sqrt(np.maximum(cosine, np.float32(model.grazing_cosine / 2)))
    measured += ragged
    measured *= np.float32(model.steps)
    np.rint(measured, out=measured)
    measured *= np.float32(1 / model.steps)

    lost |= (ragged <= 0) | (measured <= 0)
    lost |= np.arange(first_column, first_column + shape[1], dtype=np.float32) < measured
    lost |= _grazing(cosine, model.grazing_cosine, rng)
    if hole_probability is not None:
        lost |= _blobs(hole_probability, rng)
    with np.errstate(divide="ignore", over="ignore"):
        z = np.rint(scale / measured / np.float32(model.unit_m)) * np.float32(model.unit_m)
    nearest = model.min_m or scale / model.limit_px
    lost |= (z < nearest) | (z > model.max_m)
    z[lost] = np.nan
    noisy: FloatImage = z
    return noisy


def incidence_cosine(disparity: FloatImage, intrinsics: CameraIntrinsics) -> FloatImage:
    """Cosine between each pixel's viewing ray and its surface normal.

    A plane is linear in disparity, so the normal follows from its gradient. At a depth edge the
    smaller of the two one-sided differences is taken: the edge itself is not a surface.

    Args:
        disparity: (H, W) float32, any multiple of 1 / z; 0 where unknown.
        intrinsics: the camera.

    Returns:
        (H, W) float32 in 0 to 1.
    """
    du = _smaller_difference(disparity, axis=1) * np.float32(intrinsics.fx)
    dv = _smaller_difference(disparity, axis=0) * np.float32(intrinsics.fy)
    x, y, ray_length = _ray_grid(intrinsics)
    # disparity = (b, c, a)·(x, y, 1) on a plane, and that vector is along its normal.
    a = disparity - du * x - dv * y
    normal_length = np.sqrt(du * du + dv * dv + a * a)
    cosine: FloatImage = np.ones_like(disparity)
    np.divide(disparity, normal_length * ray_length, out=cosine, where=disparity > 0)
    return cosine


@functools.lru_cache(maxsize=8)
def _ray_grid(intrinsics: CameraIntrinsics) -> tuple[FloatImage, FloatImage, FloatImage]:
    """Columns x (1, W), rows y (H, 1) and length (H, W) of the pixels' rays with z = 1."""
    x = (np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx
    y = (np.arange(intrinsics.height)[:, None] - intrinsics.cy) / intrinsics.fy
    length = np.sqrt(x**2 + y**2 + 1)
    return x[None].astype(np.float32), y.astype(np.float32), length.astype(np.float32)


def _smaller_difference(values: FloatImage, axis: int) -> FloatImage:
    """The one-sided difference that is smaller in size; at the border the only one there is."""
    rows = values if axis == 1 else values.T
    step = rows[:, 1:] - rows[:, :-1]
    smaller = np.empty_like(rows)
    smaller[:, 0], smaller[:, -1] = step[:, 0], step[:, -1]
    forward, backward = step[:, 1:], step[:, :-1]
    smaller[:, 1:-1] = np.where(np.abs(forward) < np.abs(backward), forward, backward)
    return smaller if axis == 1 else smaller.T


def _right_occluded(disparity: FloatImage) -> Mask:
    """Pixels hidden from the right imager: a pixel farther right lands at or left of them there."""
    columns = np.arange(disparity.shape[1], dtype=np.float32)
    landing = np.where(disparity > 0, columns - disparity, np.float32(np.inf))
    blocked = np.minimum.accumulate(landing[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(disparity.shape, dtype=np.bool_)
    hidden[:, :-1] = landing[:, :-1] > blocked[:, 1:]
    return hidden & (disparity > 0)


def _jittered(disparity: FloatImage, sigma: float, rng: np.random.Generator) -> FloatImage:
    """Sample positions moved at random where the disparity steps: ragged and flying pixels."""
    jump = np.zeros(disparity.shape, dtype=np.uint8)
    across = np.abs(disparity[:, 1:] - disparity[:, :-1]) > _EDGE_STEP_PX
    down = np.abs(disparity[1:] - disparity[:-1]) > _EDGE_STEP_PX
    jump[:, 1:] |= across
    jump[:, :-1] |= across
    jump[1:] |= down
    jump[:-1] |= down
    reach = 2 * math.ceil(2 * sigma) + 1
    rows, columns = np.nonzero(cv2.dilate(jump, np.ones((reach, reach), np.uint8)))
    if not rows.size:
        return disparity
    moved = rng.standard_normal((2, rows.size), dtype=np.float32)
    moved = moved.clip(-3, 3) * np.float32(sigma)
    u, v = columns + moved[1], rows + moved[0]
    sampled = _sampled(disparity, u, v, cv2.INTER_LINEAR)
    # Beside emptiness there is nothing to mix with: a depth between here and infinity is no depth.
    nearest = _sampled(disparity, u, v, cv2.INTER_NEAREST)
    empty = _sampled((disparity <= 0).astype(np.float32), u, v, cv2.INTER_LINEAR) > 0
    result: FloatImage = np.array(disparity)
    result[rows, columns] = np.where(empty, nearest, sampled)
    return result


def _sampled(image: FloatImage, u: FloatImage, v: FloatImage, method: int) -> FloatImage:
    """(N,) values of an image at columns u and rows v."""
    # OpenCV takes maps of up to 32767 columns; a cluttered scene has more pixels along edges.
    shape = (-(-u.size // _MAP_COLUMNS), _MAP_COLUMNS)
    columns, rows = (np.zeros(shape, np.float32) for _ in range(2))
    columns.ravel()[: u.size], rows.ravel()[: v.size] = u, v
    sampled = cv2.remap(image, columns, rows, method, borderMode=cv2.BORDER_REPLICATE)
    result: FloatImage = np.asarray(sampled, dtype=np.float32).ravel()[: u.size]
    return result


def _grazing(cosine: FloatImage, limit: float, rng: np.random.Generator) -> Mask:
    """Pixels lost because they are seen at a flat angle: the flatter, the more."""
    lost: Mask = cosine < limit
    rows, columns = np.nonzero(lost)
    lost[rows, columns] = rng.random(rows.size) * limit > cosine[rows, columns]
    return lost


def _correlated(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> FloatImage:
    """(H, W) Gaussian field of unit variance, smoothed with `sigma` px.

    It is cut out of a larger field at a place drawn at random, and flipped at random: drawing and
    smoothing it anew would take half of the time of all of this module.
    """
    height, width = shape
    pool = _noise_pool(height + _POOL_PX, width + _POOL_PX, sigma)
    top, left, flips = (int(rng.integers(n)) for n in (_POOL_PX, _POOL_PX, 8))
    field = pool[top : top + height, left : left + width]
    field = field[:: -1 if flips & 1 else 1, :: -1 if flips & 2 else 1]
    result: FloatImage = field * np.float32(-1 if flips & 4 else 1)
    return result


@functools.lru_cache(maxsize=8)
def _noise_pool(height: int, width: int, sigma: float) -> FloatImage:
    rng = np.random.default_rng(0)  # the pool is a constant; what is cut from it is drawn
    white = rng.standard_normal((height, width), dtype=np.float32)
    size = 2 * math.ceil(4 * sigma) + 1
    kernel = cv2.getGaussianKernel(size, sigma, cv2.CV_32F)
    smooth = cv2.sepFilter2D(white, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    # Dividing by the kernel's norm restores unit variance.
    pool: FloatImage = np.asarray(smooth, dtype=np.float32) / np.float32((kernel**2).sum())
    pool.flags.writeable = False
    return pool


def _blobs(probability: FloatImage, rng: np.random.Generator) -> Mask:
    """Holes of a few pixels that cover each pixel with the given probability."""
    field = _correlated(probability.shape, _BLOB_PX, rng)
    # The logistic approximation of the normal distribution is good to 1 % here.
    covered: Mask = np.asarray(1 / (1 + np.exp(-1.702 * field)) < probability)
    return covered
