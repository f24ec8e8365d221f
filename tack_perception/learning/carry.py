# SPDX-License-Identifier: Apache-2.0
"""Carries the surface points of an object in one view to another view of it, or of its like."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence.view import NOT_KNOWN
from tack_perception.learning.pack import Pack

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
FACING = 0.05  # cosine of the flattest angle at which a surface is taken to be seen
NEAR = (0.003, 0.005)  # m, and share of the depth: how far a point may lie before the surface
NEAR_MEASURED = (0.006, 0.015)


@dataclasses.dataclass(frozen=True, eq=False)
class Carried:
    """N points of an object in the second view.

    Attributes:
        source: (N, 2) px in the first view.
        pixels: (N, 2) px in the second view, NaN where not known.
        depth: (N,) along the optical axis of the second view, m, NaN where not known.
        known: (N,) whether it is known where the point is there, seen or hidden.
        visible: (N,) whether it is seen there.
    """

    source: FloatArray
    pixels: FloatArray
    depth: FloatArray
    known: Mask
    visible: Mask


def carry(first: Pack, mine: int, second: Pack, theirs: int) -> Carried:
    """Carry the points of one thing to another: by canonical coordinates, or by depth and pose.

    Args:
        first, second: the packs.
        mine, theirs: numbers of the things; of one instance, or of two of one class.

    Returns:
        All points of the first thing; not known where nothing tells (two instances without shapes,
        two scenes without poses).
    """
    thing, other = first.things[mine], second.things[theirs]
    count = int(thing["count"])
    source = thing["point_pixel"][:count].astype(np.float64)
    nothing = np.zeros(count, np.bool_)
    unknown = Carried(source, np.full((count, 2), np.nan), np.full(count, np.nan), nothing, nothing)
    found = _by_shape(thing, second, other, count)
    if found is None:
        found = _by_depth(first, thing, second, other, source)
    if found is None:
        return unknown
    local, facing = found
    view = second.views[other["view"]]
    pixels = _project(view["intrinsics"], local)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(pixels).all(axis=1) & (local[:, 2] > 0.01)
    seen = _uncovered(second, other, pixels, local[:, 2], bool(view["measured"]))
    visible = known & facing & seen
    known &= ~_untold(second, other, pixels)
    return Carried(source, pixels, local[:, 2], known, visible)


def _by_shape(thing: Any, second: Pack, other: Any, count: int) -> tuple[FloatArray, Mask] | None:
    """(N, 3) in the second camera by canonical coordinates, and whether they face it."""
    shape = second.shapes[int(other["instance"])]
    face = thing["point_face"][:count]
    if shape is None or not other["posed"] or (face < 0).any():
        return None
    corners = shape.vertices[shape.faces[face]].astype(np.float64)
    weights = thing["point_weights"][:count].astype(np.float64)
    camera_from_object = other["camera_from_object"]
    local = geometry.apply(camera_from_object, np.einsum("nc,ncd->nd", weights, corners))
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = geometry.rotate(camera_from_object, normals)
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(local, axis=1)
    cosine = -np.einsum("nc,nc->n", normals, local) / np.maximum(lengths, 1e-30)
    return local, cosine > FACING


def _by_depth(
    first: Pack, thing: Any, second: Pack, other: Any, source: FloatArray
) -> tuple[FloatArray, Mask] | None:
    """The same by the first view's depth and both poses, in one scene."""
    one, two = first.views[thing["view"]], second.views[other["view"]]
    if first is not second or one["scene"] != two["scene"] or not (one["posed"] and two["posed"]):
        return None
    columns, rows = source.astype(np.int64).T
    depth = first.depth[int(thing["view"])][rows, columns] * first.depth_unit
    depth = np.where(depth > 0, depth, np.nan)
    fx, fy, cx, cy = one["intrinsics"]
    rays = np.column_stack(
        [(source[:, 0] - cx) / fx, (source[:, 1] - cy) / fy, np.ones(len(depth))]
    )
    world = geometry.apply(one["world_from_camera"], rays * depth[:, None])
    local = geometry.apply(geometry.inverse(two["world_from_camera"]), world)
    return local, np.ones(len(depth), np.bool_)


def _project(intrinsics: Any, local: FloatArray) -> FloatArray:
    fx, fy, cx, cy = intrinsics
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = local[:, 2] > 0.01
        u = np.where(ahead, local[:, 0] / local[:, 2] * fx + cx, np.nan)
        v = np.where(ahead, local[:, 1] / local[:, 2] * fy + cy, np.nan)
    return np.column_stack([u, v])


def _shown(
    pack: Pack, thing: Any, pixels: FloatArray
) -> tuple[Mask, NDArray[np.uint8], FloatArray]:
    """(N,) whether pixels lie in a thing's view, and which object and depth (m) it has there."""
    number = int(thing["view"])
    ids, surface = pack.instance[number], pack.depth[number]
    height, width = ids.shape
    with np.errstate(invalid="ignore"):
        inside: Mask = np.all((pixels >= -0.5) & (pixels < np.array([width, height]) - 0.5), axis=1)
    at = np.rint(np.where(inside[:, None], pixels, 0)).astype(np.int64)
    columns, rows = np.clip(at, 0, (width - 1, height - 1)).T
    return inside, ids[rows, columns], surface[rows, columns] * pack.depth_unit


def _uncovered(
    pack: Pack, thing: Any, pixels: FloatArray, depth: FloatArray, measured: bool
) -> Mask:
    """(N,) whether the pixel shows this object, at this depth."""
    inside, seen, here = _shown(pack, thing, pixels)
    length, share = NEAR_MEASURED if measured else NEAR
    with np.errstate(invalid="ignore"):
        near = np.abs(here - depth) < length + share * depth
    clear: Mask = inside & near & ((seen == int(thing["object"]) + 1) | (seen == NOT_KNOWN))
    return clear


def _untold(pack: Pack, thing: Any, pixels: FloatArray) -> Mask:
    """(N,) whether nothing tells what the pixel shows: neither an object nor a depth."""
    inside, seen, here = _shown(pack, thing, pixels)
    untold: Mask = inside & (seen == NOT_KNOWN) & (here == 0)
    return untold
