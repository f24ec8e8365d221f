# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.annotation import Annotation
from tack_perception.annotations import AnnotationSet, Entry
from tack_perception.annotations.records import FrameRecord
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError, InvalidInputError
from tack_perception.frame import RGBDFrame


def summary(annotations: AnnotationSet) -> list[tuple[str, str, float, float]]:
    return [(e.id, e.label, e.u, e.v) for e in annotations]


def test_add_keeps_order_labels_and_depth(click) -> None:
    annotations = AnnotationSet()
    first = annotations.add(click("handle"), "rviz")
    second = annotations.add(click("rim", 3.0, 4.0))
    third = annotations.add(click("handle", 5.0, 6.0, seed=1), "command")
    assert [e.id for e in annotations] == [first.id, second.id, third.id]
    assert annotations.labels == ("handle", "rim")
    assert first.depth == 0.75
    assert (first.origin, second.origin, third.origin) == ("rviz", "file", "command")
    assert len(annotations) == 3


def test_clicks_on_one_frame_share_one_picture(click) -> None:
    annotations = AnnotationSet()
    entries = [annotations.add(click("handle", float(u))) for u in range(5)]
    assert len({id(entry.picture) for entry in entries}) == 1
    frames = {id(annotation.frame) for annotation in annotations.annotations()}
    assert len(frames) == 1


def test_the_same_click_is_not_added_twice(click) -> None:
    annotations = AnnotationSet()
    assert annotations.add(click()) is annotations.add(click())
    assert len(annotations) == 1
    annotations.undo()
    assert len(annotations) == 0


def test_ids_are_the_same_in_every_process_and_never_taken_twice(click) -> None:
    one, other = AnnotationSet(), AnnotationSet()
    entry = one.add(click("a"))
    assert other.add(click("a")).id == entry.id
    one.rename(entry.id, "b")
    assert one.add(click("a")).id != entry.id


def test_an_unknown_origin_and_label_are_refused(click) -> None:
    annotations = AnnotationSet()
    with pytest.raises(InvalidInputError, match=r"origin 'mail' .*file, command, rviz"):
        annotations.add(click(), "mail")
    entry = annotations.add(click())
    with pytest.raises(InvalidInputError, match="label 'a/b'"):
        annotations.rename(entry.id, "a/b")
    assert annotations.labels == ("handle",)


def test_get_takes_the_beginning_of_an_id_if_it_is_clear(click) -> None:
    record = FrameRecord.of(click().frame)
    annotations = AnnotationSet(Entry(i, "a", 1, 1, record) for i in ("abc1", "abd2", "ab"))
    assert annotations.get("abc").id == "abc1"
    assert annotations.get("ab").id == "ab"
    with pytest.raises(InvalidInputError, match="'a' may be abc1, abd2, ab"):
        annotations.get("a")
    for wrong in ("zz", ""):
        with pytest.raises(InvalidInputError, match=r"there are: abc1 \(a\), abd2 \(a\), ab \(a\)"):
            annotations.get(wrong)
    with pytest.raises(InvalidInputError, match="there are: none"):
        AnnotationSet().get("a")


def test_an_id_twice_is_refused(click) -> None:
    record = FrameRecord.of(click().frame)
    with pytest.raises(InvalidInputError, match="id x is there twice"):
        AnnotationSet([Entry("x", "a", 1, 1, record), Entry("x", "b", 2, 2, record)])


def test_undo_of_each_operation(click) -> None:
    annotations = AnnotationSet()
    first = annotations.add(click("a"))
    annotations.add(click("b", 1.0))
    annotations.add(click("c", 2.0))
    before = summary(annotations)

    annotations.rename(first.id, "z")
    assert annotations.labels == ("z", "b", "c")
    assert annotations.undo() == f"rename {first.id} (a to z)"
    assert summary(annotations) == before

    annotations.delete(list(annotations)[1].id)
    assert annotations.labels == ("a", "c")
    assert annotations.undo().startswith("delete ")
    assert summary(annotations) == before

    other = AnnotationSet()
    other.add(click("d", 3.0))
    other.add(click("e", 4.0))
    annotations.merge(other)
    assert annotations.labels == ("a", "b", "c", "d", "e")
    assert annotations.undo() == "merge of 2 annotations"
    assert summary(annotations) == before

    for label in ("c", "b", "a"):
        assert annotations.undo().endswith(f"({label})")
    with pytest.raises(InvalidInputError, match="nothing to undo"):
        annotations.undo()


def test_merge_skips_duplicates_and_keeps_our_label(click) -> None:
    ours, theirs = AnnotationSet(), AnnotationSet()
    for one in (ours, theirs):
        one.add(click("same"))
        one.add(click("name", 1.0))
    theirs.rename(list(theirs)[1].id, "theirs")
    ours.rename(list(ours)[1].id, "ours")
    new = theirs.add(click("new", 2.0, seed=3))
    report = ours.merge(theirs)
    assert (report.added, report.duplicates, report.kept) == (
        (new.id,),
        1,
        (list(ours)[1].id,),
    )
    assert ours.labels == ("same", "ours", "new")


def test_merge_gives_a_new_id_where_it_means_another_click(click) -> None:
    record = FrameRecord.of(click().frame)
    ours = AnnotationSet([Entry("x", "a", 1, 1, record)])
    report = ours.merge(AnnotationSet([Entry("x", "b", 2, 2, record)]))
    assert [e.label for e in ours] == ["a", "b"]
    assert report.added == (list(ours)[1].id,)
    assert report.added != ("x",)


def test_merge_tells_apart_two_pictures_with_one_handwritten_key(click) -> None:
    def named(seed: int) -> AnnotationSet:
        record = dataclasses.replace(FrameRecord.of(click(seed=seed).frame), key="shelf")
        return AnnotationSet([Entry(f"id{seed}", "a", 1, 1, record)])

    ours = named(1)
    assert ours.merge(named(2)).duplicates == 0
    first, second = ours.annotations()
    assert (first.frame.color == click(seed=1).frame.color).all()
    assert (second.frame.color == click(seed=2).frame.color).all()
    assert ours.merge(named(2)).duplicates == 1
    assert ours.merge(named(1)).duplicates == 1


def test_merge_with_a_lost_picture_changes_nothing(click, tmp_path) -> None:
    record = dataclasses.replace(FrameRecord.of(click().frame), color=tmp_path / "gone.png")
    ours = AnnotationSet()
    ours.add(click("a", seed=1))
    with pytest.raises(FileFormatError, match=r"gone\.png: cannot be read"):
        ours.merge(AnnotationSet([Entry("x", "b", 2, 2, record)]))
    assert ours.labels == ("a",)


def test_reconcile_brings_in_what_others_did(click) -> None:
    start = AnnotationSet()
    a, b, c, d = (start.add(click(label, float(i))) for i, label in enumerate("abcd"))
    base = start.entries
    ours, theirs = AnnotationSet(start), AnnotationSet(start)

    ours.add(click("ours", 10.0))
    ours.rename(a.id, "a-ours")
    ours.delete(b.id)
    ours.rename(d.id, "d-ours")
    theirs.add(click("theirs", 11.0))
    theirs.rename(a.id, "a-theirs")
    theirs.rename(b.id, "b-theirs")
    theirs.delete(c.id)
    theirs.delete(d.id)

    ours.reconcile(base, theirs.entries)
    assert ours.labels == ("a-ours", "b-theirs", "theirs", "d-ours", "ours")


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "rename", "delete", "merge"]), st.integers(0, 7)),
    max_size=12,
)


@given(OPERATIONS)
def test_undoing_everything_leads_back_through_the_same_states(operations) -> None:
    color = np.zeros((4, 8, 3), np.uint8)
    camera = CameraIntrinsics(8, 4, 5, 5, 3.5, 1.5)
    frame = RGBDFrame(color, np.full((4, 8), 0.5, np.float32), camera, 1, "camera")
    annotations = AnnotationSet()
    states = [summary(annotations)]
    for operation, number in operations:
        names = list(annotations.entries)
        if operation == "add":
            annotations.add(Annotation(f"label{number}", number, 1, frame))
        elif operation == "merge":
            other = AnnotationSet()
            other.add(Annotation(f"label{number}", number, 2, frame))
            other.add(Annotation(f"label{number}", number, 3, frame))
            annotations.merge(other)
        elif names and operation == "rename":
            annotations.rename(names[number % len(names)], f"name{number}")
        elif names:
            annotations.delete(names[number % len(names)])
        if summary(annotations) != states[-1]:
            states.append(summary(annotations))
    for state in reversed(states[:-1]):
        annotations.undo()
        assert summary(annotations) == state
