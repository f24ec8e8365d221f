# SPDX-License-Identifier: Apache-2.0
"""Frames out of a folder of pictures.

The layout (`docs/sources.md` shows it in full)::

    camera.yaml            intrinsics, depth unit and, if known, stamps and poses (or camera.json)
    color/0000.png …       8-bit PNG or JPEG
    depth/0000.png …       16-bit PNG of the same name, registered to colour, 0 = unknown

A folder with a `case.json` instead is read by `tack_perception.sources.case`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tack_perception.encodings import (
    CompressedImage,
    decode_compressed_color,
    decode_compressed_depth,
)
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.case import CASE_FILE, read_case
from tack_perception.sources.folder_layout import FolderContent, FolderEntry, read_folder
from tack_perception.transforms import TransformBuffer

WORLD = "world"


class FolderSource:
    """The frames of a folder of pictures, in the order of their stamps.

    Args:
        path: the folder.

    Raises:
        SourceError: on entering, if the folder or its description cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._content = FolderContent(())
        self._drops: Counter[str] = Counter()
        self._transforms: TransformBuffer | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._path.name

    @property
    def drops(self) -> Counter[str]:
        """Frames that were dropped, by reason."""
        return self._drops

    @property
    def transforms(self) -> TransformBuffer | None:
        """The camera's poses in the frame "world", or None where the folder has none."""
        return self._transforms

    @property
    def entries(self) -> tuple[FolderEntry, ...]:
        """The frames as files, in the order of their stamps."""
        return self._content.entries

    def __len__(self) -> int:
        """Number of colour pictures."""
        return len(self._content.entries)

    def __enter__(self) -> FolderSource:
        try:
            case = (self._path / CASE_FILE).exists()
            content = read_case(self._path) if case else read_folder(self._path)
        except (InvalidInputError, OSError) as error:
            raise SourceError(f"{self._path}: {error}") from error
        self._content = content
        self._transforms = None
        for entry in content.entries:
            if entry.world_from_camera is not None:
                self._transforms = self._transforms or TransformBuffer(keep_ns=None)
                self._transforms.add(
                    WORLD, content.frame_id, entry.stamp_ns, entry.world_from_camera
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def __iter__(self) -> Iterator[RGBDFrame]:
        """Yield the frames; one whose pictures cannot be used is dropped and counted."""
        self._drops.clear()
        for entry in self._content.entries:
            try:
                frame = self._frame(entry)
            except (InvalidInputError, OSError) as error:
                self._drops[f"{entry.color.stem}: {error}"] += 1
            else:
                yield frame

    def _frame(self, entry: FolderEntry) -> RGBDFrame:
        codec = "png" if entry.color.suffix == ".png" else "jpeg"
        color = decode_compressed_color(CompressedImage(codec, entry.color.read_bytes()))
        depth = decode_compressed_depth(
            CompressedImage("png", entry.depth.read_bytes()), self._content.depth_unit
        )
        frame_id = self._content.frame_id
        return RGBDFrame(color, depth, entry.intrinsics, entry.stamp_ns, frame_id)
