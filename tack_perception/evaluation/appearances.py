# SPDX-License-Identifier: Apache-2.0
"""Which objects are seen in which views of a data set, read from the records alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.correspondence import CorrespondenceSet, codec
from tack_perception.correspondence.writer import view_folder
from tack_perception.errors import FileFormatError, InvalidInputError

FloatArray = NDArray[np.float64]

WORKING_SHARE = 0.15
"""Longer side of an object's box at working size, in widths of the picture: 96 px of 640."""


@dataclasses.dataclass(frozen=True, eq=False)
class Appearance:
    """One object as it is seen in one view.

    Attributes:
        view: index of the view in its set.
        thing: index into the view's objects.
        instance, category: which one, of which class.
        share: of the picture that shows it, 0 to 1.
        direction: (3,) unit vector in the object's frame from its middle to the camera.
        box: (left, top, right, bottom) of all of it, seen or not, px; NaN if it reaches behind the
            camera.
        size: (width, height) of the picture, px.
    """

    view: int
    thing: int
    instance: str
    category: str
    share: float
    direction: FloatArray
    box: tuple[float, float, float, float]
    size: tuple[int, int]

    @property
    def working(self) -> bool:
        """At working size: all of it in the picture, and its longer side at least 15 % of it."""
        left, top, right, bottom = self.box
        inside = left >= 0 and top >= 0 and right < self.size[0] and bottom < self.size[1]
        return inside and max(right - left, bottom - top) >= WORKING_SHARE * self.size[0]

    def angle_deg(self, other: Appearance) -> float:
        """Between the two viewing directions in the object's (its class's) frame, degrees."""
        cosine = float(np.clip(self.direction @ other.direction, -1, 1))
        return float(np.degrees(np.arccos(cosine)))


@dataclasses.dataclass(frozen=True, eq=False)
class Catalogue:
    """What the views of a set show.

    Attributes:
        data: the set.
        appearances: that can be asked about: of a size that a person would click on, with a known
            pose, and the only one of their class in the view.
        rivals: how many were left out for another object of their class in the same view.
        present: for each view the classes of all objects of its scene, seen or not.
    """

    data: CorrespondenceSet
    appearances: tuple[Appearance, ...]
    rivals: int
    present: tuple[frozenset[str], ...]

    def of_class(self, category: str) -> list[Appearance]:
        """The appearances of one class, in the order of the views."""
        return [one for one in self.appearances if one.category == category]

    def without(self, category: str) -> list[int]:
        """Views of scenes in which there is nothing of a class."""
        return [i for i, present in enumerate(self.present) if category not in present]


def catalogue(
    data: CorrespondenceSet, smallest: float, classes: Iterable[str] | None = None
) -> Catalogue:
    """Read the records of a set.

    Args:
        data: the set.
        smallest: share of the picture that an object must fill.
        classes: to keep; None keeps all.

    Raises:
        InvalidInputError: a class that the set does not have; the message lists those it has.
        FileFormatError: a record is damaged; names it.
    """
    wanted = set(data.manifest.classes if classes is None else classes)
    if unknown := sorted(wanted - set(data.manifest.classes)):
        raise InvalidInputError(
            f"class {', '.join(unknown)}: {data.folder} has {', '.join(data.manifest.classes)}"
        )
    appearances: list[Appearance] = []
    present, rivals = [], 0
    for i in range(len(data)):
        record = _record(data, i)
        categories = [_category(data, entry["instance"]) for entry in record["objects"]]
        present.append(frozenset(categories))
        for one in _seen(data, i, record, categories):
            if one.category not in wanted or one.share < smallest:
                continue
            alike = [
                entry
                for entry, category in zip(record["objects"], categories, strict=True)
                if category == one.category and entry["pixels"]
            ]
            if len(alike) > 1:
                rivals += 1
            else:
                appearances.append(one)
    return Catalogue(data, tuple(appearances), rivals, tuple(present))


def _record(data: CorrespondenceSet, i: int) -> dict[str, Any]:
    path = view_folder(data.folder, data.indices[i]) / codec.RECORD
    try:
        return codec.read_record(path.read_bytes())
    except (OSError, FileFormatError) as error:
        raise FileFormatError(f"{path}: cannot be read: {error}") from error


def _category(data: CorrespondenceSet, instance: str) -> str:
    if instance not in data.manifest.instances:
        raise InvalidInputError(f"{data.folder}: instance {instance!r} is not in the manifest")
    return data.manifest.instances[instance].category


def _seen(
    data: CorrespondenceSet,
    i: int,
    record: dict[str, Any],
    categories: list[str],
) -> list[Appearance]:
    if record["world_from_camera"] is None:
        return []
    numbers = record["intrinsics"]
    intrinsics = CameraIntrinsics(**{**numbers, "coefficients": tuple(numbers["coefficients"])})
    size = (intrinsics.width, intrinsics.height)
    camera = geometry.nearest_transform(record["world_from_camera"])
    found = []
    for thing, (entry, category) in enumerate(zip(record["objects"], categories, strict=True)):
        if entry["world_from_object"] is None or not entry["pixels"]:
            continue
        name = entry["instance"]
        corners = data.vertices(name)
        object_from_camera = (
            geometry.inverse(geometry.nearest_transform(entry["world_from_object"])) @ camera
        )
        away = object_from_camera[:3, 3] - (corners.min(axis=0) + corners.max(axis=0)) / 2
        direction = away / np.linalg.norm(away)
        pixels = intrinsics.project(geometry.apply(geometry.inverse(object_from_camera), corners))
        (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
        box = (float(left), float(top), float(right), float(bottom))
        share = entry["pixels"] / (size[0] * size[1])
        found.append(Appearance(i, thing, name, category, share, direction, box, size))
    return found
