# SPDX-License-Identifier: Apache-2.0
"""Depth scenes with a closed form: every pixel's true depth, normal and surface are known exactly.

They are the yardstick for whatever reads depth. All coordinates are in the camera's optical frame
(x right, y down, z forward), in metres.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame

FloatArray = NDArray[np.float64]
Vector = tuple[float, float, float]
Color = tuple[int, int, int]


class Surface(Protocol):
    """Something a viewing ray can hit."""

    @property
    def color(self) -> Color:
        """RGB."""
        ...

    def depths(self, rays: FloatArray) -> FloatArray:
        """(..., 3) rays scaled to z = 1 → (...) depth of the first hit, m; NaN where missed."""
        ...

    def normals(self, points: FloatArray) -> FloatArray:
        """(..., 3) points on the surface → (..., 3) unit normals, of either sign."""
        ...


@dataclasses.dataclass(frozen=True)
class Plane:
    """A plane, or the part of it on one side of a straight edge.

    Attributes:
        point: a point on the plane, m.
        normal: its normal, of any length.
        color: RGB.
        edge: (a, b, c): only points with a·x + b·y ≤ c (m) exist; None for the whole plane.
    """

    point: Vector
    normal: Vector = (0.0, 0.0, -1.0)
    color: Color = (150, 150, 150)
    edge: Vector | None = None

    def depths(self, rays: FloatArray) -> FloatArray:
        """Depth of the hit, m (see `Surface`)."""
        normal = np.array(self.normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (np.array(self.point) @ normal) / (rays @ normal)
        depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
        if self.edge is None:
            return depth
        a, b, c = self.edge
        return np.where(depth * (a * rays[..., 0] + b * rays[..., 1]) <= c, depth, np.nan)

    def normals(self, points: FloatArray) -> FloatArray:
        """Unit normals (see `Surface`)."""
        normal = np.array(self.normal)
        return np.broadcast_to(normal / np.linalg.norm(normal), points.shape)


@dataclasses.dataclass(frozen=True)
class Sphere:
    """A sphere: centre and radius in m, colour in RGB."""

    centre: Vector
    radius: float
    color: Color = (200, 60, 50)

    def depths(self, rays: FloatArray) -> FloatArray:
        """Depth of the first hit, m (see `Surface`)."""
        centre = np.array(self.centre)
        return _smaller_root(
            np.sum(rays**2, axis=-1), rays @ centre, float(centre @ centre - self.radius**2)
        )

    def normals(self, points: FloatArray) -> FloatArray:
        """Unit normals (see `Surface`)."""
        outward: FloatArray = (points - np.array(self.centre)) / self.radius
        return outward


@dataclasses.dataclass(frozen=True)
class Rod:
    """A round rod without end: a point on its axis and the radius in m, the axis of any length."""

    point: Vector
    axis: Vector
    radius: float
    color: Color = (60, 90, 190)

    def depths(self, rays: FloatArray) -> FloatArray:
        """Depth of the first hit, m (see `Surface`)."""
        across = self._across()
        flat_rays, flat_point = rays @ across, np.array(self.point) @ across
        return _smaller_root(
            np.sum(flat_rays**2, axis=-1),
            flat_rays @ np.array(self.point),
            float(flat_point @ flat_point - self.radius**2),
        )

    def normals(self, points: FloatArray) -> FloatArray:
        """Unit normals (see `Surface`)."""
        outward: FloatArray = (points - np.array(self.point)) @ self._across() / self.radius
        return outward

    def _across(self) -> FloatArray:
        """(3, 3) projector onto the plane across the axis."""
        axis = np.array(self.axis) / np.linalg.norm(self.axis)
        return np.eye(3) - np.outer(axis, axis)


@dataclasses.dataclass(frozen=True, eq=False)
class AnalyticView:
    """What a camera sees of a scene, without any noise.

    Attributes:
        intrinsics: the camera.
        depth: (H, W) float32, m, NaN where no surface is hit.
        surface: (H, W) int, index of the surface seen, -1 where none.
        normals: (H, W, 3) float64 unit normals towards the camera, NaN where no surface is hit.
        color: (H, W, 3) uint8, RGB.
    """

    intrinsics: CameraIntrinsics
    depth: NDArray[np.float32]
    surface: NDArray[np.intp]
    normals: FloatArray
    color: NDArray[np.uint8]

    def frame(self, depth: NDArray[np.float32] | None = None) -> RGBDFrame:
        """The view as a frame, with another (H, W) depth image (m) where one is given.

        Raises:
            InvalidInputError: the depth image is refused by `RGBDFrame`.
        """
        depth = self.depth if depth is None else depth
        return RGBDFrame(self.color, depth, self.intrinsics, 0, "camera_color_optical_frame")


def view(
    surfaces: Sequence[Surface],
    intrinsics: CameraIntrinsics,
    rng: np.random.Generator | None = None,
    color_noise: float = 4.0,
) -> AnalyticView:
    """Cast one ray through each pixel centre.

    Args:
        surfaces: what there is; the nearest along each ray is seen.
        intrinsics: the camera, distortion included.
        rng: where given, Gaussian noise is added to the colours.
        color_noise: its standard deviation, 0 to 255.

    Raises:
        InvalidInputError: there is no surface.
    """
    if not surfaces:
        raise InvalidInputError("a scene without surfaces shows nothing; give at least one")
    rays = intrinsics.image_rays().astype(np.float64)
    layers = np.stack([surface.depths(rays) for surface in surfaces])
    index = np.where(np.isnan(layers), np.inf, layers).argmin(axis=0)
    depth = np.take_along_axis(layers, index[None], axis=0)[0]
    points = rays * depth[..., None]
    normals = np.full_like(rays, np.nan)
    color = np.zeros(rays.shape)
    for number, surface in enumerate(surfaces):
        seen = (index == number) & ~np.isnan(depth)
        normals[seen] = surface.normals(points[seen])
        color[seen] = surface.color
    normals *= -np.sign(np.sum(normals * rays, axis=-1, keepdims=True))
    if rng is not None:
        color += color_noise * rng.standard_normal(color.shape)
    return AnalyticView(
        intrinsics,
        depth.astype(np.float32),
        np.where(np.isnan(depth), -1, index),
        normals,
        np.clip(np.rint(color), 0, 255).astype(np.uint8),
    )


def tilted_plane(depth: float, tilt: float, direction: float = 0.0) -> Plane:
    """A plane that crosses the optical axis at `depth` m.

    Args:
        depth: m.
        tilt: angle between its normal and the optical axis, rad.
        direction: in which image direction it recedes, rad from +x towards +y.
    """
    slope = math.sin(tilt)
    normal = (slope * math.cos(direction), slope * math.sin(direction), -math.cos(tilt))
    return Plane((0.0, 0.0, depth), normal)


def step(near: float, far: float, colors: tuple[Color, Color]) -> list[Surface]:
    """A wall at `near` m that fills the left half, before one at `far` m; colours near, far."""
    return [
        Plane((0.0, 0.0, near), color=colors[0], edge=(1.0, 0.0, 0.0)),
        Plane((0.0, 0.0, far), color=colors[1]),
    ]


def with_holes(
    depth: NDArray[np.float32], centres: NDArray[np.float64], radius: float
) -> NDArray[np.float32]:
    """A copy of a depth image with round holes.

    Args:
        depth: (H, W), m.
        centres: (N, 2) pixels (u, v).
        radius: px; pixels whose centre lies within it are lost.
    """
    height, width = depth.shape
    v, u = np.mgrid[0:height, 0:width]
    result: NDArray[np.float32] = depth.copy()
    for cu, cv in centres:
        result[(u - cu) ** 2 + (v - cv) ** 2 <= radius**2] = np.nan
    return result


def _smaller_root(a: FloatArray, half_b: FloatArray, c: float) -> FloatArray:
    """The smaller positive t of a·t² − 2·half_b·t + c = 0, NaN where there is none."""
    with np.errstate(invalid="ignore"):
        root = np.sqrt(half_b**2 - a * c)
    first = (half_b - root) / a
    roots: FloatArray = np.where(first > 0, first, np.nan)
    return roots
