# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_cli.main import EXIT_ERROR, main
from tack_cli.runs import album, tables
from tack_cli.runs.timeline import DETAILED, timeline
from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.runs import RECORD, Cycle, RunWriter, read_run
from tack_grasping.error_codes import MoveItErrorCode

ABOUT = {"robot": "panda_2f85", "task": {"place": "bin"}, "settings": {"behaviour": {"tries": 6}}}
LOST, OK = MoveItErrorCode.CONTROL_FAILED, MoveItErrorCode.SUCCESS
ODD = "<script>alert('x')</script> & \"quotes\""
PICTURE = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)


def stage(name: str, work: Work, attempt: int, began: float, seconds: float, **more: Any) -> Any:
    return StageRecord(name, work, attempt, began, seconds, **more)


def success(tries: int = 1) -> CycleRecord:
    """Won in so many attempts, each of 3 s."""
    stages: list[StageRecord] = []
    for attempt in range(1, tries + 1):
        began, last = 3.0 * (attempt - 1), attempt == tries
        stages += [
            stage("look", Work.PERCEPTION, attempt, began, 0.5, pictures=(f"{attempt}_look.jpg",)),
            stage("close", Work.GRIPPER, attempt, began + 0.5, 1.5),
            stage(
                "lift", Work.EXECUTION, attempt, began + 2.0, 1.0, code=OK if last else LOST,
                reason="" if last else f"joint {attempt} is 0.{attempt} rad off",
            ),
        ]  # fmt: skip
    return CycleRecord("handle", "bin", OK, "", tries, tuple(stages))


def failure(reason: str = "the fingers met nothing", rejected: int = 30) -> CycleRecord:
    return CycleRecord(
        "rim", "", LOST, f"close: {reason}", 0,
        (
            stage("look", Work.PERCEPTION, 1, 0.0, 0.5, pictures=("1_look.jpg",)),
            stage("close", Work.GRIPPER, 1, 0.5, 1.0, code=LOST, reason=reason,
                  pictures=("2_close.jpg",)),
        ),
        tuple(f"pregrasp: no path at turn {i}; {ODD}" for i in range(rejected)),
    )  # fmt: skip


def write(folder: Path, records: list[CycleRecord], picture: np.ndarray = PICTURE) -> Path:
    writer = RunWriter(folder, ABOUT)
    ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert ok
    for record in records:
        cycle = writer.begin()
        for name in {name for stage in record.stages for name in stage.pictures}:
            (cycle / name).write_bytes(data.tobytes())
        writer.end(cycle, record)
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = [
        success(),
        success(2),
        failure(),
        failure("the fingers met nothing again"),
        success(),
    ]
    return write(tmp_path_factory.mktemp("runs") / "run", records)


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_terminal_tells_the_figures(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run_folder), "--output", str(tmp_path / "page")]) == 0
    out = re.sub(" +", " ", capsys.readouterr().out)
    for words in (
        "5 cycles",
        " 60.0 % succeeded: 3 of 5; 95 % interval 23.1 to 88.2 %",
        " 1 of 3 failed first attempts won back",
        " 3.00 s a cycle; p95 6.00 s",
        " 0.50 s overhead beyond motion; p95 1.00 s",
        " handle → bin 3 3 100.0 [43.9, 100.0] 3.00 6.00",
        " rim 2 0 0.0 [0.0, 65.8] 1.50 1.50",
        " close 1 1 CONTROL_FAILED -4 the fingers met nothing\n",
        " lift 1 0 CONTROL_FAILED -4 joint 1 is 0.1 rad off",
        " perception 0.50 1.00",
        " whole cycle 3.00 6.00",
        f"Report: {tmp_path / 'page' / 'report.html'}",
    ):
        assert words in out, words
    assert not (run_folder / "report.html").exists()


def test_the_page_needs_nothing_else_and_tells_of_every_failure(
    run_folder: Path, tmp_path: Path
) -> None:
    assert main(["report", str(run_folder), "--output", str(tmp_path)]) == 0
    page = page_of(tmp_path)
    for words in (
        "3 of 5 cycles succeeded", "What went wrong", "Cycle by cycle", "Failed cycles (2)",
        "Some that succeeded", "settings.behaviour.tries", "Rejected candidates (30)",
    ):  # fmt: skip
        assert words in page, words
    assert page.count('<article class="card cycle"') == 2
    assert page.count("data:image/jpeg;base64,") == 2 * 2 + 3
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "prefers-color-scheme: dark" in page
    assert str(run_folder.parent) not in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    again = tmp_path / "again"
    assert main(["report", str(run_folder), "--output", str(again)]) == 0
    assert page_of(again) == page


def test_each_cycle_is_a_bar_with_its_failures_marked(run_folder: Path) -> None:
    svg = ElementTree.fromstring(timeline(read_run(run_folder).cycles, {3, 4}))
    bars = svg.findall("rect")
    assert len(bars) == 3 + 6 + 2 + 2 + 3
    assert len([c for c in svg.findall("circle") if c.get("class") == "miss"]) == 3
    assert [link.get("href") for link in svg.findall("a")] == ["#cycle-3", "#cycle-4"]
    second = bars[3:9]
    assert len({bar.get("fill") for bar in second}) == 3
    lengths = [float(bar.get("width", "nan")) for bar in second]
    assert lengths[1] / lengths[0] == pytest.approx(3.0, rel=0.02)
    titles = [title.text for title in svg.iter("title")]
    assert "cycle 2, attempt 1: lift, 1.00 s. CONTROL_FAILED: joint 1 is 0.1 rad off" in titles


SECONDS = st.floats(-10, 1e4)
STAGES = st.lists(st.builds(
    stage, st.just("lift"), st.sampled_from(list(Work)), st.just(1), SECONDS, SECONDS,
    code=st.sampled_from([OK, LOST]),
))  # fmt: skip


@given(st.lists(STAGES, max_size=4), st.booleans())
def test_any_times_can_be_drawn(stages: list[list[StageRecord]], many: bool) -> None:
    records = [dataclasses.replace(success(), stages=tuple(some)) for some in stages]
    records *= 1 + many * DETAILED
    svg = timeline([Cycle(i, Path(), record) for i, record in enumerate(records)])
    for shape in ElementTree.fromstring(svg).iter("rect"):
        assert 0 < float(shape.get("width", "nan")) < 1060
        assert float(shape.get("x", "nan")) + float(shape.get("width", "nan")) < 1000
    assert "nan" not in svg


@pytest.mark.parametrize("records", [[], [success()], [failure()]])
def test_a_short_run_has_a_report(
    records: list[CycleRecord], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, records)
    assert main(["report", str(tmp_path)]) == 0
    assert f"{len(records)} cycle" in capsys.readouterr().out
    page = page_of(tmp_path)
    assert "nan" not in page.partition("</style>")[2].partition("data:image")[0]
    assert page.count("<svg") == 1 + bool(records)


def test_a_long_run_has_a_page_that_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [failure(f"joint {i} is off") if i % 2 else success(3) for i in range(400)]
    records[399] = failure("rarely")
    write(tmp_path, records, PICTURE[:120, :160])
    monkeypatch.setattr(album, "PAGE_LETTERS", 1_000_000)
    assert main(["report", str(tmp_path)]) == 0
    page = page_of(tmp_path)
    assert 1_000_000 < len(page) < 2_500_000
    assert 'id="cycle-400"' in page
    assert "200 of 400 cycles succeeded" in page
    assert page.count('<article class="card cycle"') == 60
    assert "140 more that failed" in page
    assert set(re.findall('href="#(.+?)"', page)) == set(re.findall('id="(cycle-.+?)"', page))
    svg = page.partition("bars")[2]
    assert len(re.findall(r'<circle class="miss"', svg)) == 200 + 2 * 200
    assert page.count("Its pictures are in cycle_") > 0


def test_rare_failures_get_their_picture_first(tmp_path: Path) -> None:
    write(tmp_path, [failure("often")] * 6 + [failure("rarely")])
    cycles = read_run(tmp_path).cycles
    weight = len(album.Album(cycles).of(cycles[0])[0].uri)  # type: ignore[index]
    shown = album.Album(cycles, letters=5 * weight)
    assert [shown.of(cycle) is not None for cycle in cycles] == [True] + 5 * [False] + [True]


def test_pictures_that_are_gone_or_damaged_are_told(tmp_path: Path) -> None:
    write(tmp_path, [failure(), failure()])
    (tmp_path / "cycle_0001" / "1_look.jpg").unlink()
    (tmp_path / "cycle_0001" / "2_close.jpg").write_bytes(b"")
    (tmp_path / "cycle_0002" / "1_look.jpg").write_text("no picture")
    (tmp_path / "cycle_0002" / "2_close.jpg").unlink()
    (tmp_path / "cycle_0002" / "2_close.jpg").mkdir()
    assert main(["report", str(tmp_path)]) == 0
    page = page_of(tmp_path)
    assert page.count("its picture is gone or damaged") == 4
    assert "data:image" not in page


def test_broken_cycles_are_told_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, [success()] * 9)
    for i in range(1, 8):
        (tmp_path / f"cycle_{i:04d}" / RECORD).write_text("{" if i > 1 else "")
    assert main(["report", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "2 cycles" in out
    assert "7  left out: cut off or damaged" in out
    assert "cycle_0002: record.json: cut off or damaged" in out
    assert "… and 2 more" in out
    assert "Cycles that were left out (7)" in page_of(tmp_path)


def test_refusals_name_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "missing")]) == EXIT_ERROR
    assert "missing: no such folder" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == EXIT_ERROR
    assert "no run (run.json is missing)" in capsys.readouterr().err
    write(tmp_path / "run", [success()])
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "file")]) == EXIT_ERROR
    assert "cannot be written" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "run"), "--no-page", "--output", "x"]) == EXIT_ERROR
    assert main(["report", str(tmp_path / "run"), "--no-page"]) == 0
    assert not (tmp_path / "run" / "report.html").exists()


def test_stopped_cycles_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, [dataclasses.replace(success(), code=MoveItErrorCode.PREEMPTED)])
    assert main(["report", str(tmp_path), "--no-page"]) == 0
    assert "1  stopped by a person" in capsys.readouterr().out


def test_settings_of_any_depth_are_one_line_each() -> None:
    table = tables.about({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": "text", "f": {}, "g": None})
    assert [tuple(row) for row in table.rows] == [
        ("a.b.c", "1"), ("a.d", "[1, 2]"), ("e", "text"), ("f", "{}"), ("g", "null"),
    ]  # fmt: skip


def test_the_page_stands_in_a_browser(run_folder: Path, tmp_path: Path, browser: Any) -> None:
    assert main(["report", str(run_folder), "--output", str(tmp_path)]) == 0
    for scheme in ("light", "dark"):
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.call("Emulation.setEmulatedMedia", features=media)
        browser.open((tmp_path / "report.html").as_uri())
        browser.until("document.readyState == 'complete' && !!document.querySelector('.bars svg')")
        card = browser.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
        colors = browser.evaluate(
            "[...new Set([...document.querySelectorAll('.bars rect')]"
            ".map(r => getComputedStyle(r).fill))]"
        )
        assert len(colors) == 3
        ground = np.array([int(x) for x in re.findall(r"\d+", card)[:3]])
        for color in colors:  # bars stand out from the card
            ink = np.array([int(x) for x in re.findall(r"\d+", color)[:3]])
            assert np.abs(ink - ground).max() > 80
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert browser.evaluate(wide)
        broken = "[...document.images].filter(i => i.complete && !i.naturalWidth).length"
        assert browser.evaluate(broken) == 0
    address = (tmp_path / "report.html").as_uri()
    assert browser.foreign(address) == []
