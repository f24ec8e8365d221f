# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tack_cli import main
from tack_perception.correspondence import CorrespondenceSet

SMALL = ["--instances", "2", "--views", "2", "--size", "64x48", "--companions", "0"]


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("render") / "set"
    assert main.main(["render", "--class", "mug", "--output", str(folder), "--quiet", *SMALL]) == 0
    return folder


def test_a_small_set(rendered: Path) -> None:
    data = CorrespondenceSet.open(rendered)
    assert len(data) == 4
    assert list(data.manifest.instances) == ["mug_0", "mug_1"]
    assert data.view(3).color.shape == (48, 64, 3)
    sheet = cv2.imread(str(rendered / "overview.png"))
    assert sheet is not None
    assert sheet.shape[1] == 1280


def test_the_same_command_again_changes_nothing(
    rendered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(rendered)
    assert main.main(["render", "--class", "mug", "--output", str(rendered), *SMALL]) == 0
    assert content(rendered) == before
    out = capsys.readouterr().out
    assert "4 views of 2 instances (mug)" in out
    assert "4 were there already" in out


def test_two_processes_write_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    arguments = ["--class", "mug", "--output", str(tmp_path / "set"), "--workers", "2", "--quiet"]
    assert main.main(["render", *arguments, *SMALL]) == 0
    assert content(tmp_path / "set") == content(rendered)


def test_settings_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "look.yaml"
    file.write_text(
        "render: {instances: 1, views: 9, width: 64, height: 48}\nlook: {exposure_stops: [0, 0]}\n"
    )
    arguments = ["--class", "mug", "--output", str(tmp_path / "set"), "--config", str(file)]
    assert main.main(["render", *arguments, "--quiet", "--views", "1"]) == 0
    manifest = CorrespondenceSet.open(tmp_path / "set").manifest
    assert manifest.views == 1
    assert manifest.settings["look"]["exposure_stops"] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "teapot"], "teapot"),
        (["--class", "mug", "--instances", "0"], "instances"),
        (["--class", "mug", "--workers", "0"], "--workers 0"),
        (["--class", "mug", "--config", "missing.yaml"], "missing.yaml"),
        (["--class", "mug", "--seed", "5", *SMALL], "another data set (seed"),
    ],
)
def test_what_is_refused(
    rendered: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["render", "--output", str(rendered), *arguments]) == main.EXIT_ERROR
    assert message in capsys.readouterr().err


def test_a_size_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["render", "--class", "mug", "--output", "x", "--size", "large"])
    assert "320x240" in capsys.readouterr().err
