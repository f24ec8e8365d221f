# SPDX-License-Identifier: Apache-2.0
"""Surfaces of fixed topology: the same arguments' sizes give the same faces, whatever the shape.

All are grids of vertices, wound counter-clockwise seen from outside, with texture coordinates in a
rectangle (s0, t0, s1, t1) of the object's atlas; t runs down. Where a grid closes on itself, its
last vertices lie exactly on its first, so that parts are watertight once equal places are welded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tack_perception.errors import InvalidInputError
from tack_sim.objects.model import SurfacePoint
from tack_sim.shapes import Mesh, merged

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
Area = tuple[float, float, float, float]


def grid(
    points: FloatArray,
    area: Area,
    *,
    s: ArrayLike | None = None,
    t: ArrayLike | None = None,
    flip: bool = False,
) -> Mesh:
    """A sheet over a grid of points; triangles without area are left out.

    Args:
        points: (R, C, 3), m. Seen from outside, rows run down and columns to the right.
        area: rectangle of the atlas.
        s, t: (C,) and (R,), or (R, C) each: place within the area, 0 to 1. Even steps if None.
        flip: turn the sheet inside out (columns then run to the left seen from outside).

    Raises:
        InvalidInputError: not a grid of at least 2 by 2 points.
    """
    if points.ndim != 3 or points.shape[2] != 3 or min(points.shape[:2]) < 2:
        raise InvalidInputError(f"a grid of points {points.shape}: (R, C, 3) from 2 x 2 on")
    rows, columns = points.shape[:2]
    along = np.asarray(np.linspace(0, 1, columns) if s is None else s, dtype=np.float64)
    down = np.asarray(np.linspace(0, 1, rows) if t is None else t, dtype=np.float64)
    down = down[:, None] if down.ndim == 1 else down
    try:
        along = np.broadcast_to(along, (rows, columns))
        down = np.broadcast_to(down, (rows, columns))
    except ValueError:
        raise InvalidInputError(
            f"texture steps {along.shape} and {down.shape} for a grid of {rows} x {columns}"
        ) from None
    s0, t0, s1, t1 = area
    texture = np.stack([s0 + (s1 - s0) * along, t0 + (t1 - t0) * down], axis=-1)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    first = np.stack([corner, corner + columns, corner + 1], axis=1)
    second = np.stack([corner + 1, corner + columns, corner + columns + 1], axis=1)
    faces = np.stack([first, second], axis=1).reshape(-1, 3)
    faces = faces[:, ::-1] if flip else faces
    vertices = np.ascontiguousarray(points.reshape(-1, 3), dtype=np.float64)
    faces = faces[_has_area(vertices, faces)]
    return Mesh(vertices, texture.reshape(-1, 2), np.ascontiguousarray(faces, dtype=np.int32))


def revolve(
    profile: ArrayLike,
    area: Area,
    *,
    around: int = 64,
    rows: ArrayLike | None = None,
    planar: bool = False,
    start: float = 0.0,
) -> Mesh:
    """A profile turned about z.

    Args:
        profile: (N, 2) radius and z, m, so ordered that the outside lies to the left of the way:
            downwards on an outer wall, outwards on a top, inwards on a bottom. A radius of exactly
            0 at an end closes the surface on the axis.
        area: rectangle of the atlas. s runs once around, counter-clockwise seen from above.
        around: steps of one turn.
        rows: (N,) place of each profile point within the area, 0 (top) to 1; by its way along
            the profile if None.
        planar: lay the texture flat over the surface as seen along the axis from outside, for
            lids and bottoms, instead of around it.
        start: angle at which s is 0, rad; 0 is +x.
    """
    radius, z = np.asarray(profile, dtype=np.float64).T
    turns = start + np.linspace(0, 2 * np.pi, around + 1)
    circle = closed(np.stack([np.cos(turns), np.sin(turns)], axis=1))
    points = np.empty((len(radius), around + 1, 3))
    points[..., :2] = radius[:, None, None] * circle
    points[..., 2] = z[:, None]
    if not planar:
        return grid(points, area, t=way(np.stack([radius, z], 1)) if rows is None else rows)
    side = 1.0 if radius[-1] > radius[0] else -1.0
    flat = points[..., :2] / (2 * radius.max())
    return grid(points, area, s=0.5 + side * flat[..., 0], t=0.5 - flat[..., 1])


def sweep(
    path: ArrayLike,
    radii: ArrayLike,
    area: Area,
    *,
    across: ArrayLike = (0.0, 1.0, 0.0),
    exponent: ArrayLike = 2.0,
    around: int = 24,
    rows: ArrayLike | None = None,
    caps: bool = True,
) -> Mesh:
    """A tube along a path, with a superellipse for a section.

    Args:
        path: (N, 3) its middle line, m.
        radii: (N, 2) half sizes of the section along `across` and along tangent x `across`, or
            (N,) for both; m. A radius of exactly 0 at an end closes the tube in a point.
        area: rectangle of the atlas; s falls from 1 to 0 from +`across` around towards
            tangent x `across`, t runs along the path.
        across: (3,) or (N, 3) direction that the section's first axis keeps to.
        exponent: of the superellipse, one or (N,): 2 is round, 4 squarish.
        around: steps around the section.
        rows: (N,) place of each section within the area; by its way along the path if None.
        caps: close the ends flat; not needed where the radius is 0.

    Raises:
        InvalidInputError: the path runs along `across` somewhere.
    """
    path = np.asarray(path, dtype=np.float64)
    axis, other = section_axes(path, across)
    sizes = np.asarray(radii, dtype=np.float64)
    sizes = np.stack([sizes, sizes], axis=1) if sizes.ndim == 1 else sizes
    power = np.broadcast_to(np.asarray(exponent, dtype=np.float64), (len(path),))
    turn = superellipse(power[:, None], around)
    points = path[:, None] + sum(
        sizes[:, None, i, None] * turn[..., i, None] * direction[:, None]
        for i, direction in enumerate((axis, other))
    )
    inside = way(path) if rows is None else np.asarray(rows, dtype=np.float64)
    if caps:
        points = np.concatenate(
            [
                np.broadcast_to(path[:1, None], points[:1].shape),
                points,
                np.broadcast_to(path[-1:, None], points[:1].shape),
            ]
        )
        inside = np.concatenate([inside[:1], inside, inside[-1:]])
    backwards = np.linspace(1, 0, around + 1)  # seen from outside, print is not mirrored
    return grid(points, area, s=backwards, t=inside, flip=True)


def section_axes(path: FloatArray, across: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The two axes of the sections of a path: `across` made square to it, and tangent x that.

    Args:
        path: (N, 3), m.
        across: (3,) or (N, 3).

    Returns:
        Two of (N, 3) unit vectors.

    Raises:
        InvalidInputError: the path runs along `across` somewhere.
    """
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    axis = np.broadcast_to(np.asarray(across, dtype=np.float64), path.shape)
    axis = axis - np.sum(axis * tangent, axis=1, keepdims=True) * tangent
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    if length.min() < 1e-6:
        raise InvalidInputError("a tube's path runs along `across`: choose another direction")
    axis = axis / length
    return axis, np.cross(tangent, axis)


def superellipse(exponent: ArrayLike, around: int, start: float = 0.0) -> FloatArray:
    """A closed curve of unit half sizes, counter-clockwise from `start`, the first point repeated.

    Args:
        exponent: 2 is a circle, larger is squarer; a column (N, 1) gives N curves.
        around: steps of one turn.
        start: angle of the first point, rad.

    Returns:
        (…, around + 1, 2).
    """
    turns = start + np.linspace(0, 2 * np.pi, around + 1)
    sides = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    power = np.asarray(exponent, dtype=np.float64)
    scale = (np.abs(sides[:, 0]) ** power + np.abs(sides[:, 1]) ** power) ** (-1 / power)
    return closed(scale[..., None] * sides)


def closed(ring: FloatArray) -> FloatArray:
    """The points (…, N, D) with the last made exactly the first: rounding would leave a gap."""
    ring = np.array(ring, dtype=np.float64)
    ring[..., -1, :] = ring[..., 0, :]
    return ring


def way(points: FloatArray) -> FloatArray:
    """(N,) share of the way along a polyline (N, D) at each of its points, 0 to 1."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    share: FloatArray = total / max(float(total[-1]), 1e-12)
    return share


def assemble(parts: Sequence[tuple[str, Mesh]]) -> tuple[Mesh, IntArray, tuple[str, ...]]:
    """Meshes of named parts as one; several meshes may belong to one part.

    Returns:
        The mesh, (M,) int32 index of each face's part, and the parts' names in order of appearance.
    """
    names = tuple(dict.fromkeys(name for name, _ in parts))
    part_of_face = np.concatenate(
        [np.full(len(mesh.faces), names.index(name), np.int32) for name, mesh in parts]
    )
    return merged(*(mesh for _, mesh in parts)), part_of_face, names


def surface_point_nearest(mesh: Mesh, faces: NDArray[np.integer], place: ArrayLike) -> SurfacePoint:
    """The surface point nearest to a place, on some of the faces.

    Named points are found like this once, on the family's middle shape; the (face, weights) then
    name the same place on every instance.

    Args:
        mesh: of the middle shape.
        faces: (K,) indices of the faces to choose from.
        place: (3,), m.
    """
    target = np.asarray(place, dtype=np.float64)
    a, b, c = (mesh.vertices[mesh.faces[faces, i]] for i in range(3))
    weights = _nearest_weights(a, b, c, target)
    reached = weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c
    best = int(np.argmin(np.linalg.norm(reached - target, axis=1)))
    first, second = (round(float(w), 6) for w in weights[best, :2])
    return SurfacePoint(int(faces[best]), (first, second, 1.0 - first - second))


def _nearest_weights(a: FloatArray, b: FloatArray, c: FloatArray, place: FloatArray) -> FloatArray:
    """(K, 3) weights of the points of K triangles that are nearest to a place."""
    u, v, w = b - a, c - a, place - a
    uu, uv, vv = (np.sum(x * y, axis=1) for x, y in ((u, u), (u, v), (v, v)))
    uw, vw = np.sum(u * w, axis=1), np.sum(v * w, axis=1)
    scale = np.maximum(uu * vv - uv * uv, 1e-30)
    second, third = (vv * uw - uv * vw) / scale, (uu * vw - uv * uw) / scale
    inner = np.stack([1 - second - third, second, third], axis=1)
    corners = (a, b, c)
    candidates = [inner]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge = corners[j] - corners[i]
        share = np.sum((place - corners[i]) * edge, axis=1) / np.maximum(
            np.sum(edge * edge, axis=1), 1e-30
        )
        on_edge = np.zeros_like(inner)
        on_edge[:, j] = np.clip(share, 0, 1)
        on_edge[:, i] = 1 - on_edge[:, j]
        candidates.append(on_edge)
    stacked = np.stack(candidates)
    reached = np.einsum("nkc,ckd->nkd", stacked, np.stack(corners))
    distance = np.linalg.norm(reached - place, axis=2)
    distance[0][inner.min(axis=1) < 0] = np.inf
    nearest: FloatArray = stacked[distance.argmin(axis=0), np.arange(len(a))]
    return nearest


def _has_area(vertices: FloatArray, faces: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which faces have three different corners: on an axis, a grid's corners fall together."""
    corners = vertices[faces]
    apart = np.abs(corners - np.roll(corners, 1, axis=1)).max(axis=2) > 1e-9
    distinct: NDArray[np.bool_] = apart.all(axis=1)
    return distinct
