# SPDX-License-Identifier: Apache-2.0
"""A run on disk: what ran, and of each cycle its record and pictures. docs/runs.md has the format.

A cycle counts once its record is there; the record takes its place in one step, after its pictures.
So a process that is killed loses the cycle under way and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.cycle_json import from_json, parsed, to_json, written
from tack_perception.errors import FileFormatError, InvalidInputError, TackError
from tack_perception.files import sync_folder, write_atomically, write_error

FORMAT, VERSION = "tack run", 1
RUN, RECORD = "run.json", "record.json"

_CYCLE = re.compile(r"cycle_(\d{4,9})")


class RunWriter:
    """Adds cycles to a run folder. Several writers, also of several processes, number on safely.

    Args:
        folder: made if it is missing; one that holds a run of the same description is gone on with.
        about: what runs: robot, task, settings, …; texts, numbers, lists and mappings.

    Raises:
        InvalidInputError: `about` has no place in JSON, or the folder holds another run.
        FileFormatError: the folder holds a run that cannot be read.
        TackError: the folder cannot be written.
    """

    def __init__(self, folder: Path | str, about: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        text = written(
            {"format": FORMAT, "version": VERSION, "about": dict(about)}, "what is said of the run"
        )
        wanted = parsed(text, FORMAT, VERSION)["about"]
        with _locked(self.folder):
            if (self.folder / RUN).exists():
                if differing := _differences(_about(self.folder), wanted):
                    raise InvalidInputError(
                        f"{self.folder} holds a run of something else ({RUN} differs in"
                        f" {', '.join(differing[:5])}); choose another folder"
                    )
            elif any(_cycles(self.folder)):
                raise InvalidInputError(
                    f"{self.folder} holds cycles and no {RUN}; choose another folder"
                )
            else:
                write_atomically(self.folder / RUN, text)

    def begin(self) -> Path:
        """A folder for the next cycle, this caller's own.

        Raises:
            TackError: it cannot be made.
        """
        number = max(_cycles(self.folder), default=0) + 1
        while True:
            path = self.folder / f"cycle_{number:04d}"
            try:
                path.mkdir()
            except FileExistsError:  # another writer was quicker
                number += 1
            except OSError as error:
                raise write_error(path, error) from error
            else:
                sync_folder(self.folder)
                return path

    def end(self, cycle: Path, record: CycleRecord) -> None:
        """A cycle is over, and its pictures are there.

        Args:
            cycle: the folder that `begin` gave.
            record: what came of it.

        Raises:
            InvalidInputError: the record has no place in a file (see `cycle_json.to_json`).
            TackError: it cannot be written.
        """
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        write_atomically(cycle / RECORD, to_json(record, now))

    def add(self, record: CycleRecord) -> Path:
        """Write a cycle without pictures; returns its folder.

        Raises:
            TackError: as `begin` and `end`.
        """
        cycle = self.begin()
        self.end(cycle, dataclasses.replace(record, stages=tuple(
            dataclasses.replace(stage, pictures=()) for stage in record.stages
        )))  # fmt: skip
        return cycle


@dataclasses.dataclass(frozen=True)
class Cycle:
    """One cycle of a run.

    Attributes:
        number: in the run, from 1.
        folder: of its pictures.
        record: what came of it.
        ended: when, UTC, ISO 8601.
    """

    number: int
    folder: Path
    record: CycleRecord
    ended: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        folder: itself.
        about: what ran.
        cycles: that can be read, by number.
        broken: name of a cycle's folder → why it was left out.
    """

    folder: Path
    about: Mapping[str, Any]
    cycles: tuple[Cycle, ...]
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", MappingProxyType(dict(self.about)))
        object.__setattr__(self, "broken", MappingProxyType(dict(self.broken)))

    @property
    def records(self) -> tuple[CycleRecord, ...]:
        """Of all cycles, in order."""
        return tuple(cycle.record for cycle in self.cycles)


def read_run(folder: Path | str) -> Run:
    """Read a run folder, also of a run that still goes on.

    Returns:
        The run; cycles that were cut off or cannot be understood are left out and counted.

    Raises:
        InvalidInputError: there is no run in this folder.
        FileFormatError: what ran cannot be read.
    """
    folder = Path(folder)
    if not (folder / RUN).is_file():
        raise InvalidInputError(f"{folder}: {_no_run(folder)}")
    about = _about(folder)
    cycles, broken = [], {}
    for number, path in sorted(_cycles(folder).items()):
        try:
            record, ended = from_json((path / RECORD).read_bytes())
        except FileNotFoundError:
            broken[path.name] = f"no {RECORD}: it was cut off, or it still goes on"
        except OSError as error:
            broken[path.name] = f"{RECORD} cannot be read: {error.strerror}"
        except TackError as error:
            broken[path.name] = f"{RECORD}: {error}"
        else:
            cycles.append(Cycle(number, path, record, ended))
    return Run(folder, about, tuple(cycles), broken)


def _about(folder: Path) -> dict[str, Any]:
    path = folder / RUN
    try:
        content = parsed(path.read_bytes(), FORMAT, VERSION)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    if not isinstance(about := content.get("about"), dict):
        raise FileFormatError(f"{path}: about is not a mapping")
    return about


def _cycles(folder: Path) -> dict[int, Path]:
    """Number → folder of the cycles that there are, finished or not."""
    try:
        paths = [path for path in folder.iterdir() if path.is_dir()]
    except OSError as error:
        raise TackError(f"{folder}: cannot be read: {error.strerror}") from error
    found = ((_CYCLE.fullmatch(path.name), path) for path in paths)
    return {int(match[1]): path for match, path in found if match}


def _no_run(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    others = sorted(path.parent.name for path in folder.glob(f"*/{RUN}"))
    if others:
        return f"no run, but in it are {', '.join(others[:8])}{', …' * (len(others) > 8)}"
    return f"no run ({RUN} is missing)"


def _differences(mine: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    missing = object()
    names = sorted({*mine, *other})
    return [name for name in names if mine.get(name, missing) != other.get(name, missing)]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process at a time, as long as it lives."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        with contextlib.suppress(OSError):  # where nothing can be locked, one writer is usual
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
