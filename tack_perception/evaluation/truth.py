# SPDX-License-Identifier: Apache-2.0
"""Where places on an object are in a view, and whether they can be seen there.

Three answers are possible: seen, hidden, or not decided. The last is given at depth edges and
grazing angles, where no one could say for sure; such points are asked for in no trial.
"""

from __future__ import annotations

import dataclasses
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet, View
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TOLERANCE = {True: (0.001, 0.002), False: (0.003, 0.012)}  # true depth or not: m, share of depth
_STEP = 0.015  # m between neighbours: an edge
_FACING = 0.05  # cosine from which a surface is taken to be seen
_BEHIND = 0.004  # m beyond the tolerance from which a point is taken to be hidden
_NEIGHBOURS = ((0, 0), (0, 1), (1, 0), (1, 1))


class State(str, Enum):
    """What is true of a point in a query."""

    SEEN = "seen"
    HIDDEN = "hidden"  # by its own object or by another thing of the scene
    COVERED = "covered"  # by an occluder that the evaluation put there
    ABSENT = "absent"  # nothing of its class is in the scene
    UNSURE = "unsure"
    OUTSIDE = "outside"  # of the picture


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """N places as a view shows them.

    Attributes:
        pixels: (N, 2).
        xyz: (N, 3) in the camera's optical frame, m.
        states: N of SEEN, HIDDEN, UNSURE, OUTSIDE.
    """

    pixels: FloatArray
    xyz: FloatArray
    states: tuple[State, ...]


def look_at(view: View, thing: int, places: FloatArray, normals: FloatArray | None = None) -> Look:
    """Look for places of an object in a view.

    Args:
        view: with camera pose, object pose and depth.
        thing: index of the object.
        places: (N, 3) in the object's frame, m.
        normals: (N, 3) outward unit normals there; None where they are not known.

    Raises:
        InvalidInputError: the view lacks what this needs; says what.
    """
    pose, camera = view.objects[thing].world_from_object, view.world_from_camera
    depth = view.best_depth
    if pose is None or camera is None or depth is None:
        raise InvalidInputError(
            f"scene {view.scene}: pose of camera, pose of object and depth are needed for the truth"
        )
    camera_from_object = geometry.inverse(camera) @ pose
    xyz = geometry.apply(camera_from_object, places.reshape(-1, 3))
    pixels = view.intrinsics.project(xyz)
    last = np.array((view.intrinsics.width - 1, view.intrinsics.height - 1))
    with np.errstate(invalid="ignore"):
        inside: Mask = np.all((pixels >= 0) & (pixels <= last), axis=1)
    low = np.where(inside[:, None], np.floor(pixels), 0).astype(np.int64)
    low = np.clip(low, 0, np.maximum(last - 1, 0))
    near, far, owned = _around(view, depth, thing, low)
    cosine = np.ones(len(xyz))
    if normals is not None:
        turned = geometry.rotate(camera_from_object, normals.reshape(-1, 3))
        cosine = -np.einsum("nc,nc->n", turned, xyz) / np.linalg.norm(xyz, axis=1)
    length, share = _TOLERANCE[view.true_depth is not None]
    slack = length + share * xyz[:, 2]
    with np.errstate(invalid="ignore"):
        on_surface = (xyz[:, 2] > near - slack) & (xyz[:, 2] < far + slack) & (far - near < _STEP)
        seen = inside & owned & on_surface & (cosine > _FACING)
        hidden = inside & ((xyz[:, 2] > far + slack + _BEHIND) | (cosine < -_FACING))
    states = np.select([~inside, seen, hidden], [0, 1, 2], 3)
    names = (State.OUTSIDE, State.SEEN, State.HIDDEN, State.UNSURE)
    return Look(pixels, xyz, tuple(names[i] for i in states))


def named_points(data: CorrespondenceSet, view: View, thing: int) -> dict[str, Look]:
    """Name → the named point of an object, N = 1, as a view shows it.

    Whether a point is seen is what the data set states: it was found by exact rays and also holds
    at rims and corners. Hidden is what the set does not state to be seen and depth shows to be
    behind something.
    """
    instance = view.objects[thing].instance
    info = data.manifest.classes[data.manifest.instances[instance].category]
    found = {}
    for point in view.points:
        if point.object != thing or point.name not in info.points:
            continue
        face, weights = info.points[point.name]
        look = surface_look(data, view, thing, np.array([face]), np.array([weights]))
        state = look.states[0]
        if point.visible:
            state = State.SEEN
        elif state is State.SEEN:
            state = State.UNSURE
        found[point.name] = Look(np.array([point.pixel]), np.array([point.xyz]), (state,))
    return found


def surface_look(
    data: CorrespondenceSet,
    view: View,
    thing: int,
    face: NDArray[np.integer],
    weights: NDArray[np.floating],
) -> Look:
    """Canonical coordinates (N,), (N, 3) as a view shows them on one of its objects."""
    instance = view.objects[thing].instance
    places = data.surface(instance, face, weights)
    return look_at(view, thing, places, data.normals(instance, face))


def _around(
    view: View, depth: NDArray[np.float32], thing: int, low: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, Mask]:
    """Nearest and farthest depth of the four pixels around, and whether all show the object."""
    limit = (view.intrinsics.height - 1, view.intrinsics.width - 1)
    owned: Mask = np.ones(len(low), dtype=np.bool_)
    depths = []
    for down, right in _NEIGHBOURS:
        row = np.minimum(low[:, 1] + down, limit[0])
        column = np.minimum(low[:, 0] + right, limit[1])
        depths.append(depth[row, column].astype(np.float64))
        if view.instance is not None:
            owned &= view.instance[row, column] == thing + 1
    around = np.stack(depths)
    return around.min(axis=0), around.max(axis=0), owned
