# SPDX-License-Identifier: Apache-2.0
"""What looking around is worth: a point clicked once, found on another instance from seven sides.

In a cell of its own a training instance is clicked on once, and the wrist camera is taken around it
by `--looks` views, which are shots, too. In another cell the point is looked for on an instance of
the validation split, from home and from six views around it. Nothing is picked.

    python benchmarks/cell_looks.py                 96 things, the click alone and with six looks
    python benchmarks/cell_looks.py --detectors fused dense --seeds 4
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tack_cli.report.table import Table, percent
from tack_grasping.behaviour.search import look_around
from tack_grasping.behaviour.sight import View
from tack_perception import geometry
from tack_perception.annotation import Annotation
from tack_perception.detectors.base import KeypointDetector
from tack_perception.detectors.registry import DETECTORS, make_detector
from tack_perception.errors import InvalidInputError
from tack_perception.evaluation.statistics import Share, quantile
from tack_perception.pipeline import PerceptionPipeline
from tack_sim.cell.eyes import CellEyes, TruePoints
from tack_sim.cell.log import CellSetup
from tack_sim.cell.motion import CellMotion
from tack_sim.cell.pick import top_grasps
from tack_sim.cell.trial import click
from tack_sim.cell.world import CellWorld
from tack_sim.objects.families import FAMILIES
from tack_sim.objects.model import SPLITS
from tack_sim.planning.planner import MotionPlanner

FloatArray = NDArray[np.float64]

_FIRST_SEED = 1000  # none of those that picks are measured on
_SURE, _NEAR_M, _NEAR_PX = 0.3, 0.02, 10.0
Answer = tuple[float, float, float, float]
"""Pixels off, metres off (NaN: no position), confidence, seconds."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--robot", default="panda_2f85", help="profile (default: %(default)s)")
    parser.add_argument("--classes", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--seeds", type=int, default=12, help="things of a class (default: 12)")
    parser.add_argument("--looks", type=int, nargs="+", default=[0, 6])
    parser.add_argument("--detectors", nargs="+", default=["fused"], choices=DETECTORS)
    args = parser.parse_args()
    detectors = {name: make_detector(name) for name in args.detectors}
    planner: MotionPlanner | None = None
    answers: dict[tuple[str, int, str], list[Answer]] = defaultdict(list)
    things = list(itertools.product(range(_FIRST_SEED, _FIRST_SEED + args.seeds), args.classes))
    for seed, name in tqdm(things, unit="thing"):
        rng = np.random.default_rng([seed, list(FAMILIES).index(name)])
        instance = int(rng.integers(SPLITS["validation"].start, SPLITS["validation"].stop))
        cell = CellSetup(args.robot, name, seed, instance)
        world = CellWorld(cell.layout())
        world.step(0.3)
        planner = planner or MotionPlanner(world.profile)
        target = world.layout.target
        pose = world.object_pose(target.name)
        graspable = {grasp.point for grasp in top_grasps(target.model, pose)}
        try:
            shots = click(cell, graspable, planner, max(args.looks))
        except InvalidInputError:
            continue  # nothing that can be grasped is seen
        point = geometry.apply(pose, target.model.position(shots[0].label))
        views = views_of_thing(world, planner, point, seed)
        for looks, (kind, detector) in itertools.product(args.looks, detectors.items()):
            answers[kind, looks, name] += asked(detector, shots[: looks + 1], views, point)
    for kind, looks in itertools.product(args.detectors, args.looks):
        print(f"\n{kind}, one click and {looks} looks")
        print(report({name: answers[kind, looks, name] for name in args.classes}))
    return 0


def views_of_thing(
    world: CellWorld, planner: MotionPlanner, point: FloatArray, seed: int
) -> list[View]:
    """From home, and from around it."""
    motion = CellMotion(world, planner=planner)
    with CellEyes(world, TruePoints(world), wait=motion.wait, seed=seed) as eyes:
        around = look_around(world.profile, motion, eyes, point, lambda why: None)
        return [eyes.glance(), *around]


def asked(
    detector: KeypointDetector, shots: list[Annotation], views: list[View], point: FloatArray
) -> list[Answer]:
    """What a detector says of a point in each view."""
    detector.forget()
    pipeline = PerceptionPipeline(detector)
    pipeline.enroll(shots)
    answers = []
    for view in views:
        began = time.perf_counter()
        [keypoint] = pipeline.perceive(view.frame)
        seconds = time.perf_counter() - began
        true = geometry.apply(geometry.inverse(view.base_from_camera), point)
        u, v = view.frame.intrinsics.project(true)
        away = math.nan
        if keypoint.xyz is not None:
            away = float(np.linalg.norm(keypoint.xyz - true))
        pixels = math.hypot(keypoint.u - u, keypoint.v - v)
        answers.append((pixels, away, keypoint.confidence, seconds))
    return answers


def report(by_class: dict[str, list[Answer]]) -> str:
    """The table."""
    every = [answer for answers in by_class.values() for answer in answers]
    rows = [_row(name, answers) for name, answers in by_class.items() if answers]
    head = (
        "class", "views", "median, px", "within 10 px, %", "lifted within 2 cm, %",
        "surely (0.3), %", "surely and wrong, %", "ms (median)",
    )  # fmt: skip
    return Table(head, [*rows, _row("all", every)]).text()


def _row(name: str, answers: list[Answer]) -> list[str]:
    sure = [not math.isnan(away) and confidence >= _SURE for _, away, confidence, _ in answers]
    return [
        name,
        str(len(answers)),
        f"{quantile([pixels for pixels, *_ in answers], 0.5):.1f}",
        percent(Share.of([pixels < _NEAR_PX for pixels, *_ in answers])),
        percent(Share.of([away < _NEAR_M for _, away, *_ in answers])),
        percent(Share.of(sure)),
        percent(Share.of([s and not a[1] < _NEAR_M for s, a in zip(sure, answers, strict=True)])),
        f"{1e3 * quantile([seconds for *_, seconds in answers], 0.5):.0f}",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
