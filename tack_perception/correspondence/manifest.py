# SPDX-License-Identifier: Apache-2.0
"""What a data set of correspondences says of itself: classes, instances, units, seeds."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.files import write_atomically

FORMAT = "tack-correspondences"
VERSION = 1
MANIFEST = "manifest.json"
MESHES = "meshes"
VIEWS = "views"
RECORDED = "recorded"
"""Key of the settings of a recording: how it was made."""

HELD_OUT = "held_out"
"""A split; and the folder in a recording with the views that were kept back, a set of their own."""


@dataclasses.dataclass(frozen=True)
class ClassInfo:
    """A class whose instances share their faces, so that a face means the same on all of them.

    Attributes:
        parts: names of the parts of the surface.
        points: name → (face, (three barycentric weights)).
        symmetries: mappings with axis (three numbers, in the object's frame), order (number of
            equal turns, 0 for any angle) and breaks (names of points that it does not hold for).
    """

    parts: tuple[str, ...] = ()
    points: Mapping[str, tuple[int, tuple[float, float, float]]] = dataclasses.field(
        default_factory=dict
    )
    symmetries: tuple[Mapping[str, Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class InstanceInfo:
    """One thing.

    Attributes:
        category: its class.
        seed: that it was made from; None for a real thing.
        split: train, validation or held_out.
    """

    category: str
    seed: int | None = None
    split: str = "train"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a data set says of itself.

    Attributes:
        views: how many there are to be; None where nobody knows (a recording that goes on).
        classes: by name.
        instances: by name.
        split: of the set.
        seed: of the set; None for real recordings.
        depth_unit, true_depth_unit: depth of one count in the depth images, m.
        settings: how it was made, free in form.
    """

    views: int | None = None
    classes: Mapping[str, ClassInfo] = dataclasses.field(default_factory=dict)
    instances: Mapping[str, InstanceInfo] = dataclasses.field(default_factory=dict)
    split: str = "train"
    seed: int | None = None
    depth_unit: float = 0.001
    true_depth_unit: float = 0.0001
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.views is not None and self.views < 0:
            raise InvalidInputError(f"views = {self.views}: 0 or more are expected")
        for name in ("depth_unit", "true_depth_unit"):
            unit = getattr(self, name)
            if not (math.isfinite(unit) and unit > 0):
                raise InvalidInputError(f"{name} = {unit}: a positive length in m is expected")
        for name, instance in self.instances.items():
            if instance.category not in self.classes:
                raise InvalidInputError(
                    f"instance {name}: class {instance.category!r} is not in the set; it has"
                    f" {', '.join(self.classes) or 'none'}"
                )

    def to_text(self) -> str:
        """As JSON; the same content gives the same text."""
        return json.dumps(self._content(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def _content(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self)}

    def difference(self, other: Manifest) -> str | None:
        """The name of something in which two manifests differ, or None."""
        mine, theirs = (json.loads(one.to_text()) for one in (self, other))
        for key, value in mine.items():
            if theirs[key] == value:
                continue
            if isinstance(value, dict):
                inner = [k for k in {**value, **theirs[key]} if value.get(k) != theirs[key].get(k)]
                return f"{key}: {', '.join(sorted(inner)[:3])}"
            return f"{key}: {theirs[key]} there, {value} here"
        return None

    def write(self, folder: Path) -> None:
        """Write it into a data set's folder.

        Raises:
            TackError: it cannot be written.
        """
        write_atomically(folder / MANIFEST, self.to_text())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a data set's manifest.

        Raises:
            InvalidInputError: there is none in the folder.
            FileFormatError: it cannot be understood, or is of a newer version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise InvalidInputError(
                f"{folder}: no {MANIFEST}: not a data set of correspondences (`tack render` makes"
                " one)"
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise FileFormatError(f"{path}: format {content['format']!r}, not {FORMAT!r}")
            if content["version"] > VERSION:
                raise FileFormatError(
                    f"{path}: version {content['version']}; this tack reads up to {VERSION}"
                )
            return cls._parsed(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"{path}: cannot be read: {type(error).__name__}: {error}") from (
                error
            )

    @classmethod
    def _parsed(cls, content: dict[str, Any]) -> Manifest:
        classes = {
            name: ClassInfo(
                tuple(entry["parts"]),
                {p: (int(face), _weights(w)) for p, (face, w) in entry["points"].items()},
                tuple(entry["symmetries"]),
            )
            for name, entry in content["classes"].items()
        }
        instances = {
            name: InstanceInfo(entry["category"], entry["seed"], entry["split"])
            for name, entry in content["instances"].items()
        }
        plain = {
            key: content[key]
            for key in ("views", "split", "seed", "depth_unit", "true_depth_unit", "settings")
        }
        return cls(classes=classes, instances=instances, **plain)


def _weights(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
