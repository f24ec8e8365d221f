# SPDX-License-Identifier: Apache-2.0
"""Keeps finished wheels, one folder per cache key, safe against crashes and parallel builders."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tack_perception.files import write_error


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/tack`, else `~/.cache/tack`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "tack"


def cache_key(parts: Mapping[str, str]) -> str:
    """A short name for everything that the wheel depends on: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        for text in (name, parts[name]):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file; the system releases it even when the process is killed.

    Args:
        path: the lock file, made when missing.
        on_wait: called once when another process holds it, before waiting.

    Raises:
        TackError: the lock file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def find(folder: Path, name: str) -> Path | None:
    """The cached file, if it is there and whole."""
    path = folder / name
    with contextlib.suppress(OSError):
        stored = (folder / "sha256").read_text(encoding="ascii").strip()
        if hashlib.sha256(path.read_bytes()).hexdigest() == stored:
            return path
    return None


def store(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    """Make a file in a scratch folder and move it to its place in one step.

    The caller holds the lock of this place, so a scratch folder that lies about is left over from
    a build that was killed, and goes.

    Args:
        folder: the place, replaced as a whole.
        name: of the file.
        make: called with the scratch folder and the path of the file that it must write.

    Raises:
        TackError: the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for orphan in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(orphan, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            finished = scratch / "finished"
            finished.mkdir()
            make(scratch, finished / name)
            digest = hashlib.sha256((finished / name).read_bytes()).hexdigest()
            (finished / "sha256").write_text(digest + "\n", encoding="ascii")
            shutil.rmtree(folder, ignore_errors=True)
            finished.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return folder / name
