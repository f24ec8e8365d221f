# SPDX-License-Identifier: Apache-2.0
"""`tack train --method poses`: a further head for a model that is there."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
import yaml

from tack_cli import main
from tack_perception.annotation import Annotation
from tack_perception.detectors.shipped import make_learned, model_path
from tack_perception.errors import FileFormatError
from tack_perception.learning.calibration import frame_of
from tack_perception.learning.pack import make_pack
from tack_perception.learning.pose_cases import Cases
from tack_perception.networks.model import KeypointModel, ModelConfig, load_model, save_model

SETTINGS = {
    "train": {"steps": 6, "batch": 4, "log_every": 2, "pictures_every": 3, "device": "cpu"},
    "cases": {"same": 1, "new": 1},
    "calibration": {"pairs": 20, "points": 2},
}
RENDER = ["--class", "shoe,screwdriver", "--instances", "2", "--views", "3", "--size", "320x240"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "more"
    words = ["render", *RENDER, "--companions", "0", "--seed", "4", "--output", str(folder)]
    assert main.main([*words, "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "poses.yaml"
    file.write_text(yaml.safe_dump(SETTINGS))
    return file


def train(data: Path, settings: Path, output: Path, *more: str) -> int:
    words = ["--method", "poses", "--data", str(data), "--output", str(output)]
    return main.main(["train", *words, "--config", str(settings), "--quiet", *more])


@pytest.fixture(scope="module")
def trained(data: Path, settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "poses"
    more = ["--from", str(model_path()), "--validation", str(data)]
    assert train(data, settings, output, *more) == 0
    return output


def test_the_model_has_the_head_and_is_else_the_same(trained: Path) -> None:
    old, _ = load_model(model_path())
    new, notes = load_model(trained / "model")
    assert new.poses is not None
    assert notes["method"] == "poses"
    assert notes["training"]["cases.same"] == 1
    assert set(notes["calibration"]) == {"tack", "don", "fused"}
    learned = dict(new.named_parameters())
    for name, value in old.named_parameters():
        if not name.startswith("poses."):
            assert torch.equal(value, learned[name]), name
    assert cv2.imread(str(trained / "samples.png")) is not None
    assert "| more | training" in (trained / "model" / "README.md").read_text()


def test_the_fused_detector_asks_it(trained: Path, data: Path, tmp_path: Path) -> None:
    model, notes = load_model(trained / "model")
    assert model.poses is not None
    with torch.no_grad():
        for parameter in model.poses.judge[-1].parameters():
            parameter.zero_()
        model.poses.judge[-1].bias.fill_(-30.0)  # never: so nothing is carried by a pose
    save_model(tmp_path, model, notes)
    pack = make_pack(data)
    frame, (u, v) = frame_of(pack, 0), pack.things[0]["point_pixel"][0].tolist()
    said = {}
    for name, folder in (("learned", trained / "model"), ("never", tmp_path)):
        detector = make_learned("fused", {"model": str(folder)})
        detector.enroll([Annotation("p", u, v, frame)])
        said[name] = detector.evidence(frame)[1].facts["posed"].max()
    assert said["never"] < 1e-6 < said["learned"]


def test_poses_are_proposed_only_once(data: Path, settings: Path, trained: Path) -> None:
    files = sorted((trained / "cases").rglob("*.npz"))
    assert files
    before = {path: path.stat().st_mtime_ns for path in files}
    assert train(data, settings, trained, "--from", str(model_path())) == 0
    assert {path: path.stat().st_mtime_ns for path in files} == before
    cases = Cases(files, 96)
    case = cases[0]
    assert len(case.poses) == len(case.facts) == len(case.missed) > 0
    assert case.first.relief.known.any()
    assert (case.missed >= 0).all()


def test_a_damaged_file_of_cases_is_named(trained: Path, tmp_path: Path) -> None:
    whole = next((trained / "cases").rglob("*.npz")).read_bytes()
    part = tmp_path / "part.npz"
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match=r"part\.npz"):
        Cases([part], 96)


def test_what_it_cannot_learn_from_is_refused(
    data: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, settings, tmp_path / "a") == 2
    assert "--from" in capsys.readouterr().err
    save_model(tmp_path / "don", KeypointModel(ModelConfig(width=8, heads=("objects", "don"))), {})
    assert train(data, settings, tmp_path / "b", "--from", str(tmp_path / "don")) == 2
    assert "lacks the heads tack" in capsys.readouterr().err
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**SETTINGS, "tack": {"autoencoder": 0.5}}))
    assert train(data, other, tmp_path / "c", "--from", str(model_path())) == 2
    assert "section tack: unknown to --method poses" in capsys.readouterr().err
