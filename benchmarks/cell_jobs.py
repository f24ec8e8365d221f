# SPDX-License-Identifier: Apache-2.0
"""The whole job in the cell, over the classes: how often is the object picked and placed?

One click on a held-out instance, which is then moved and turned, found again by the detector,
grasped and carried to the bin by the nodes and interfaces of a robot. Physics judges. Unlike
cell_grasps.py, nothing here knows the true point but the clicks.

    python benchmarks/cell_jobs.py --seeds 5                one click
    python benchmarks/cell_jobs.py --seeds 5 --clicks 3     up to three, as `tack demo` does
"""

from __future__ import annotations

import argparse
import collections
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tack_cli.cell.job import CellJob, run_cell_job
from tack_cli.cell.looking import ClickPlan
from tack_cli.cell.outcome import CellOutcome
from tack_perception.errors import TackError
from tack_perception.evaluation.statistics import Share
from tack_sim.cell.log import CellSetup
from tack_sim.objects.families import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--seeds", type=int, default=3, help="jobs for each class (default: 3)")
    parser.add_argument("--first", type=int, default=0, help="first seed (default: 0)")
    parser.add_argument("--robot", default="panda_2f85", help="profile (default: %(default)s)")
    parser.add_argument("--clutter", type=int, default=0, help="other objects on the table")
    parser.add_argument(
        "--clicks", type=int, default=1, help="at most, where the point is not found again"
    )
    args = parser.parse_args()
    jobs = [
        CellSetup(args.robot, name, seed, clutter=args.clutter)
        for seed in range(args.first, args.first + args.seeds)
        for name in args.classes
    ]
    outcomes: dict[str, list[CellOutcome | str]] = collections.defaultdict(list)
    for setup in tqdm(jobs, unit="job"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcome: CellOutcome | str = run_cell_job(
                    CellJob(setup, Path(folder), ClickPlan(most=args.clicks)), lambda text: None
                )
            except TackError as error:
                outcome = str(error).splitlines()[0]
        outcomes[setup.object_class].append(outcome)
        said = outcome if isinstance(outcome, str) else outcome.sentence
        tqdm.write(f"{setup.object_class} {setup.seed}: {said}")
    report(outcomes)


def report(outcomes: dict[str, list[CellOutcome | str]]) -> None:
    print(f"\n{'class':<12} {'placed':>8}  {'95 %':>12}  of one click  point error, mm (median)")
    together = [result for results in outcomes.values() for result in results]
    for name, results in [*outcomes.items(), ("all", together)]:
        share = Share.of([not isinstance(r, str) and r.success for r in results])
        errors = [
            1e3 * r.point_error
            for r in results
            if not isinstance(r, str) and r.point_error is not None
        ]
        median = f"{np.median(errors):.1f}" if errors else "–"
        interval = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
        once = sum(not isinstance(r, str) and r.success and len(r.clicks) == 1 for r in results)
        print(
            f"{name:<12} {share.hits:>3} / {share.trials:<3}  {interval:>12}  {once:>12}  {median}"
        )
    finished = [r for results in outcomes.values() for r in results if not isinstance(r, str)]
    if finished:
        cycles = [r.pick.seconds for r in finished if r.success]
        if cycles:
            print(f"cycle from look to verified place: median {np.median(cycles):.1f} s")
        again = [r for r in finished if r.tries > 1]
        won = sum(r.success for r in again)
        print(f"failed first tries won back: {won} of {len(again)}")


if __name__ == "__main__":
    main()
