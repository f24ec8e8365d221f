# SPDX-License-Identifier: Apache-2.0
"""The surface that a window shows: points, normals and colours on a grid, from its depth image."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from tack_perception.camera import CameraIntrinsics
from tack_perception.crops import Crop
from tack_perception.frame import RGBDFrame
from tack_perception.vectors import dot, length, within

if TYPE_CHECKING:  # this is geometry: it runs without torch
    from tack_perception.detectors.scene import Window

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
GRID = 64
"""Cells along a side."""
_REACH = 2  # cells around one that its plane is fitted to
_LEAP = 0.03  # share of the depth by which neighbours differ that are not of one surface
_FEWEST = 10  # neighbours that a plane needs
_FLATTEST = 0.15  # cosine to the camera below which a surface is too slanted to be compared
_BLUR = 1.0  # cells
_BEHIND = 0.03  # m beyond the object's surface that a pixel of the object does not lie
_BESIDE = 4.0  # cells from which the object's surface may be taken
LAB = np.array([30.0, 25.0, 25.0], np.float32)
"""What counts as a large difference of colour."""


@dataclasses.dataclass(frozen=True, eq=False)
class Relief:
    """G · G cells of a window, row by row, in the camera's frame.

    Attributes:
        crop: the window.
        camera: that it was seen with.
        points: (G², 3) m, on the plane that fits the depth around a cell.
        normals: (G², 3) of that plane, towards the camera.
        known: (G²,) whether depth tells them.
        object: (G²,) whether the cell shows what the window is around.
        color: (G², 3) blurred L, a, b, in units of a large difference; L without its mean.
        slope: (G², 3, 2) its change from cell to cell along u and v.
    """

    crop: Crop
    camera: CameraIntrinsics
    points: FloatArray
    normals: FloatArray
    known: Mask
    object: Mask
    color: NDArray[np.float32]
    slope: NDArray[np.float32]

    @property
    def cells_per_px(self) -> float:
        """Cells in a pixel of the frame."""
        return GRID / self.crop.side

    def places(self, points: FloatArray) -> FloatArray:
        """(..., 2) where points (..., 3) in the camera's frame lie on the grid, cells; or NaN."""
        flat = self.crop.to_crop(self.camera.project(points.reshape(-1, 3)))
        placed: FloatArray = (flat + 0.5) * (GRID / self.crop.size) - 0.5
        return placed.reshape(*points.shape[:-1], 2)

    def seen(self, count: int) -> NDArray[np.intp]:
        """Numbers of up to so many cells that show the object's surface; always the same ones."""
        slanted = facing(self.points, self.normals)
        usable = np.flatnonzero(self.known & self.object & (slanted > _FLATTEST))
        return np.asarray(np.random.default_rng(0).permutation(usable)[:count], np.intp)


def nearest(places: FloatArray) -> tuple[NDArray[np.intp], Mask]:
    """Number of the cell nearest to places (..., 2), and whether they lie on the grid."""
    inside = within(places, -0.5, (GRID - 0.5, GRID - 0.5))
    at = np.rint(np.where(inside[..., None], places, 0)).astype(np.intp)
    return at[..., 1] * GRID + at[..., 0], inside


def facing(points: FloatArray, normals: FloatArray) -> FloatArray:
    """(...) cosine between normals (..., 3) and the way from points to the camera; or NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine: FloatArray = -dot(normals, points) / length(points)
    return cosine


def points_of(frame: RGBDFrame, pixels: FloatArray) -> FloatArray:
    """(N, 3) what pixels (N, 2) of a frame show, m, camera frame; NaN where depth is unknown."""
    height, width = frame.depth.shape
    inside = within(pixels, -0.5, (width - 0.5, height - 0.5))
    at = np.rint(np.where(inside[:, None], pixels, 0)).astype(np.int64)
    depth = np.where(inside, frame.depth[at[:, 1], at[:, 0]], np.nan)
    return frame.intrinsics.deproject(pixels, depth)


def surface_at(window: Window, relief: Relief, pixels: FloatArray) -> FloatArray:
    """(L, 2, 3) points and normals (towards the camera) at pixels (L, 2) of a window; NaN: unknown.

    Along outlines a pixel has no depth, or that of what lies behind: there the surface of the
    object is meant that is nearest in the picture.
    """
    image = window.crop.to_image(pixels)
    points = points_of(window.frame, image)
    cell, inside = nearest((pixels + 0.5) * (GRID / window.crop.size) - 0.5)
    beside = _object_beside(relief)[cell]
    behind = np.nan_to_num(points[:, 2], nan=np.inf) > relief.points[beside, 2] + _BEHIND
    cell = np.where(behind, beside, cell)
    known = (inside & relief.known[cell])[:, None]
    with np.errstate(invalid="ignore"):
        near = window.frame.intrinsics.deproject(image, relief.points[cell, 2])
    told = (np.isfinite(points[:, 2]) & ~behind)[:, None]
    points = np.where(told, points, np.where(known, near, np.nan))
    return np.stack([points, np.where(known, relief.normals[cell], np.nan)], axis=1)


def _object_beside(relief: Relief) -> NDArray[np.intp]:
    """(G²,) of each cell the nearest one that shows the object; itself if that is too far away."""
    shown = (relief.known & relief.object).reshape(GRID, GRID)
    own = np.arange(GRID * GRID)
    if not shown.any():
        return own
    away, (row, column) = distance_transform_edt(~shown, return_indices=True)
    return np.where(away.reshape(-1) <= _BESIDE, (row * GRID + column).reshape(-1), own)


def relief_of(window: Window) -> Relief:
    """The surface in a window."""
    crop, frame = window.crop, window.frame
    steps = (np.arange(GRID) + 0.5) * crop.size / GRID - 0.5
    pixels = crop.to_image(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2))
    height, width = frame.depth.shape
    at = np.rint(pixels).astype(np.intp)
    inside = ((at >= 0) & (at < (width, height))).all(axis=1)
    at = np.clip(at, 0, (width - 1, height - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(inside, 1 / frame.depth[at[:, 1], at[:, 0]].astype(np.float64), np.nan)
    rays = frame.intrinsics.image_rays()[at[:, 1], at[:, 0]].astype(np.float64)
    points, normals, known = _planes(rays, inverse.reshape(GRID, GRID))
    shown = cv2.resize(window.shown, (GRID, GRID), interpolation=cv2.INTER_LINEAR)
    thing = np.asarray(shown > 0.5, np.bool_)
    thing &= ~_far_behind(thing, np.where(known, points[:, 2], np.nan).reshape(GRID, GRID), rays)
    color, slope = _colors(window, thing)
    return Relief(crop, frame.intrinsics, points, normals, known, thing.reshape(-1), color, slope)


def _far_behind(thing: Mask, depth: FloatArray, rays: FloatArray) -> Mask:
    """(G, G) cells that lie farther behind the middle of a thing than it is wide: not part of it.

    Along outlines, and through handles, what is taken for the thing shows the background.
    """
    seen = thing & np.isfinite(depth)
    if not seen.any():
        return np.zeros_like(seen)
    middle = np.median(depth[seen])
    width = np.ptp(rays.reshape(GRID, GRID, 3)[thing, :2], axis=0).max() * middle
    with np.errstate(invalid="ignore"):
        return np.asarray(depth > middle + width, np.bool_)


def _planes(rays: FloatArray, inverse: FloatArray) -> tuple[FloatArray, FloatArray, Mask]:
    """(N, 3) points and normals, (N,) whether known, of planes fitted by least squares.

    On a plane the inverse of the depth is linear in the picture: 1/z = a x + b y + c on rays
    (x, y, 1), and (a, b, c) is normal to it.
    """
    grid = (GRID, GRID)
    x, y = rays[:, 0].reshape(grid), rays[:, 1].reshape(grid)
    wide = [np.pad(one, _REACH, constant_values=np.nan) for one in (x, y, inverse)]
    steps = 2 * _REACH + 1
    sums = np.zeros((9, *grid))  # of what is above the diagonal, and on the right-hand side
    for row, column in itertools.product(range(steps), repeat=2):
        one, two, there = (v[row : row + GRID, column : column + GRID] for v in wide)
        with np.errstate(invalid="ignore"):
            near = np.abs(there - inverse) < _LEAP * inverse
        u, v, z = (np.where(near, value, 0) for value in (one - x, two - y, there))
        for n, term in enumerate((u * u, u * v, u, v * v, v, near, u * z, v * z, z)):
            sums[n] += term
    matrix = np.moveaxis(sums[[[0, 1, 2], [1, 3, 4], [2, 4, 5]]], (0, 1), (-2, -1)).copy()
    vector = np.moveaxis(sums[6:], 0, -1)
    known = matrix[..., 2, 2] >= _FEWEST
    step = float(np.nanmedian(np.abs(np.diff(x, axis=1)))) or 1e-6
    matrix += np.diag([step**2 / 20, step**2 / 20, 0])  # neighbours on a line tell no slope across
    matrix[~known] = np.eye(3)
    a, b, c = np.moveaxis(np.linalg.solve(matrix, vector[..., None])[..., 0], -1, 0)
    normals = -np.stack([a, b, c - a * x - b * y], -1).reshape(-1, 3)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    known = known.reshape(-1)
    depth = 1 / np.where(known, c.reshape(-1), np.nan)
    return rays * depth[:, None], normals, known


def _colors(window: Window, thing: Mask) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    picture = window.crop.cut(window.frame.color)
    small = cv2.resize(picture, (GRID, GRID), interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    if thing.any():
        lab[..., 0] -= lab[..., 0][thing].mean()
    lab = np.asarray(cv2.GaussianBlur(lab / LAB, (0, 0), _BLUR), np.float32)
    along = [cv2.Sobel(lab, cv2.CV_32F, du, dv, ksize=3) / 8 for du, dv in ((1, 0), (0, 1))]
    return lab.reshape(-1, 3), np.stack(along, -1).reshape(-1, 3, 2).astype(np.float32)
