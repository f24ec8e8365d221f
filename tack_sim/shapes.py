# SPDX-License-Identifier: Apache-2.0
"""Textured triangle meshes of simple things: box, can, mug.

Texture coordinates (s, t) run from the texture's top left to its bottom right. Each shape can say
where in space a texture coordinate lies, so that a printed mark has an exact 3D truth.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh with one texture coordinate for each vertex.

    Attributes:
        vertices: (N, 3) in the object's frame, m.
        texture: (N, 2) texture coordinates (s, t), 0 to 1.
        faces: (M, 3) int32 indices, counter-clockwise seen from outside.
    """

    vertices: FloatArray
    texture: FloatArray
    faces: NDArray[np.int32]

    def point_at(self, s: float, t: float) -> FloatArray:
        """(3,) the surface point that carries a texture coordinate, m.

        Raises:
            ValueError: no triangle covers it.
        """
        a, b, c = (self.texture[self.faces[:, i]] for i in range(3))
        basis = np.stack([b - a, c - a], axis=-1)
        determinant = np.linalg.det(basis)
        usable = np.abs(determinant) > 1e-12
        weights = np.full((len(self.faces), 2), -1.0)
        right = (np.array([s, t]) - a)[usable, :, None]
        weights[usable] = np.linalg.solve(basis[usable], right)[..., 0]
        outside = np.maximum(-weights.min(axis=1), weights.sum(axis=1) - 1)
        best = int(outside.argmin())
        if outside[best] > 1e-9:
            raise ValueError(f"texture coordinate ({s}, {t}) is not on the mesh")
        corners = self.vertices[self.faces[best]]
        point: FloatArray = corners[0] + weights[best] @ (corners[1:] - corners[0])
        return point


def merged(*meshes: Mesh) -> Mesh:
    """Several meshes as one; they share the texture."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.texture for mesh in meshes]),
        np.concatenate(
            [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
        ).astype(np.int32),
    )


BOX_CELLS = ("front", "back", "left", "right", "top", "bottom")
"""The faces of a box, in the order of their cells in the texture (left to right)."""


def box(width: float, depth: float, height: float) -> Mesh:
    """A box standing on z = 0, its front towards -y.

    The texture holds six cells side by side, in the order of `BOX_CELLS`.

    Args:
        width, depth, height: along x, y and z, m.
    """
    x, y, z = width / 2, depth / 2, height
    corners = {  # top left, top right, bottom right, bottom left, as one reads the face
        "front": [(-x, -y, z), (x, -y, z), (x, -y, 0), (-x, -y, 0)],
        "back": [(x, y, z), (-x, y, z), (-x, y, 0), (x, y, 0)],
        "left": [(-x, y, z), (-x, -y, z), (-x, -y, 0), (-x, y, 0)],
        "right": [(x, -y, z), (x, y, z), (x, y, 0), (x, -y, 0)],
        "top": [(-x, y, z), (x, y, z), (x, -y, z), (-x, -y, z)],
        "bottom": [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)],
    }
    vertices = np.array([corners[cell] for cell in BOX_CELLS], dtype=np.float64).reshape(-1, 3)
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=np.float64)
    cells = len(BOX_CELLS)
    texture = np.concatenate([(unit + np.array([i, 0])) / (cells, 1) for i in range(cells)])
    quad = np.array([(0, 2, 1), (0, 3, 2)])
    faces = np.concatenate([quad + 4 * i for i in range(cells)]).astype(np.int32)
    return Mesh(vertices, texture, faces)


def can(radius: float, height: float, *, label: float = 0.885, segments: int = 72) -> Mesh:
    """A closed cylinder standing on z = 0; the label starts at +x and runs counter-clockwise.

    The upper part of the texture, `label` of its height, is the label; the rest is the metal of the
    lid and the bottom.
    """
    wall = revolved([(radius, height), (radius, 0)], [0, label], segments)
    metal = [label + (1 - label) * f for f in (0.4, 0.5, 0.6, 0.7)]
    lid_profile = [
        (0, height - 0.003),
        (radius * 0.9, height - 0.003),
        (radius * 0.93, height + 0.002),
        (radius, height),
    ]
    lid = revolved(lid_profile, metal, segments)
    foot = revolved([(radius, 0), (0, 0)], metal[:2], segments)
    return merged(wall, lid, foot)


def mug(radius: float, height: float, *, segments: int = 72) -> Mesh:
    """A mug standing on z = 0 with its handle at +x.

    The upper 70 % of the texture (by t) is the outer wall, the rest the inside and the handle.
    """
    wall = 0.0035
    outer = revolved(
        [(radius, height), (radius, 0.006), (radius * 0.93, 0)], [0, 0.66, 0.7], segments
    )
    inner_radius = radius - wall
    inner = revolved(
        [
            (0, 0.005),
            (inner_radius * 0.9, 0.005),
            (inner_radius, 0.012),
            (inner_radius, height - 0.001),
            (radius - wall / 2, height + 0.001),
            (radius, height),
        ],
        [0.72, 0.75, 0.77, 0.82, 0.83, 0.84],
        segments,
    )
    foot = revolved([(radius * 0.93, 0), (0, 0)], [0.72, 0.76], segments)
    return merged(outer, inner, foot, _handle(radius, height))


def revolved(profile: list[tuple[float, float]], rows: list[float], segments: int) -> Mesh:
    """A profile turned about z, starting at +x and running counter-clockwise seen from above.

    Args:
        profile: (radius, z) in m, so ordered that the outside lies to the left of the way
            (downwards on an outer wall).
        rows: texture coordinate t of each profile point; s runs once around.
        segments: steps of one turn.
    """
    turns = np.linspace(0, 2 * np.pi, segments + 1)
    radius, z = np.array(profile, dtype=np.float64).T
    vertices = np.stack(
        [
            radius[:, None] * np.cos(turns),
            radius[:, None] * np.sin(turns),
            np.broadcast_to(z[:, None], (len(radius), len(turns))),
        ],
        axis=-1,
    )
    s, t = np.meshgrid(turns / (2 * np.pi), np.array(rows))
    return Mesh(
        vertices.reshape(-1, 3),
        np.stack([s, t], axis=-1).reshape(-1, 2),
        _grid(*vertices.shape[:2]),
    )


def _handle(radius: float, height: float) -> Mesh:
    """A bent tube with an oval section, both ends inside the mug's wall."""
    along = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 25)
    around = np.linspace(2 * np.pi, 0, 17)
    reach, half = 0.030, height * 0.31
    start = radius - 0.003
    centre = np.stack(
        [
            start + reach * np.cos(along) ** 0.7,
            np.zeros_like(along),
            height * 0.52 + half * np.sin(along),
        ],
        axis=1,
    )
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = np.array([0.0, 1.0, 0.0])
    outward = np.cross(across, tangent)
    section = (
        0.0045 * np.cos(around)[None, :, None] * outward[:, None, :]
        + 0.0075 * np.sin(around)[None, :, None] * across
    )
    vertices = centre[:, None, :] + section
    s, t = np.meshgrid(around / (2 * np.pi), 0.86 + 0.13 * np.linspace(0, 1, len(along)))
    return Mesh(
        vertices.reshape(-1, 3),
        np.stack([s, t], axis=-1).reshape(-1, 2),
        _grid(*vertices.shape[:2]),
    )


def _grid(rows: int, columns: int) -> NDArray[np.int32]:
    """The faces of a grid of vertices."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    first = np.stack([corner, corner + columns, corner + 1], axis=1)
    second = np.stack([corner + 1, corner + columns, corner + columns + 1], axis=1)
    return np.concatenate([first, second]).astype(np.int32)
