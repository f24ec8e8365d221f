# SPDX-License-Identifier: Apache-2.0
"""The command: what it writes, and what it refuses."""

from __future__ import annotations

import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_inspection import make_model, tiles, write_model

from tack_cli.main import EXIT_ERROR, main
from tack_perception.inspection.ways import WAYS
from tack_perception.networks.model import save_model

ROOT = Path(__file__).parents[3]


def test_the_command_does_not_stand_before_the_library_s_inspect() -> None:
    assert "tack_cli" not in inspect.__file__
    import tack_cli.inspect as command

    assert command is not inspect


def run(*words: str | Path) -> int:
    return main(["inspect", "--quiet", *map(str, words)])


def test_pictures_and_figures_are_written(tiles_folder, model_folder, tmp_path, capsys) -> None:
    words = ("--data", tiles_folder, "--model", model_folder, "--trials", 3)
    assert run(*words, "--output", tmp_path / "a") == 0
    assert str(tmp_path / "a" / "figures.json") in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "a" / "tile").iterdir()}
    stems = ("heat", "saliency", "path", "distance", "places")
    assert names == {*(f"{s}.jpg" for s in stems), "space_tack.png", "space_don.png"}
    for name in names:
        assert cv2.imread(str(tmp_path / "a" / "tile" / name)).std() > 5
    figures = json.loads((tmp_path / "a" / "figures.json").read_text())
    spreads = figures["classes"]["tile"]["between"]
    assert {way: spread["way"] for way, spread in spreads.items()} == {way: way for way in WAYS}
    assert all(spread["trials"] == 3 for spread in spreads.values())
    assert 0 < figures["classes"]["tile"]["saliency"]["reach"] < 1.5
    assert run(*words, "--output", tmp_path / "b") == 0
    for name in ("figures.json", "tile/heat.jpg", "tile/space_don.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_click_of_one_s_own(tiles_folder, model_folder, tmp_path) -> None:
    words = ("--data", tiles_folder, "--model", model_folder, "--trials", 0)
    points = ("--point", "2:31,24", "--point", "2:33,20")
    assert run(*words, *points, "--output", tmp_path) == 0
    click = json.loads((tmp_path / "figures.json").read_text())["classes"]["tile"]["click"]
    assert click == {"view": 2, "pixels": [[31.0, 24.0], [33.0, 20.0]]}
    assert "between" not in json.loads((tmp_path / "figures.json").read_text())["classes"]["tile"]


def test_a_recording_has_no_truth_but_can_be_looked_at(model_folder, tmp_path, capsys) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    camera = tiles.CAMERA
    (folder / "camera.json").write_text(
        json.dumps({k: getattr(camera, k) for k in ("width", "height", "fx", "fy", "cx", "cy")})
    )
    for i in range(3):
        view = tiles.make_view("tile_0", 0, tiles.looking_down(0.01 * i))
        for kind, image in (("color", view.color[..., ::-1]), ("depth", view.true_depth * 1000)):
            (folder / kind).mkdir(exist_ok=True)
            kept = image.astype(np.uint8 if kind == "color" else np.uint16)
            cv2.imwrite(str(folder / kind / f"{i}.png"), kept)
    words = ("--data", folder, "--model", model_folder, "--output", tmp_path / "out")
    assert run(*words) == 0
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())["classes"]["walk"]
    assert [one["view"] for one in figures["pictures"]] == [0, 1, 2]
    assert figures["space"]["tack"]["neighbour"] is None
    assert not (tmp_path / "out" / "walk" / "places.jpg").exists()
    assert run(*words, "--class", "mug") == EXIT_ERROR
    assert "no class is known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--model", "no/such"), "no folder with a model.yaml"),
        (("--data", "no/such"), "not a data set"),
        (("--class", "spoon"), "--class spoon"),
        (("--instances", "0"), "1 to 12"),
        (("--trials", "-1"), "--trials -1"),
        (("--point", "77:3,3"), "the pictures of tile show"),
        (("--point", "0:3,3", "--point", "1:3,3"), "two on the same view"),
        (("--point", "@1.5:3,3"), "VIEW a number"),
    ],
)
def test_what_is_refused_is_refused_in_a_sentence(
    tiles_folder, model_folder, tmp_path, capsys, words: tuple[str, ...], sentence: str
) -> None:
    base = ("--data", tiles_folder, "--model", model_folder, "--output", tmp_path / "out")
    assert run(*base, *words) == EXIT_ERROR
    message = capsys.readouterr().err
    assert message.startswith("tack: ")
    assert sentence in message
    assert not (tmp_path / "out").exists()


def test_an_empty_set_and_an_unfit_model_are_refused(
    tiles_folder, model_folder, tmp_path, capsys
) -> None:
    tiles.MANIFEST.write(tmp_path / "set")
    words = ("--model", model_folder, "--port", 0)
    assert run("--data", tmp_path / "set", *words) == EXIT_ERROR
    assert "no views yet" in capsys.readouterr().err
    model = write_model(tmp_path / "sparse", ("sparse",))
    assert run("--data", tiles_folder, "--model", model, "--port", 0) == EXIT_ERROR
    assert "neither a TACK head nor dense descriptors" in capsys.readouterr().err
    save_model(tmp_path / "cut", make_model(), {})
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert run("--data", tiles_folder, "--model", tmp_path / "cut", "--port", 0) == EXIT_ERROR
    assert "not a model that can be used" in capsys.readouterr().err


def test_a_click_on_the_command_line_needs_an_output(tiles_folder, model_folder, capsys) -> None:
    words = ("--data", tiles_folder, "--model", model_folder, "--point", "0:3,3")
    assert run(*words) == EXIT_ERROR
    assert "goes with --output" in capsys.readouterr().err


def test_a_taken_port_is_one_sentence(tiles_folder, model_folder, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = ("--data", tiles_folder, "--model", model_folder, "--port", port)
        assert run(*words) == EXIT_ERROR
    assert f"port {port} of 127.0.0.1 is taken" in capsys.readouterr().err


def test_the_command_serves_until_ctrl_c(tiles_folder, model_folder) -> None:
    words = ["inspect", "--data", str(tiles_folder), "--model", str(model_folder), "--port", "0"]
    words.append("--quiet")
    with subprocess.Popen(
        [sys.executable, "-m", "tack_cli.main", *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        assert line.startswith("Look at http://127.0.0.1:")
        with urllib.request.urlopen(line.split()[2]) as answer:
            assert b"tack inspect" in answer.read()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert error == ""
