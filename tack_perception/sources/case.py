# SPDX-License-Identifier: Apache-2.0
"""Reads a folder that a `case.json` describes: real recordings with ground truth."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tack_perception import geometry
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import InvalidInputError
from tack_perception.sources.folder_layout import (
    FIRST_STAMP_NS,
    PERIOD_NS,
    FolderContent,
    FolderEntry,
    in_order,
)

CASE_FILE = "case.json"


def read_case(path: Path) -> FolderContent:
    """The content of a folder with a case.json; images get the stamps 1.0 s, 1.1 s, ….

    Raises:
        InvalidInputError: the file is not JSON, or lacks what a frame needs.
        OSError: the file cannot be read.
    """
    try:
        case = json.loads((path / CASE_FILE).read_text(encoding="utf-8"))
        unit = _depth_unit(case["units"]["depth_png"])
        entries = [_entry(path, index, image) for index, image in enumerate(case["images"])]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{CASE_FILE} cannot be read as JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise InvalidInputError(f"{CASE_FILE} lacks {error}, or has it in another form") from error
    return FolderContent(in_order(entries), unit)


def _entry(path: Path, index: int, image: dict[str, Any]) -> FolderEntry:
    pose = image.get("T_world_cam")
    return FolderEntry(
        path / image["file"],
        path / image["depth"],
        CameraIntrinsics.from_camera_info(image["width"], image["height"], image["K"]),
        FIRST_STAMP_NS + index * PERIOD_NS,
        None if pose is None else geometry.nearest_transform(pose),
    )


def _depth_unit(text: str) -> float:
    """The number in "uint16, 0.0001 m per unit"."""
    match = re.search(r"([0-9.eE-]+) m per unit", text)
    if match is None:
        raise InvalidInputError(f"{CASE_FILE}: depth unit {text!r}: '… m per unit' is expected")
    return float(match.group(1))
