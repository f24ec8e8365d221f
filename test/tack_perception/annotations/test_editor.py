# SPDX-License-Identifier: Apache-2.0
"""The annotation window's logic on a real folder of pictures, without a window."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_perception.annotations import AnnotationStore, load_annotations
from tack_perception.annotations.editor import HELP, ZOOMS, Editor
from tack_perception.annotations.reel import FrameReel
from tack_perception.annotations.view import (
    BAR_HEIGHT,
    View,
    _draw_lens,
    contact_sheet,
    depth_picture,
    to_pixel,
    window_scale,
)
from tack_perception.annotations.window import key_name
from tack_perception.errors import InvalidInputError, SourceError
from tack_perception.sources.folder import FolderSource

COUNT = 15


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    (folder / "color").mkdir()
    (folder / "depth").mkdir()
    for index in range(COUNT):
        color = np.full((48, 64, 3), index, np.uint8)
        depth = np.full((48, 64), 5000 + index, np.uint16)
        depth[:, :8] = 0
        cv2.imwrite(str(folder / f"color/{index:04d}.png"), color)
        cv2.imwrite(str(folder / f"depth/{index:04d}.png"), depth)
    (folder / "camera.yaml").write_text(
        "width: 64\nheight: 48\nfx: 60\nfy: 60\ncx: 31.5\ncy: 23.5\ndepth_unit: 0.0001\n"
    )
    return folder


@pytest.fixture
def source(recording):
    with FolderSource(recording) as source:
        yield source


@pytest.fixture
def editor(source, tmp_path) -> Editor:
    return Editor(FrameReel(source), AnnotationStore(tmp_path / "set"), "handle")


def type_text(editor: Editor, text: str) -> None:
    for character in text:
        editor.press(character)


@pytest.mark.parametrize("keep", [1, 3, 64])
def test_the_reel_gives_any_frame_in_any_order(source, keep) -> None:
    reel = FrameReel(source, keep)
    for index in (0, 3, 1, 14, 0, 7, 6, 7, 13):
        found, frame = reel.get(index)
        assert (found, frame.color[0, 0, 0]) == (index, index)
    assert reel.get(99)[0] == COUNT - 1
    assert reel.get(-5)[0] == 0
    assert reel.length == COUNT


def test_an_empty_source_is_an_error(tmp_path, recording) -> None:
    for name in ("color", "depth"):
        (tmp_path / name).mkdir()
    (tmp_path / "camera.yaml").write_text((recording / "camera.yaml").read_text())
    with pytest.raises(SourceError), FolderSource(tmp_path) as source:
        FrameReel(source).get(0)


def test_keys_move_through_the_frames(editor) -> None:
    visited = []
    for key in ("n", "right", "p", "left", "p", "N", "N", "n", "g", "end", "P", "home", "G"):
        editor.press(key)
        visited.append(editor.index)
    assert visited == [1, 2, 1, 0, 0, 10, 14, 14, 0, 14, 4, 0, 14]
    editor.press("n")
    assert editor.message == "this is the end"


def test_clicks_are_added_shown_on_their_frame_and_saved(editor, tmp_path) -> None:
    editor.click(30.25, 20.0)
    assert editor.message == "added handle (0.500 m away)"
    editor.click(30.25, 20.0)
    assert editor.message == "handle is there already"
    editor.click(2.0, 20.0)
    assert editor.message == "added handle (no depth here)"
    assert [(u, v) for _, u, v in editor.here] == [(30.25, 20.0), (2.0, 20.0)]
    editor.press("n")
    assert editor.here == []
    editor.click(5.0, 5.0)
    assert editor.dirty
    editor.press("s")
    assert not editor.dirty
    assert not editor.finished
    assert [a.frame.color[0, 0, 0] for a in load_annotations(tmp_path / "set")] == [0, 0, 1]
    editor.press("q")
    assert editor.finished


def test_the_label_is_asked_for_at_the_first_click(source, tmp_path) -> None:
    editor = Editor(FrameReel(source), AnnotationStore(tmp_path / "set"))
    editor.click(30.0, 20.0)
    assert editor.typing == ""
    type_text(editor, "mug nq?")  # letters, not commands
    editor.press("enter")
    assert "label 'mug nq?'" in editor.message
    editor.press("backspace")
    editor.press("enter")
    assert (editor.label, editor.typing, len(editor.annotations)) == ("mug nq", None, 1)
    assert (editor.here[0][1:], editor.index) == ((30.0, 20.0), 0)
    editor.press("l")
    type_text(editor, "x")
    editor.press("escape")
    assert (editor.label, editor.typing) == ("mug nq", None)


def test_leaving_the_label_adds_nothing(source, tmp_path) -> None:
    editor = Editor(FrameReel(source), AnnotationStore(tmp_path / "set"))
    editor.click(30.0, 20.0)
    editor.press("escape")
    editor.press("l")
    type_text(editor, "late")
    editor.press("enter")
    assert len(editor.annotations) == 0


def test_delete_takes_the_nearest_and_undo_brings_it_back(editor) -> None:
    for u in (10.0, 30.0, 60.0):
        editor.click(u, 10.0)
    editor.move(34.0, 12.0)
    editor.press("d")
    assert [u for _, u, _ in editor.here] == [10.0, 60.0]
    editor.press("u")
    assert [u for _, u, _ in editor.here] == [10.0, 30.0, 60.0]
    editor.move(35.0, 47.0)
    editor.press("d")
    assert editor.message == "no point within 25 px of the cursor"
    editor.move(-3.0, 10.0)
    editor.press("d")
    assert editor.message == "nothing to delete on this frame"
    assert len(editor.annotations) == 3


def test_escape_asks_before_it_throws_work_away(editor, tmp_path) -> None:
    editor.click(10.0, 10.0)
    editor.press("escape")
    assert "not saved!" in editor.message
    editor.press("n")
    editor.press("escape")
    assert not editor.finished
    editor.press("escape")
    assert editor.finished
    assert not (tmp_path / "set").exists()


def test_escape_closes_the_help_first_and_leaves_at_once_when_all_is_saved(editor) -> None:
    editor.press("?")
    editor.press("escape")
    assert (editor.show_help, editor.finished) == (False, False)
    editor.press("escape")
    assert editor.finished


def test_closing_the_window_saves(editor, tmp_path) -> None:
    editor.click(10.0, 10.0)
    editor.close()
    assert editor.finished
    assert len(load_annotations(tmp_path / "set")) == 1


def test_a_save_that_fails_is_shown_and_keeps_the_window_open(source, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    editor = Editor(FrameReel(source), AnnotationStore(tmp_path / "file" / "set"), "a")
    editor.click(10.0, 10.0)
    editor.press("q")
    assert "cannot be written" in editor.message
    assert (editor.finished, editor.dirty) == (False, True)


def test_clicks_and_cursors_off_the_image_are_nothing(editor) -> None:
    editor.click(64.0, 10.0)
    editor.click(float("nan"), 10.0)
    assert (len(editor.annotations), editor.cursor) == (0, None)
    assert editor.point_at(64.0, 10.0) is None
    assert editor.point_at(3.0, 10.0) is None
    assert editor.point_at(31.5, 23.5) == pytest.approx((0, 0, 0.5))


def test_unknown_keys_do_nothing_and_zoom_has_ends(editor) -> None:
    before = editor.message
    for key in ("", "z", "enter", "backspace", "\x7f"):
        editor.press(key)
    assert editor.message == before
    for _ in range(9):
        editor.press("+")
    assert editor.zoom == ZOOMS[-1]
    for _ in range(9):
        editor.press("-")
    assert editor.zoom == ZOOMS[0]


def test_every_key_of_the_help_does_something(editor) -> None:
    keys = [key for keys, _ in HELP for key in keys.split() if len(key) == 1]
    assert sorted(keys) == sorted(k for k in editor._commands if len(k) == 1)


def test_the_view_shows_points_lens_depth_and_help(editor) -> None:
    size = (48 * 2 + BAR_HEIGHT, 64 * 2, 3)
    view = View()
    pictures = [view.render(editor)]
    for change in (
        lambda: editor.click(30.0, 20.0),
        lambda: editor.press("t"),
        lambda: editor.press("?"),
        lambda: editor.press("l"),
        lambda: editor.press("x"),
        lambda: editor.move(-9, 0),
    ):
        change()
        pictures.append(view.render(editor))
        assert (pictures[-1] == View().render(editor)).all()  # what is kept is never out of date
    assert all(p.shape == size and p.dtype == np.uint8 for p in pictures)
    for earlier, later in itertools.pairwise(pictures):
        assert (earlier != later).any()


def test_the_lens_has_the_cursor_in_its_middle(editor) -> None:
    color = np.zeros((48, 64, 3), np.uint8)
    color[10, 50] = 255
    canvas = np.zeros((400, 600, 3), np.uint8)
    _draw_lens(canvas, color, (50.0, 10.0), 8, 1)
    lens = canvas[8 + 96 - 3 : 8 + 96 + 3, 600 - 200 + 96 - 3 : 600 - 200 + 96 + 3]
    assert (lens == 255).all()


def test_window_positions_are_sub_pixel() -> None:
    assert window_scale(640, 480) == 2
    assert window_scale(1280, 720) == 1
    assert to_pixel(0, 1, 2) == (-0.25, 0.25)
    assert to_pixel(7, 9, 1) == (7, 9)


def test_keys_come_from_codes() -> None:
    assert [key_name(c) for c in (110, 78, 13, 27, 8, 65361, 65363, 233)] == [
        "n", "N", "enter", "escape", "backspace", "left", "right", "é",
    ]  # fmt: skip
    assert key_name(65505) == key_name(0) == key_name(127) == ""


def test_depth_colours_leave_unknown_black() -> None:
    depth = np.full((4, 4), np.nan, np.float32)
    assert not depth_picture(depth).any()
    depth[1] = [0.5, 1.0, 1.5, 2.0]
    picture = depth_picture(depth)
    assert picture[1].any(axis=1).all()
    assert not picture[0].any()
    near, far = picture[1, 0].astype(int), picture[1, 3].astype(int)
    assert near[0] > near[2]
    assert far[2] > far[0]


def test_a_contact_sheet_has_a_tile_for_each_point(editor, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="the set is empty"):
        contact_sheet([])
    for u in (-0.5, 10.0, 20.0, 30.0, 63.0):
        editor.click(u, 47.0)
    sheet = contact_sheet(list(editor.annotations))
    assert sheet.shape == (480, 960, 3)
    assert not sheet[240:, 240:].any()
    editor.press("s")
    for path in (tmp_path / "set" / "images").iterdir():
        path.unlink()
    lost = contact_sheet(list(editor.store.load()))
    assert lost.shape == sheet.shape
    assert (lost != sheet).any()
