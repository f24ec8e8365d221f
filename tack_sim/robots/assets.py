# SPDX-License-Identifier: Apache-2.0
"""Where the meshes of robots are kept, and how they are read.

tack comes without them: `scripts/robot_meshes.py` takes them from a package on PyPI and keeps, for
each arm and gripper, one archive of plain arrays.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.errors import FileFormatError
from tack_perception.files import open_atomically

VERSION = 1
"""Of the archives' content. Archives of another version are not read."""


@dataclasses.dataclass(frozen=True, eq=False)
class LinkMesh:
    """A part of a link that has one colour.

    Attributes:
        color: RGB, 0 to 1.
        vertices: (N, 3) in the link's frame, m.
        faces: (M, 3) indices.
    """

    color: tuple[float, float, float]
    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]


def mesh_folder() -> Path:
    """`$XDG_CACHE_HOME/tack/robots`, else `~/.cache/tack/robots`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tack" / "robots"


def mesh_archive(part: str) -> Path:
    """Where the meshes of an arm or a gripper are, once they are installed."""
    return mesh_folder() / f"{part}-{VERSION}.npz"


def load_meshes(part: str) -> dict[str, tuple[LinkMesh, ...]]:
    """Meshes of an arm or a gripper by link; empty where they are not installed.

    Raises:
        FileFormatError: the archive is damaged; says how to make it again.
    """
    path = mesh_archive(part)
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return {}
    return _read(path, stamp)


@functools.lru_cache(maxsize=8)
def _read(path: Path, stamp: int) -> dict[str, tuple[LinkMesh, ...]]:
    links: dict[str, tuple[LinkMesh, ...]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive["keys"].tolist():
                link = str(key).partition("/")[0]
                red, green, blue = (float(value) for value in archive[f"{key}/color"])
                mesh = LinkMesh(
                    (red, green, blue), archive[f"{key}/vertices"], archive[f"{key}/faces"]
                )
                links[link] = (*links.get(link, ()), mesh)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path}: the meshes of a robot cannot be read ({error}); delete the file and run"
            " scripts/robot_meshes.py again"
        ) from error
    return links


def save_meshes(part: str, links: dict[str, tuple[LinkMesh, ...]]) -> Path:
    """Keep the meshes of an arm or a gripper.

    Returns:
        The archive's path.

    Raises:
        TackError: it cannot be written.
    """
    arrays: dict[str, Any] = {}
    keys = []
    for link, meshes in links.items():
        for index, mesh in enumerate(meshes):
            key = f"{link}/{index}"
            keys.append(key)
            arrays[f"{key}/color"] = np.array(mesh.color)
            arrays[f"{key}/vertices"] = mesh.vertices.astype(np.float32)
            arrays[f"{key}/faces"] = mesh.faces.astype(np.int32)
    path = mesh_archive(part)
    with open_atomically(path) as stream:
        np.savez(stream, keys=np.array(keys), **arrays)
    return path
