# SPDX-License-Identifier: Apache-2.0
"""The command from end to end, on a rendered set of a few small pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import pytest

from tack_cli import main
from tack_cli.evaluation.tables import SPEED_TITLE
from tack_perception.detectors import make_detector
from tack_perception.learning.card import METRICS_BEGIN, METRICS_END

SET = [
    "--class", "mug,hammer,box", "--instances", "2", "--views", "4", "--size", "160x120",
    "--split", "held_out", "--no-shadows", "--quiet",
]  # fmt: skip
DETECTORS = ["dense", "random", "random-on-object"]
CARD = f"# A model\n\n{METRICS_BEGIN}\nnothing yet\n{METRICS_END}\n\n## Licence\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "held"
    assert main.main(["render", *SET, "--output", str(folder)]) == 0
    return folder


def evaluate(data: Path, output: Path, *more: str) -> int:
    arguments = ["evaluate", "--data", str(data), "--output", str(output), "--trials", "6"]
    return main.main([*arguments, *more])


@pytest.fixture(scope="module")
def output(data: Path) -> Path:
    folder, model = data.parent / "out", data.parent / "model"
    model.mkdir()
    (model / "README.md").write_text(CARD)
    more = ["--detector", *DETECTORS, "--gallery", "2", "--card", str(model), "--quiet"]
    assert evaluate(data, folder, *more) == 0
    return folder


def test_metrics_of_every_detector(output: Path) -> None:
    metrics = json.loads((output / "metrics.json").read_text())
    assert list(metrics["detectors"]) == DETECTORS
    assert metrics["queries"]["size"] == [160, 120]
    assert metrics["queries"]["classes"] == {"mug": 2, "hammer": 2, "box": 2}
    assert set(metrics["differences"]) == {
        "dense - random", "dense - random-on-object", "random - random-on-object",
    }  # fmt: skip
    for name, one in metrics["detectors"].items():
        same = one["columns"]["same"]
        assert same["trials"] >= 6, name
        for share in same["pck"].values():
            assert share["low"] <= share["value"] <= share["high"]
        assert set(one["classes"]["same"]) <= {"mug", "hammer", "box"}
        assert sum(f["trials"] for f in one["classes"]["same"].values()) == same["trials"]
        assert {"absent", "hidden or absent"} <= set(one["acceptances"])
    itself = [metrics["detectors"][name]["columns"]["self"] for name in DETECTORS]
    assert itself[0]["median_px"]["value"] < 1 < itself[1]["median_px"]["value"]


def test_every_answer_is_written(output: Path) -> None:
    trials = [json.loads(line) for line in (output / "trials.jsonl").read_text().splitlines()]
    assert {t["detector"] for t in trials} == set(DETECTORS)
    states = {(t["relation"], t["state"], t["occlusion"]) for t in trials}
    assert {("same", "seen", 0), ("new", "seen", 0), ("absent", "absent", 0)} <= states
    assert {("same", "seen", share) for share in (20, 40, 60)} <= states
    for t in trials:
        if t["error_px"] is not None:
            distance = math.dist(t["truth"], t["answer"])
            assert t["error_px"] == pytest.approx(distance, abs=1e-4)
    asked = [[t["label"] for t in trials if t["detector"] == name] for name in DETECTORS]
    assert asked[0] == asked[1] == asked[2]


def test_tables_plots_pictures_and_page(output: Path) -> None:
    table = (output / "table.md").read_text()
    for words in (
        "same instance, new view", "new instance of the class", "over 90°", "40 % covered",
        "wrong-accept at recall 90 %", "expected calibration error", "mean NEES", SPEED_TITLE,
    ):  # fmt: skip
        assert words in table
    plots = {path.name for path in (output / "plots").iterdir()}
    assert {
        "pck_same.png", "pck_new.png", "occlusion_same_median.png", "viewpoint_same_pck.png",
        "roc_absent.png", "reliability_0.png", "covariance_1.png",
    } <= plots  # fmt: skip
    picture = cv2.imread(str(output / "plots" / "pck_same.png"))
    assert picture is not None
    assert picture.std() > 5
    pictures = sorted((output / "gallery" / "random").glob("*.jpg"))
    assert {"same_0.jpg", "same_1.jpg", "absent_0.jpg"} <= {p.name for p in pictures}
    bad = cv2.imread(str(pictures[0]))
    assert bad is not None
    assert bad.shape[:2] == (120, 2 * 160 + 6)
    page = (output / "report.html").read_text()
    for words in ("tack evaluate", "random-on-object", "the worst answers", "<polyline", "base64"):
        assert words in page
    assert str(output.parent) not in page + table + (output / "metrics.json").read_text()


def test_the_card_gets_the_table(output: Path) -> None:
    card = (output.parent / "model" / "README.md").read_text()
    before, _, rest = card.partition(METRICS_BEGIN)
    inside, _, after = rest.partition(METRICS_END)
    assert before == "# A model\n\n"
    assert after == "\n\n## Licence\n"
    assert "nothing yet" not in inside
    assert "| same instance, new view |" in inside


def test_the_same_again_gives_the_same(data: Path, output: Path, tmp_path: Path) -> None:
    """Also when other detectors are asked beside it."""
    assert evaluate(data, tmp_path, "--detector", "random", "--gallery", "1", "--quiet") == 0
    lines = [
        [line for line in (folder / "trials.jsonl").read_text().splitlines() if '"random"' in line]
        for folder in (output, tmp_path)
    ]
    assert lines[0] == lines[1]
    first, again = (
        json.loads((folder / "metrics.json").read_text())["detectors"]["random"]
        for folder in (output, tmp_path)
    )
    assert first == again
    for name in ("same_0.jpg", "absent_0.jpg"):
        pictures = [folder / "gallery" / "random" / name for folder in (output, tmp_path)]
        assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_clicks_of_another_set_alone_with_a_summary(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = tmp_path / "train"
    train = [word if word != "held_out" else "train" for word in SET]
    assert main.main(["render", *train, "--output", str(clicks)]) == 0
    more = ["--clicks", str(clicks), "--classes", "mug", "--detector", "random", "--alone"]
    assert evaluate(data, tmp_path / "out", *more, "--gallery", "0") == 0
    shown = capsys.readouterr().out
    assert "new instance of the class" in shown
    assert "report.html" in shown
    trials = [json.loads(line) for line in (tmp_path / "out/trials.jsonl").read_text().splitlines()]
    assert {t["category"] for t in trials} == {"mug"}
    assert {t["clicked"] for t in trials if t["relation"] == "new"} == {"clicks"}
    assert not (tmp_path / "out" / "gallery").exists()
    speed = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert speed["random"]["labels"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detector", "nose"], "nose"),
        (["--detector", "random=out/model"], "takes no model"),
        (["--detector", "random", "random"], "named twice"),
        (["--detector", "tack", "--model", "nowhere"], "nowhere"),
        (["--detector", "tack", "--set", "threads"], "KEY=VALUE"),
        (["--detector", "random", "--classes", "cup"], "cup"),
        (["--detector", "random", "--trials", "0"], "trials"),
        (["--detector", "random", "--shots", "0"], "shots"),
        (["--detector", "random", "--clicks", "missing"], "missing"),
    ],
)
def test_what_is_refused(
    data: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "tack" in arguments:
        pytest.importorskip("torch")
    assert evaluate(data, tmp_path / "out", *arguments) == main.EXIT_ERROR
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_dense_is_made_without_settings_of_the_learned() -> None:
    from tack_cli.evaluate import detector_makers
    from tack_cli.main import make_parser

    words = ["evaluate", "--data", "d", "--output", "o", "--detector", "dense", "--set", "x=1"]
    makers = detector_makers(make_parser(words).parse_args(words))
    assert type(makers["dense"]()) is type(make_detector("dense"))
