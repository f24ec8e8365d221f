# SPDX-License-Identifier: Apache-2.0
"""Full disks, killed processes, and processes that write one set at the same time."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tack_perception.annotations import AnnotationStore, load_annotations
from tack_perception.errors import TackError


def labels(folder: Path) -> tuple[str, ...]:
    return AnnotationStore(folder).load().labels


def files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    )


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("limit", [100, 4000, 9000])
def test_a_save_that_fails_half_way_changes_nothing_and_can_be_tried_again(
    store, folder, click, limit
) -> None:
    annotations = store.load()
    annotations.add(click("c", seed=2))
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    with (
        file_size_limit(limit),
        pytest.raises(TackError, match="cannot be written: File too large"),
    ):
        store.save(annotations)
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert annotations.labels == ("a", "b", "c")
    store.save(annotations)
    assert len(load_annotations(folder)) == 3


def test_a_failure_at_the_text_alone_changes_nothing_that_counts(store, folder) -> None:
    annotations = store.load()
    annotations.rename(next(iter(annotations)).id, "z")
    with file_size_limit(500), pytest.raises(TackError, match="cannot be written: File too large"):
        store.save(annotations)
    assert labels(folder) == ("a", "b")
    store.save(annotations)
    assert labels(folder) == ("z", "b")
    assert store.undo().labels == ("a", "b")


def test_a_full_disk_while_saving_keeps_the_set(tmp_path, click) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        filler = tmp_path / "filler"
        filler.write_bytes(bytes(170_000))
        store = AnnotationStore(tmp_path / "set")
        annotations = store.load()
        failures = []
        for seed in range(6):
            annotations.add(click(f"label{seed}", seed=seed))
            try:
                store.save(annotations)
            except TackError as error:
                failures.append(str(error))
        assert 1 <= len(failures) <= 4
        assert "No space left on device" in failures[0]
        assert "MB are free; make room" in failures[0]
        assert len(load_annotations(tmp_path / "set")) == 6 - len(failures)
        filler.unlink()
        store.save(annotations)  # nothing was lost in memory
        assert len(load_annotations(tmp_path / "set")) == 6
    finally:
        subprocess.run(["umount", tmp_path], check=True)


WRITER = """
import sys
import numpy as np
from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationStore
from tack_perception.camera import CameraIntrinsics
from tack_perception.frame import RGBDFrame

folder, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
camera = CameraIntrinsics(64, 48, 60, 60, 31.5, 23.5)
store = AnnotationStore(folder)
annotations = store.load()
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    color = np.full((48, 64, 3), number % 250, np.uint8)
    frame = RGBDFrame(color, np.full((48, 64), 0.5, np.float32), camera, number, "camera")
    annotations.add(Annotation(f"{name}-{number}", 3, 4, frame))
    store.save(annotations)
"""


def start_writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_that_write_one_set_lose_nothing(folder) -> None:
    writers = [start_writer(folder, name, 12) for name in ("left", "right", "third")]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    found = {annotation.label for annotation in load_annotations(folder)}
    assert found == {f"{n}-{i}" for n in ("left", "right", "third") for i in range(12)}


def test_a_process_that_is_killed_while_saving_leaves_a_set_that_loads(folder) -> None:
    for attempt in range(3):
        with start_writer(folder, f"run{attempt}", 10_000) as writer:
            writer.stdin.write("go\n")
            writer.stdin.flush()
            main = folder / "annotations.yaml"
            while not (main.exists() and f"run{attempt}-3" in main.read_text()):
                pass
            writer.kill()
        saved = load_annotations(folder)
        assert {f"run{attempt}-{i}" for i in range(4)} <= {a.label for a in saved}
    store = AnnotationStore(folder)
    annotations = store.load()
    annotations.rename(next(iter(annotations)).id, "last")
    store.save(annotations)
    assert not list(folder.rglob(".*.tmp"))
