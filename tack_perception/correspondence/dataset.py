# SPDX-License-Identifier: Apache-2.0
"""Reads a data set of correspondences."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tack_perception.correspondence import codec
from tack_perception.correspondence.manifest import MESHES, VIEWS, Manifest
from tack_perception.correspondence.pairs import Pairs, draw_pairs
from tack_perception.correspondence.view import View
from tack_perception.errors import FileFormatError, InvalidInputError

FloatArray = NDArray[np.float64]


class CorrespondenceSet:
    """A data set on disk: a sequence of views.

    Attributes:
        folder: where it is.
        manifest: what it says of itself.
        indices: numbers of the views that are there; fewer than the manifest says while the set is
            being written.
    """

    def __init__(self, folder: Path, manifest: Manifest, indices: tuple[int, ...]) -> None:
        self.folder, self.manifest, self.indices = folder, manifest, indices

    @classmethod
    def open(cls, folder: Path | str) -> CorrespondenceSet:
        """Open a data set.

        Raises:
            InvalidInputError: there is none in the folder.
            FileFormatError: its manifest cannot be understood.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        views = folder / VIEWS
        names = [path.name for path in views.iterdir()] if views.is_dir() else []
        return cls(folder, manifest, tuple(sorted(int(name) for name in names if name.isdigit())))

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[View]:
        return (self.view(i) for i in range(len(self)))

    def view(self, i: int) -> View:
        """Read a view.

        Args:
            i: 0 to len − 1; negative ones count from the end.

        Raises:
            IndexError: no such view.
            FileFormatError: a file is missing, damaged or cut off; names it.
        """
        folder = self.folder / VIEWS / f"{self.indices[i]:06d}"
        try:
            files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
            if codec.RECORD not in files:
                raise FileFormatError(f"{codec.RECORD}: is missing")
            return codec.decode(files, self.manifest.depth_unit, self.manifest.true_depth_unit)
        except FileFormatError as error:
            raise FileFormatError(f"{folder}/{error}") from error
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{folder}: cannot be read: {error}") from error

    def vertices(self, instance: str) -> FloatArray:
        """(N, 3) shape of an instance in its own frame, m.

        Raises:
            InvalidInputError: the set has no such instance, or no shape of it.
            FileFormatError: its file is damaged.
        """
        if instance not in self.manifest.instances:
            raise InvalidInputError(f"instance {instance!r} is not in {self.folder}")
        (vertices,) = self._mesh(instance, ("vertices",))
        return vertices.astype(np.float64)

    def faces(self, category: str) -> NDArray[np.int32]:
        """(M, 3) vertices of the triangles, the same for all instances of a class.

        Raises:
            InvalidInputError: the set has no such class, or no faces of it.
            FileFormatError: its file is damaged.
        """
        if category not in self.manifest.classes:
            raise InvalidInputError(
                f"class {category!r}: {self.folder} has {', '.join(self.manifest.classes)}"
            )
        faces: NDArray[np.int32] = self._mesh(category, ("faces", "part"))[0]
        return faces

    def parts(self, category: str) -> NDArray[np.int16]:
        """(M,) part of each triangle, an index into the class's part names. Errors as `faces`."""
        parts: NDArray[np.int16] = self._mesh(category, ("faces", "part"))[1]
        return parts

    def surface(
        self, instance: str, face: NDArray[np.integer], weights: NDArray[np.floating]
    ) -> FloatArray:
        """Canonical coordinates → places on an instance.

        Args:
            instance: its name.
            face: (N,) triangles.
            weights: (N, 3) barycentric.

        Returns:
            (N, 3) in the object's frame, m.
        """
        faces = self.faces(self.manifest.instances[instance].category)
        corners = self.vertices(instance)[faces[face]]
        places: FloatArray = np.einsum("nc,ncd->nd", weights.astype(np.float64), corners)
        return places

    def normals(self, instance: str, face: NDArray[np.integer]) -> FloatArray:
        """(N, 3) outward unit normals of an instance's triangles (N,), in its frame."""
        faces = self.faces(self.manifest.instances[instance].category)
        a, b, c = np.moveaxis(self.vertices(instance)[faces[face]], 1, 0)
        normals = np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        units: FloatArray = normals / np.maximum(length, 1e-30)
        return units

    def pairs(
        self, i: int, j: int, n: int, rng: np.random.Generator, *, background: bool = False
    ) -> Pairs:
        """Pixels of two views that show the same surface point: see `draw_pairs`."""
        return draw_pairs(self, self.view(i), self.view(j), n, rng, background=background)

    def _mesh(self, name: str, keys: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
        return _read_mesh(self.folder / MESHES / f"{name}.npz", keys)


@functools.lru_cache(maxsize=256)
def _read_mesh(path: Path, keys: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInputError(
            f"{path}: is missing: this set has no shape of {path.stem}, so canonical coordinates"
            " cannot be carried to it"
        ) from error
    arrays = codec.unpack_arrays(str(path), content, keys)
    for array in arrays:
        array.flags.writeable = False
    return tuple(arrays)
