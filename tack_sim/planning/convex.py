# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes as convex pieces, which is what MuJoCo's collision detection wants."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_sim.planning.shapes import TriangleMesh

FloatArray = NDArray[np.float64]

_CONVEX_SHARE = 0.98  # of its hull that a mesh has to fill to count as convex
_CELLS = 8  # along the longest side of a mesh that is not
_SMALLEST_CELL = 0.01  # m
_THICKNESS = 5e-4  # m, of a flat piece: a hull needs a volume

_pieces: weakref.WeakKeyDictionary[TriangleMesh, list[FloatArray]] = weakref.WeakKeyDictionary()


def convex_pieces(mesh: TriangleMesh) -> list[FloatArray]:
    """Points of convex pieces that together cover the mesh's surface.

    A mesh that fills its convex hull is one piece. Of any other the surface is cut along a grid,
    and each cell gives the hull of what lies in it: openings wider than a cell stay open, and
    nothing sticks out by more than a cell. This takes milliseconds, an exact decomposition seconds.

    Args:
        mesh: closed or not.

    Returns:
        One (N, 3) array of points for each piece, m, none of them flat.
    """
    if mesh not in _pieces:
        _pieces[mesh] = [_thickened(points) for points in _split(mesh)]
    return _pieces[mesh]


def _split(mesh: TriangleMesh) -> list[FloatArray]:
    import trimesh  # half a second to import, and few scenes hold a mesh

    surface = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=True)
    if surface.is_watertight and abs(surface.volume) > _CONVEX_SHARE * surface.convex_hull.volume:
        return [np.asarray(surface.convex_hull.vertices)]
    cell = max(float(surface.extents.max()) / _CELLS, _SMALLEST_CELL)
    subdivide: Any = trimesh.remesh.subdivide_to_size  # untyped
    vertices, faces = subdivide(surface.vertices, surface.faces, cell / 2, max_iter=20)
    centers = vertices[faces].mean(axis=1)
    keys = np.floor((centers - surface.bounds[0]) / cell).astype(np.int64)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    return [
        vertices[np.unique(faces[group.ravel() == index])] for index in range(int(group.max()) + 1)
    ]


def _thickened(points: FloatArray) -> FloatArray:
    """The points, with a copy on both sides where they are all in one plane."""
    centered = points - points.mean(axis=0)
    axes = np.linalg.eigh(centered.T @ centered)[1].T  # the flattest direction first
    for axis in axes[:2]:  # a needle is flat in two of them
        if np.ptp(centered @ axis) < _THICKNESS:
            points = np.concatenate(
                [points + axis * _THICKNESS / 2, points - axis * _THICKNESS / 2]
            )
    return points
