# SPDX-License-Identifier: Apache-2.0
"""`tack record`, as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("open3d", reason="Open3D is not installed")
from tack_cli import main
from tack_perception.correspondence import CorrespondenceSet
from test.tack_perception.recording import scenes


def save(folder: Path, frames, poses=None) -> Path:
    """The frames as a folder of pictures."""
    for name in ("color", "depth"):
        (folder / name).mkdir(parents=True)
    camera = frames[0].intrinsics
    for n, frame in enumerate(frames):
        cv2.imwrite(str(folder / "color" / f"{n:04d}.png"), frame.color[..., ::-1])
        counts = np.nan_to_num(frame.depth * 10000).round().astype(np.uint16)
        cv2.imwrite(str(folder / "depth" / f"{n:04d}.png"), counts)
    content = {
        "width": camera.width, "height": camera.height, "depth_unit": 1e-4,
        "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
    }  # fmt: skip
    if poses is not None:
        content["frames"] = [
            {"name": f"{n:04d}", "world_from_camera": pose.tolist()} for n, pose in enumerate(poses)
        ]
    (folder / "camera.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return save(tmp_path_factory.mktemp("pictures") / "box", *scenes.film(14))


def test_a_folder_with_poses_becomes_a_set(pictures, tmp_path, capsys):
    out = tmp_path / "set"
    assert main.main(["record", str(pictures), "--name", "box", "--output", str(out)]) == 0
    told = capsys.readouterr().out
    assert "14 views of 14 frames" in told
    assert "poses from tf" in told
    assert f"tack train --data {out}" in told
    data = CorrespondenceSet.open(out)
    assert len(data) == 11
    assert data.manifest.settings["recorded"]["source"] == "box"
    for name in ("views.jpg", "surface.jpg"):
        assert cv2.imread(str(out / name)) is not None
    assert (out / "surface.ply").read_bytes().startswith(b"ply\n")
    assert json.loads((out / "quality.json").read_text())["poses"] == "tf"


def test_a_poor_recording_is_refused_with_the_reason_and_its_pictures(tmp_path, capsys):
    poor = save(tmp_path / "poor", *scenes.film(6))
    out = tmp_path / "set"
    assert main.main(["record", str(poor), "--name", "box", "--output", str(out)]) == 2
    said = capsys.readouterr().err
    assert "too poor to learn from: 6 of 6 frames are of use, 8 are needed" in said
    assert (out / "views.jpg").is_file()
    assert not (out / "manifest.json").exists()


def test_the_cell_is_a_source(tmp_path, capsys):
    pytest.importorskip("mujoco", reason="the simulator is not installed")
    out = tmp_path / "set"
    settings = tmp_path / "record.yaml"
    settings.write_text("record: {every: 2, fewest_views: 5}\n")
    command = ["record", "cell:mug:3", "--name", "mug", "--output", str(out), "--quiet"]
    assert main.main([*command, "--config", str(settings)]) == 0
    data = CorrespondenceSet.open(out)
    assert len(data) >= 8
    assert all((view.instance > 0).sum() > 2000 for view in data)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--name", "a"], "there is no such file or folder"),
        (["PICTURES", "--name", "a b"], "letters, digits"),
        (["PICTURES", "--name", "a", "--board", "chess"], "charuco:COLUMNS"),
        (["PICTURES", "--name", "a", "--reach-m", "-1"], "reach_m"),
        (["PICTURES", "--name", "a", "--gripper-mask", "none.png"], "cannot be read as a picture"),
        (["PICTURES", "--name", "a", "--fixed-frame", "moon"], "moon"),
        (["cell:mug:x", "--name", "a"], "cell:CLASS"),
        (["cell:teapot", "--name", "a"], "teapot"),
    ],
)
def test_what_is_wrong_is_said(pictures, tmp_path, capsys, arguments, said):
    words = [str(pictures) if word == "PICTURES" else word for word in arguments]
    assert main.main(["record", *words, "--output", str(tmp_path / "set")]) == 2
    assert said in capsys.readouterr().err


def test_an_output_that_holds_something_is_left_alone(pictures, tmp_path, capsys):
    (tmp_path / "kept.txt").write_text("mine")
    assert main.main(["record", str(pictures), "--name", "a", "--output", str(tmp_path)]) == 2
    assert "holds something" in capsys.readouterr().err
    assert (tmp_path / "kept.txt").read_text() == "mine"
