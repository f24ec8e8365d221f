# SPDX-License-Identifier: Apache-2.0
"""The text of a set: version 1 of `annotations.yaml`, written for people and checked by line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tack_perception.annotations.records import ORIGINS, Entry, FrameRecord
from tack_perception.annotations.yaml_nodes import CorruptFileError, Value
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError, InvalidInputError

VERSION = 1
IMAGES = "images"

_HEAD = """\
# An annotation set of tack. It may be edited by hand: labels, pixels [u, v] (column, row; whole
# numbers are pixel centres), removal of whole entries. Keep the last line: without it the file
# counts as cut off. Deeper changes: tack annotate --set FOLDER --help
"""
_END = "..."
_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")


def image_names(key: str) -> tuple[str, str]:
    """Paths of a picture's colour and depth image, relative to the folder of the set."""
    return f"{IMAGES}/{key}_color.png", f"{IMAGES}/{key}_depth.png"


def dump(entries: Iterable[Entry]) -> str:
    """The text of a set."""
    entries = list(entries)
    pictures = {entry.picture.key: entry.picture for entry in entries}
    content = {
        "version": VERSION,
        "annotations": [_entry_values(entry) for entry in entries],
        "pictures": {key: _picture_values(picture) for key, picture in pictures.items()},
    }
    body = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    return f"{_HEAD}{body}{_END}\n"


def parse(text: str, folder: Path, file: str) -> list[Entry]:
    """Read the text of a set; image files are not opened.

    Args:
        text: content of `annotations.yaml`.
        folder: the folder that image paths are relative to.
        file: the file's name, for messages.

    Raises:
        CorruptFileError: the text is not YAML or is cut off: an older version may serve instead.
        FileFormatError: of a newer version, or a value is wrong; the message names the line.
    """
    document = Value.document(text, file)
    if not document.is_mapping or "version" not in (items := document.items()):
        raise CorruptFileError(f"{file}: not an annotation set (no 'version:' at its top)")
    version = items["version"].integer()
    if version > VERSION:
        raise items["version"].fault(
            f"{version}: written by a newer tack; this one reads up to {VERSION}. Update tack"
        )
    if version != VERSION:
        raise items["version"].fault(f"{version}: {VERSION} is expected")
    if text.rstrip().rpartition("\n")[2] != _END:
        raise CorruptFileError(f"{file}: cut off: the last line {_END!r} is missing")
    items = document.record(("version", "annotations", "pictures"))
    pictures = {
        key: _picture(key, value, folder) for key, value in items["pictures"].items().items()
    }
    entries: dict[str, Entry] = {}
    for value in items["annotations"]:
        entry = _entry(value, pictures)
        if entry.id in entries:
            raise value.fault(f"the id {entry.id} is there twice")
        entries[entry.id] = entry
    return list(entries.values())


def _entry_values(entry: Entry) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": entry.id,
        "label": entry.label,
        "pixel": [entry.u, entry.v],
        "picture": entry.picture.key,
        "origin": entry.origin,
    }
    if entry.depth is not None:
        values["depth_m"] = round(entry.depth, 6)
    return values


def _picture_values(picture: FrameRecord) -> dict[str, Any]:
    color, depth = image_names(picture.key)
    camera = dataclasses.asdict(picture.intrinsics)
    return {
        "stamp_ns": picture.stamp_ns,
        "frame_id": picture.frame_id,
        "color": color,
        "depth": depth,
        "depth_unit_m": picture.depth_unit,
        "camera": {**camera, "coefficients": list(picture.intrinsics.coefficients)},
    }


def _entry(value: Value, pictures: dict[str, FrameRecord]) -> Entry:
    items = value.record(("id", "label", "pixel", "picture", "origin"), ("depth_m",))
    key = items["picture"].text()
    if key not in pictures:
        raise items["picture"].fault(f"{key!r} is not under 'pictures'")
    u, v = items["pixel"].numbers(2)
    camera = pictures[key].intrinsics
    if not camera.contains(u, v):
        raise items["pixel"].fault(
            f"({u:g}, {v:g}) is outside the {camera.width}×{camera.height} picture"
        )
    name = _name(items["id"])
    depth = items["depth_m"].number() if "depth_m" in items else None
    origin = items["origin"].text()
    if origin not in ORIGINS:
        raise items["origin"].fault(f"{origin!r}: one of {', '.join(ORIGINS)} is expected")
    try:
        return Entry(name, items["label"].text(), u, v, pictures[key], origin, depth)
    except InvalidInputError as error:
        raise items["label"].fault(str(error)) from error


def _picture(key: str, value: Value, folder: Path) -> FrameRecord:
    if not _NAME.fullmatch(key):
        raise value.fault(f"the picture's name {key!r}: letters, digits, '_' and '-' are expected")
    items = value.record(("stamp_ns", "frame_id", "color", "depth", "depth_unit_m", "camera"))
    unit = items["depth_unit_m"].number()
    if unit <= 0:
        raise items["depth_unit_m"].fault(f"{unit:g}: metres per count, above 0, are expected")
    stamp_ns = items["stamp_ns"].integer()
    if stamp_ns < 0:
        raise items["stamp_ns"].fault(f"{stamp_ns}: 0 or more is expected")
    return FrameRecord(
        key,
        stamp_ns,
        items["frame_id"].text(),
        _camera(items["camera"]),
        folder / _inside(items["color"]),
        folder / _inside(items["depth"]),
        unit,
    )


def _camera(value: Value) -> CameraIntrinsics:
    numbers = ("width", "height", "fx", "fy", "cx", "cy")
    items = value.record((*numbers, "model", "coefficients"))
    width, height = items["width"].integer(), items["height"].integer()
    fx, fy, cx, cy = (items[name].number() for name in numbers[2:])
    try:
        return CameraIntrinsics(
            width, height, fx, fy, cx, cy, items["model"].text(), items["coefficients"].numbers()
        )
    except InvalidInputError as error:
        raise value.fault(str(error)) from error


def _name(value: Value) -> str:
    name = value.text()
    if not _NAME.fullmatch(name):
        raise value.fault(f"{name!r}: letters, digits, '_' and '-' are expected")
    return name


def _inside(value: Value) -> PurePosixPath:
    path = PurePosixPath(value.text())
    if path.is_absolute() or ".." in path.parts:
        raise value.fault(f"{path}: a path inside the folder of the set is expected")
    return path


def read_text(path: Path) -> str:
    """The text of a set's file.

    Raises:
        CorruptFileError: not UTF-8 text.
        FileFormatError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: not text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
