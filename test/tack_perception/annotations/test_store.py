# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import fcntl
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from tack_perception.annotations import (
    AnnotationSet,
    AnnotationStore,
    StoreSettings,
    load_annotations,
)
from tack_perception.errors import FileFormatError, InvalidInputError, TackError


def labels(folder: Path) -> tuple[str, ...]:
    return AnnotationStore(folder).load().labels


def files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    )


def test_a_set_comes_back_with_its_pictures(store, folder, click) -> None:
    for path in (folder, folder / "annotations.yaml", str(folder)):
        first, second = load_annotations(path)
        assert (first.label, first.u, first.v) == ("a", 0.0, 24.0)
        assert (second.frame.color == click(seed=1).frame.color).all()
        assert np.allclose(second.frame.depth, click(seed=1).frame.depth, atol=6e-5, equal_nan=True)


def test_pictures_are_stored_once(folder, click) -> None:
    store = AnnotationStore(folder)
    annotations = store.load()
    for u in range(4):
        annotations.add(click("a", float(u)))
    store.save(annotations)
    key = next(iter(annotations)).picture.key
    assert files(folder) == [
        "annotations.yaml",
        f"images/{key}_color.png",
        f"images/{key}_depth.png",
        "previous/000001.yaml",
    ]


def test_saving_without_a_change_writes_nothing(store, folder) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    store.save(store.load())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_absent_set_is_empty_to_a_store_and_an_error_to_a_detector(tmp_path) -> None:
    assert len(AnnotationStore(tmp_path / "new").load()) == 0
    assert not (tmp_path / "new").exists()
    with pytest.raises(FileFormatError, match=r"new: no annotation set here .*tack annotate"):
        load_annotations(tmp_path / "new")


def test_undo_goes_back_save_by_save(store, folder) -> None:
    assert store.undo().labels == ("a",)
    assert labels(folder) == ("a",)
    assert AnnotationStore(folder).undo().labels == ()
    with pytest.raises(InvalidInputError, match="nothing to undo"):
        store.undo()
    with pytest.raises(InvalidInputError, match="nothing to undo"):
        AnnotationStore(folder.parent / "none").undo()


def test_undo_of_a_delete_brings_the_picture_back(store, folder, click) -> None:
    annotations = store.load()
    annotations.delete(next(iter(annotations)).id)
    store.save(annotations)
    store.undo()
    assert (load_annotations(folder)[0].frame.color == click(seed=0).frame.color).all()


def test_undo_in_memory_survives_a_save_that_removed_the_picture(folder, click) -> None:
    store = AnnotationStore(folder, StoreSettings(previous_versions=1))
    annotations = store.load()
    annotations.add(click("a", seed=0))
    annotations.add(click("b", seed=1))
    store.save(annotations)
    annotations = store.load()
    deleted = annotations.delete(next(iter(annotations)).id)
    store.save(annotations)
    annotations.rename(next(iter(annotations)).id, "z")
    store.save(annotations)
    assert not list(folder.glob(f"images/{deleted.picture.key}*"))
    annotations.undo()
    annotations.undo()
    store.save(annotations)
    assert [a.label for a in load_annotations(folder)] == ["a", "b"]


def test_old_versions_and_their_pictures_go(folder, click) -> None:
    store = AnnotationStore(folder, StoreSettings(previous_versions=2))
    annotations = store.load()
    for seed in range(6):
        if seed:
            annotations.delete(next(iter(annotations)).id)
        annotations.add(click("a", seed=seed))
        store.save(annotations)
    assert [p.name for p in sorted((folder / "previous").iterdir())] == [
        "000005.yaml",
        "000006.yaml",
    ]
    assert len(list((folder / "images").iterdir())) == 2 * 3  # of the set and two versions


@pytest.mark.parametrize("damage", [b"", b"\0" * 900, b"version: 1\nannot", b"\xff\xfe\x00"])
def test_the_previous_version_stands_in_for_a_damaged_file(store, folder, damage, caplog) -> None:
    main = folder / "annotations.yaml"
    main.write_bytes(damage)
    annotations = AnnotationStore(folder).load()
    assert annotations.labels == ("a",)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "annotations.yaml" in record.message
    assert "previous/000002.yaml is used" in record.message
    assert main.read_bytes() == damage  # loading changes nothing


def test_a_damaged_file_is_kept_aside_by_the_next_save(store, folder, click, caplog) -> None:
    main = folder / "annotations.yaml"
    for number in (1, 2):
        main.write_bytes(b"garbage %d" % number)
        fresh = AnnotationStore(folder)
        annotations = fresh.load()
        annotations.add(click(f"new{number}", 9.0, number))
        fresh.save(annotations)
        aside = folder / f"annotations.yaml.corrupt-{number}"
        assert aside.read_bytes() == b"garbage %d" % number
        assert f"kept as {aside}" in caplog.text
    assert "new2" in labels(folder)
    assert len(load_annotations(folder)) == len(AnnotationStore(folder).load())


def test_damage_while_the_set_is_open_loses_nothing(store, folder, click) -> None:
    annotations = store.load()
    annotations.add(click("c", 2.0))
    for damage in (
        lambda: (folder / "annotations.yaml").write_bytes(b"\0\0"),
        lambda: (folder / "annotations.yaml").unlink(),
    ):
        damage()
        store.save(annotations)
        assert labels(folder) == ("a", "b", "c")


def test_damage_without_a_previous_version_is_an_error(store, folder) -> None:
    (folder / "annotations.yaml").write_bytes(b"")
    shutil.rmtree(folder / "previous")
    with pytest.raises(FileFormatError, match=r"annotations\.yaml: empty"):
        store.load()


def test_undo_of_a_damaged_file_keeps_it_aside(store, folder) -> None:
    (folder / "annotations.yaml").write_bytes(b"\0\0")
    assert store.undo().labels == ("a",)
    assert (folder / "annotations.yaml.corrupt-1").read_bytes() == b"\0\0"


def test_a_missing_file_beside_versions_is_said(store, folder, caplog) -> None:
    (folder / "annotations.yaml").unlink()
    assert AnnotationStore(folder).load().labels == ()
    assert "older versions are in" in caplog.text
    assert AnnotationStore(folder).undo().labels == ("a",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("label: b", "label: b/b", "line 13: .*label 'b/b'"), ("version: 1", "version: 9", "newer")],
)
def test_a_slip_or_a_newer_file_is_neither_replaced_nor_overwritten(
    store, folder, click, old, new, message
) -> None:
    annotations = store.load()
    annotations.add(click("c"))
    main = folder / "annotations.yaml"
    edited = main.read_text().replace(old, new)
    main.write_text(edited)
    for action in (store.load, lambda: store.save(annotations), store.undo):
        with pytest.raises(FileFormatError, match=message):
            action()
    assert main.read_text() == edited
    main.write_text(edited.replace(new, old))
    store.save(annotations)  # what was added in memory is not lost
    assert labels(folder) == ("a", "b", "c")


def test_an_edit_by_hand_is_taken_up_by_an_open_set(store, folder, click) -> None:
    annotations = store.load()
    annotations.add(click("c"))
    main = folder / "annotations.yaml"
    main.write_text(main.read_text().replace("label: b", "label: by hand"))
    store.save(annotations)
    assert annotations.labels == labels(folder) == ("a", "by hand", "c")


def test_handwritten_picture_paths_are_read_and_brought_home(store, folder) -> None:
    main = folder / "annotations.yaml"
    key = next(iter(store.load())).picture.key
    (folder / "photos").mkdir()
    for kind in ("color", "depth"):
        (folder / f"images/{key}_{kind}.png").rename(folder / f"photos/{kind}.png")
    text = main.read_text()
    for kind in ("color", "depth"):
        text = text.replace(f"images/{key}_{kind}.png", f"photos/{kind}.png")
    main.write_text(text.replace(key, "shelf"))
    annotations = store.load()
    annotations.rename(next(iter(annotations)).id, "z")
    store.save(annotations)
    assert (folder / "images/shelf_color.png").exists()
    assert load_annotations(folder)[0].label == "z"


def test_a_lost_picture_is_named_and_does_not_stop_other_work(store, folder) -> None:
    annotations = store.load()
    entry = next(iter(annotations))
    image = folder / f"images/{entry.picture.key}_color.png"
    image.unlink()
    with pytest.raises(FileFormatError, match=rf"{image.name}: cannot be read: .*restore"):
        load_annotations(folder)
    annotations.rename(list(annotations)[1].id, "z")
    store.save(annotations)
    annotations.delete(entry.id)
    store.save(annotations)
    assert [a.label for a in load_annotations(folder)] == ["z"]


def test_merge_of_two_sets_on_disk(store, folder, tmp_path, click) -> None:
    other = AnnotationStore(tmp_path / "other")
    theirs = AnnotationSet()
    theirs.add(click("b", 1.0, seed=1))
    theirs.add(click("c", 2.0, seed=2))
    other.save(theirs)
    annotations = store.load()
    report = annotations.merge(AnnotationStore(tmp_path / "other").load())
    assert (len(report.added), report.duplicates) == (1, 1)
    shutil.rmtree(tmp_path / "other")
    store.save(annotations)
    assert (load_annotations(folder)[2].frame.color == click(seed=2).frame.color).all()


def test_a_lock_that_is_held_is_an_error_after_a_while(store, folder, click) -> None:
    patient = AnnotationStore(folder, StoreSettings(lock_timeout_s=0.05))
    annotations = patient.load()
    annotations.add(click("c"))
    with (folder / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TackError, match=r"another process .* nothing was saved, try again"):
            patient.save(annotations)
    patient.save(annotations)
    assert labels(folder) == ("a", "b", "c")


def test_a_folder_that_cannot_be_is_named(tmp_path, click) -> None:
    (tmp_path / "file").write_text("")
    annotations = AnnotationSet()
    annotations.add(click())
    with pytest.raises(TackError, match=r"file/set.*cannot be written"):
        AnnotationStore(tmp_path / "file" / "set").save(annotations)
