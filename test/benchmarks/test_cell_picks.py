# SPDX-License-Identifier: Apache-2.0
"""The benchmark of picks in its smoke mode: twenty picks and places, judged by physics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mujoco", reason="the cell needs MuJoCo")

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / "cell_picks.py"), *arguments]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_twenty_picks_with_true_points_and_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    output = tmp_path / "picks"
    told = run("--smoke", "--output", str(output))
    trials = output / "trials.jsonl"
    lines = [json.loads(line) for line in trials.read_text().splitlines()]
    assert len(lines) == 20
    placed = [line["success"] for line in lines]
    assert sum(placed) >= 18, told  # 20 of 20 when this was written
    assert not [met for line in lines for met in line["robot_met"]]
    for line in lines:
        # Whatever was not done has a reason, and whatever was done lies where it should.
        record = json.loads(line["record"])
        assert line["success"] or record["reason"] or line["verdict"]

    # A line that was cut off is done again, and nothing else.
    whole = trials.read_text().splitlines(keepends=True)
    trials.write_text("".join(whole[:-1]) + whole[-1][: len(whole[-1]) // 2])
    again = run("--smoke", "--output", str(output))
    assert again.count("100.0 [83.9, 100.0]") == told.count("100.0 [83.9, 100.0]")
    assert len(list((output / "run").glob("cycle_*"))) == 21
