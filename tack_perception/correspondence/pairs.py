# SPDX-License-Identifier: Apache-2.0
"""Pixels of two views that show the same point of a surface.

Within a scene a pixel's depth carries it to the other view. Between scenes the canonical coordinate
does: the same face and weights, on the other instance, in its place. In both cases the other view's
depth tells whether the point is hidden there.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence.manifest import Manifest
from tack_perception.correspondence.view import SeenObject, View
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

# What a point may lie beside the second view's surface: a length (m), and a share of its depth.
_TRUE_TOLERANCE = (0.001, 0.002)
_MEASURED_TOLERANCE = (0.003, 0.012)
_FACING = 0.05  # cosine of the flattest angle at which a surface is taken to be seen
_STEP = 0.015  # m, a larger depth difference between neighbours is an edge: not decided there
_SURPLUS = 4  # candidates for each pair wanted; most are hidden or outside in the other view


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """N correspondences.

    Attributes:
        first: (N, 2) pixels (u, v) in the first view: pixel centres.
        second: (N, 2) pixels in the second view, between pixels as a rule.
        first_object, second_object: (N,) index into the views' objects, −1 for the background.
    """

    first: FloatArray
    second: FloatArray
    first_object: IntArray
    second_object: IntArray

    def __len__(self) -> int:
        return len(self.first)


class Shapes(Protocol):
    """What is needed to carry canonical coordinates from one instance to another."""

    @property
    def manifest(self) -> Manifest:
        """Which instance is of which class."""

    def surface(
        self, instance: str, face: NDArray[np.integer], weights: NDArray[np.floating]
    ) -> FloatArray:
        """Canonical coordinates → (N, 3) places on an instance, in its frame, m."""

    def normals(self, instance: str, face: NDArray[np.integer]) -> FloatArray:
        """(N, 3) outward unit normals of triangles (N,) of an instance, in its frame."""


def draw_pairs(
    shapes: Shapes,
    first: View,
    second: View,
    n: int,
    rng: np.random.Generator,
    *,
    background: bool = False,
) -> Pairs:
    """Draw up to `n` pairs, without repeating a pixel of the first view.

    Args:
        shapes: of the instances; asked only if the views are of different scenes.
        first, second: the views.
        n: number wanted.
        rng: source of all randomness.
        background: within a scene, draw on everything with a depth and not on objects alone. Where
            a view has no instance map that is so anyhow.

    Returns:
        Fewer than `n` where the views have less in common.

    Raises:
        InvalidInputError: what this needs is not known of the views; says what.
    """
    if first.scene == second.scene:
        return _within_scene(shapes, first, second, n, rng, background=background)
    return _across_scenes(shapes, first, second, n, rng)


def _within_scene(
    shapes: Shapes,
    first: View,
    second: View,
    n: int,
    rng: np.random.Generator,
    *,
    background: bool,
) -> Pairs:
    depth, _ = _needed(first)
    usable = np.isfinite(depth)
    if first.instance is not None and not background:
        usable &= first.instance > 0
    rows, columns = _drawn(usable, n, rng)
    pixels = np.column_stack([columns, rows]).astype(np.float64)
    local = first.intrinsics.deproject(pixels, depth[rows, columns])
    world = geometry.apply(_pose(first), local)
    owners = _owners(first, rows, columns)
    both_known = first.instance is not None and second.instance is not None
    targets, seen = _seen(second, world, owners if both_known else None)
    if first.canonical is not None:
        face = first.canonical.face[rows, columns]
        for index, thing in enumerate(first.objects):
            mine = np.flatnonzero(owners == index)
            seen[mine] &= _facing(shapes, second, thing, face[mine], world[mine])
    return _pairs(pixels, targets, owners, owners, seen, n)


def _across_scenes(
    shapes: Shapes, first: View, second: View, n: int, rng: np.random.Generator
) -> Pairs:
    if first.canonical is None or first.instance is None:
        raise InvalidInputError(
            "the first view has no canonical map: pairs between scenes need one. Views of one scene"
            " (the same `scene` number) are paired by depth and pose"
        )
    _needed(second)
    matches = _matching_objects(shapes.manifest, first, second)
    found = []
    for mine, theirs in matches:
        rows, columns = _drawn(first.instance == mine + 1, -(-n // len(matches)), rng)
        other = second.objects[theirs]
        if other.world_from_object is None:
            raise InvalidInputError(f"the pose of {other.instance} is not known in the second view")
        places = shapes.surface(
            other.instance,
            first.canonical.face[rows, columns],
            first.canonical.weights[rows, columns],
        )
        owner = np.full(len(rows), theirs)
        world = geometry.apply(other.world_from_object, places)
        targets, seen = _seen(second, world, None if second.instance is None else owner)
        seen &= _facing(shapes, second, other, first.canonical.face[rows, columns], world)
        pixels = np.column_stack([columns, rows]).astype(np.float64)
        found.append(_pairs(pixels, targets, np.full(len(rows), mine), owner, seen, n))
    return _mixed(found, n, rng)


def _matching_objects(manifest: Manifest, first: View, second: View) -> list[tuple[int, int]]:
    def category(name: str) -> str:
        if name not in manifest.instances:
            raise InvalidInputError(f"instance {name!r} is not in the manifest")
        return manifest.instances[name].category

    return [
        (mine, theirs)
        for mine, one in enumerate(first.objects)
        for theirs, other in enumerate(second.objects)
        if category(one.instance) == category(other.instance)
    ]


def _needed(view: View) -> tuple[NDArray[np.float32], FloatArray]:
    depth = view.best_depth
    if depth is None:
        raise InvalidInputError("a view has no depth: pairs cannot be checked for what hides them")
    return depth, _pose(view)


def _pose(view: View) -> FloatArray:
    if view.world_from_camera is None:
        raise InvalidInputError("a view has no world_from_camera: pairs need the cameras' poses")
    return view.world_from_camera


def _drawn(usable: Mask, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Rows and columns of candidates, in random order."""
    candidates = np.flatnonzero(usable)
    count = min(len(candidates), _SURPLUS * n)
    drawn = rng.choice(candidates, count, replace=False) if count else candidates
    rows, columns = np.divmod(drawn, usable.shape[1])
    return rows, columns


def _owners(view: View, rows: IntArray, columns: IntArray) -> IntArray:
    if view.instance is None:
        return np.full(len(rows), -1, dtype=np.int64)
    return view.instance[rows, columns].astype(np.int64) - 1


def _facing(
    shapes: Shapes, view: View, thing: SeenObject, face: NDArray[np.int32], world: FloatArray
) -> Mask:
    """(N,) whether triangles turn their outside to the camera: a thin wall has two sides."""
    if thing.world_from_object is None:
        return np.ones(len(face), dtype=np.bool_)
    normals = geometry.rotate(thing.world_from_object, shapes.normals(thing.instance, face))
    away = _pose(view)[:3, 3] - world
    cosine = np.einsum("nc,nc->n", normals, away) / np.linalg.norm(away, axis=1)
    return np.asarray(cosine > _FACING)


def _seen(view: View, world: FloatArray, owners: IntArray | None) -> tuple[FloatArray, Mask]:
    """(N, 2) pixels of points, and whether each is in the picture with nothing before it."""
    depth, pose = _needed(view)
    local = geometry.apply(geometry.inverse(pose), world)
    pixels = view.intrinsics.project(local)
    last = (view.intrinsics.width - 1, view.intrinsics.height - 1)
    with np.errstate(invalid="ignore"):
        seen: Mask = np.all((pixels >= 0) & (pixels <= last), axis=1)
    low = np.where(seen[:, None], np.floor(pixels), 0).astype(np.int64)
    low = np.minimum(low, np.maximum(np.array(last) - 1, 0))
    high = np.minimum(low + 1, last)
    corners = [
        (row, column) for row in (low[:, 1], high[:, 1]) for column in (low[:, 0], high[:, 0])
    ]
    around = np.stack([depth[row, column] for row, column in corners])
    near, far = around.min(axis=0), around.max(axis=0)  # NaN where one of the four is
    length, share = _MEASURED_TOLERANCE if view.true_depth is None else _TRUE_TOLERANCE
    tolerance = length + share * local[:, 2]
    with np.errstate(invalid="ignore"):
        seen &= (local[:, 2] > near - tolerance) & (local[:, 2] < far + tolerance)
        seen &= far - near < _STEP
    if owners is not None and view.instance is not None:
        for row, column in corners:
            seen &= view.instance[row, column] == owners + 1
    return pixels, seen


def _pairs(
    first: FloatArray, second: FloatArray, mine: IntArray, theirs: IntArray, seen: Mask, n: int
) -> Pairs:
    kept = np.flatnonzero(seen)[:n]
    return Pairs(first[kept], second[kept], mine[kept], theirs[kept])


def _mixed(parts: list[Pairs], n: int, rng: np.random.Generator) -> Pairs:
    """Some of all parts; a pixel of the first view that is in several parts is kept once."""
    if not parts:
        nothing, none = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing, none, none)
    fields = ("first", "second", "first_object", "second_object")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in fields}
    order = rng.permutation(len(joined["first"]))
    _, single = np.unique(joined["first"][order], axis=0, return_index=True)
    kept = order[np.sort(single)][:n]
    return Pairs(*(joined[name][kept] for name in fields))
