# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from tack_cli.main import EXIT_ERROR, main
from tack_perception.errors import DependencyError
from tack_sim.renderer import import_mujoco


@pytest.fixture(autouse=True)
def _mujoco() -> None:
    try:
        import_mujoco()
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A short demo: its folder, and what it said."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("demo") / "out"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["demo", "--tabletop", "--output", str(folder), "--seconds", "0.5"]) == 0
    return folder, said.getvalue()


def test_the_demo_says_what_it_did_and_where_the_report_is(told: tuple[Path, str]) -> None:
    folder, said = told
    for words in ("Rendering", "clicks on the first frame", "Compared with the truth"):
        assert words in said
    assert str(folder / "report.html") in said
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "median distance from the truth" in page


def test_the_demo_finds_its_points_where_they_are(told: tuple[Path, str]) -> None:
    folder, said = told
    match = re.search(r"half of the (\d+) 3D points are within ([\d.]+) mm", said)
    assert match is not None
    count, median = int(match[1]), float(match[2])
    assert count > 10  # of 24
    assert median < 5.0
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert truth["frame_id"] == "base_link"


def test_a_second_demo_replaces_the_first(told: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = told
    before = (folder / "keypoints.jsonl").read_bytes()
    assert main(["demo", "--tabletop", "--output", str(folder), "--seconds", "0.5", "--quiet"]) == 0
    assert (folder / "keypoints.jsonl").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_a_foreign_bag_with_a_point_is_a_replay(
    told: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = told[0] / "tabletop"
    arguments = ["--bag", str(bag), "--point", "0:230,126", "--label", "tea"]
    assert main(["demo", *arguments, "--output", str(tmp_path / "out")]) == 0
    assert "tea" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_foreign_bag_without_a_point_shows_the_pixels(
    told: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    bag = told[0] / "tabletop"
    assert main(["demo", "--bag", str(bag), "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert "--point 0:COLUMN,ROW" in said
    picture = cv2.imread(str(tmp_path / "first_frame.png"))
    assert picture is not None
    assert picture.shape == (960, 1280, 3)
    # The grid's lines are where they say: every 40 px of the original, enlarged by two.
    brightness = picture[400:560].mean(axis=(0, 2))
    peaks = (
        np.flatnonzero(
            (brightness[1:-1] > brightness[:-2] + 4) & (brightness[1:-1] > brightness[2:] + 4)
        )
        + 1
    )
    assert set(range(80, 1280, 80)) <= set(peaks.tolist())


def test_clicks_without_a_bag_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--point", "0:1,1"]) == EXIT_ERROR
    assert "--bag" in capsys.readouterr().err
