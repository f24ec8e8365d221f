# SPDX-License-Identifier: Apache-2.0
"""Convex pieces of objects: making them, their weight, and how an object comes to rest."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from tack_perception import geometry
from tack_perception.errors import InvalidInputError
from tack_sim.objects.model import Piece, RestPose
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]


def block(half: ArrayLike, place: ArrayLike, turn: float = 0.0, density: float = 1.0) -> Piece:
    """A box turned about z.

    Args:
        half: (3,) half lengths, m.
        place: (3,) its middle, m.
        turn: rad.
        density: relative to the object's other pieces.
    """
    x, y, z = np.asarray(half, dtype=np.float64).tolist()
    pose = geometry.from_axis_angle((0, 0, 1), turn, np.asarray(place, dtype=np.float64))
    return Piece("box", pose, (x, y, z), density_scale=density)


def capsule(start: ArrayLike, end: ArrayLike, radius: float, density: float = 1.0) -> Piece:
    """A capsule whose middle line runs between two points (3,), m."""
    pose, half = _between(start, end)
    return Piece("capsule", pose, (radius, half), density_scale=density)


def cylinder(start: ArrayLike, end: ArrayLike, radius: float, density: float = 1.0) -> Piece:
    """A cylinder with the middles of its ends at two points (3,), m."""
    pose, half = _between(start, end)
    return Piece("cylinder", pose, (radius, half), density_scale=density)


def hull(points: ArrayLike, density: float = 1.0) -> Piece:
    """The convex hull of points (N, 3), m; only its corners are kept."""
    cloud = np.asarray(points, dtype=np.float64)
    corners = cloud[ConvexHull(cloud).vertices]
    return Piece("hull", np.eye(4), vertices=corners, density_scale=density)


def volume(piece: Piece) -> float:
    """Of a piece, m³."""
    size = piece.size
    if piece.kind == "box":
        return 8 * size[0] * size[1] * size[2]
    if piece.kind == "sphere":
        return 4 / 3 * math.pi * size[0] ** 3
    if piece.kind == "hull":
        return _hull_moments(piece)[0]
    tube = 2 * math.pi * size[0] ** 2 * size[1]
    return tube + (4 / 3 * math.pi * size[0] ** 3 if piece.kind == "capsule" else 0.0)


def centre_of_mass(pieces: Sequence[Piece]) -> FloatArray:
    """(3,) of the pieces together; where they overlap, both count, as in the physics. m."""
    weights = np.array([volume(piece) * piece.density_scale for piece in pieces])
    middles = []
    for piece in pieces:
        local = np.zeros(3)
        if piece.kind == "hull":
            local = _hull_moments(piece)[1]
        middles.append(geometry.apply(piece.object_from_piece, local))
    middle: FloatArray = weights @ np.array(middles) / weights.sum()
    return middle


def distance(piece: Piece, points: ArrayLike) -> FloatArray:
    """How far points lie outside a piece; negative inside.

    Exact, but for a hull: beside its edges and corners it is a lower bound.

    Args:
        piece: the solid.
        points: (N, 3) in the object's frame, m.

    Returns:
        (N,) m.
    """
    places = np.asarray(points, dtype=np.float64)
    local = geometry.apply(geometry.inverse(piece.object_from_piece), places)
    if piece.vertices is not None:
        planes = ConvexHull(piece.vertices).equations
        outside: FloatArray = (local @ planes[:, :3].T + planes[:, 3]).max(axis=1)
        return outside
    if piece.kind == "sphere":
        return np.asarray(np.linalg.norm(local, axis=1) - piece.size[0], dtype=np.float64)
    if piece.kind == "capsule":
        local[:, 2] -= np.clip(local[:, 2], -piece.size[1], piece.size[1])
        return np.asarray(np.linalg.norm(local, axis=1) - piece.size[0], dtype=np.float64)
    if piece.kind == "cylinder":
        local = np.stack([np.hypot(local[:, 0], local[:, 1]), local[:, 2]], axis=1)
    beyond = np.abs(local) - np.array(piece.size)
    inside = np.minimum(beyond.max(axis=1), 0.0)
    return np.asarray(np.linalg.norm(np.maximum(beyond, 0), axis=1) + inside, dtype=np.float64)


def enclosed_volume(mesh: Mesh) -> float:
    """Of a closed surface, m³; where parts overlap, both count."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.einsum("nc,nc->", a, np.cross(b, c)) / 6)


def settled(
    name: str, rotation: ArrayLike, vertices: FloatArray, pieces: Sequence[Piece]
) -> RestPose:
    """The stable pose that an object rolls into, on a level table, from a rough one.

    Args:
        name: of the rest pose.
        rotation: (3, 3) rough, how the object is turned; made a true rotation.
        vertices: (N, 3) of the surface, m.
        pieces: give the centre of mass.

    Returns:
        The pose with the lowest point at z = 0 and the object's origin at x = y = 0.
    """
    return all_settled({name: rotation}, vertices, pieces)[0]


def all_settled(
    rotations: Mapping[str, ArrayLike], vertices: FloatArray, pieces: Sequence[Piece]
) -> tuple[RestPose, ...]:
    """As `settled`, for several rest poses by name."""
    solid = ConvexHull(vertices)
    normals = solid.equations[:, :3]
    height = -solid.equations[:, 3] - normals @ centre_of_mass(pieces)
    rests = []
    for name, rotation in rotations.items():
        left, _, right = np.linalg.svd(np.asarray(rotation, dtype=np.float64))
        rough = left @ right
        down = _rolled(-rough[2], normals, height)
        level = _turn_between(rough @ down, np.array([0.0, 0.0, -1.0])) @ rough
        lowest = float((vertices @ level[2]).min())
        rests.append(RestPose(name, geometry.make_transform(level, (0.0, 0.0, -lowest))))
    return tuple(rests)


def _rolled(down: FloatArray, normals: FloatArray, height: FloatArray) -> FloatArray:
    """(3,) which way is down once the hull came to rest on one of its faces.

    Args:
        down: (3,) which way it is at first.
        normals: (F, 3) of the hull's faces.
        height: (F,) of the centre of mass above each.
    """
    below = -1
    for _ in range(64):  # each roll brings the centre of mass lower, so that it comes to an end
        fall = normals @ down
        hit = int(np.argmin(np.where(fall > 1e-9, height / np.maximum(fall, 1e-9), np.inf)))
        if hit == below:
            break
        below, down = hit, normals[hit]
    return down


def _between(start: ArrayLike, end: ArrayLike) -> tuple[FloatArray, float]:
    """Pose with z along a segment, and half its length."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    length = float(np.linalg.norm(b - a))
    if not length > 0:
        raise InvalidInputError(f"a capsule or cylinder from {a} to itself: two points are needed")
    rotation = _turn_between(np.array([0.0, 0.0, 1.0]), (b - a) / length)
    return geometry.make_transform(rotation, (a + b) / 2), length / 2


def _turn_between(source: FloatArray, target: FloatArray) -> FloatArray:
    """(3, 3) smallest rotation that takes one unit vector to another."""
    axis = np.cross(source, target)
    sine, cosine = float(np.linalg.norm(axis)), float(source @ target)
    if sine < 1e-12:
        other = np.eye(3)[int(np.argmin(np.abs(source)))]
        axis = np.cross(source, other)
    turn: FloatArray = geometry.from_axis_angle(axis, math.atan2(sine, cosine))[:3, :3]
    return turn


@functools.lru_cache(maxsize=512)  # each rest pose and the body ask for the same pieces again
def _hull_moments(piece: Piece) -> tuple[float, FloatArray]:
    """Volume (m³) of a hull, and the (3,) centroid of it in the piece's frame."""
    assert piece.vertices is not None
    solid = ConvexHull(piece.vertices)
    inner = piece.vertices.mean(axis=0)
    a, b, c = (piece.vertices[solid.simplices[:, i]] - inner for i in range(3))
    share = np.abs(np.einsum("nc,nc->n", a, np.cross(b, c)))
    middle: FloatArray = inner + (share @ (a + b + c)) / (4 * share.sum())
    return float(solid.volume), middle
