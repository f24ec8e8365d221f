# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_cli.main import main
from tack_perception.annotations import AnnotationStore, load_annotations


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    (folder / "color").mkdir()
    (folder / "depth").mkdir()
    for index in range(4):
        color = np.full((48, 64, 3), 50 * index, np.uint8)
        depth = np.full((48, 64), 5000 + index, np.uint16)
        depth[:, :8] = 0
        cv2.imwrite(str(folder / f"color/{index:04d}.png"), color)
        cv2.imwrite(str(folder / f"depth/{index:04d}.png"), depth)
    (folder / "camera.yaml").write_text(
        "width: 64\nheight: 48\nfx: 60\nfy: 60\ncx: 31.5\ncy: 23.5\ndepth_unit: 0.0001\n"
    )
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "set"


def annotate(*words: object) -> int:
    return main(["annotate", *(str(word) for word in words)])


def ids(folder: Path) -> list[str]:
    return [entry.id for entry in AnnotationStore(folder).load()]


def labels(folder: Path) -> list[str]:
    return [annotation.label for annotation in load_annotations(folder)]


def test_points_become_a_set(recording, folder, capsys) -> None:
    assert not annotate(
        recording, "--set", folder,
        "--point", "2:30.5,20", "--label", "handle", "--point", "0:3,4", "--label", "rim",
    )  # fmt: skip
    handle, rim = load_annotations(folder)
    assert (handle.label, handle.u, handle.v, handle.frame.color[0, 0, 0]) == (
        "handle", 30.5, 20.0, 100,
    )  # fmt: skip
    assert (rim.label, rim.frame.color[0, 0, 0]) == ("rim", 0)
    printed = capsys.readouterr()
    assert f"added {ids(folder)[0]} (handle) on frame 2 at 30.5, 20" in printed.out
    assert "2 annotations" in printed.out
    assert "rim: there is no depth at the clicked pixel" in printed.err


def test_the_same_points_again_change_nothing(recording, folder, capsys) -> None:
    words = (recording, "--set", folder, "--point", "0:30,20", "--label", "handle")
    assert not annotate(*words)
    before = (folder / "annotations.yaml").read_bytes()
    assert not annotate(*words)
    assert (folder / "annotations.yaml").read_bytes() == before
    assert "there already:" in capsys.readouterr().out


def test_points_come_from_a_file(recording, folder, tmp_path) -> None:
    points = tmp_path / "points.yaml"
    points.write_text(
        "- {frame: 0, pixel: [30, 20.25], label: handle}\n"
        "- frame: '@0'\n  pixel: [3, 4]\n  label: rim\n"
    )
    assert not annotate(recording, "--set", folder, "--points", points)
    assert [(e.label, e.v, e.origin) for e in AnnotationStore(folder).load()] == [
        ("handle", 20.25, "file"),
        ("rim", 4.0, "file"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {frame: 0, pixel: [30, .nan], label: a}", "line 1: .*'.nan': a finite number"),
        ("\n- {frame: 0, pixel: [30, 2], label: ''}", "line 2: .*label: a text is expected"),
        ("- {frame: x, pixel: [30, 2], label: a}", "line 1: .*FRAME:U,V is expected"),
        ("- {frame: 99, pixel: [30, 2], label: a}", "has 4 frames"),
        ("- {frame: 0, pixel: [64, 2], label: a}", "outside the 64×48 image"),
        ("- {frame: 0, label: a}", "'pixel' is missing"),
        ("{frame: 0}", "a list is expected"),
        ("[]", "the list of clicks is empty"),
        ("- {frame: 0", "not YAML"),
    ],
)
def test_a_wrong_file_of_points_is_named_with_its_line(
    recording, folder, tmp_path, capsys, text, message
) -> None:
    points = tmp_path / "points.yaml"
    points.write_text(text)
    assert annotate(recording, "--set", folder, "--points", points) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not folder.exists()


@pytest.fixture
def filled(recording, folder) -> Path:
    for number, label in enumerate("abc"):
        annotate(recording, "--set", folder, "--point", f"{number}:30,20", "--label", label)
    return folder


def test_rename_delete_and_undo(filled, capsys) -> None:
    first, second, third = ids(filled)
    assert not annotate("--set", filled, "--rename", first, "z", "--delete", second[:5])
    assert labels(filled) == ["z", "c"]
    assert not annotate("--set", filled, "--undo")
    assert labels(filled) == ["a", "b", "c"]
    for expected in (["a", "b"], ["a"], []):
        assert not annotate("--set", filled, "--undo")
        assert labels(filled) == expected
    assert annotate("--set", filled, "--undo") == 2
    assert "nothing to undo" in capsys.readouterr().err
    assert third not in ids(filled)


def test_merge_adds_what_is_new(recording, filled, tmp_path, capsys) -> None:
    other = tmp_path / "other"
    annotate(recording, "--set", other, "--point", "1:30,20", "--label", "b")
    annotate(recording, "--set", other, "--point", "3:30,20", "--label", "d")
    assert not annotate("--set", filled, "--merge", other)
    assert labels(filled) == ["a", "b", "c", "d"]
    assert "1 added, 1 there already" in capsys.readouterr().out
    assert not annotate("--set", tmp_path / "new", "--merge", filled)
    assert labels(tmp_path / "new") == ["a", "b", "c", "d"]
    assert annotate("--set", filled, "--merge", tmp_path / "nothing") == 2
    assert "no annotation set in this folder" in capsys.readouterr().err


def test_list_shows_what_is_there_and_what_is_missing(filled, capsys) -> None:
    capsys.readouterr()
    assert not annotate("--set", filled, "--list")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "label", "pixel", "depth", "stamp", "origin"]
    assert lines[1].split()[:6] == [ids(filled)[0], "a", "30.0,", "20.0", "0.500", "m"]
    lost = next((filled / "images").glob("*_depth.png"))
    lost.unlink()
    assert not annotate("--set", filled, "--list")
    assert f"missing: {lost}" in capsys.readouterr().out
    for reference in ids(filled):
        annotate("--set", filled, "--delete", reference)
    annotate("--set", filled, "--list")
    assert "the set is empty" in capsys.readouterr().out


def test_a_contact_sheet_is_written(filled, tmp_path) -> None:
    sheet = tmp_path / "sheet.png"
    assert not annotate("--set", filled, "--contact-sheet", sheet)
    assert cv2.imread(str(sheet)).shape == (240, 720, 3)


def test_a_crop_is_kept_instead_of_the_frame(recording, folder) -> None:
    words = ("--point", "0:60,20", "--label", "a", "--crop", "16")
    assert not annotate(recording, "--set", folder, *words)
    (annotation,) = load_annotations(folder)
    assert annotation.frame.color.shape == (16, 16, 3)
    assert annotation.frame.intrinsics.cx == 31.5 - 48


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to do: give a recording"),
        (["--list"], "there is no annotation set in this folder"),
        (["--delete", "x"], "there is no annotation set in this folder"),
        (["--undo", "--delete", "x"], "--undo: give it without other changes"),
        (["--point", "0:1,2"], "need the recording"),
        (["absent.bag", "--point", "0:1,2"], "there is no such file or folder"),
    ],
)
def test_a_wrong_request_is_one_sentence(folder, capsys, words, message) -> None:
    assert annotate(*words, "--set", folder) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("tack: ")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--point", "nonsense"], "FRAME:U,V is expected"),
        (["--point", "0:nan,2"], "FRAME:U,V is expected"),
        (["--point", "0:1,2", "--label", "a/b"], "label 'a/b'"),
        (["--point", "0:1,2", "--label", "a", "--label", "b"], "right after the --point"),
    ],
)
def test_a_wrong_word_is_refused_by_the_parser(folder, capsys, words, message) -> None:
    with pytest.raises(SystemExit) as stop:
        annotate("bag", "--set", folder, *words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_without_a_display_the_window_says_what_to_do(recording, folder, capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert annotate(recording, "--set", folder) == 2
    assert "no window can be opened here" in (error := capsys.readouterr().err)
    assert "--point FRAME:U,V --label NAME" in error


TOOLS = ("Xvfb", "xdotool")


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {' and '.join(TOOLS)}"
)
def test_the_window_takes_clicks_and_keys_on_a_real_display(recording, folder) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "400x400x24", "-nolisten", "tcp"],
        pass_fds=(writing,), stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as pipe:
            environment = os.environ | {"DISPLAY": f":{pipe.readline().strip()}"}
        environment.pop("WAYLAND_DISPLAY", None)
        words = ["annotate", str(recording), "--set", str(folder), "--label", "handle"]
        with subprocess.Popen(
            [sys.executable, "-m", "tack_cli.main", *words], env=environment
        ) as window:
            try:
                script = (
                    "search --sync --onlyvisible --name tack.annotate "
                    "sleep 1 mousemove --window %1 60 40 sleep 0.4 click 1 sleep 0.4 key n "
                    "sleep 0.4 mousemove --window %1 20 30 sleep 0.4 click 1 sleep 0.4 key q"
                )
                subprocess.run(
                    ["xdotool", *script.split()], env=environment, check=True, timeout=30
                )
                assert window.wait(timeout=30) == 0
            finally:
                window.kill()
                server.terminate()
    first, second = load_annotations(folder)
    assert (first.u, first.v) == pytest.approx((29.75, 19.75), abs=0.5)
    assert (second.u, second.v) == pytest.approx((9.75, 14.75), abs=0.5)
    assert second.frame.color[0, 0, 0] == 50
