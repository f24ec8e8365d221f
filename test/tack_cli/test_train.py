# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import os
import shlex
import signal
import threading
import time
from pathlib import Path

import cv2
import pytest
import torch
import yaml

from tack_cli import main
from tack_cli.render_command import render_command
from tack_cli.train import add_arguments
from tack_perception.correspondence import CorrespondenceSet, Manifest
from tack_perception.errors import FileFormatError
from tack_perception.learning.card import METRICS_BEGIN, fill_metrics
from tack_perception.learning.checkpoint import Checkpoint
from tack_perception.learning.log import read_log
from tack_perception.learning.methods import METHODS
from tack_perception.networks.model import load_model

SETTINGS = {
    "model": {"width": 4},
    "episodes": {"crop_px": 32, "points": 4, "fewest_pixels": 20},
    "train": {"log_every": 2, "validation_batches": 2},
    "tack": {"autoencoder": 0.5},
    "calibration": {"pairs": 20, "points": 2},
}
RENDER = ["--class", "mug,box", "--instances", "2", "--views", "4", "--size", "96x72", "--quiet"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "train"
    assert main.main(["render", *RENDER, "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "small.yaml"
    file.write_text(yaml.safe_dump(SETTINGS))
    return file


def train(data: Path, settings: Path, output: Path, *more: str) -> int:
    words = ["--data", str(data), "--output", str(output), "--config", str(settings)]
    return main.main(["train", *words, "--steps", "4", "--batch", "4", "--device", "cpu", *more])


@pytest.fixture(scope="module")
def trained(data: Path, settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "small"
    more = ["--method", "tack", "--validation", str(data), "--quiet"]
    assert train(data, settings, output, *more) == 0
    return output


def test_a_run_leaves_a_model_that_loads(trained: Path) -> None:
    model, notes = load_model(trained / "model")
    assert model.config.width == 4
    assert model.config.heads == ("objects", "places", "tack")
    assert model.config.classes == ("box", "mug")
    assert notes["method"] == "tack"
    assert notes["training"]["tack.autoencoder"] == 0.5
    assert set(notes["calibration"]) == {"tack"}
    with torch.no_grad():
        assert model.features(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_a_run_tells_how_it_went(trained: Path) -> None:
    with (trained / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert float(rows[-1]["validation_ta"]) > 0
    for name in ("loss.png", "samples.png"):
        assert cv2.imread(str(trained / name)) is not None


def test_the_card_says_how_to_make_it_again(trained: Path) -> None:
    card = (trained / "model" / "README.md").read_text()
    assert "tack train --method tack --data train --validation train --steps 4 --batch 4" in card
    assert "tack render --class mug,box --instances 2 --views 4 --split train --seed 0" in card
    block = card.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(block) == SETTINGS
    assert "| train | training (split `train`) | box 2, mug 2 | 16 |" in card
    assert "synthetic" in card
    assert str(trained.parent) not in card


def test_the_card_takes_metrics(trained: Path, tmp_path: Path) -> None:
    card = (trained / "model" / "README.md").read_text()
    (tmp_path / "README.md").write_text(card)
    for table in ("| PCK | 0.9 |", "| PCK | 0.8 |"):
        fill_metrics(tmp_path, table)
        filled = (tmp_path / "README.md").read_text()
        assert filled.count("PCK") == 1
        assert table in filled
        assert filled.partition(METRICS_BEGIN)[0] == card.partition(METRICS_BEGIN)[0]
    (tmp_path / "README.md").write_text("# a card of somebody else")
    with pytest.raises(FileFormatError, match="put them where"):
        fill_metrics(tmp_path, "")


def test_the_same_command_again_changes_nothing(
    data: Path, settings: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in (trained / "model").iterdir()}
    assert train(data, settings, trained, "--method", "tack", "--validation", str(data)) == 0
    assert {path: path.read_bytes() for path in (trained / "model").iterdir()} == before
    assert "4 steps in" in capsys.readouterr().out


def test_a_stopped_run_becomes_a_model_as_far_as_it_came(
    data: Path, settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--method", "tack", "--steps", "100000"]
    assert train(data, settings, tmp_path / "none", *more, "--finish") == 2
    assert "no run was begun there" in capsys.readouterr().err
    output = tmp_path / "run"

    def stop() -> None:
        while not (output / "log.csv").is_file() or not read_log(output / "log.csv"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    assert train(data, settings, output, *more, "--quiet") == 130
    assert not (output / "model").exists()
    assert train(data, settings, output, *more, "--finish") == 0
    found = Checkpoint.read(output)
    assert found is not None
    assert f"{found.step} steps in" in capsys.readouterr().out
    model, notes = load_model(output / "model")
    assert notes["training"]["steps made"] == found.step
    average = found.tensors["average/tack.keys.weight"]
    assert model.tack is not None
    assert torch.equal(model.tack.keys.weight, average.half().float())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_trains(method: str, data: Path, settings: Path, tmp_path: Path) -> None:
    more = ["--method", method, "--steps", "2", "--quiet"]
    assert train(data, settings, tmp_path / "out", *more) == 0
    model, _ = load_model(tmp_path / "out" / "model")
    assert model.config.heads == METHODS[method].heads


def test_further_from_a_model_with_another_head(
    data: Path, settings: Path, trained: Path, tmp_path: Path
) -> None:
    file = tmp_path / "again.yaml"
    again = {name: values for name, values in SETTINGS.items() if name != "model"}
    file.write_text(yaml.safe_dump({**again, "train": {"learning_rate": 0.0, "ema_decay": 0.0}}))
    more = ["--method", "don", "--classes", "mug", "--from", str(trained / "model"), "--quiet"]
    assert train(data, file, tmp_path / "out", *more) == 0
    old, _ = load_model(trained / "model")
    new, _ = load_model(tmp_path / "out" / "model")
    assert new.config.heads == ("objects", "places", "tack", "don")
    learned = dict(new.named_parameters())
    assert all(torch.equal(value, learned[name]) for name, value in old.named_parameters())
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    assert "| mug 2 |" in card
    assert "Not stated" in card  # what the first model has learned from is not known here


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "magic"], "known are tack"),
        (["--method", "tack", "--seed", "5"], "training.seed is 0 there, 5 here"),
        (["--method", "don"], "holds another run, 4 steps old"),
        (["--method", "tack", "--classes", "teapot"], "teapot"),
        (["--method", "tack", "--steps", "0"], "steps = 0: allowed is at least 1"),
        (["--method", "tack", "--config", "missing.yaml"], "missing.yaml: cannot be read"),
        (["--method", "tack", "--data", "nowhere"], "nowhere: no manifest.json"),
    ],
)
def test_what_is_refused(
    data: Path, settings: Path, trained: Path, more: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert train(data, settings, trained, *more) == main.EXIT_ERROR
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tacks: {adaptation: 1}", "section tacks: unknown; known are train, model, episodes"),
        ("tack: {adaption: 1}", "section tack: unknown setting adaption"),
        ("sparse: {heats: 1}", "section sparse: unknown setting heats"),
        ("model: {heads: [don]}", "heads follows from the method"),
        ("episodes: {crop_px: 1}", "allowed is 32 to 512"),
        ("calibration: {pairs: 1}", "allowed is at least 20"),
        ("- 1", "sections with settings are expected"),
        ("train: {steps: many}", "a value of type int"),
    ],
)
def test_settings_that_are_wrong(
    data: Path, tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(content)
    words = ["--method", "tack", "--data", str(data), "--output", str(tmp_path / "out")]
    assert main.main(["train", *words, "--config", str(file)]) == main.EXIT_ERROR
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_render_command_makes_the_same_data(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "look.yaml"
    file.write_text("look: {metering: 0.3}\nrender: {color: png, camera: d405}\n")
    words = ["--class", "cap", "--instances", "1", "--views", "1", "--size", "64x48", "--quiet"]
    words += ["--noise", "none", "--no-shadows", "--config", str(file)]
    first = tmp_path / "first"
    assert main.main(["render", *words, "--output", str(first)]) == 0
    manifest = CorrespondenceSet.open(first).manifest
    lines = render_command(manifest, first).splitlines()
    assert lines[0] == "cat > first-render.yaml <<'END'"
    again = tmp_path / "again"
    (tmp_path / "first-render.yaml").write_text("\n".join(lines[1 : lines.index("END")]))
    command = shlex.split(lines[-1])
    command[command.index("--config") + 1] = str(tmp_path / "first-render.yaml")
    command[command.index("--output") + 1] = str(again)
    assert main.main([*command[1:], "--quiet"]) == 0
    assert Manifest.read(again) == manifest


def test_a_recording_has_no_render_command(tmp_path: Path) -> None:
    assert render_command(Manifest(), tmp_path) == ""


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(add_arguments)
    with pytest.raises(SystemExit):
        main.main(["train", "--help"])
    told = capsys.readouterr().out
    for words in ("torchrun --standalone", "on a CPU", "on a GPU", "goes on where it was"):
        assert words in told
