# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a reader sees the old content or the new, never a half."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from tack_perception.errors import TackError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Replace the content of a file in one step, durably.

    Args:
        path: the file; missing parent folders are made.
        data: the new content; text is written as UTF-8 with its line ends unchanged.

    Raises:
        TackError: the file cannot be written; the old content (if any) is still there.
    """
    with open_atomically(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def open_atomically(path: Path | str) -> Iterator[BinaryIO]:
    """Open a binary stream whose content takes the file's place when the block ends well.

    When the block raises, the file keeps its old content and the temporary file beside it is
    removed. A symbolic link is followed: its target is replaced, the link stays.

    Args:
        path: the file; missing parent folders are made.

    Yields:
        A binary stream, open for writing.

    Raises:
        TackError: the file cannot be written (disk full, no permission, path is a folder); the
            message names the path, and the free space where that is the trouble.
    """
    target = Path(os.path.realpath(path))
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield cast(BinaryIO, stream)
            stream.flush()
            os.fchmod(stream.fileno(), _mode_for(target))
            os.fsync(stream.fileno())
        temporary.replace(target)
        temporary = None
        sync_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename or removal in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_error(path: Path | str, error: OSError) -> TackError:
    """An operating-system error on writing, in words that say what to do."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        advice = f"{_free_space(Path(path))}; make room or choose another folder"
    elif error.errno in _FORBIDDEN:
        advice = "check who owns the folder, or choose another one"
    elif error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
        advice = "a folder stands where a file is expected, or the other way round"
    else:
        advice = "the old content, if any, is unchanged"
    return TackError(f"{path}: cannot be written: {reason} ({advice})")


def _mode_for(target: Path) -> int:
    """The permissions of the file that is replaced, else what the umask gives a new file."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)  # the umask can only be read by setting it
        os.umask(umask)
        return 0o666 & ~umask


def _free_space(path: Path) -> str:
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free"
    return "the free space is unknown"
