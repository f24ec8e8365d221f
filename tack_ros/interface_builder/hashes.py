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
        return {str(name): str(found[name]) for name in found}
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: cannot be read as type hashes: {error}") from error


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
            value = described_hash(place / "share" / interface.package, interface)
            if value:
                found[str(interface)] = value
                break
    return found


def described_hash(package_folder: Path, interface: Interface) -> str | None:
    """The hash in the type description of one interface, or None where there is none."""
    path = package_folder / Path(interface.file).with_suffix(".json")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        for entry in json.loads(path.read_text(encoding="utf-8"))["type_hashes"]:
            if entry["type_name"] == str(interface):
                return str(entry["hash_string"])
    return None


def pin(folder: Path) -> int:
    """Write the hashes of what is installed beside the field lists; returns how many."""
    found = type_hashes(Path(sys.prefix), folder)
    write_atomically(folder / PINNED, json.dumps(found, indent=2) + "\n")
    return len(found)
