# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tack_cli.main import EXIT_ERROR, main
from tack_perception import geometry
from tack_perception.errors import DependencyError
from tack_perception.frame import RGBDFrame
from tack_perception.sources.bag_writer import BagWriter
from tack_perception.sources.rosbag2 import BagSource
from tack_sim.recording import RecordingConfig, Truth, load_truth, record_tabletop

DATA = Path(os.environ.get("TACK_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIXED = {"report.html", "overlay.mp4", "keypoints.jsonl", "goals.jsonl"}
LABELS = ("tea_title", "soup_label", "book_barcode")

Run = Callable[..., int]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("replay")
    try:
        list(record_tabletop(folder / "table", RecordingConfig(seconds=2.0, rate=3.0)))
    except DependencyError as error:
        pytest.skip(str(error))
    return folder / "table", load_truth(folder / "truth.json")


@pytest.fixture(scope="module")
def short(
    recording: tuple[Path, Truth], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Truth]:
    """The first two frames of the recording with their transforms."""
    bag = tmp_path_factory.mktemp("short") / "short"
    with BagSource(recording[0]) as source, BagWriter(bag) as writer:
        for frame in list(source)[:2]:
            pose = source.transforms.lookup("base_link", frame.frame_id, frame.stamp_ns)
            writer.write_transform("base_link", frame.frame_id, frame.stamp_ns, pose)
            writer.write(frame)
    return bag, recording[1]


def clicks(truth: Truth, labels: tuple[str, ...] = LABELS) -> list[str]:
    arguments = []
    for label in labels:
        u, v = np.rint(truth.pixels[label][0]).astype(int)
        arguments += ["--point", f"0:{u},{v}", "--label", label]
    return arguments


@pytest.fixture(scope="module")
def output(recording: tuple[Path, Truth], tmp_path_factory: pytest.TempPathFactory) -> Path:
    bag, truth = recording
    output = tmp_path_factory.mktemp("first") / "out"
    arguments = ["replay", str(bag), *clicks(truth), "--output", str(output), "--quiet"]
    assert main([*arguments, "--place", "book_barcode"]) == 0
    return output


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_second_replay_gives_the_same_bytes(
    recording: tuple[Path, Truth], output: Path, tmp_path: Path
) -> None:
    # Another process, another working directory, another hash seed, another output path.
    bag, truth = recording
    target = tmp_path / "another place" / "second"
    command = [sys.executable, "-m", "tack_cli.main", "replay", bag.name, *clicks(truth)]
    command += ["--output", str(target), "--place", "book_barcode"]
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "COLUMNS": "60"}
    subprocess.run(command, cwd=bag.parent, env=environment, check=True, capture_output=True)
    first, second = contents(output), contents(target)
    assert set(first) == set(second)
    assert set(first) > FIXED
    assert [name for name in first if first[name] != second[name]] == []


def test_positions_agree_with_the_truth(recording: tuple[Path, Truth], output: Path) -> None:
    _, truth = recording
    records = lines(output / "keypoints.jsonl")
    assert len(records) == 6 * len(LABELS)
    errors = [
        np.linalg.norm(np.subtract(record["position"]["xyz"], truth.points[record["label"]]))
        for record in records
        if "position" in record
    ]
    assert len(errors) > 0.6 * len(records)
    assert np.median(errors) < 4e-3
    for record in records:
        assert ("position" in record) == (record["refusal"] == "")


def test_goals_stand_on_the_surface_and_end_at_the_place(
    recording: tuple[Path, Truth], output: Path
) -> None:
    _, truth = recording
    goals = lines(output / "goals.jsonl")
    assert {goal["label"] for goal in goals} == set(LABELS) - {"book_barcode"}
    planned = [goal for goal in goals if "poses" in goal]
    assert planned
    for goal in planned:
        assert goal["frame_id"] == "base_link"
        grasp, place = (np.array(goal["poses"][name]["matrix"]) for name in ("grasp", "place"))
        # Same orientation, moved from the point to the place.
        np.testing.assert_allclose(grasp[:3, :3], place[:3, :3], atol=1e-8)
        geometry.check_transform(geometry.nearest_transform(grasp))
    best = [g for g in planned if g["rank"] == 1 and g["label"] == "soup_label"]
    moves = [
        np.subtract(g["poses"]["place"]["position"], g["poses"]["grasp"]["position"]) for g in best
    ]
    expected = truth.points["book_barcode"] - truth.points["soup_label"]
    np.testing.assert_allclose(np.median(moves, axis=0), expected, atol=6e-3)


def test_the_report_needs_nothing_else_and_tells_nothing_of_this_machine(
    recording: tuple[Path, Truth], output: Path
) -> None:
    page = (output / "report.html").read_text(encoding="utf-8")
    for label in LABELS:
        assert label in page
    for section in ("What was asked", "What was found", "In space and time", "What was left out"):
        assert section in page
    assert page.count("<svg") >= 2 + len(LABELS)
    assert page.count("data:image/jpeg;base64,") == len(LABELS) + 6
    assert "data:video/mp4;base64," in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "prefers-color-scheme: dark" in page
    assert str(recording[0].parent) not in page
    assert str(output) not in page


def test_pictures_and_video_show_every_frame(output: Path) -> None:
    names = sorted(path.name for path in (output / "pictures").iterdir())
    assert names == [f"click_{i:02d}.jpg" for i in (1, 2, 3)] + [
        f"frame_{i:06d}.jpg" for i in range(6)
    ]
    picture = cv2.imread(str(output / "pictures" / names[0]))
    assert picture is not None
    assert picture.shape == (960, 1280, 3)
    with av.open(str(output / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6


def test_a_second_run_replaces_its_own_files_only(
    short: tuple[Path, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, truth = short
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "holiday.jpg").write_bytes(b"mine")
    (tmp_path / "pictures" / "frame_999999.jpg").write_bytes(b"of an older, longer run")
    arguments = ["replay", str(bag), *clicks(truth, LABELS[:1]), "--output", str(tmp_path)]
    assert main([*arguments, "--quiet"]) == 0
    assert "1 files of an earlier run will be replaced" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "pictures" / "holiday.jpg").read_bytes() == b"mine"
    assert not (tmp_path / "pictures" / "frame_999999.jpg").exists()


def test_the_terminal_says_what_was_found_and_how_fast(
    short: tuple[Path, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, truth = short
    assert main(["replay", str(bag), *clicks(truth, LABELS[:1]), "--output", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "short: 2 frames, 0.3 s" in told
    assert "tea_title" in told
    assert "find points" in told
    assert "× real time" in told
    assert str(tmp_path / "report.html") in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "nothing to look for"),
        (["--point", "0:700,10"], "outside the 640×480 image"),
        (["--point", "2:10,10"], "2 frames (0 to 1"),
        (["--point", "0:10,10", "--base-frame", "mars"], "joined are: base_link"),
        (["--point", "0:10,10", "--place", "shelf"], "named are point"),
        (["--annotations", "absent"], "absent"),
        (["--point", "0:10,10", "--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(
    short: tuple[Path, Truth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    output = tmp_path / "out"
    code = main(["replay", str(short[0]), *arguments, "--output", str(output), "--quiet"])
    assert code == EXIT_ERROR
    assert sentence in capsys.readouterr().err
    assert not contents(output)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--point", "here"], "0:412,233"),
        (["--label", "cup"], "right after the --point"),
        (["--point", "0:1,1", "--label", "a/b"], "letters"),
        (["--point", "0:1,1", "--place", "1,2"], "X,Y,Z"),
        (["--point", "0:1,1", "--detector", "crystal_ball"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["replay", "bag", *arguments, "--output", "out"])
    assert exit_info.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("lifting: {max_depth_m: -3}", "max_depth_m"),
        ("lifing: {}", "sections detector, lifting, planner"),
        ("lifting: 3", "each with its settings"),
        ("planner: {aproach: down}", "unknown setting aproach"),
        ("]", "cannot be read as YAML"),
    ],
)
def test_wrong_settings_are_refused(
    short: tuple[Path, Truth],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    sentence: str,
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(content)
    arguments = ["--point", "0:10,10", "--config", str(config), "--output", str(tmp_path / "out")]
    assert main(["replay", str(short[0]), *arguments, "--quiet"]) == EXIT_ERROR
    assert sentence in capsys.readouterr().err


def test_settings_take_effect(short: tuple[Path, Truth], tmp_path: Path) -> None:
    bag, truth = short
    config = tmp_path / "settings.yaml"
    config.write_text("planner: {approach: down, turns: 1}\nlifting: {max_depth_m: 2.0}\n")
    arguments = [*clicks(truth, LABELS[2:]), "--config", str(config), "--quiet"]
    assert main(["replay", str(bag), *arguments, "--output", str(tmp_path / "out")]) == 0
    goals = [g for g in lines(tmp_path / "out" / "goals.jsonl") if "poses" in g]
    assert goals
    for goal in goals:
        assert goal["rank"] == 1
        approach = np.array(goal["poses"]["grasp"]["matrix"])[:3, 2]
        np.testing.assert_allclose(approach, (0, 0, -1), atol=1e-8)


def test_without_transforms_goals_stay_in_the_camera_frame(
    short: tuple[Path, Truth], tmp_path: Path
) -> None:
    bag, truth = short
    with BagSource(bag) as source, BagWriter(tmp_path / "bare") as writer:
        for frame in list(source)[:2]:
            writer.write(frame)
    arguments = [*clicks(truth, LABELS[:1]), "--output", str(tmp_path / "out"), "--quiet"]
    assert main(["replay", str(tmp_path / "bare"), *arguments]) == 0
    goals = lines(tmp_path / "out" / "goals.jsonl")
    assert {goal["frame_id"] for goal in goals} == {"camera_color_optical_frame"}
    assert "up is not known" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    code = main(["replay", str(tmp_path / "bare"), *arguments, "--place", "0.1,0.2,0.3"])
    assert code == EXIT_ERROR


def test_a_hole_under_the_click_is_a_note(
    short: tuple[Path, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BagSource(short[0]) as source:
        frame = next(iter(source))
    v, u = np.argwhere(np.isnan(frame.depth[100:400, 100:500]))[0] + 100
    arguments = ["--point", f"0:{u},{v}", "--output", str(tmp_path), "--quiet"]
    assert main(["replay", str(short[0]), *arguments]) == 0
    assert "no depth at the clicked pixel" in capsys.readouterr().err


def test_a_recording_that_changes_its_size_leaves_no_file(
    short: tuple[Path, Truth], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, truth = short
    with BagSource(bag) as source:
        first, second = list(source)[:2]
    smaller = RGBDFrame(
        np.ascontiguousarray(second.color[::2, ::2]),
        np.ascontiguousarray(second.depth[::2, ::2]),
        second.intrinsics.scaled(320, 240),
        second.stamp_ns,
        second.frame_id,
    )
    with BagWriter(tmp_path / "odd") as writer:
        writer.write(first)
        writer.write(smaller)
    output = tmp_path / "out"
    arguments = [*clicks(truth, LABELS[:1]), "--output", str(output), "--quiet"]
    assert main(["replay", str(tmp_path / "odd"), *arguments]) == EXIT_ERROR
    assert "frame 1: the image is 320×240 px" in capsys.readouterr().err
    assert not contents(output)


@pytest.mark.data
def test_the_real_shelf_recording_replays(tmp_path: Path) -> None:
    bag = DATA / "apc_shelf" / "rosbag2_apc"
    if not bag.is_dir():
        pytest.skip(f"the recording {bag} is not here; set TACK_DATA to its folder")
    case = json.loads((DATA / "apc_shelf" / "case.json").read_text(encoding="utf-8"))
    # The bag holds the case's first three images; the click is on the first one.
    click = next(a for a in case["annotations"] if a["image"] == 0 and a["keypoint"] == "book_eye")
    u, v = click["uv"]
    arguments = ["--point", f"0:{u},{v}", "--label", "eye", "--output", str(tmp_path), "--quiet"]
    assert main(["replay", str(bag), *arguments]) == 0
    records = lines(tmp_path / "keypoints.jsonl")
    assert len(records) == 3
    truth = case["keypoints"]["book_eye"]["xyz_world"]
    positions = [record["position"] for record in records if "position" in record]
    assert {position["frame_id"] for position in positions} == {"world"}
    errors = [np.linalg.norm(np.subtract(position["xyz"], truth)) for position in positions]
    assert len(errors) >= 2
    assert np.median(errors) < 0.015
