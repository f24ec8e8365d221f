# SPDX-License-Identifier: Apache-2.0
"""The albums that `tack inspect` can show, each made when it is first asked for."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tack_perception.correspondence import CorrespondenceSet
from tack_perception.correspondence.manifest import MANIFEST
from tack_perception.detectors.shipped import model_path
from tack_perception.errors import InvalidInputError
from tack_perception.frame import RGBDFrame
from tack_perception.inspection.choosing import Sighting, album_of_frames, choose, sightings
from tack_perception.inspection.look import Look
from tack_perception.networks.fusing import fuse_normalisation
from tack_perception.networks.model import KeypointModel, load_model
from tack_perception.sources.opening import open_source

MOST_INSTANCES, MEASURED_VIEWS = 12, 4
"""Of the album on which the spread of codes is measured."""

_SURPLUS_FRAMES = 4  # of a source of unknown length, read for each one that is shown

Progress = Callable[[int], object]


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is shown of a class: instances, and views of each."""

    instances: int = 4
    views: int = 3

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 1 <= value <= 12:
                raise InvalidInputError(f"--{name} {value}: 1 to 12 are expected")


class Shelf:
    """Albums by name. Safe to be asked from several threads.

    Args:
        model: name or folder of the model; empty takes the shipped one.
        source: folder of a data set, or what `open_source` opens.
        extent: how much of each class.
        classes: to show; empty shows all of the set.

    Attributes:
        title: of the model.
        names: of the albums, in the order in which they are offered.
        model: the network, ready to be asked.

    Raises:
        InvalidInputError: no such model, set or class, or nothing in it.
        FileFormatError: one of them is damaged.
        SourceError: a recording cannot be read.
    """

    def __init__(
        self, model: str, source: Path, extent: Extent, classes: Sequence[str] = ()
    ) -> None:
        path = model_path(model)
        self.title = path.resolve().name
        self.source = source
        self.model = _ready(path)
        self._extent = extent
        self._locks: dict[tuple[str, bool], threading.Lock] = {}
        self._looks: dict[tuple[str, bool], Look] = {}
        self._lock = threading.Lock()
        self._data: CorrespondenceSet | None = None
        self._seen: list[Sighting] = []
        if (source / MANIFEST).is_file() or not source.exists():
            self._data = CorrespondenceSet.open(source)
            if not len(self._data):
                raise InvalidInputError(f"{source}: the data set has no views yet")
            self._seen = sightings(self._data)
        self.names = self._known(classes)

    @property
    def truth(self) -> bool:
        """Whether the pictures come from a data set, of which more is known than of a recording."""
        return self._data is not None

    @property
    def first(self) -> str:
        """The album to begin with: of objects that look different from every side, if there are."""
        if self._data is None:
            return self.names[0]
        classes = self._data.manifest.classes
        return next((name for name in self.names if not classes[name].symmetries), self.names[0])

    def look(self, name: str, *, wide: bool = False, progress: Progress | None = None) -> Look:
        """An album as the network sees it.

        Args:
            name: one of `names`.
            wide: with many instances, to measure on.
            progress: called with the number of pictures since the last call.

        Raises:
            InvalidInputError: no such album, or no usable picture for it.
            FileFormatError: a view is damaged.
        """
        if name not in self.names:
            raise InvalidInputError(f"class {name!r}: there are {', '.join(self.names)}")
        key = (name, wide and self.truth)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._looks:
                self._looks[key] = self._make(*key, progress)
            return self._looks[key]

    def _make(self, name: str, wide: bool, progress: Progress | None) -> Look:
        size = self.model.config.crop_px
        shown = Extent(MOST_INSTANCES, MEASURED_VIEWS) if wide else self._extent
        if self._data is None:
            frames = _frames(self.source, shown.instances, progress)
            album = album_of_frames(self.model, frames, name, objects=shown.views)
        else:
            album = choose(
                self._data, self._seen, name, size, instances=shown.instances, views=shown.views,
                progress=progress,
            )  # fmt: skip
        look = Look(self.model, album)
        _ = look.features  # computed here, once, and not by several threads at a time
        return look

    def _known(self, wanted: Sequence[str]) -> tuple[str, ...]:
        if self._data is None:
            if wanted:
                raise InvalidInputError(
                    f"--class {','.join(wanted)}: of the frames of {self.source} no class is known"
                )
            return (self.source.resolve().name or str(self.source),)
        infos = self._data.manifest.instances
        there = {infos[one.instance].category for one in self._seen if one.instance in infos}
        known = tuple(name for name in self._data.manifest.classes if name in there)
        for name in wanted:
            if name not in known:
                raise InvalidInputError(
                    f"--class {name}: {self.source} has {', '.join(known) or 'none'}"
                )
        return tuple(dict.fromkeys(wanted)) or known


def _ready(path: Path) -> KeypointModel:
    model, _ = load_model(path)
    fuse_normalisation(model)
    # Nothing is learned here: gradients are wanted of pictures alone.
    return model.requires_grad_(False)


def _frames(
    source: Path, count: int, progress: Progress | None = None
) -> list[tuple[int, RGBDFrame]]:
    """Some frames, evenly from the whole recording; from its beginning if nobody knows its length.

    `progress` is called with the number of frames read since the last call.
    """
    kept = []
    with open_source(source) as opened:
        length = len(opened)
        wanted = set(np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist())
        if not length:
            wanted = set(range(0, count * _SURPLUS_FRAMES, _SURPLUS_FRAMES))
        for number, frame in enumerate(opened):
            if number in wanted:
                kept.append((number, frame))
            if progress is not None:
                progress(1)
            if number >= max(wanted):
                break
    return kept
