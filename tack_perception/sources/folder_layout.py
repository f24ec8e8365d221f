# SPDX-License-Identifier: Apache-2.0
"""The layout of a folder of pictures: which files make a frame, and what is known of it."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.encodings import MILLIMETRE
from tack_perception.errors import InvalidInputError

DEFAULT_FRAME = "camera_color_optical_frame"
FIRST_STAMP_NS = 1_000_000_000
PERIOD_NS = 100_000_000
"""Pictures without stamps get 1.0 s, 1.1 s, …: 0 would mean "no stamp" to ROS."""

CAMERA_FILES = ("camera.yaml", "camera.json")
_CAMERA_KEYS = ("width", "height", "fx", "fy", "cx", "cy", "model", "coefficients")
_FOLDER_KEYS = ("depth_unit", "frame_id", "frames")
_FRAME_KEYS = ("name", "stamp_ns", "world_from_camera")
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class FolderEntry:
    """One frame of a folder.

    Attributes:
        color, depth: the files.
        intrinsics: the camera.
        stamp_ns: ns.
        world_from_camera: (4, 4), m, or None.
    """

    color: Path
    depth: Path
    intrinsics: CameraIntrinsics
    stamp_ns: int
    world_from_camera: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True)
class FolderContent:
    """What a folder holds: its frames by stamp, the depth unit in m and the camera's frame."""

    entries: tuple[FolderEntry, ...]
    depth_unit: float = MILLIMETRE
    frame_id: str = DEFAULT_FRAME


def read_folder(path: Path) -> FolderContent:
    """The content of a folder with a camera.yaml or camera.json.

    Raises:
        InvalidInputError: a file is missing, is not YAML, or holds a wrong value.
        OSError: a file cannot be read.
    """
    file = next((path / name for name in CAMERA_FILES if (path / name).exists()), None)
    if file is None:
        raise InvalidInputError(
            f"no {' or '.join(CAMERA_FILES)} (nor case.json): a folder of pictures needs one"
        )
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file.name} cannot be read as YAML: {error}") from error
    _check_keys(values, (*_CAMERA_KEYS, *_FOLDER_KEYS), file.name)
    camera = {key: values[key] for key in _CAMERA_KEYS if key in values}
    try:
        camera["coefficients"] = tuple(camera.get("coefficients", ()))
        intrinsics = CameraIntrinsics(**camera)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{file.name}: {error}") from error
    pictures = {
        picture.stem: picture
        for picture in sorted((path / "color").glob("*"))
        if picture.suffix.lower() in _PICTURES
    }
    if not pictures:
        raise InvalidInputError("no pictures in color/ (.png or .jpg)")
    frames = values.get("frames") or [{"name": name} for name in sorted(pictures, key=_natural)]
    entries = []
    for index, frame in enumerate(frames):
        _check_keys(frame, _FRAME_KEYS, f"{file.name}: frames[{index}]")
        name = str(frame.get("name", ""))
        if name not in pictures:
            raise InvalidInputError(f"{file.name}: frames[{index}]: no picture color/{name}.png")
        depth = path / "depth" / f"{name}.png"
        stamp = frame.get("stamp_ns", FIRST_STAMP_NS + index * PERIOD_NS)
        if isinstance(stamp, bool) or not isinstance(stamp, int) or stamp < 0:
            raise InvalidInputError(f"{file.name}: frames[{index}]: stamp_ns = {stamp!r}: ns ≥ 0")
        pose = frame.get("world_from_camera")
        matrix = None if pose is None else geometry.nearest_transform(pose)
        entries.append(FolderEntry(pictures[name], depth, intrinsics, stamp, matrix))
    return FolderContent(
        in_order(entries),
        _positive(values.get("depth_unit", MILLIMETRE), f"{file.name}: depth_unit"),
        str(values.get("frame_id", DEFAULT_FRAME)),
    )


def in_order(entries: list[FolderEntry]) -> tuple[FolderEntry, ...]:
    """The entries by their stamps.

    Raises:
        InvalidInputError: two have the same stamp.
    """
    ordered = sorted(entries, key=lambda entry: entry.stamp_ns)
    for first, second in itertools.pairwise(ordered):
        if first.stamp_ns == second.stamp_ns:
            raise InvalidInputError(
                f"{first.color.name} and {second.color.name} have the same stamp {first.stamp_ns}"
            )
    return tuple(ordered)


def _check_keys(values: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"{where}: a mapping is expected, with {', '.join(known)}")
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise InvalidInputError(
            f"{where}: unknown {', '.join(unknown)}; known are {', '.join(known)}"
        )


def _positive(value: Any, what: str) -> float:
    number = float(value) if isinstance(value, int | float) else math.nan
    if not (math.isfinite(number) and number > 0):
        raise InvalidInputError(f"{what} = {value!r}: a positive number is expected")
    return number


def _natural(name: str) -> list[tuple[int, str]]:
    """Frame 2 before frame 10."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
