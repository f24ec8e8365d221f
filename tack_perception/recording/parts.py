# SPDX-License-Identifier: Apache-2.0
"""Tells the objects of a fused surface from the table that they stand on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, Delaunay, QhullError, cKDTree

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_perception.recording.volume import Surface, import_open3d

FloatArray = NDArray[np.float64]
_NEAR_M = 0.01  # pieces this near to each other are one object
_HIGHEST_M = 0.6  # above the table; what is farther up is no object on it
_SMALLEST_M = 0.012  # extent of an object, below which it is noise
_FEWEST_FACES = 60
_STRAIGHT = 0.8  # cosine between the way from the background and its normal, of what is new
_TABLE_SHARE = 0.08  # of the surface that a table must have


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One object.

    Attributes:
        surface: its own, in its frame: z up from the table, the origin in the middle of its foot.
        world_from_part: (4, 4), m.
        faces: (K,) its triangles among those of the whole surface.
    """

    surface: Surface
    world_from_part: FloatArray
    faces: NDArray[np.int64]


def scene_part(surface: Surface) -> Part:
    """All of a surface as one part, in the world's frame moved to its middle."""
    middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
    pose = geometry.make_transform(np.eye(3), middle.astype(np.float64))
    return _part(surface, np.arange(len(surface.faces)), pose)


def table_plane(surface: Surface, cameras: FloatArray) -> FloatArray:
    """The table: (4,) of n·x + d = 0 with n of unit length towards the cameras.

    Args:
        surface: fused.
        cameras: (V, 3) places of the cameras, m.

    Raises:
        InvalidInputError: there is no plane that is large enough.
    """
    o3d = import_open3d()
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(surface.vertices.astype(float)))
    o3d.utility.random.seed(0)
    plane, inside = cloud.segment_plane(0.004, 3, 1000)
    if len(inside) < _TABLE_SHARE * len(surface.vertices):
        raise InvalidInputError(
            "no table was found below the objects: record things on a flat table, or the scene as a"
            " whole (--things scene)"
        )
    plane = np.asarray(plane) / np.linalg.norm(plane[:3])
    if (cameras @ plane[:3] + plane[3]).mean() < 0:
        plane = -plane
    found: FloatArray = plane
    return found


def parts_on(surface: Surface, plane: FloatArray, above_m: float) -> list[Part]:
    """The objects that stand on a table, the largest first."""
    height = surface.vertices @ plane[:3] + plane[3]
    low = (np.abs(height) < above_m / 2)[surface.faces].all(axis=1)
    table = np.unique(surface.faces[low])  # not the foot of what stands somewhere else
    standing = (height > above_m) & (height < _HIGHEST_M) & _over(surface, plane, table)
    faces = np.flatnonzero(standing[surface.faces].all(axis=1))
    if not len(faces):
        return []
    return _large_parts(surface, faces, plane)


def parts_beside(surface: Surface, background: Surface, above_m: float) -> list[Part]:
    """What a surface has that another one of the same place had not, the largest first.

    Args:
        surface: with the objects.
        background: of the same place without them, in the same world.
        above_m: what is so far from the background is new.
    """
    away, nearest = cKDTree(background.vertices).query(surface.vertices)
    # Straight above the background: beyond its border nothing tells what is new.
    shift = surface.vertices - background.vertices[nearest]
    above = np.abs(np.einsum("nc,nc->n", shift, _normals(background)[nearest])) > _STRAIGHT * away
    new = (away > above_m) & above
    faces = np.flatnonzero(new[surface.faces].all(axis=1))
    return _large_parts(surface, faces, np.array([0.0, 0.0, 1.0, 0.0])) if len(faces) else []


def _normals(surface: Surface) -> NDArray[np.float64]:
    """(N, 3) unit normals of the vertices: the mean of their triangles', by area."""
    a, b, c = np.moveaxis(surface.vertices[surface.faces].astype(np.float64), 1, 0)
    normals = np.zeros(surface.vertices.shape)
    for corner in range(3):
        np.add.at(normals, surface.faces[:, corner], np.cross(b - a, c - a))
    units: NDArray[np.float64] = normals / np.maximum(
        np.linalg.norm(normals, axis=1, keepdims=True), 1e-30
    )
    return units


def _large_parts(surface: Surface, faces: NDArray[np.int64], plane: FloatArray) -> list[Part]:
    """The connected pieces of some triangles, but for what is too small."""
    labels = _pieces(surface, faces)
    found = []
    for label in np.unique(labels):
        mine = faces[labels == label]
        corners = surface.vertices[np.unique(surface.faces[mine])]
        if len(mine) >= _FEWEST_FACES and np.ptp(corners, axis=0).max() >= _SMALLEST_M:
            found.append(_part(surface, mine, _upright(corners, plane)))
    return sorted(found, key=lambda part: -len(part.faces))


def looked_at(parts: Sequence[Part], world_from_camera: Sequence[FloatArray]) -> int:
    """Number of the part that the cameras look at: nearest to the middle of their pictures."""
    middles = np.stack([_middle(part) for part in parts])
    angles = np.zeros(len(parts))
    for pose in world_from_camera:
        local = geometry.apply(geometry.inverse(pose), middles)
        angles += np.arctan2(np.linalg.norm(local[:, :2], axis=1), local[:, 2])
    return int(angles.argmin())


def _middle(part: Part) -> FloatArray:
    vertices = part.surface.vertices.astype(np.float64)
    return geometry.apply(part.world_from_part, (vertices.min(axis=0) + vertices.max(axis=0)) / 2)


def _over(surface: Surface, plane: FloatArray, table: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) whether a vertex is above what is seen of the table, or what its edge surrounds."""
    across = _axes(plane[:3])[:2]
    flat = surface.vertices @ across.T
    try:
        hull = ConvexHull(flat[table])
        inside = Delaunay(flat[table][hull.vertices]).find_simplex(flat) >= 0
    except (QhullError, ValueError):
        return np.ones(len(flat), np.bool_)
    return np.asarray(inside, np.bool_)


def _pieces(surface: Surface, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) number of the connected piece of each triangle; near pieces count as one."""
    used, corners = np.unique(surface.faces[faces], return_inverse=True)
    corners = corners.reshape(-1, 3)
    near = cKDTree(surface.vertices[used]).query_pairs(_NEAR_M, output_type="ndarray")
    edges = np.concatenate([corners[:, :2], corners[:, 1:], near.reshape(-1, 2)])
    graph = coo_array(
        (np.ones(len(edges), np.bool_), (edges[:, 0], edges[:, 1])), (len(used), len(used))
    )
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(labels[corners[:, 0]], np.int64)


def _part(surface: Surface, faces: NDArray[np.int64], pose: FloatArray) -> Part:
    used, corners = np.unique(surface.faces[faces], return_inverse=True)
    local = geometry.apply(geometry.inverse(pose), surface.vertices[used].astype(np.float64))
    own = Surface(
        local.astype(np.float32), corners.reshape(-1, 3).astype(np.int32), surface.colors[used]
    )
    return Part(own, pose, faces)


def _upright(corners: NDArray[np.float32], plane: FloatArray) -> FloatArray:
    axes = _axes(plane[:3])
    flat = corners @ axes.T
    middle = (flat.min(axis=0) + flat.max(axis=0)) / 2
    middle[2] = -plane[3]
    return geometry.make_transform(axes.T, middle @ axes)


def _axes(normal: FloatArray) -> FloatArray:
    """(3, 3) rows: two directions in a plane, and its normal; right-handed."""
    least = np.eye(3)[int(np.abs(normal).argmin())]
    frame = geometry.frame_from_axes(normal, np.cross(least, normal), (0.0, 0.0, 0.0))
    rows: FloatArray = frame[:3, :3].T
    return rows
