# SPDX-License-Identifier: Apache-2.0
"""A set on disk: a folder with `annotations.yaml`, the pictures, and a few previous versions."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tack_perception.annotation import Annotation
from tack_perception.annotations.annotation_set import AnnotationSet
from tack_perception.annotations.format import IMAGES, dump, image_names, parse, read_text
from tack_perception.annotations.records import Entry
from tack_perception.annotations.yaml_nodes import CorruptFileError
from tack_perception.configuration import Configuration, setting
from tack_perception.errors import FileFormatError, InvalidInputError, TackError
from tack_perception.files import write_atomically, write_error

_log = logging.getLogger(__name__)

MAIN = "annotations.yaml"
PREVIOUS = "previous"
_LOCK = ".lock"
_POLL_S = 0.02


@dataclasses.dataclass(frozen=True)
class StoreSettings(Configuration):
    """How a set is kept on disk."""

    previous_versions: int = setting(
        10, "how many older versions of the set are kept, for undo and against damage", low=1
    )
    crop_px: int = setting(
        0,
        "edge of the window that is kept around a click; 0 keeps the whole frame, which gives a"
        " detector the surroundings",
        unit="px",
        low=0,
        high=65535,
    )
    lock_timeout_s: float = setting(
        10.0, "how long to wait for another process that writes the set", unit="s", low=0
    )


class AnnotationStore:
    """Loads and saves one set. Safe against other processes that write the same set.

    A save takes a lock, reads what is on disk now, brings in what others changed since the last
    load (see `AnnotationSet.reconcile`), and only then writes: nobody's annotations are lost. The
    order is pictures, previous version, `annotations.yaml` (in one step), removal of pictures that
    no version names: a crash or a full disk at any point leaves a set that loads.

    Args:
        path: the folder of the set, or its `annotations.yaml`.
        settings: how it is kept.
    """

    def __init__(self, path: Path | str, settings: StoreSettings | None = None) -> None:
        path = Path(path)
        self._folder = path.parent if path.name == MAIN else path
        self._settings = settings or StoreSettings()
        self._base: Mapping[str, Entry] | None = None

    @property
    def folder(self) -> Path:
        """The folder of the set."""
        return self._folder

    @property
    def exists(self) -> bool:
        """Whether there is a set in the folder."""
        return self._main.exists() or bool(self._previous())

    def load(self) -> AnnotationSet:
        """Read the set; empty where there is none yet. Images are read when they are needed.

        A damaged `annotations.yaml` is left as it is, and the newest previous version is read in
        its place, with a warning in the log.

        Raises:
            FileFormatError: written by a newer tack, or with a wrong value (the message names the
                line), or damaged with no previous version.
        """
        entries, _ = self._read()
        self._base = {entry.id: entry for entry in entries}
        return AnnotationSet(entries, self._settings.crop_px)

    def save(self, annotations: AnnotationSet) -> None:
        """Write the set, with what others changed on disk brought into `annotations`.

        A damaged `annotations.yaml` is kept as `annotations.yaml.corrupt-<n>`.

        Raises:
            FileFormatError: the file on disk was edited and has a wrong value, or was written by
                a newer tack; nothing is written.
            TackError: the disk is full, the folder is not writable, or another process holds the
                lock for too long; the set on disk is as before.
        """
        with self._locked():
            theirs, text = self._read(self._base)
            base = self._base or {}
            self._base = {entry.id: entry for entry in theirs}
            annotations.reconcile(base, self._base)
            self._write(annotations, text)
            self._base = annotations.entries

    def undo(self) -> AnnotationSet:
        """Bring back the version before the last save, whoever made it.

        Raises:
            InvalidInputError: there is no previous version.
            FileFormatError, TackError: as `save`.
        """
        nothing = InvalidInputError(f"{self._folder}: nothing to undo, no older version is kept")
        if not self.exists:
            raise nothing
        with self._locked():
            _, current = self._read({})
            for path in self._previous():
                with contextlib.suppress(CorruptFileError):
                    text = read_text(path)
                    entries = parse(text, self._folder, str(path))
                    if text != current:
                        break
            else:
                raise nothing
            if current is None:
                self._set_aside()
            write_atomically(self._main, text)
            for used in self._previous():
                if used >= path:
                    used.unlink()
        self._base = {entry.id: entry for entry in entries}
        return AnnotationSet(entries, self._settings.crop_px)

    @property
    def _main(self) -> Path:
        return self._folder / MAIN

    def _previous(self) -> list[Path]:
        """Files of previous versions, newest first."""
        return sorted((self._folder / PREVIOUS).glob("[0-9]*.yaml"), reverse=True)

    def _read(self, instead: Mapping[str, Entry] | None = None) -> tuple[list[Entry], str | None]:
        """Entries on disk and their text; the text is None where there is no sound main file.

        Args:
            instead: what to take in place of a missing or damaged file; None for what is on disk.
        """
        if not self._main.exists():
            if self._previous() and instead is None:
                _log.warning(
                    "%s is missing, so the set counts as empty; older versions are in %s"
                    " (`tack annotate --undo` brings the newest back)",
                    self._main,
                    self._folder / PREVIOUS,
                )
            return list((instead or {}).values()), None
        try:
            text = read_text(self._main)
            return parse(text, self._folder, str(self._main)), text
        except CorruptFileError as error:
            if instead is not None:
                return list(instead.values()), None
            for path in self._previous():
                with contextlib.suppress(FileFormatError):
                    entries = parse(read_text(path), self._folder, str(path))
                    _log.warning(
                        "%s. The previous version %s is used in its place; repair the file, or the"
                        " next save keeps it as %s.corrupt-<n>",
                        error,
                        path,
                        MAIN,
                    )
                    return entries, None
            raise

    def _write(self, annotations: AnnotationSet, text: str | None) -> None:
        new = dump(annotations)
        if new == text:
            return
        written: list[Path] = []
        try:
            self._write_images(annotations, written)
            if text is None and self._main.exists():
                self._set_aside()
            self._keep_version(text, written)
            write_atomically(self._main, new)
        except TackError:
            for path in written:
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
        self._tidy()

    def _write_images(self, annotations: AnnotationSet, written: list[Path]) -> None:
        for picture in {entry.picture.key: entry.picture for entry in annotations}.values():
            targets = tuple(self._folder / name for name in image_names(picture.key))
            at_home = (picture.color, picture.depth) == targets
            if at_home or all(target.exists() for target in targets):
                continue
            for target, data in zip(targets, picture.pngs(), strict=True):
                is_new = not target.exists()
                write_atomically(target, data)
                if is_new:
                    written.append(target)

    def _keep_version(self, text: str | None, written: list[Path]) -> None:
        newest = next(iter(self._previous()), None)
        if text is None and newest is not None:
            return  # the file was damaged: the newest sound version is there already
        number = int(newest.stem) + 1 if newest else 1
        path = self._folder / PREVIOUS / f"{number:06d}.yaml"
        write_atomically(path, dump(()) if text is None else text)
        written.append(path)

    def _set_aside(self) -> None:
        """Keep a damaged main file under another name before it is replaced."""
        if not self._main.exists():
            return
        number = 1
        while (aside := self._folder / f"{MAIN}.corrupt-{number}").exists():
            number += 1
        write_atomically(aside, self._main.read_bytes())
        _log.warning("the damaged %s is kept as %s", self._main, aside)

    def _tidy(self) -> None:
        """Remove the oldest versions and the pictures that no version names."""
        try:
            for path in self._previous()[self._settings.previous_versions :]:
                path.unlink()
            texts = [self._main, *self._previous(), *self._folder.glob(f"{MAIN}.corrupt-*")]
            named: set[bytes] = set()
            for path in texts:
                named.update(re.findall(rb"images/([\w-]+\.png)", path.read_bytes()))
            for path in (self._folder / IMAGES).glob("*_*.png"):
                if path.name.encode() not in named:
                    path.unlink()
            for path in self._folder.glob("**/.*.tmp"):  # of a process that was killed
                path.unlink()
        except OSError as error:  # the set itself is already safe
            _log.warning("%s: old files cannot be removed: %s", self._folder, error)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._folder / _LOCK
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise write_error(path, error) from error
        try:
            deadline = time.monotonic() + self._settings.lock_timeout_s
            while not _try_lock(handle, path):
                if time.monotonic() > deadline:
                    raise TackError(
                        f"{self._folder}: another process has been writing this set for"
                        f" {self._settings.lock_timeout_s:g} s; nothing was saved, try again"
                    )
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(handle)


def load_annotations(path: Path | str) -> list[Annotation]:
    """The annotations of a set, with their pictures, ready to enrol.

    Args:
        path: the folder of the set, or its `annotations.yaml`.

    Raises:
        FileFormatError: there is no set, it cannot be understood, or a picture cannot be read; the
            message names the file and the line.
    """
    store = AnnotationStore(path)
    if not store.exists:
        raise FileFormatError(
            f"{path}: no annotation set here ({MAIN} is missing); make one with `tack annotate`"
        )
    return store.load().annotations()


def _try_lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise TackError(
            f"{path}: this file system cannot lock files ({error.strerror});"
            " keep the set on a local disk"
        ) from error
    return True
