# SPDX-License-Identifier: Apache-2.0
"""Rest poses and top-down grasps of a mesh of which nothing is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tack_sim.objects import solids
from tack_sim.objects.model import Piece, RestPose, SurfacePoint, TopGrasp
from tack_sim.shapes import Mesh

FloatArray = NDArray[np.float64]

STROKE = 0.08
"""Opening of the narrower of the grippers that the cell has, m."""

_FINGER = 0.011  # m, half width of a finger
_REACH = 0.03  # m that finger tips go below the point at most
_CLEARANCE = 0.003  # m that they stay above the table
_SPARE = 0.006  # m of opening beyond the object's width
_ROOM = 0.02  # m, gap that a finger goes into
_TURNS = np.radians(np.arange(0, 180, 5.0))
_SAMPLES = 4000
_MOST_RESTS = 6


def rest_poses(pieces: Sequence[Piece]) -> tuple[RestPose, ...]:
    """The ways in which convex pieces come to rest: put down upright first, then lowest first."""
    cloud = np.concatenate(
        [
            piece.vertices @ piece.object_from_piece[:3, :3].T + piece.object_from_piece[:3, 3]
            for piece in pieces
            if piece.vertices is not None
        ]
    )
    centre = solids.centre_of_mass(pieces)
    upright = solids.settled("upright", np.eye(3), cloud, pieces)
    found = [upright]
    for direction in itertools.product((-1.0, 0.0, 1.0), repeat=3):
        if np.abs(direction).sum() not in (1, 3):  # along axes and space diagonals
            continue
        rough = _turn_down(np.array(direction) / np.linalg.norm(direction))
        pose = solids.settled("", rough, cloud, pieces)
        if all(pose.table_from_object[2, :3] @ p.table_from_object[2, :3] < 0.996 for p in found):
            found.append(pose)
    others = sorted(found[1:], key=lambda p: float(p.table_from_object[2] @ (*centre, 1.0)))
    named = [RestPose(f"side_{i + 1}", p.table_from_object) for i, p in enumerate(others)]
    return (upright, *named[: _MOST_RESTS - 1])


def top_point(mesh: Mesh, rest: RestPose, centre: FloatArray) -> SurfacePoint:
    """The highest surface point above a place (3,), or the nearest to it in plan if none is."""
    table = rest.table_from_object
    corners = (mesh.vertices @ table[:3, :3].T + table[:3, 3])[mesh.faces]
    target = table[:2, :3] @ centre + table[:2, 3]
    a, b, c = (corners[:, i, :2] - target for i in range(3))
    area = _cross(b - a, c - a)
    usable = area > 1e-14  # looks up
    weights = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], axis=1)
    weights = weights / np.where(usable, area, 1.0)[:, None]
    inside = usable & (weights.min(axis=1) >= -1e-9)
    if inside.any():
        height = np.where(inside, np.einsum("nc,nc->n", weights, corners[..., 2]), -np.inf)
        face = int(height.argmax())
        first, second = (float(w) for w in np.clip(weights[face, :2], 0, 1))
        return SurfacePoint(face, (first, second, 1.0 - first - second))
    middle = corners.mean(axis=1)
    away = np.linalg.norm(middle[:, :2] - target, axis=1) - 0.1 * middle[:, 2]
    return SurfacePoint(int(away.argmin()), (1 / 3, 1 / 3, 1 - 2 / 3))


def top_grasp(
    mesh: Mesh, rest: RestPose, name: str, point: SurfacePoint, stroke: float
) -> TopGrasp | None:
    """The grasp from above at a point across the narrowest width there, None if none fits.

    Args:
        mesh: the object.
        rest: how it lies.
        name, point: where.
        stroke: largest opening of the gripper, m.
    """
    table = rest.table_from_object
    places = _samples(mesh) @ table[:3, :3].T + table[:3, 3]
    corners = mesh.vertices[mesh.faces[point.face]]
    at = table[:3, :3] @ (np.asarray(point.weights) @ corners) + table[:3, 3]
    depth = min(_REACH, float(at[2]) - _CLEARANCE)
    if depth <= 0.002:
        return None
    beside = places[places[:, 2] > at[2] - depth, :2] - at[:2]
    best: tuple[float, float] | None = None
    for turn in _TURNS:
        closing = np.array([np.cos(turn), np.sin(turn)])
        band = np.abs(beside @ (-closing[1], closing[0])) < _FINGER
        width = 2 * max(_half_width(side * (beside[band] @ closing)) for side in (1.0, -1.0))
        if 0 < width <= stroke - _SPARE and (best is None or width < best[0] - 1e-4):
            best = (width, float(turn))
    if best is None:
        return None
    width, turn = best
    closing = table[:3, :3].T @ (np.cos(turn), np.sin(turn), 0.0)
    return TopGrasp(name, rest.name, closing, width, depth)


def _half_width(along: FloatArray) -> float:
    """How far the object reaches from the point to where a finger has room beside it, m."""
    reach = np.concatenate([[0.0], np.sort(along[along > 0])])
    gaps = np.flatnonzero(np.diff(reach) > _ROOM)
    return float(reach[gaps[0] if len(gaps) else -1])


def _samples(mesh: Mesh) -> FloatArray:
    """(N, 3) vertices and places spread evenly over the surface; the same each time."""
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(area), _SAMPLES, p=area / area.sum())
    weights = rng.dirichlet((1.0, 1.0, 1.0), _SAMPLES)
    return np.concatenate([mesh.vertices, np.einsum("nc,ncd->nd", weights, corners[chosen])])


def _turn_down(direction: FloatArray) -> FloatArray:
    """(3, 3) a rotation that takes a unit vector to -z."""
    other = np.eye(3)[int(np.argmin(np.abs(direction)))]
    first = np.cross(other, direction)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(-direction, first), -direction])


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    product: FloatArray = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return product
