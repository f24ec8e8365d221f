# SPDX-License-Identifier: Apache-2.0
"""The window of a frame around one pixel, in the quantities that the lift works in.

Depth is held as inverse depth w = 1 / z: there, a plane is linear in the ray coordinates, and the
noise of a stereo camera is the same at every distance.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tack_perception.frame import RGBDFrame
from tack_perception.lifting.settings import LiftingConfig

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LINK_SIGMAS = 3.0
_LINK_SLOPE = 2.5  # tangent of the incidence angle (68°) up to which neighbours always link
_SOLID_NEIGHBOURS = 3
_APART = 4.0  # standard deviations between the means of two layers


@dataclasses.dataclass(frozen=True, eq=False)
class Patch:
    """A window of h × w pixels around the pixel (u, v).

    Attributes:
        offset: (h, w, 2) pixel centre minus (u, v), px.
        distance: (h, w) its length, px.
        slope: (h, w, 2) ray coordinate minus that of (u, v), times the focal length: `offset`
            freed from lens distortion.
        inverse_depth: (h, w) 1/m, 0 where unknown.
        solid: (h, w) where depth is known and some neighbours agree with it. What is left out are
            holes and flying pixels, the isolated depths between two surfaces.
        lab: (h, w, 3) float32 CIE Lab colour, up to a constant.
        sigma: noise of one inverse depth, 1/m.
        link: difference of inverse depth up to which neighbours are on one surface, 1/m.
    """

    offset: FloatArray
    distance: FloatArray
    slope: FloatArray
    inverse_depth: FloatArray
    solid: Mask
    lab: NDArray[np.float32]
    sigma: float
    link: float

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of the pixel nearest to (u, v)."""
        row, column = np.unravel_index(int(self.distance.argmin()), self.distance.shape)
        return int(row), int(column)

    def without(self, pixels: Mask) -> Patch:
        """The same window with (h, w) `pixels` no longer solid."""
        return dataclasses.replace(self, solid=self.solid & ~pixels)


def cut(frame: RGBDFrame, u: float, v: float, ray: FloatArray, config: LiftingConfig) -> Patch:
    """The window that any lift of (u, v) can depend on.

    Args:
        frame: the image.
        u, v: pixel on the image.
        ray: (3,) its viewing ray, z = 1.
        config: gives the reach.
    """
    camera = frame.intrinsics
    reach = math.ceil(config.search_px + config.fit_px)
    row, column = round(v), round(u)
    rows = slice(max(0, row - reach), min(camera.height, row + reach + 1))
    columns = slice(max(0, column - reach), min(camera.width, column + reach + 1))
    grid_v, grid_u = np.mgrid[rows, columns]
    offset = np.stack([grid_u - u, grid_v - v], axis=-1)
    rays = camera.image_rays()[rows, columns, :2].astype(np.float64)
    slope = (rays - ray[:2]) * (camera.fx, camera.fy)
    w = np.nan_to_num(1.0 / frame.depth[rows, columns].astype(np.float64), nan=0.0)
    w[~np.isfinite(rays).all(axis=-1)] = 0.0
    known = w[w > 0]
    typical = float(np.median(known)) if known.size else 0.0
    sigma = math.hypot(config.noise_at_1m_m, config.depth_unit_m * typical**2 / math.sqrt(12))
    link = _LINK_SIGMAS * sigma + _LINK_SLOPE * typical / camera.fx
    smooth = cv2.medianBlur(np.ascontiguousarray(frame.color[rows, columns]), 3)
    # In whole units, of which the tolerance has many: OpenCV's exact conversion costs far more.
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 0] *= 100 / 255
    return Patch(
        offset,
        np.linalg.norm(offset, axis=-1),
        np.nan_to_num(slope),
        w,
        _solid(w, link),
        np.asarray(lab, dtype=np.float32),
        sigma,
        link,
    )


def layers(values: FloatArray, link: float, smallest: int) -> list[NDArray[np.intp]]:
    """Group inverse depths at the gaps between them.

    Args:
        values: (N,) 1/m.
        link: a gap wider than this parts two layers, 1/m.
        smallest: groups of fewer members are left out.

    Returns:
        Index arrays into `values`, the nearest layer first.
    """
    order = np.argsort(-values)
    groups = np.split(order, np.flatnonzero(-np.diff(values[order]) > link) + 1)
    parted = [part for group in groups for part in _parted(values, group, link, smallest)]
    return [group for group in parted if group.size >= smallest]


def _parted(
    values: FloatArray, group: NDArray[np.intp], link: float, smallest: int
) -> list[NDArray[np.intp]]:
    """Two layers where flying pixels and noise have closed the gap between them, else one.

    The split that explains most of the variance (Otsu's) leaves two groups whose means are 3.5
    standard deviations apart for an even spread (a slanted surface), 2.7 for a single Gaussian.
    """
    count = group.size
    if count < 2 * smallest:
        return [group]
    ordered = values[group]
    left = np.arange(1, count)
    total = np.cumsum(ordered)[:-1]
    mean_left, mean_right = total / left, (ordered.sum() - total) / (count - left)
    between = left * (count - left) / count * (mean_left - mean_right) ** 2
    between[: smallest - 1] = between[count - smallest :] = -1
    best = int(between.argmax())
    within = float(np.sum((ordered - ordered.mean()) ** 2)) - between[best]
    apart = float(mean_left[best] - mean_right[best])
    if apart < link or apart < _APART * np.sqrt(max(within, 0.0) / count):
        return [group]
    return [group[: best + 1], group[best + 1 :]]


def _solid(w: FloatArray, link: float) -> Mask:
    height, width = w.shape
    padded = np.pad(w, 1)
    count = np.zeros(w.shape, dtype=np.intp)
    for dv in range(3):
        for du in range(3):
            neighbour = padded[dv : dv + height, du : du + width]
            count += (neighbour > 0) & (np.abs(neighbour - w) <= link)
    return (w > 0) & (count - 1 >= _SOLID_NEIGHBOURS)
