# SPDX-License-Identifier: Apache-2.0
"""Grasps at true named points in the simulated cell, judged by physics.

    python benchmarks/cell_grasps.py [--trials 200] [--displace 0.08] [--profile panda_2f85]
                                     [--families mug shoe ...] [--clutter 0] [--verbose]

Every trial puts a held-out instance somewhere on the table, in a random rest pose of those from
which it can be picked, and picks it from above at one of its named points, without cameras or
planning. A pick counts when the object is lifted by more than 8 cm and is between both pads after
it was held for 1 s. With `--displace` the point is wrong by that much in a random direction: then
most picks must fail, or the measure cannot tell right from wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections import Counter

import numpy as np
from tqdm import tqdm

from tack_grasping.profiles import load_profile, profile_names
from tack_grasping.robot import RobotProfile
from tack_perception.evaluation.statistics import Share, quantile
from tack_sim.cell.layout import sample_layout
from tack_sim.cell.pick import PickResult, scripted_pick
from tack_sim.cell.world import CellWorld
from tack_sim.objects.families import FAMILIES, make_object
from tack_sim.objects.model import SPLITS


@dataclasses.dataclass(frozen=True)
class Trial:
    """One pick: what was picked, where, and how it ended."""

    family: str
    instance: int
    seed: int
    rest: str
    point: str
    result: PickResult
    simulated: float  # s
    cpu: float  # s

    def __str__(self) -> str:
        result, verdict = self.result, self.result.verdict
        reason = verdict.reason if verdict else result.message
        return (
            f"{self.family} {self.instance} (layout {self.seed}) {self.rest}, {self.point}:"
            f" {result.cause}; pushed {1000 * result.pushed:.1f} mm,"
            f" closed to {1000 * result.opening:.1f} mm; {reason}"
            f" {[str(c) for c in verdict.collisions] if verdict else ''}"
        )


def run_trial(profile: RobotProfile, family: str, seed: int, args: argparse.Namespace) -> Trial:
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    held_out = SPLITS["held_out"]
    instance = int(rng.integers(held_out.start, held_out.stop))
    model = make_object(family, instance)
    rests = sorted({grasp.rest for grasp in model.grasps})
    rest = rests[int(rng.integers(len(rests)))]
    points = sorted({grasp.point for grasp in model.grasps if grasp.rest == rest})
    point = points[int(rng.integers(len(points)))]
    angle = float(rng.uniform(-math.pi, math.pi))
    displacement = args.displace * np.array([math.cos(angle), math.sin(angle), 0.0])
    layout = sample_layout(profile, model, seed, rest=rest, clutter=args.clutter, clearance=0.10)
    world = CellWorld(layout, meshes=False)
    start = time.process_time()
    world.step(0.1)
    result = scripted_pick(world, point, displacement=displacement)
    cpu = time.process_time() - start
    return Trial(family, instance, seed, rest, point, result, world.time, cpu)


def table(trials: list[Trial]) -> str:
    lines = [
        f"{'class':<12}{'held':>26}{'slip mm':>9}{'slip °':>8}{'pushed mm':>11}"
        f"{'collisions':>12}  causes of failure",
    ]
    families = list(dict.fromkeys(trial.family for trial in trials))
    for family in (*families, "all"):
        chosen = [trial for trial in trials if family in ("all", trial.family)]
        held = [trial.result for trial in chosen if trial.result.success]
        slips = [result.verdict.slip for result in held if result.verdict]
        turns = [result.verdict.slip_angle for result in held if result.verdict]
        pushed = [t.result.pushed for t in chosen if not math.isnan(t.result.pushed)]
        collisions = sum(
            len(trial.result.verdict.collisions) for trial in chosen if trial.result.verdict
        )
        causes = Counter(trial.result.cause for trial in chosen if not trial.result.success)
        share = Share.of([trial.result.success for trial in chosen])
        lines.append(
            f"{family:<12}{f'{share.hits}/{share.trials} {share}':>26}"
            f"{1000 * quantile(slips, 0.5):>9.2f}{math.degrees(quantile(turns, 0.5)):>8.2f}"
            f"{1000 * quantile(pushed, 0.5):>11.1f}{collisions:>12}"
            f"  {', '.join(f'{name} {count}' for name, count in causes.most_common())}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="A failure is named by class, instance and layout seed; repeat it with --only SEED.",
    )
    parser.add_argument("--trials", type=int, default=200, help="in all, spread over the classes")
    parser.add_argument("--seed", type=int, default=0, help="of the first layout")
    parser.add_argument("--only", type=int, help="one layout seed, for each class")
    parser.add_argument("--displace", type=float, default=0.0, help="error of the point, m")
    parser.add_argument("--clutter", type=int, default=0, help="other objects on the table")
    parser.add_argument("--profile", default="panda_2f85", help=f"of {', '.join(profile_names())}")
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--verbose", action="store_true", help="name every failure")
    args = parser.parse_args()
    profile = load_profile(args.profile)
    jobs = [
        (args.families[index % len(args.families)], args.seed + index // len(args.families))
        for index in range(args.trials)
    ]
    if args.only is not None:
        jobs = [(family, args.only) for family in args.families]
    trials = [run_trial(profile, *job, args) for job in tqdm(jobs, unit="pick")]
    trials.sort(key=lambda trial: args.families.index(trial.family))
    print(f"{args.profile}, points displaced by {100 * args.displace:g} cm")
    print(table(trials))
    simulated, cpu = sum(t.simulated for t in trials), sum(t.cpu for t in trials)
    print(f"physics, control and scripts: {simulated / cpu:.0f} times real time on one core")
    if args.verbose:
        for trial in trials:
            if not trial.result.success:
                print(trial)


if __name__ == "__main__":
    main()
