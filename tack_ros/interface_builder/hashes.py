# SPDX-License-Identifier: Apache-2.0
"""Type hashes (REP 2011) of the interfaces: those that are installed, and those that tack expects.

Fast DDS matches two ends by the type's name. Where the field lists differ, the messages would be
read wrongly rather than refused, so the hashes are compared before anything is sent.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zipfile
from pathlib import Path

from tack_perception.errors import FileFormatError
from tack_perception.files import write_atomically
from tack_ros.interface_builder.field_lists import Interface, default_folder, read_field_lists

PINNED = "type_hashes.json"


def expected_hashes(folder: Path | None = None) -> dict[str, str]:
    """The type hash of each field list, as pinned beside them.

    Args:
        folder: with the field lists; default `default_folder()`.

    Returns:
        `package/kind/Name` to `RIHS01_…`.

    Raises:
        FileFormatError: the file is missing or damaged.
    """
    path = (folder or default_folder()) / PINNED
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: cannot be read as type hashes: {error}") from error
    if not isinstance(found, dict):
        raise FileFormatError(f"{path}: holds {found!r}; expected names and their type hashes")
    return {str(name): str(value) for name, value in found.items()}


def type_hashes(prefix: Path | None = None, folder: Path | None = None) -> dict[str, str]:
    """The type hash of each of these interfaces as it is installed.

    Args:
        prefix: where to look, below `share/`; default each of `AMENT_PREFIX_PATH`, then the
            running environment.
        folder: with the field lists that name the interfaces; default `default_folder()`.

    Returns:
        `package/kind/Name` to `RIHS01_…`; an interface that is not installed, or whose
        distribution knows no hashes (Humble), is left out.
    """
    ament = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    prefixes = [prefix] if prefix else [Path(path) for path in (*ament, sys.prefix) if path]
    found: dict[str, str] = {}
    for interface in sorted(read_field_lists(folder or default_folder()).texts):
        for place in prefixes:
            path = place / "share" / interface.package / _description(interface)
            value = _hash_in(path.read_text("utf-8"), interface) if path.is_file() else None
            if value is not None:
                found[str(interface)] = value
                break
    return found


def pin(wheel: Path, folder: Path) -> int:
    """Write the hashes that a wheel was built with beside its field lists; returns how many."""
    found: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        stored = {name.partition("/data/share/")[2]: name for name in archive.namelist()}
        for interface in sorted(read_field_lists(folder).texts):
            name = stored[f"{interface.package}/{_description(interface)}"]
            value = _hash_in(archive.read(name).decode("utf-8"), interface)
            if value is not None:
                found[str(interface)] = value
    write_atomically(folder / PINNED, json.dumps(found, indent=2) + "\n")
    return len(found)


def _description(interface: Interface) -> Path:
    return Path(interface.file).with_suffix(".json")


def _hash_in(description: str, interface: Interface) -> str | None:
    """The hash of an interface in its type description, or None where it says none."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        for entry in json.loads(description)["type_hashes"]:
            if entry["type_name"] == str(interface):
                return str(entry["hash_string"])
    return None
