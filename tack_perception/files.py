# SPDX-License-Identifier: Apache-2.0
"""Writing files so that a reader sees the old content or the new, never a half."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tack_perception.errors import TackError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRONG_KIND = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


def write_atomically(path: Path | str, data: bytes | str) -> None:
    """Replace the content of a file in one step, durably.

    Args:
        path: the file; missing parent folders are made.
        data: the new content; text is written as UTF-8 with its line ends unchanged.

    Raises:
        TackError: the file cannot be written; its old content (if any) is still there.
    """
    with open_atomically(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def open_atomically(path: Path | str) -> Iterator[BinaryIO]:
    """Open a binary stream whose content takes the file's place when the block ends well.

    When the block raises, the file keeps its old content and the temporary file beside it is
    removed. A symbolic link is followed: its target is replaced, the link stays. The permissions
    of a replaced file are kept.

    Args:
        path: the file; missing parent folders are made.

    Yields:
        A binary stream, open for writing.

    Raises:
        TackError: the file cannot be written (disk full, no permission, the path is a folder); the
            message names the path, and the free space where that is the trouble.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(stream.fileno(), target.stat().st_mode & 0o7777)
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        # An error that the block met elsewhere (reading a missing file, say) names that file.
        if error.filename not in (None, str(temporary), str(target), str(target.parent)):
            raise
        _remove(temporary)  # first, so that its room counts as free
        raise write_error(path, error) from error
    finally:
        _remove(temporary)
    sync_folder(target.parent)


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
    if error.errno in _FULL:
        advice = f"{_free_space(Path(path))}; make room or choose another folder"
    elif error.errno in _FORBIDDEN:
        advice = "check who owns the folder, or choose another one"
    elif error.errno in _WRONG_KIND:
        advice = "a folder stands where a file is expected, or the other way round"
    else:
        advice = "the old content, if any, is unchanged"
    return TackError(f"{path}: cannot be written: {error.strerror or error} ({advice})")


def _remove(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # never hides the error that led here
        temporary.unlink(missing_ok=True)


def _free_space(path: Path) -> str:
    for folder in path.absolute().parents:
        with contextlib.suppress(OSError):
            return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free"
    return "the free space is unknown"
