# SPDX-License-Identifier: Apache-2.0
"""Which point of which object a pixel sees, exactly: rays cast against the objects' meshes.

(object, face, barycentric weights) is the canonical coordinate of a surface point: the same on
every instance of a family, from every side.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import DependencyError, InvalidInputError

FloatArray = NDArray[np.float64]
FloatImage = NDArray[np.float32]

NOTHING = -1
OTHER = -2
_SAME_PLACE = 2e-4  # m, between a point and where the ray towards it ends, for it to be seen


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh in its place.

    Attributes:
        vertices: (N, 3) in its own frame, m.
        faces: (M, 3).
        world_from_object: (4, 4), m.
    """

    vertices: FloatArray
    faces: NDArray[np.integer]
    world_from_object: FloatArray

    def in_world(self) -> FloatArray:
        """(N, 3) vertices, m."""
        return geometry.apply(self.world_from_object, self.vertices)


@dataclasses.dataclass(frozen=True, eq=False)
class Hits:
    """What rays hit. All arrays have the shape (...) of the rays, some with a last axis.

    Attributes:
        surface: int16 index of the surface, `OTHER` for an occluder, `NOTHING`.
        face: int32 triangle of that surface, -1 where none is hit.
        weights: (..., 3) float32 barycentric weights of the triangle's corners.
        depth: float32, in lengths of the ray's direction (along the optical axis for pixels); NaN
            where nothing is hit.
    """

    surface: NDArray[np.int16]
    face: NDArray[np.int32]
    weights: FloatImage
    depth: FloatImage


class RayScene:
    """Surfaces and occluders in fixed places, ready for ray casts.

    Args:
        surfaces: that are told apart.
        occluders: what only hides them, each a surface too (table, robot).

    Raises:
        DependencyError: embreex is missing; says what to install.
    """

    def __init__(self, surfaces: Sequence[Surface], occluders: Sequence[Surface] = ()) -> None:
        rtcore, construction = _import_embree()
        self._surfaces = tuple(surfaces)
        everything = (*surfaces, *occluders)
        if not everything:
            raise InvalidInputError("a scene without any surface cannot be looked at")
        self._scene = rtcore.EmbreeScene(robust=True)
        vertices, faces, start = [], [], 0
        for surface in everything:
            vertices.append(surface.in_world())
            faces.append(np.asarray(surface.faces, dtype=np.int32) + start)
            start += len(surface.vertices)
        self._corners = np.concatenate(vertices)[np.concatenate(faces)]
        construction.TriangleMesh(
            self._scene,
            np.concatenate(vertices).astype(np.float32),
            np.concatenate(faces).astype(np.int32),
        )
        counts = [len(surface.faces) for surface in everything]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        owners = np.full(len(everything), OTHER, dtype=np.int16)
        owners[: len(surfaces)] = np.arange(len(surfaces))
        # One entry more than there are faces: index -1, a miss, reads it.
        self._owner = np.append(np.repeat(owners, counts), np.int16(NOTHING))
        starts = np.repeat(self._first[:-1], counts)
        self._local = np.append(np.arange(len(starts)) - starts, -1).astype(np.int32)

    def cast(self, origins: ArrayLike, directions: ArrayLike) -> Hits:
        """Cast rays.

        Args:
            origins: (N, 3) or (3,) in the world, m.
            directions: (N, 3), of any length.
        """
        towards = np.ascontiguousarray(directions, dtype=np.float32)
        start = np.ascontiguousarray(np.broadcast_to(origins, towards.shape), dtype=np.float32)
        found = self._scene.run(start, towards, output=1)
        triangle, depth = found["primID"], found["tfar"]
        missed = found["geomID"] < 0
        triangle[missed] = -1
        depth[missed] = np.nan
        weights = np.empty((len(towards), 3), np.float32)
        weights[:, 1], weights[:, 2] = found["u"], found["v"]
        weights[:, 0] = 1 - weights[:, 1] - weights[:, 2]
        weights[missed] = 0
        return Hits(self._owner[triangle], self._local[triangle], weights, depth)

    def view(self, intrinsics: CameraIntrinsics, world_from_camera: FloatArray) -> Hits:
        """What every pixel centre of a camera sees; arrays (H, W) and (H, W, 3)."""
        rays = cv2.transform(intrinsics.image_rays(), world_from_camera[:3, :3])
        hits = self.cast(world_from_camera[:3, 3], rays.reshape(-1, 3))
        shape = (intrinsics.height, intrinsics.width)
        return Hits(
            hits.surface.reshape(shape),
            hits.face.reshape(shape),
            hits.weights.reshape(*shape, 3),
            hits.depth.reshape(shape),
        )

    def sees(self, points: FloatArray, world_from_camera: FloatArray) -> NDArray[np.bool_]:
        """Whether nothing lies between the camera and each surface point.

        Args:
            points: (N, 3) in the world, m.
            world_from_camera: (4, 4); only its place matters.

        Returns:
            (N,), whatever the camera's field of view.
        """
        origin = world_from_camera[:3, 3]
        hits = self.cast(origin, points - origin)
        distance = np.linalg.norm(points - origin, axis=1)
        gap = (1 - np.nan_to_num(hits.depth, nan=np.inf)) * distance
        seen: NDArray[np.bool_] = gap < _SAME_PLACE
        return seen


def surface_points(surface: Surface, faces: NDArray[np.integer], weights: ArrayLike) -> FloatArray:
    """Canonical coordinates → places in the world.

    Args:
        surface: the object in its place.
        faces: (...) triangle indices.
        weights: (..., 3) barycentric.

    Returns:
        (..., 3) m.
    """
    corners = surface.vertices[surface.faces[faces]]
    local = np.einsum("...c,...cd->...d", np.asarray(weights, dtype=np.float64), corners)
    return geometry.apply(surface.world_from_object, local)


@functools.cache
def _import_embree() -> tuple[Any, Any]:
    try:
        from embreex import mesh_construction, rtcore_scene
    except ImportError as error:
        raise DependencyError(
            f"exact surface truth needs embreex ({error}): pip install 'tack[sim]'"
        ) from error
    return rtcore_scene, mesh_construction
