# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_perception.annotations import AnnotationSet
from tack_perception.annotations.format import dump, parse
from tack_perception.annotations.records import Entry, FrameRecord
from tack_perception.annotations.yaml_nodes import CorruptFileError
from tack_perception.camera import CameraIntrinsics
from tack_perception.errors import FileFormatError

RECORD = FrameRecord(
    "abc", 1_700_000_000_123_456_789, "camera", CameraIntrinsics(64, 48, 60, 61, 31, 23), b"", b""
)


@pytest.fixture
def text(click) -> str:
    annotations = AnnotationSet()
    annotations.add(click("handle"), "rviz")
    annotations.add(click("rim", 3.5, 4.0))
    return dump(annotations)


def read(text: str) -> list[Entry]:
    return parse(text, Path("set"), "set/annotations.yaml")


def test_the_text_is_readable_and_comes_back(click, text) -> None:
    assert text.startswith("# An annotation set of tack.")
    assert "  label: handle\n  pixel: [32.25, 24.0]\n" in text
    assert "depth_m: 0.75\n" in text
    handle, rim = read(text)
    assert (handle.label, handle.u, handle.v, handle.origin, handle.depth) == (
        "handle",
        32.25,
        24.0,
        "rviz",
        0.75,
    )
    assert rim.picture is handle.picture
    assert rim.picture.intrinsics == click().frame.intrinsics
    assert rim.picture.stamp_ns == click().frame.stamp_ns
    assert rim.picture.color == Path(f"set/images/{rim.picture.key}_color.png")
    assert dump(read(text)) == text


def test_an_empty_set_comes_back() -> None:
    assert read(dump(())) == []


LABELS = st.text("abc äß 012 _-.", min_size=1, max_size=64).filter(lambda s: s.strip())
TRICKY = st.sampled_from(["null", "yes", "1e5", "0x1F", "1_000", "2024-01-01", "-", "...", "~"[:0]])


@given(
    LABELS | TRICKY.filter(bool),
    st.floats(-0.5, 63.4),
    st.floats(-0.5, 47.4),
    st.text("0123456789abcdef", min_size=8, max_size=8),
)
def test_every_label_id_and_pixel_comes_back_exactly(label, u, v, name) -> None:
    entry = Entry(name, label, u, v, RECORD)
    (back,) = read(dump([entry]))
    assert (back.id, back.label, back.u, back.v) == (name, entry.label, u, v)


def test_a_newer_version_is_refused_with_a_sentence(text) -> None:
    newer = text.replace("version: 1", "version: 2\nvoxels: 7").replace("...\n", "")
    with pytest.raises(FileFormatError, match=r"2: written by a newer tack.*Update tack") as caught:
        read(newer)
    assert not isinstance(caught.value, CorruptFileError)
    with pytest.raises(FileFormatError, match=r"line 4: version: 0: 1 is expected"):
        read(text.replace("version: 1", "version: 0"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "\n\n",
        lambda text: "# only a comment",
        lambda text: text[: len(text) // 2],
        lambda text: text[: text.index("pictures:")],
        lambda text: text.rstrip().removesuffix("..."),
        lambda text: text.replace("version: 1\n", ""),
        lambda text: "\0" * len(text),
        lambda text: text.replace("pixel: [", "pixel: ["[:-1] + "{"),
        lambda text: text + "---\nsecond: document\n...\n",
        lambda text: "- a list\n...",
        lambda text: "[" * 1_000_000,
    ],
)
def test_damage_is_told_apart_from_a_slip(text, damage) -> None:
    with pytest.raises(CorruptFileError, match=r"^set/annotations\.yaml"):
        read(damage(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pixel: [32.25, 24.0]", "pixel: [32.25]", r"line 8: annotations\[0\].pixel: 1 numbers; 2"),
        ("pixel: [32.25, 24.0]", "pixel: [.nan, 24.0]", r"line 8: .*'.nan': a finite number"),
        ("pixel: [32.25, 24.0]", "pixel: [1, -.inf]", r"line 8: .*'-.inf': a finite number"),
        ("pixel: [32.25, 24.0]", "pixel: [1, x]", r"line 8: .*pixel\[1\]: 'x': a number"),
        ("pixel: [32.25, 24.0]", "pixel: 7", r"line 8: .*pixel: a list is expected"),
        ("pixel: [32.25, 24.0]", "pixel: [64, 3]", r"line 8: .*\(64, 3\) is outside the 64×48"),
        ("label: handle", "label: a/b", r"line 7: annotations\[0\]\.label: label 'a/b'"),
        ("label: handle", "label:", r"line 7: .*label: a text is expected"),
        ("label: handle", "name: handle", r"line 7: .*unknown name 'name'; known here are id, lab"),
        ("  label: handle\n", "", r"line 6: annotations\[0\]: 'label' is missing"),
        ("  label: handle\n", "  label: a\n  label: b\n", r"line 8: .*label: is there twice"),
        ("origin: rviz", "origin: dream", r"line 10: .*origin: 'dream': one of file"),
        ("depth_m: 0.75", "depth_m: deep", r"depth_m: 'deep': a number"),
        ("picture: ", "picture: x", r"is not under 'pictures'"),
        ("stamp_ns: 17", "stamp_ns: -17", r"stamp_ns: -17\d+: 0 or more"),
        ("stamp_ns: 17", "stamp_ns: 1.7", r"stamp_ns: '1.7\d+': a whole number"),
        ("depth_unit_m: 0.0001", "depth_unit_m: 0", r"0: metres per count, above 0"),
        ("color: images/", "color: ../images/", r"a path inside the folder of the set"),
        ("color: images/", "color: /images/", r"a path inside the folder of the set"),
        ("fx: 60.0", "fx: .inf", r"camera.fx: '.inf': a finite number"),
        ("fx: 60.0", "fx: -1", r"camera: camera fx = -1.0.*positive"),
        ("model: plumb_bob", "model: fisheye", r"camera: distortion model 'fisheye'"),
        ("annotations:\n", "annotations: {}\nrest:\n", r"unknown name 'rest'"),
    ],
)
def test_a_slip_of_the_hand_is_named_with_its_line(text, old, new, message) -> None:
    assert old in text
    with pytest.raises(FileFormatError, match=message) as caught:
        read(text.replace(old, new, 1))
    assert not isinstance(caught.value, CorruptFileError)


def test_an_id_twice_is_named(text) -> None:
    first, second = read(text)
    with pytest.raises(FileFormatError, match=rf"line 12: .*the id {first.id} is there twice"):
        read(text.replace(f"id: {second.id}", f"id: {first.id}"))
    with pytest.raises(FileFormatError, match=r"'a b': letters, digits"):
        read(text.replace(f"id: {second.id}", "id: a b"))
