# SPDX-License-Identifier: Apache-2.0
"""Writes a data set view by view; a run that was killed goes on where it was."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence import codec
from tack_perception.correspondence.manifest import MANIFEST, MESHES, VIEWS, Manifest
from tack_perception.correspondence.view import View
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.files import write_atomically, write_error

_TEMPORARY = ".part-"


class CorrespondenceWriter:
    """Writes the views of one data set, in any order, also from several processes.

    A view's folder appears under its name when all of it is written, so whatever is there is whole.

    Args:
        folder: of the data set. An empty or missing one is started; one with the same manifest is
            continued.
        manifest: of the data set.
        color: jpeg, or png for colours without loss.

    Raises:
        InvalidInputError: another data set is in the folder, or something else.
        TackError: the folder cannot be written.
    """

    def __init__(self, folder: Path | str, manifest: Manifest, *, color: str = "jpeg") -> None:
        if color not in codec.COLOR:
            raise InvalidInputError(f"colour as {color!r}: {' or '.join(codec.COLOR)}")
        self.folder, self.manifest, self._color = Path(folder), manifest, color
        if (self.folder / MANIFEST).is_file():
            difference = manifest.difference(Manifest.read(self.folder))
            if difference:
                raise InvalidInputError(
                    f"{self.folder}: holds another data set ({difference}); choose another folder,"
                    " or repeat the settings of that one to continue it"
                )
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InvalidInputError(
                f"{self.folder}: holds something else; a new or empty folder is expected"
            )
        else:
            manifest.write(self.folder)
        try:
            (self.folder / VIEWS).mkdir(exist_ok=True)
            (self.folder / MESHES).mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(self.folder, error) from error

    def tidy(self) -> None:
        """Remove what killed runs left half written. Call it when nobody else is writing."""
        for rest in (self.folder / VIEWS).glob(f"{_TEMPORARY}*"):
            shutil.rmtree(rest, ignore_errors=True)

    def has(self, index: int) -> bool:
        """Whether a view is there and whole."""
        folder = self._view(index)
        try:
            record = codec.read_record((folder / codec.RECORD).read_bytes())
            return all(
                codec.checksum((folder / name).read_bytes()) == expected
                for name, expected in record["files"].items()
            )
        except (OSError, FileFormatError):
            return False

    def write(self, index: int, view: View) -> None:
        """Write a view, in the place of an older one.

        Raises:
            InvalidInputError: the index is not in the set, or an object not in the manifest.
            TackError: it cannot be written.
        """
        if index < 0 or (self.manifest.views is not None and index >= self.manifest.views):
            raise InvalidInputError(f"view {index}: the set has {self.manifest.views} views")
        for thing in view.objects:
            if thing.instance not in self.manifest.instances:
                raise InvalidInputError(f"instance {thing.instance!r} is not in the manifest")
        files = codec.encode(
            view, self.manifest.depth_unit, self.manifest.true_depth_unit, self._color
        )
        target = self._view(index)
        temporary = target.parent / f"{_TEMPORARY}{secrets.token_hex(6)}"
        try:
            temporary.mkdir()
            for name, content in files.items():
                (temporary / name).write_bytes(content)
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(target)
            temporary.rename(target)
        except OSError as error:
            raise write_error(target, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def write_faces(
        self, category: str, faces: NDArray[np.integer], part_of_face: NDArray[np.integer]
    ) -> None:
        """Write what all instances of a class share.

        Args:
            category: the class.
            faces: (M, 3) indices of vertices.
            part_of_face: (M,) index into the class's parts.

        Raises:
            InvalidInputError: the set has other faces of that class already.
        """
        arrays: dict[str, NDArray[Any]] = {
            "faces": faces.astype(np.int32),
            "part": part_of_face.astype(np.int16),
        }
        self._write_mesh(category, arrays)

    def write_vertices(self, instance: str, vertices: NDArray[np.floating]) -> None:
        """Write the shape of one instance: (N, 3) in its own frame, m. Errors as `write_faces`."""
        self._write_mesh(instance, {"vertices": vertices.astype(np.float32)})

    def _write_mesh(self, name: str, arrays: dict[str, NDArray[Any]]) -> None:
        path = self.folder / MESHES / f"{name}.npz"
        content = codec.pack_arrays(arrays)
        if not path.is_file():
            write_atomically(path, content)
        elif path.read_bytes() != content:
            # Views that are there already refer to the other shape.
            raise InvalidInputError(
                f"{path}: holds another shape of {name} (the set was begun with another version);"
                " choose another folder"
            )

    def _view(self, index: int) -> Path:
        return view_folder(self.folder, index)


def view_folder(folder: Path, index: int) -> Path:
    """Where a view's files are."""
    return folder / VIEWS / f"{index:06d}"
