# SPDX-License-Identifier: Apache-2.0
"""The shapes of collision objects, as in shape_msgs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]

DIMENSIONS = {
    "box": ("x", "y", "z"),
    "sphere": ("radius",),
    "cylinder": ("height", "radius"),
    "cone": ("height", "radius"),
}
"""What the dimensions of each kind of primitive are, in the order of shape_msgs/SolidPrimitive."""


@dataclasses.dataclass(frozen=True)
class Primitive:
    """A solid primitive, centred on its origin; cylinder and cone stand along z.

    Attributes:
        kind: box, sphere, cylinder or cone (its tip at z = +height / 2).
        dimensions: m, as `DIMENSIONS` names them.

    Raises:
        InvalidInputError: unknown kind, or a dimension that is missing or not positive.
    """

    kind: str
    dimensions: tuple[float, ...]

    def __post_init__(self) -> None:
        names = DIMENSIONS.get(self.kind)
        if names is None:
            raise InvalidInputError(f"primitive {self.kind!r}: one of {', '.join(DIMENSIONS)}")
        values = tuple(float(value) for value in self.dimensions)
        if len(values) != len(names) or not all(math.isfinite(v) and v > 0 for v in values):
            raise InvalidInputError(
                f"{self.kind} with dimensions {list(values)}:"
                f" {', '.join(names)} are needed, each above 0 m"
            )
        object.__setattr__(self, "dimensions", values)


@dataclasses.dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A triangle mesh.

    Attributes:
        vertices: (N, 3) m.
        triangles: (M, 3) indices into `vertices`.

    Raises:
        InvalidInputError: not finite, empty, or an index out of range.
    """

    vertices: FloatArray
    triangles: NDArray[np.int32]

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64).reshape(-1, 3)
        triangles = np.array(self.triangles, dtype=np.int32).reshape(-1, 3)
        if not len(triangles) or not np.isfinite(vertices).all():
            raise InvalidInputError("mesh without triangles, or with NaN or infinite vertices")
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise InvalidInputError(
                f"mesh with vertex indices {triangles.min()} to {triangles.max()},"
                f" but only {len(vertices)} vertices"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "triangles", triangles)


Shape = Primitive | TriangleMesh


def contains(primitive: Primitive, points: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (..., 3) of the primitive's frame, m, lie in it."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    if primitive.kind == "box":
        a, b, c = np.array(primitive.dimensions) / 2
        inside: NDArray[np.bool_] = (np.abs(x) <= a) & (np.abs(y) <= b) & (np.abs(z) <= c)
        return inside
    if primitive.kind == "sphere":
        return np.asarray(x**2 + y**2 + z**2 <= primitive.dimensions[0] ** 2)
    height, radius = primitive.dimensions
    reach = radius if primitive.kind == "cylinder" else radius * (0.5 - z / height)
    return np.asarray((np.abs(z) <= height / 2) & (np.hypot(x, y) <= reach))


def sample(primitive: Primitive, rng: np.random.Generator) -> FloatArray:
    """(3,) a point of the primitive drawn evenly, in its frame, m."""
    if primitive.kind == "box":
        half = np.array(primitive.dimensions) / 2
    elif primitive.kind == "sphere":
        half = np.full(3, primitive.dimensions[0])
    else:
        height, radius = primitive.dimensions
        half = np.array([radius, radius, height / 2])
    while True:  # a cone fills a quarter of its box, the others more
        point = rng.uniform(-half, half)
        if contains(primitive, point):
            return point
