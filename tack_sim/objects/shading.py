# SPDX-License-Identifier: Apache-2.0
"""Normals for shading: smooth over round surfaces and seams of the texture, sharp at edges."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]


def face_normals(mesh: Mesh) -> FloatArray:
    """(M, 3) unit normals of the triangles, outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    units: FloatArray = normals / np.maximum(length, 1e-30)
    return units


def corner_normals(mesh: Mesh, crease: float = math.radians(38)) -> FloatArray:
    """Normals at the corners of each triangle.

    Args:
        mesh: vertices at the same place count as one, so that no seam shows.
        crease: surfaces that meet at a larger angle keep a sharp edge, rad.

    Returns:
        (M, 3, 3) unit vectors: triangle, corner, coordinate.
    """
    flat = face_normals(mesh)
    places = np.unique(np.round(mesh.vertices, 7), axis=0, return_inverse=True)[1].reshape(-1)
    corners = np.arange(mesh.faces.size)
    touch = scipy.sparse.csr_matrix(
        (np.ones(len(corners), np.int32), (corners, places[mesh.faces].ravel()))
    )
    pairs = (touch @ touch.T).tocoo()
    mine, other = pairs.row // 3, pairs.col // 3
    close = np.einsum("nc,nc->n", flat[mine], flat[other]) > math.cos(crease)
    # Weighted by the corner's angle: the way that a surface is cut into triangles does not show.
    weight = _corner_angles(mesh).ravel()[pairs.col[close]]
    average = scipy.sparse.csr_matrix(
        (weight, (pairs.row[close], other[close])), shape=(len(corners), len(flat))
    )
    normals = average @ flat
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    shaped: FloatArray = normals.reshape(-1, 3, 3)
    return shaped


def _corner_angles(mesh: Mesh) -> FloatArray:
    """(M, 3) inner angles of the triangles, rad."""
    corners = mesh.vertices[mesh.faces]
    angles = []
    for i in range(3):
        u = corners[:, (i + 1) % 3] - corners[:, i]
        v = corners[:, (i + 2) % 3] - corners[:, i]
        sine = np.linalg.norm(np.cross(u, v), axis=1)
        angles.append(np.arctan2(sine, np.einsum("nc,nc->n", u, v)))
    return np.stack(angles, axis=1)
