# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tack_perception.errors import TackError
from tack_perception.files import open_atomically, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "er" / "a.txt", "höhe\r\n")
    write_atomically(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "deep" / "er" / "a.txt").read_bytes() == "höhe\r\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["b.bin", "deep"]


def test_the_old_content_stays_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    with pytest.raises(TypeError), open_atomically(path) as stream:
        stream.writelines([b"half of the new", None])  # type: ignore[list-item]
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_of_another_file_keeps_its_own_name(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"absent\.txt"),
        open_atomically(tmp_path / "a.txt"),
    ):
        (tmp_path / "absent.txt").read_bytes()
    assert names(tmp_path) == []


def test_permissions_of_a_replaced_file_are_kept_and_new_ones_obey_the_umask(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    plain = tmp_path / "plain.txt"
    plain.write_text("")
    write_atomically(path, "1")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o640)
    write_atomically(path, "2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_symbolic_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_atomically(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_reader_never_sees_a_half(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "a" * 200_000)
    with open_atomically(path) as stream:
        stream.write(b"b" * 100_000)
        stream.flush()
        assert path.read_text() == "a" * 200_000
    assert path.read_text() == "b" * 100_000


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TackError, match=r"folder: cannot be written: .*a folder stands where"):
        write_atomically(tmp_path / "folder", "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(TackError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "below.txt", "x")
    assert names(tmp_path) == ["file", "folder"]


def test_a_forbidden_folder_is_named() -> None:
    path = Path("/sys/tack.txt")  # refused to everybody, root included
    with pytest.raises(
        TackError, match=r"^/sys/tack\.txt: cannot be written: .*who owns the folder"
    ):
        write_atomically(path, "x")


def test_a_size_limit_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    old_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old_limits[1]))
        with pytest.raises(TackError, match=r"a\.txt: cannot be written: File too large .*MB are"):
            write_atomically(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limits)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        path = tmp_path / "a.txt"
        write_atomically(path, "old")
        with pytest.raises(
            TackError, match=r"a\.txt: cannot be written: No space left .*0\.1 MB are free; make"
        ):
            write_atomically(path, b"x" * 200_000)
        assert path.read_text() == "old"
        assert names(tmp_path) == ["a.txt"]
        write_atomically(path, b"x" * 20_000)  # the room of the failed file is free again
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_killed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    script = (
        "import os, signal, sys\n"
        "from tack_perception.files import open_atomically\n"
        "with open_atomically(sys.argv[1]) as stream:\n"
        "    stream.write(b'x' * 100_000); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    finished = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert finished.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
