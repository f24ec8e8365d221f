# SPDX-License-Identifier: Apache-2.0
"""One thing that a motion has to go around: a box or a convex hull."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from tack_perception import geometry
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

_SIGNS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


@dataclasses.dataclass(frozen=True, eq=False)
class Obstacle:
    """A convex solid in the base frame.

    Attributes:
        name: of it in the planning scene; the same from look to look.
        base_from_shape: (4, 4), m: of the middle of a box; of the frame of a hull's vertices.
        size: (3,) full side lengths of a box, m; None for a hull.
        vertices: (N, 3) of a hull in its frame, m; None for a box.
        triangles: (M, 3) int32 indices into `vertices`, counter-clockwise from outside.

    Raises:
        InvalidInputError: on construction, for what is neither a box nor a hull, or not finite.
    """

    name: str
    base_from_shape: FloatArray
    size: FloatArray | None = None
    vertices: FloatArray | None = None
    triangles: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInputError("an obstacle needs a name")
        what = f"obstacle {self.name!r}: "
        geometry.check_transform(self.base_from_shape, f"{what}base_from_shape")
        hull = self.vertices is not None and self.triangles is not None
        if (self.size is None) != hull:
            raise InvalidInputError(f"{what}either a size, or vertices and triangles are needed")
        if self.size is not None:
            size = np.array(self.size, dtype=np.float64)
            if size.shape != (3,) or not np.isfinite(size).all() or not (size > 0).all():
                raise InvalidInputError(f"{what}size {size.tolist()}: three lengths above 0 m")
            object.__setattr__(self, "size", _frozen(size))
        if self.vertices is not None and self.triangles is not None:
            vertices = np.array(self.vertices, dtype=np.float64)
            triangles = np.array(self.triangles, dtype=np.int32)
            if vertices.ndim != 2 or vertices.shape[1] != 3 or not np.isfinite(vertices).all():
                raise InvalidInputError(f"{what}vertices {vertices.shape}: finite (N, 3) expected")
            if (
                triangles.ndim != 2
                or triangles.shape[1] != 3
                or len(triangles) < 4
                or not (triangles.min() >= 0 and triangles.max() < len(vertices))
            ):
                raise InvalidInputError(
                    f"{what}triangles {triangles.shape}: four or more, each of three of the"
                    f" {len(vertices)} vertices"
                )
            object.__setattr__(self, "vertices", _frozen(vertices))
            object.__setattr__(self, "triangles", _frozen(triangles))

    @property
    def is_box(self) -> bool:
        """Whether it is a box; otherwise a hull."""
        return self.size is not None

    @property
    def corners(self) -> FloatArray:
        """(N, 3) in the base frame, m."""
        if self.size is not None:
            return geometry.apply(self.base_from_shape, _SIGNS * self.size / 2)
        assert self.vertices is not None
        return geometry.apply(self.base_from_shape, self.vertices)

    @property
    def volume(self) -> float:
        """In m³."""
        if self.size is not None:
            return float(np.prod(self.size))
        a, b, c = self._faces()
        return float(np.einsum("nc,nc->n", a, np.cross(b, c)).sum() / 6)

    def contains(self, points: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
        """Whether points lie in it.

        Args:
            points: (N, 3) in the base frame, m.
            margin: how far outside its faces still counts, m.
        """
        local = geometry.apply(geometry.inverse(self.base_from_shape), points)
        if self.size is not None:
            return np.asarray((np.abs(local) <= self.size / 2 + margin).all(axis=-1))
        low, high = self._bounds()
        result = np.asarray(((local >= low - margin) & (local <= high + margin)).all(axis=-1))
        near = np.flatnonzero(result)
        if not len(near):
            return result
        a, b, c = self._faces()
        normals = np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1)
        normals, a = normals[length > 1e-12], a[length > 1e-12]
        normals = normals / length[length > 1e-12, None]
        offsets = np.einsum("nc,nc->n", normals, a)
        result[near] = (local[near] @ normals.T <= offsets + margin + 1e-9).all(axis=1)
        return result

    def renamed(self, name: str) -> Obstacle:
        """The same solid under another name."""
        return dataclasses.replace(self, name=name)

    def _faces(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        assert self.vertices is not None
        assert self.triangles is not None
        a, b, c = np.moveaxis(self.vertices[self.triangles], 1, 0)
        return a, b, c

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        assert self.vertices is not None
        return self.vertices.min(axis=0), self.vertices.max(axis=0)


def hull_of(name: str, points: ArrayLike, base_from_shape: FloatArray) -> Obstacle:
    """The convex hull of points.

    Args:
        name: of the obstacle.
        points: (N, 3) in the frame of the shape, not all in one plane, m.
        base_from_shape: (4, 4), m.

    Raises:
        scipy.spatial.QhullError: all points are in one plane.
    """
    points = np.asarray(points, dtype=np.float64)
    hull = ConvexHull(points)
    number = np.full(len(points), -1, dtype=np.int32)
    number[hull.vertices] = np.arange(len(hull.vertices))
    a, b, c = np.moveaxis(points[hull.simplices], 1, 0)
    inwards = np.einsum("nc,nc->n", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    simplices = hull.simplices.copy()
    simplices[inwards] = simplices[inwards][:, ::-1]
    return Obstacle(
        name, base_from_shape, vertices=points[hull.vertices], triangles=number[simplices]
    )


def _frozen(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    array.flags.writeable = False
    return array
