# SPDX-License-Identifier: Apache-2.0
"""Whether what a data set states fits together: poses, intrinsics, shapes and canonical maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence.dataset import CorrespondenceSet
from tack_perception.correspondence.view import View
from tack_perception.errors import InvalidInputError

FloatArray = NDArray[np.float64]
Visible = Callable[[FloatArray], NDArray[np.bool_]]

_EDGE_M = 0.004
_EDGE_PX = 3.0  # neighbours farther apart are not on one smooth surface


def reprojection_errors(data: CorrespondenceSet, view: View) -> FloatArray:
    """How far from its pixel the surface point that a pixel shows is projected.

    Args:
        data: whose shapes the view's instances have.
        view: with canonical map and poses.

    Returns:
        (N,) px, one for each pixel that shows an object.

    Raises:
        InvalidInputError: the view lacks a canonical map, a pose, or an object's pose.
    """
    errors = []
    for index in range(len(view.objects)):
        rows, columns, world = _places(data, view, index)
        pixels = _project(view, world)[0]
        errors.append(np.hypot(pixels[:, 0] - columns, pixels[:, 1] - rows))
    return np.concatenate([*errors, np.zeros(0)])


def transfer_errors(
    data: CorrespondenceSet, first: View, second: View, visible: Visible | None = None
) -> FloatArray:
    """How far apart two views' maps say that the same canonical coordinate is.

    Every surface point that the first view shows is projected to the second, on the instance of
    the same class there. Between the four pixels around it the second view's map is interpolated;
    the distance between that place and the point is the error.

    Args:
        data: whose shapes the views' instances have.
        first, second: views with canonical maps and poses, of the same scene or of two.
        visible: (M, 3) places in the second view's world, m → (M,) whether its camera sees them.
            Without it, a place is taken to be hidden if the map's surface is 4 mm or more away,
            which a thin wall's other side is not.

    Returns:
        (N,) px of the second view. Points that are hidden there, and those at edges where maps
        cannot be interpolated, do not count.

    Raises:
        InvalidInputError: as `reprojection_errors`.
    """
    instances = data.manifest.instances
    errors = [np.zeros(0)]
    for mine, one in enumerate(first.objects):
        face, weights = _coordinates(first, mine)
        for theirs, other in enumerate(second.objects):
            same_class = instances[one.instance].category == instances[other.instance].category
            same_scene = first.scene == second.scene
            if not same_class or (same_scene and one.instance != other.instance):
                continue
            local = data.surface(other.instance, face, weights)
            world = geometry.apply(_pose(second, theirs), local)
            if visible is not None and len(world):
                world = world[visible(world)]
            errors.append(_compare(data, second, theirs, world))
    return np.concatenate(errors)


def _compare(data: CorrespondenceSet, view: View, index: int, world: FloatArray) -> FloatArray:
    rows, columns, places = _places(data, view, index)
    size = (view.intrinsics.height, view.intrinsics.width)
    map_of_places = np.full((*size, 3), np.nan)
    map_of_places[rows, columns] = places
    pixels, depth = _project(view, world)
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= 0) & (pixels < np.array(size)[::-1] - 1)).all(axis=1)
    pixels, depth, world = pixels[inside], depth[inside], world[inside]
    low = np.floor(pixels).astype(int)
    along, down = (pixels - low).T[:, :, None]
    corners = [
        map_of_places[low[:, 1] + row, low[:, 0] + column] for row in (0, 1) for column in (0, 1)
    ]
    between = (1 - down) * ((1 - along) * corners[0] + along * corners[1]) + down * (
        (1 - along) * corners[2] + along * corners[3]
    )
    pixel_size = depth / view.intrinsics.fx
    spread = np.max([np.linalg.norm(corner - corners[0], axis=1) for corner in corners], axis=0)
    distance = np.linalg.norm(between - world, axis=1)
    with np.errstate(invalid="ignore"):
        smooth = spread < _EDGE_PX * pixel_size
        # What lies farther from the map's surface than an edge is hidden by it.
        shown = smooth & (distance < np.maximum(_EDGE_M, pixel_size))
    errors: FloatArray = (distance / pixel_size)[shown]
    return errors


def _places(
    data: CorrespondenceSet, view: View, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Rows and columns of the pixels that show an object, and the places there, in the world."""
    face, weights = _coordinates(view, index)
    assert view.instance is not None
    rows, columns = np.nonzero(view.instance == index + 1)
    local = data.surface(view.objects[index].instance, face, weights)
    return rows, columns, geometry.apply(_pose(view, index), local)


def _coordinates(view: View, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    if view.canonical is None or view.instance is None:
        raise InvalidInputError("the view has no canonical map")
    shown = view.instance == index + 1
    return view.canonical.face[shown], view.canonical.weights[shown]


def _pose(view: View, index: int) -> FloatArray:
    pose = view.objects[index].world_from_object
    if pose is None:
        raise InvalidInputError(f"the pose of {view.objects[index].instance} is not known")
    return pose


def _project(view: View, world: FloatArray) -> tuple[FloatArray, FloatArray]:
    if view.world_from_camera is None:
        raise InvalidInputError("the view has no world_from_camera")
    local = geometry.apply(geometry.inverse(view.world_from_camera), world)
    return view.intrinsics.project(local), local[:, 2]
