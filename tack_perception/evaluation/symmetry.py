# SPDX-License-Identifier: Apache-2.0
"""Places that look the same: where else on a symmetric object a point might rightly be answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.correspondence import CorrespondenceSet, View
from tack_perception.evaluation.truth import State, look_at

FloatArray = NDArray[np.float64]

_TURNS = 72  # of a free symmetry: every 5 degrees


def equivalents(
    data: CorrespondenceSet, view: View, thing: int, name: str, face: int, place: FloatArray,
    normal: FloatArray,
) -> FloatArray:  # fmt: skip
    """Pixels of the places that are equivalent to a point and can be seen in a view.

    Args:
        data: whose manifest states the symmetries.
        view: the query.
        thing: index of the object.
        name: of a named point, "" for another.
        face: the triangle that it lies on.
        place: (3,) in the object's frame, m.
        normal: (3,) there.

    Returns:
        (M, 2), without the point itself; a place that is off the (not quite symmetric) surface
        counts as not seen.
    """
    instance = view.objects[thing].instance
    category = data.manifest.instances[instance].category
    holding = [
        symmetry
        for symmetry in data.manifest.classes[category].symmetries
        if not _broken(data, category, symmetry, name, face)
    ]
    turned = [_turned(symmetry, place, normal) for symmetry in holding]
    if not turned:
        return np.zeros((0, 2))
    places, normals = (np.concatenate(parts) for parts in zip(*turned, strict=True))
    look = look_at(view, thing, places, normals)
    seen = np.array([state is State.SEEN for state in look.states], dtype=bool)
    pixels: FloatArray = look.pixels[seen]
    return pixels


def _broken(
    data: CorrespondenceSet, category: str, symmetry: Mapping[str, Any], name: str, face: int
) -> bool:
    """Whether a point tells the turns apart: a named one as stated; another by its part."""
    if name:
        return name in symmetry["breaks"]
    parts, points = data.parts(category), data.manifest.classes[category].points
    telling = {int(parts[points[one][0]]) for one in symmetry["breaks"] if one in points}
    return int(parts[face]) in telling


def _turned(
    symmetry: Mapping[str, Any], place: FloatArray, normal: FloatArray
) -> tuple[FloatArray, FloatArray]:
    order = int(symmetry["order"]) or _TURNS
    turns = [
        geometry.from_axis_angle(symmetry["axis"], 2 * np.pi * k / order) for k in range(1, order)
    ]
    places = np.array([geometry.rotate(turn, place) for turn in turns]).reshape(-1, 3)
    normals = np.array([geometry.rotate(turn, normal) for turn in turns]).reshape(-1, 3)
    return places, normals
