# SPDX-License-Identifier: Apache-2.0
"""One click on a training instance, a held-out instance picked and placed: hundreds of trials.

A person clicks once on an instance that belongs to the training split; the robot then looks at it
from six more sides by itself, which are shots, too (`--looks 0`: the click alone). In another cell
stands an instance that nobody has seen. The behaviour tree looks, plans, picks, places and
recovers, in one process, with the planner, the controllers and the camera of the simulated cell;
physics judges.

    python benchmarks/cell_picks.py --output out/picks --trials 400 --workers 2
    python benchmarks/cell_picks.py --output out/hard --clutter 4 --occluders 1
    python benchmarks/cell_picks.py --output out/hidden --clutter 4 --covered 0.3
    python benchmarks/cell_picks.py --output out/spot --place spot     how exactly it is put down
    python benchmarks/cell_picks.py --output out/true --points true    no errors of a detector
    python benchmarks/cell_picks.py --smoke                            20 trials, two minutes

It goes on where it was stopped. OUTPUT/trials.jsonl has a line for each trial, with its account;
OUTPUT/run is a run folder for `tack report OUTPUT/run`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from tack_cli.report.table import Table, percent
from tack_grasping.behaviour.cycle_json import from_json, to_json
from tack_grasping.behaviour.run_witness import RunWitness
from tack_grasping.behaviour.runs import RunWriter
from tack_grasping.behaviour.tally import tally
from tack_grasping.behaviour.tree import COMPARE
from tack_perception.detectors.registry import DETECTORS, make_detector
from tack_perception.errors import TackError
from tack_perception.evaluation.statistics import Share, quantile
from tack_sim.cell.log import CellSetup
from tack_sim.cell.places import BIN
from tack_sim.cell.trial import LOOKS, SPOT, TrialResult, Trials, TrialSetup
from tack_sim.objects.families import FAMILIES

_SMOKE = 20
_NEAR_MM = 20.0
Line = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, help="folder; left out: nothing is kept")
    parser.add_argument("--trials", type=int, default=400, help="in all (default: 400)")
    parser.add_argument("--classes", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--first", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument("--robot", default="panda_2f85", help="profile (default: %(default)s)")
    parser.add_argument("--clutter", type=int, default=0, help="other objects on the table")
    parser.add_argument("--occluders", type=int, default=0, help="boards close to the object")
    parser.add_argument(
        "--covered", type=float, default=0.0, metavar="SHARE",
        help="of the object that a board hides from the camera at home, about (default: 0)",
    )  # fmt: skip
    parser.add_argument("--place", choices=(BIN, SPOT), default=BIN)
    parser.add_argument(
        "--points", choices=("true", *DETECTORS), default="fused",
        help="who finds the point again (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--looks", type=int, default=LOOKS,
        help="from how many more sides the robot looks at what was clicked on (default:"
        " %(default)s; 0: the click alone)",
    )  # fmt: skip
    parser.add_argument(
        "--instances", type=int, default=4,
        help="things of a kind that a learned detector reports (default: %(default)s, as the node)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--smoke", action="store_true", help="20 trials with true points")
    args = parser.parse_args()
    if args.smoke:
        args.trials, args.points = _SMOKE, "true"
    wanted = [
        TrialSetup(
            CellSetup(
                args.robot, name, seed, -1, args.clutter, args.occluders, covered=args.covered
            ),
            args.place,
            args.points == "true",
            args.looks,
        )
        for seed in range(args.first, args.first + -(-args.trials // len(args.classes)))
        for name in args.classes
    ][: args.trials]
    lines = dict(_read(args.output)) if args.output else {}
    left = [setup for setup in wanted if _key(setup, args.points) not in lines]
    for line in tqdm(_results(left, args), total=len(left), unit="trial"):
        lines[line["key"]] = line
        if args.output:
            _append(args.output, line)
    done = [lines[key] for setup in wanted if (key := _key(setup, args.points)) in lines]
    print(report(done))
    return 0 if done else 1


def _results(left: list[TrialSetup], args: argparse.Namespace) -> Iterator[Line]:
    threads = max(1, (os.cpu_count() or 1) // max(args.workers, 1))
    about = (args.points, args.instances, args.output, threads)
    if args.workers < 2:
        _begin(*about)
        yield from map(_run, left)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.workers, _begin, about) as pool:
        yield from pool.imap_unordered(_run, left)


_trials: Trials
_points = ""
_witness: RunWitness | None = None


def _begin(points: str, instances: int, output: Path | None, threads: int) -> None:
    """What a process needs once."""
    global _trials, _points, _witness
    torch.set_num_threads(threads)
    _points = points
    _witness = None
    if output is not None:
        _witness = RunWitness(RunWriter(output / "run", {"points": points}))
    several = {} if points == "dense" else {"instances": instances}
    detector = None if points == "true" else make_detector(points, several)
    _trials = Trials(detector) if _witness is None else Trials(detector, witness=lambda _: _told())


def _told() -> RunWitness:
    assert _witness is not None
    return _witness


def _run(setup: TrialSetup) -> Line:
    line: Line = {"key": _key(setup, _points), "class": setup.cell.object_class}
    try:
        result = _trials.run(setup)
    except TackError as error:  # of the trial itself: there is nothing to click on
        return {**line, "skipped": str(error).splitlines()[0]}
    if _witness is not None:
        _witness.finish(result.record)
        _witness.flush()
    return {**line, **_told_of(result)}


def _told_of(result: TrialResult) -> Line:
    return {
        "label": result.label,
        "success": result.success,
        "verdict": result.verdict,
        "place_mm": None if math.isnan(result.place_error) else 1e3 * result.place_error,
        "place_deg": None if math.isnan(result.place_turn) else math.degrees(result.place_turn),
        "point_mm": None if math.isnan(result.point_error) else 1e3 * result.point_error,
        "robot_met": [str(c) for c in result.collisions if result.of_robot(c)],
        "others_met": [str(c) for c in result.collisions if not result.of_robot(c)],
        "seconds": result.seconds,
        "record": to_json(result.record),
    }


def _key(setup: TrialSetup, points: str) -> str:
    cell = setup.cell
    covered = f" covered {cell.covered:g}" if cell.covered else ""
    return (
        f"{cell.robot} {cell.object_class} {cell.seed} clutter {cell.clutter} occluders"
        f" {cell.occluders}{covered} {setup.place} {points} looks {setup.looks}"
    )


def _read(output: Path) -> Iterator[tuple[str, Line]]:
    path = output / "trials.jsonl"
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
            yield line["key"], line
        except (ValueError, KeyError):
            print(f"{path}: a line that was cut off is done again", file=sys.stderr)


def _append(output: Path, line: Line) -> None:
    output.mkdir(parents=True, exist_ok=True)
    with (output / "trials.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()


def report(lines: list[Line]) -> str:
    """The tables."""
    tried = [line for line in lines if "skipped" not in line]
    rows = [_row(name, [t for t in tried if t["class"] == name]) for name in _classes(tried)]
    rows.append(_row("all", tried))
    head = (
        "class", "trials", "placed, %", "with the first grasp, %",
        "and within 2 cm of the point, %", "point, mm",
        "place, mm", "turn, °", "overhead, s",
    )  # fmt: skip
    parts = [Table(head, rows).text()]
    failed = [t for t in tried if _grasps(t) > 1 or not t["success"]]
    won = Share.of([t["success"] for t in failed])
    parts.append(f"trials not done with the first grasp that were won back: {percent(won)} %")
    first = [t for t in tried if _first_try_failed(t)]
    won = Share.of([t["success"] for t in first])
    parts.append(f"first tries that failed: {len(first)}; won back: {percent(won)} %")
    met = [text for t in tried for text in t["robot_met"]]
    parts.append(f"collisions of the robot: {len(met)}" + "".join(f"\n  {m}" for m in met[:10]))
    ends = Counter(_end(t) for t in tried if not t["success"])
    parts += [f"  {count:>4} × {end}" for end, count in ends.most_common(20)]
    skipped = Counter(line["skipped"] for line in lines if "skipped" in line)
    parts += [f"not tried: {count} × {why}" for why, count in skipped.items()]
    account = tally([from_json(t["record"])[0] for t in tried])
    parts.append(
        f"a cycle: median {account.seconds.median:.1f} s; beyond motion"
        f" {account.overhead.median:.2f} s, p95 {account.overhead.p95:.2f} s"
    )
    return "\n".join(parts)


def _classes(tried: Iterable[Line]) -> list[str]:
    return [name for name in FAMILIES if any(t["class"] == name for t in tried)]


def _row(name: str, tried: list[Line]) -> list[str]:
    def median(field: str) -> str:
        values = [t[field] for t in tried if t["success"] and t[field] is not None]
        return f"{quantile(values, 0.5):.1f}" if values else "-"

    records = [from_json(t["record"])[0] for t in tried]
    once = Share.of([t["success"] and _grasps(t) == 1 for t in tried])
    return [
        name,
        str(len(tried)),
        percent(Share.of([t["success"] for t in tried])),
        percent(once),
        percent(Share.of([t["success"] and (t["point_mm"] or 0.0) < _NEAR_MM for t in tried])),
        median("point_mm"),
        median("place_mm"),
        median("place_deg"),
        f"{tally(records).overhead.median:.2f}",
    ]


def _first_try_failed(line: Line) -> bool:
    """Whether the first look, plan or grasp failed; that it wanted to see more is no failure."""
    record = from_json(line["record"])[0]
    if record.success and all(stage.attempt == 1 for stage in record.stages):
        return not line["success"]
    failed = [stage.name for stage in record.stages if stage.attempt == 1 and stage.reason]
    return not failed or failed[-1] != COMPARE


def _grasps(line: Line) -> int:
    return from_json(line["record"])[0].attempts


def _end(line: Line) -> str:
    record = from_json(line["record"])[0]
    if record.success:
        return f"judge: {line['verdict']}"
    return f"{record.failed_stage}: {record.code.name}"


if __name__ == "__main__":
    raise SystemExit(main())
