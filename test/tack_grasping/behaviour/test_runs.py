# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tack_grasping.behaviour.cycle import CycleRecord, StageRecord, Work
from tack_grasping.behaviour.cycle_json import from_json, to_json
from tack_grasping.behaviour.runs import RECORD, RUN, RunWriter, read_run
from tack_grasping.error_codes import MoveItErrorCode
from tack_perception.errors import FileFormatError, InvalidInputError, TackError

ABOUT = {"robot": "panda_2f85", "task": {"label": "handle", "place": "bin"}, "tries": 6}
SECONDS = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: abs(x) < 1e9)
CODES = st.sampled_from(list(MoveItErrorCode))
STAGES = st.builds(
    StageRecord,
    name=st.text(max_size=20),
    work=st.sampled_from(list(Work)),
    attempt=st.integers(0, 50),
    began=SECONDS,
    seconds=SECONDS,
    code=CODES,
    reason=st.text(max_size=60),
    pictures=st.lists(st.from_regex(r"[0-9]{2}_[a-z]{1,9}\.jpg", fullmatch=True)).map(tuple),
)
RECORDS = st.builds(
    CycleRecord,
    label=st.text(max_size=20),
    place=st.text(max_size=20),
    code=CODES,
    reason=st.text(max_size=60),
    attempts=st.integers(0, 50),
    stages=st.lists(STAGES, max_size=5).map(tuple),
    rejected=st.lists(st.text(max_size=40), max_size=5).map(tuple),
)
RECORD_OF_TWO = CycleRecord(
    "handle", "bin", MoveItErrorCode.CONTROL_FAILED, "close: the fingers met nothing", 1,
    (
        StageRecord("look", Work.PERCEPTION, 1, 0.0, 0.4, pictures=("01_look.jpg",)),
        StageRecord("close", Work.GRIPPER, 1, 0.4, 0.9, MoveItErrorCode.CONTROL_FAILED,
                    "the fingers met nothing"),
    ),
    ("pregrasp: no path",),
)  # fmt: skip


@given(RECORDS, st.text(max_size=30))
def test_a_record_comes_back_as_it_was(record: CycleRecord, ended: str) -> None:
    assert from_json(to_json(record, ended)) == (record, ended)
    assert from_json(to_json(record, ended).encode()) == (record, ended)


def test_field_names_are_stable() -> None:
    content = json.loads(to_json(RECORD_OF_TWO, "2026-01-01T00:00:00+00:00"))
    assert list(content) == [
        "format", "version", "ended", "label", "place", "success", "code", "reason", "attempts",
        "stages", "rejected",
    ]  # fmt: skip
    assert content["code"] == {"number": -4, "name": "CONTROL_FAILED"}
    assert content["success"] is False
    assert content["stages"][0] == {
        "name": "look", "work": "perception", "attempt": 1, "began": 0.0, "seconds": 0.4,
        "code": {"number": 1, "name": "SUCCESS"}, "reason": "", "pictures": ["01_look.jpg"],
    }  # fmt: skip


def test_what_no_file_can_hold_does_not_stop_a_record() -> None:
    odd = dataclasses.replace(RECORD_OF_TWO, reason="no file \udcff")
    assert from_json(to_json(odd))[0].reason == r"no file \udcff"


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_time_that_is_no_number_is_refused(seconds: float) -> None:
    stage = dataclasses.replace(RECORD_OF_TWO.stages[0], seconds=seconds)
    with pytest.raises(InvalidInputError, match=r"look: .* is not finite"):
        to_json(dataclasses.replace(RECORD_OF_TWO, stages=(stage,)))


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/b.jpg", "", ".hidden", "a\n"])
def test_a_picture_lies_in_the_folder_of_its_cycle(name: str) -> None:
    stage = dataclasses.replace(RECORD_OF_TWO.stages[0], pictures=(name,))
    with pytest.raises(InvalidInputError, match="no plain file name"):
        to_json(dataclasses.replace(RECORD_OF_TWO, stages=(stage,)))
    content = json.loads(to_json(RECORD_OF_TWO))
    content["stages"][0]["pictures"] = [name]
    with pytest.raises(FileFormatError, match=r"stages\[0\].*no plain file name"):
        from_json(json.dumps(content))


@given(st.data())
def test_a_record_that_was_cut_off_is_never_taken_for_one(data: st.DataObject) -> None:
    text = to_json(RECORD_OF_TWO).rstrip()
    length = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(FileFormatError, match=r"cut off|expected here"):
        from_json(text[:length])


WRONG = [0, -1.5, True, None, "text", [], {}, [3], 1e400, {"number": 1, "name": "FAILURE"}]


@given(st.data())
def test_a_wrong_value_is_an_error_that_names_it_or_a_record(data: st.DataObject) -> None:
    content = json.loads(to_json(RECORD_OF_TWO))
    place = data.draw(st.sampled_from([content, content["stages"][1], content["code"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        del place[name]
    else:
        place[name] = data.draw(st.sampled_from(WRONG))
    try:
        record, _ = from_json(json.dumps(content))
    except FileFormatError as error:
        said = str(error)
    else:
        said = name
        assert from_json(to_json(record))[0] == record
    assert name in said or "code" in said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("code", {"number": -4, "name": "SUCCESS"}, "code: -4 is CONTROL_FAILED, not SUCCESS"),
        ("code", {"number": -99, "name": "NEW"}, r"code: -99 \(NEW\) is none of MoveIt's"),
        ("version", 2, "version 2, and this tack reads version 1"),
        ("format", "tack run", '"format": "tack cycle" is missing'),
    ],
)
def test_what_is_wrong_is_said(field: str, value: object, said: str) -> None:
    content = json.loads(to_json(RECORD_OF_TWO)) | {field: value}
    with pytest.raises(FileFormatError, match=said):
        from_json(json.dumps(content))


def test_a_run_comes_back(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "new" / "run", ABOUT)
    cycle = writer.begin()
    (cycle / "01_look.jpg").write_bytes(b"picture")
    writer.end(cycle, RECORD_OF_TWO)
    writer.add(RECORD_OF_TWO)
    run = read_run(tmp_path / "new" / "run")
    assert dict(run.about) == ABOUT
    assert run.broken == {}
    assert [cycle.number for cycle in run.cycles] == [1, 2]
    assert run.records[0] == RECORD_OF_TWO
    assert run.records[1].stages[0].pictures == ()
    assert run.cycles[0].folder == cycle
    assert run.cycles[0].ended.endswith("+00:00")


def test_a_run_is_gone_on_with_and_another_one_is_not_mixed_in(tmp_path: Path) -> None:
    RunWriter(tmp_path, ABOUT).add(RECORD_OF_TWO)
    RunWriter(tmp_path, ABOUT).add(RECORD_OF_TWO)
    assert len(read_run(tmp_path).cycles) == 2
    with pytest.raises(InvalidInputError, match=r"differs in robot\); choose another folder"):
        RunWriter(tmp_path, ABOUT | {"robot": "ur5e_2f85"})
    (tmp_path / RUN).unlink()
    with pytest.raises(InvalidInputError, match=f"cycles and no {RUN}"):
        RunWriter(tmp_path, ABOUT)


@pytest.mark.parametrize("value", [math.nan, object(), {1, 2}, b"bytes"])
def test_what_is_said_of_a_run_has_to_fit_into_its_file(tmp_path: Path, value: object) -> None:
    with pytest.raises(InvalidInputError, match="said of the run cannot be written as JSON"):
        RunWriter(tmp_path, {"odd": value})
    assert list(tmp_path.iterdir()) == []


WRITE = """
import sys
from tack_grasping.behaviour.cycle import CycleRecord
from tack_grasping.behaviour.runs import RunWriter
from tack_grasping.error_codes import MoveItErrorCode

writer = RunWriter(sys.argv[1], {"robot": "panda"})
for number in range(int(sys.argv[2])):
    writer.add(CycleRecord(sys.argv[3], "", MoveItErrorCode.SUCCESS, "", number, ()))
    print(number, flush=True)
"""


def writing(folder: Path, count: int, label: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITE, str(folder), str(count), label]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_two_writers_of_one_folder_number_on(tmp_path: Path) -> None:
    writers = [writing(tmp_path, 30, label) for label in ("a", "b")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    run = read_run(tmp_path)
    assert run.broken == {}
    assert [cycle.number for cycle in run.cycles] == list(range(1, 61))
    for label in "ab":
        mine = [record.attempts for record in run.records if record.label == label]
        assert mine == list(range(30))


def test_a_killed_process_loses_the_cycle_under_way_at_most(tmp_path: Path) -> None:
    writer = writing(tmp_path, 100_000, "a")
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 20:
            break
    writer.kill()
    told = 1 + max((int(line) for line in writer.stdout), default=20)
    writer.wait(60)
    run = read_run(tmp_path)
    assert len(run.cycles) >= told
    assert [record.attempts for record in run.records] == list(range(len(run.cycles)))
    assert len(run.broken) <= 1
    RunWriter(tmp_path, {"robot": "panda"}).add(RECORD_OF_TWO)
    assert read_run(tmp_path).records[-1].label == "handle"


def test_broken_cycles_are_left_out_and_counted(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, ABOUT)
    folders = [writer.add(RECORD_OF_TWO) for _ in range(5)]
    (folders[0] / RECORD).write_text("{")
    (folders[1] / RECORD).write_bytes(b"\xff\xfe")
    (folders[2] / RECORD).unlink()
    (folders[3] / RECORD).unlink()
    (folders[3] / RECORD).mkdir()
    (tmp_path / "cycle_0099").write_text("no folder")
    (tmp_path / "cycle_x").mkdir()
    run = read_run(tmp_path)
    assert [cycle.number for cycle in run.cycles] == [5]
    assert list(run.broken) == [f"cycle_000{i}" for i in range(1, 5)]
    assert "cut off or damaged" in run.broken["cycle_0001"]
    assert "cut off or damaged" in run.broken["cycle_0002"]
    assert "still goes on" in run.broken["cycle_0003"]
    assert "cannot be read" in run.broken["cycle_0004"]


def test_a_folder_without_a_run_is_refused_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such folder"):
        read_run(tmp_path / "missing")
    with pytest.raises(InvalidInputError, match=rf"no run \({RUN} is missing\)"):
        read_run(tmp_path)
    RunWriter(tmp_path / "monday", ABOUT)
    with pytest.raises(InvalidInputError, match="in it are monday"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "tack run", "version": 1}'])
def test_a_run_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / RUN).write_text(text)
    with pytest.raises(FileFormatError, match=RUN):
        read_run(tmp_path)
    with pytest.raises(FileFormatError, match=RUN):
        RunWriter(tmp_path, ABOUT)


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TackError, match="cannot be written"):
        RunWriter(tmp_path / "file" / "run", ABOUT)
    writer = RunWriter(tmp_path / "run", ABOUT)
    (tmp_path / "run" / RUN).unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(TackError, match="cannot be read"):
        writer.begin()


def test_many_cycles_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, ABOUT)
    for number in (1, 2, 10_000):
        (tmp_path / f"cycle_{number:04d}").mkdir()
        writer.end(tmp_path / f"cycle_{number:04d}", RECORD_OF_TWO)
    assert writer.add(RECORD_OF_TWO).name == "cycle_10001"
    assert [c.number for c in read_run(tmp_path).cycles] == [1, 2, 10_000, 10_001]
    assert time.strptime(read_run(tmp_path).cycles[0].ended[:19], "%Y-%m-%dT%H:%M:%S")
